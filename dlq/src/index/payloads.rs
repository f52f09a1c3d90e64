//! Payloads of letters that the index names, read where they lie.

use std::collections::BTreeMap;

use assay_log::{Fetch, LogError, Record};

use super::Index;
use crate::view::{beginning, id_of};
use crate::{DlqError, LetterView};

/// Records that are read together: letters that die together lie together.
const FETCH: Fetch = Fetch { max_records: 500, max_bytes: 8 << 20 };

/// How far ahead of a letter another may lie to be read along.
const NEAR: u64 = 500;

impl Index {
    /// Fills in keys and the first `keep` bytes of payloads, and what else only the record has.
    /// Counts the letters that their topic still has.
    pub(crate) async fn fetch(
        &self,
        letters: &mut [LetterView],
        keep: usize,
    ) -> Result<usize, DlqError> {
        let mut places: BTreeMap<(String, u32), BTreeMap<u64, Vec<usize>>> = BTreeMap::new();
        for (number, letter) in letters.iter().enumerate() {
            let lane = places.entry((letter.at.topic.clone(), letter.at.partition)).or_default();
            lane.entry(letter.at.offset).or_default().push(number);
        }
        let mut found = 0;
        for ((topic, part), mut wanted) in places {
            while let Some((&from, _)) = wanted.first_key_value() {
                let last = wanted.range(..from.saturating_add(NEAR)).next_back();
                let span = last.map_or(1, |(last, _)| last - from + 1);
                let max_records = usize::try_from(span).unwrap_or(1).min(FETCH.max_records);
                let fetch = Fetch { max_records, ..FETCH };
                let records = match self.log().read(&topic, part, from, fetch).await {
                    Ok(records) => records,
                    // It went since the index looked.
                    Err(LogError::OutOfRange { .. }) => Vec::new(),
                    Err(source) => {
                        let doing = format!("read letters of topic `{topic}`");
                        return Err(DlqError::Log { doing, source });
                    }
                };
                let read_to = records.last().map_or(from, |last| last.offset);
                for record in &records {
                    for number in wanted.remove(&record.offset).unwrap_or_default() {
                        // In a topic that was made anew another letter may lie there.
                        if id_of(&topic, record) == letters[number].id {
                            fill(&mut letters[number], record, keep);
                            found += 1;
                        }
                    }
                }
                // What lies in between and did not come is gone.
                wanted.retain(|offset, _| *offset > read_to);
            }
        }
        Ok(found)
    }
}

fn fill(letter: &mut LetterView, record: &Record, keep: usize) {
    let read = LetterView::of(&letter.at.topic, record, 0);
    letter.sensitive = read.sensitive;
    letter.key = record.key.as_ref().map(|key| beginning(key, keep));
    letter.payload = record.value.as_ref().map(|value| beginning(value, keep));
    letter.payload_truncated = record.value.as_ref().is_some_and(|value| value.len() > keep);
}

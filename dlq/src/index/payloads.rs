//! Payloads of letters that the index names, read where they lie.

use std::collections::BTreeMap;

use assay_log::{Fetch, LogError, Record};

use super::Index;
use crate::view::{beginning, id_of, sensitive};
use crate::{DlqError, LetterView, Source};

/// Records that are read together: letters that die together lie together.
const FETCH: Fetch = Fetch { max_records: 2000, max_bytes: 8 << 20 };

/// How far ahead of a letter another may lie to be read along.
const NEAR: u64 = 2000;

/// A record that is looked for.
pub(crate) struct Wanted<'a> {
    pub(crate) topic: &'a str,
    pub(crate) part: u32,
    pub(crate) place: u64,
}

impl Index {
    /// Fills in keys and the first `keep` bytes of payloads, and what else only the record has.
    /// Counts the letters that their topic still has.
    pub(crate) async fn fetch(
        &self,
        letters: &mut [LetterView],
        keep: usize,
    ) -> Result<usize, DlqError> {
        let places: Vec<Source> = letters.iter().map(|letter| letter.at.clone()).collect();
        let wanted = places.iter().map(|at| Wanted {
            topic: &at.topic,
            part: at.partition,
            place: at.offset,
        });
        let mut found = 0;
        let visit = |number: usize, record: &Record| {
            let letter: &mut LetterView = &mut letters[number];
            // In a topic that was made anew another letter may lie there.
            if id_of(&letter.at.topic, record) == letter.id {
                fill(letter, record, keep);
                found += 1;
            }
        };
        self.records(wanted, visit).await?;
        Ok(found)
    }

    /// Shows the records that are wanted, each with its number among them, in the order in which
    /// they lie; those that their topics have no more are left out.
    pub(crate) async fn records(
        &self,
        wanted: impl Iterator<Item = Wanted<'_>>,
        mut visit: impl FnMut(usize, &Record),
    ) -> Result<(), DlqError> {
        let mut places: BTreeMap<(&str, u32), Vec<(u64, usize)>> = BTreeMap::new();
        for (number, Wanted { topic, part, place }) in wanted.enumerate() {
            places.entry((topic, part)).or_default().push((place, number));
        }
        for ((topic, part), mut wanted) in places {
            wanted.sort_unstable();
            let mut rest = &wanted[..];
            while let Some(&(from, _)) = rest.first() {
                let near = rest.partition_point(|(place, _)| *place < from.saturating_add(NEAR));
                let span = rest[near - 1].0 - from + 1;
                let max_records = usize::try_from(span).unwrap_or(1).min(FETCH.max_records);
                let fetch = Fetch { max_records, ..FETCH };
                let records = match self.log().read(topic, part, from, fetch).await {
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
                    while let Some(&(place, number)) = rest.first()
                        && place <= record.offset
                    {
                        rest = &rest[1..];
                        if place == record.offset {
                            visit(number, record);
                        }
                    }
                }
                // What lies in between and did not come is gone.
                rest = &rest[rest.partition_point(|(place, _)| *place <= read_to)..];
            }
        }
        Ok(())
    }
}

fn fill(letter: &mut LetterView, record: &Record, keep: usize) {
    letter.sensitive = sensitive(record);
    letter.key = record.key.as_ref().map(|key| beginning(key, keep));
    letter.payload = record.value.as_ref().map(|value| beginning(value, keep));
    letter.payload_truncated = record.value.as_ref().is_some_and(|value| value.len() > keep);
}

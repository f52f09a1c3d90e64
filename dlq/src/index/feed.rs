//! Takes in what the topics gained, partition by partition, each record once.

use std::collections::BTreeSet;

use assay_log::{Ends, Fetch, LogError, Record};
use assay_store::{LetterBatch, LetterClosing};
use serde::Serialize;
use serde_json::json;

use super::{Index, row};
use crate::{DlqError, LetterId, LetterView, Source, TOPICS, cause, view};

/// What is in memory at once.
const FETCH: Fetch = Fetch { max_records: 5000, max_bytes: 8 << 20 };

/// What the index learned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CaughtUp {
    /// Records that are new to it.
    pub read: u64,
    /// Letters that it had and that their topic has no more.
    pub gone: u64,
}

impl Index {
    /// Takes in what our three topics gained, and those of others that were asked for before.
    /// `progress` hears how many records were read.
    pub async fn catch_up(&self, progress: &(dyn Fn(u64) + Sync)) -> Result<CaughtUp, DlqError> {
        let mut topics: BTreeSet<String> = self.store.letter_topics().await?.into_iter().collect();
        let there: BTreeSet<String> = self
            .log()
            .topics()
            .await
            .map_err(|error| failed("the log", error))?
            .into_iter()
            .map(|topic| topic.name)
            .collect();
        self.check_log(TOPICS.iter().any(|topic| there.contains(*topic))).await?;
        let mut all = CaughtUp::default();
        // Those of ours that were never made, or are not there any more.
        for topic in TOPICS.iter().filter(|topic| !there.contains(**topic)) {
            self.gone(topic, &mut all).await?;
        }
        topics.extend(TOPICS.map(str::to_owned));
        topics.retain(|topic| there.contains(topic));
        for topic in topics {
            self.topic(&topic, progress, &mut all).await?;
        }
        Ok(all)
    }

    /// Takes in a topic, which need not be ours.
    pub async fn take_in(
        &self,
        topic: &str,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<CaughtUp, DlqError> {
        self.check_log(true).await?;
        let mut all = CaughtUp::default();
        self.topic(topic, progress, &mut all).await?;
        Ok(all)
    }

    /// Makes the index anew, from the topics alone.
    pub async fn rebuild(&self, progress: &(dyn Fn(u64) + Sync)) -> Result<CaughtUp, DlqError> {
        self.check_log(true).await?;
        let foreign = self.store.letter_topics().await?;
        self.store.clear_letters().await?;
        let mut all = self.catch_up(progress).await?;
        for topic in foreign.iter().filter(|topic| !ours(topic)) {
            match self.topic(topic, progress, &mut all).await {
                // It was deleted: then it has no letters.
                Err(DlqError::Log { source: LogError::UnknownTopic { .. }, .. }) => {}
                outcome => outcome?,
            }
        }
        Ok(all)
    }

    async fn topic(
        &self,
        topic: &str,
        progress: &(dyn Fn(u64) + Sync),
        all: &mut CaughtUp,
    ) -> Result<(), DlqError> {
        let ends = match self.log().ends(topic).await {
            Err(LogError::UnknownTopic { .. }) if ours(topic) => {
                return self.gone(topic, all).await;
            }
            ends => ends.map_err(|error| failed(topic, error))?,
        };
        for ends in ends {
            let mark = self.store.letter_mark(topic, ends.partition).await?;
            if ends.start > 0 || mark > ends.end {
                let held = (ends.start, ends.end);
                all.gone += self.store.forget_letters(topic, ends.partition, held).await?;
            }
            self.partition(topic, ends, progress, all).await?;
        }
        Ok(())
    }

    /// Forgets the letters of a topic that is not there.
    async fn gone(&self, topic: &str, all: &mut CaughtUp) -> Result<(), DlqError> {
        for part in self.store.letter_parts(topic).await? {
            all.gone += self.store.forget_letters(topic, part, (0, 0)).await?;
        }
        Ok(())
    }

    async fn partition(
        &self,
        topic: &str,
        ends: Ends,
        progress: &(dyn Fn(u64) + Sync),
        all: &mut CaughtUp,
    ) -> Result<(), DlqError> {
        let part = ends.partition;
        let mut from = self.store.letter_mark(topic, part).await?.max(ends.start);
        while from < ends.end {
            let records = match self.log().read(topic, part, from, FETCH).await {
                Ok(records) => records,
                // Retention was here since we looked.
                Err(LogError::OutOfRange { start, .. }) if start > from => {
                    from = start;
                    continue;
                }
                Err(error) => return Err(failed(topic, error)),
            };
            // Offsets without a record are passed over.
            let next = records.last().map_or(ends.end, |last| last.offset + 1);
            let mut rest = &records[..];
            while from < next {
                let (some, more) = rest.split_at(portion(rest));
                let upto = more.first().map_or(next, |first| first.offset);
                let batch = batch(topic, part, (from, upto), some);
                if !self.store.take_letters(&batch).await? {
                    // Another process takes the same in.
                    from = self.store.letter_mark(topic, part).await?.max(from + 1);
                    break;
                }
                all.read += some.len() as u64;
                progress(all.read);
                (from, rest) = (upto, more);
            }
        }
        Ok(())
    }
}

/// How many of the records are taken in together, for which everybody waits who writes: those that
/// tell of so many letters.
fn portion(records: &[Record]) -> usize {
    let mut letters = 0;
    let fits = |record: &&Record| {
        letters += view::tells_of(record);
        letters <= FETCH.max_records
    };
    records.iter().take_while(fits).count().max(1).min(records.len())
}

/// Whether records of the topic speak of other letters. Those of others are letters, all of them.
fn ours(topic: &str) -> bool {
    TOPICS.contains(&topic)
}

fn batch(topic: &str, part: u32, (from, next): (u64, u64), records: &[Record]) -> LetterBatch {
    let mut batch =
        LetterBatch { topic: topic.to_owned(), part, from, next, ..LetterBatch::default() };
    let mut known = BTreeSet::new();
    for record in records {
        if ours(topic) {
            if let Some(draft) = view::committed(record) {
                batch.committed.push((draft.to_string(), record.offset));
                continue;
            }
            if let Some(closing) = view::closing(record) {
                let of = |(id, sent_to): &(LetterId, Option<Source>)| LetterClosing {
                    id: id.to_string(),
                    draft: row::draft(closing.draft),
                    at: closing.at,
                    fate: closing.fate.name().to_owned(),
                    job: closing.job.map(|job| job.to_string()),
                    sent_to: sent_to.as_ref().map(|place| json!(place).to_string()),
                    place: record.offset,
                };
                batch.closings.extend(closing.letters.iter().map(of));
                continue;
            }
        }
        let mut letter = LetterView::of(topic, record, 0);
        if !ours(topic) {
            letter.draft = None;
        }
        let cause = cause::of(&letter);
        batch.letters.push(row::row(&letter, &cause));
        if known.insert(cause.fingerprint.clone()) {
            batch.causes.push(cause);
        }
    }
    batch
}

fn failed(topic: &str, source: LogError) -> DlqError {
    DlqError::Log { doing: format!("take in the letters of topic `{topic}`"), source }
}

//! Letters that wait for nobody any more: their rows were taken after all, or a person gave them up.
//! A closing may belong to a draft, like a letter, and is void until that commits.

use std::collections::{BTreeMap, HashMap, HashSet};

use assay_core::{DraftId, StageId};
use assay_log::{NewRecord, Record};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::LogQueue;
use crate::view::Closing;
use crate::{
    Closed, DlqError, Fate, LetterId, LetterView, Payloads, Reason, Source, TOPICS, headers, view,
};

/// Letters that one record closes at most: some hundred bytes of each where it was sent somewhere.
const CLOSED_TOGETHER: usize = 500;

/// Such records that are appended together.
const RECORDS: usize = 100;

/// When letters were closed, by the draft that did so last.
#[derive(Debug, Default)]
pub(super) struct Closings(HashMap<LetterId, DateTime<Utc>>);

impl Closings {
    pub(super) fn mark(&self, letter: LetterView) -> LetterView {
        LetterView { closed: self.cover(&letter), ..letter }
    }

    /// Takes in a closing, if it counts.
    fn take(&mut self, closing: &Closing, committed: &HashSet<DraftId>) {
        if closing.draft.is_none_or(|draft| committed.contains(&draft)) {
            for (id, _) in &closing.letters {
                let last = self.0.entry(*id).or_insert(closing.at);
                *last = closing.at.max(*last);
            }
        }
    }

    /// Whether the letter was closed after it was put.
    pub(super) fn cover(&self, letter: &LetterView) -> bool {
        self.0.get(&letter.id).is_some_and(|closed_at| letter.failed_at <= *closed_at)
    }
}

/// Letters to close by where they lie and what became of them; each with where it was sent.
type Closable<'a> = BTreeMap<(&'static str, u32, Fate), Vec<(LetterId, Option<&'a Source>)>>;

/// A letter that waits for somebody, and where it lies.
struct Open {
    topic: &'static str,
    partition: u32,
}

impl LogQueue {
    /// The letters that were closed by drafts that are committed.
    pub(super) async fn closings(
        &self,
        committed: &HashSet<DraftId>,
    ) -> Result<Closings, DlqError> {
        let mut closings = Closings::default();
        for topic in TOPICS {
            self.scan(topic, |record| {
                if let Some(closing) = view::closing(record) {
                    closings.take(&closing, committed);
                }
            })
            .await?;
        }
        Ok(closings)
    }

    /// Closes, for `draft`, the open letters of a stage whose payloads are `those`, but for the ids
    /// in `again`. Returns to which topics closings went, and how many.
    pub(super) async fn close_letters(
        &self,
        stage: &StageId,
        those: &Payloads<'_>,
        again: &HashSet<LetterId>,
        (draft, at): (DraftId, DateTime<Utc>),
    ) -> Result<BTreeMap<String, u64>, DlqError> {
        let committed = self.committed().await?;
        let closings = self.closings(&committed).await?;
        let mut open: HashMap<LetterId, Open> = HashMap::new();
        for topic in TOPICS {
            self.scan(topic, |record| {
                if let Some(id) = wanted(topic, record, stage, &committed, &closings)
                    && !again.contains(&id)
                    && record.value.as_ref().is_some_and(|payload| those(payload))
                {
                    open.insert(id, Open { topic, partition: record.partition });
                }
            })
            .await?;
        }
        let mut closed = Closable::new();
        for (id, Open { topic, partition }) in open {
            closed.entry((topic, partition, Fate::Recomputed)).or_default().push((id, None));
        }
        self.append_closings(closed, None, (Some(draft), at)).await
    }

    /// Closes letters of whatever stage: for `draft` once it is committed, else from now on.
    pub(super) async fn close_these(
        &self,
        letters: &[Closed],
        job: Option<Uuid>,
        by: (Option<DraftId>, DateTime<Utc>),
    ) -> Result<BTreeMap<String, u64>, DlqError> {
        let mut closed = Closable::new();
        for letter in letters {
            // Topics of others get nothing from us.
            let ours = TOPICS.iter().find(|topic| **topic == letter.topic);
            let topic = ours.copied().unwrap_or(Reason::AttemptsExhausted.topic());
            let partition = if ours.is_some() { letter.partition } else { 0 };
            let those = closed.entry((topic, partition, letter.fate)).or_default();
            those.push((letter.id, letter.sent_to.as_ref()));
        }
        self.append_closings(closed, job, by).await
    }

    /// Appends closings beside the letters, so that retention takes the letters first.
    async fn append_closings(
        &self,
        closed: Closable<'_>,
        job: Option<Uuid>,
        (draft, at): (Option<DraftId>, DateTime<Utc>),
    ) -> Result<BTreeMap<String, u64>, DlqError> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        if !closed.is_empty() {
            self.partitions().await?;
        }
        let mut records: BTreeMap<&str, Vec<NewRecord>> = BTreeMap::new();
        for ((topic, partition, fate), letters) in closed {
            *counts.entry(topic.to_owned()).or_default() += letters.len() as u64;
            for some in letters.chunks(CLOSED_TOGETHER) {
                let record = headers::closing(some, (fate, job), draft, at);
                let record = NewRecord { partition: Some(partition), ..record };
                records.entry(topic).or_default().push(record);
            }
        }
        for (topic, mut records) in records {
            while !records.is_empty() {
                let some: Vec<NewRecord> = records.drain(..records.len().min(RECORDS)).collect();
                let appended = self.log.append(topic, some).await;
                appended.map_err(|source| DlqError::Log {
                    doing: format!("close dead letters of topic `{topic}`"),
                    source,
                })?;
            }
        }
        Ok(counts)
    }
}

/// The id of the letter in a record, when it is an open one of `stage`.
fn wanted(
    topic: &str,
    record: &Record,
    stage: &StageId,
    committed: &HashSet<DraftId>,
    closings: &Closings,
) -> Option<LetterId> {
    let letter = super::find::read(topic, record, committed, 0)?;
    let open = !letter.void && !closings.cover(&letter);
    (open && letter.stage.as_ref() == Some(stage)).then_some(letter.id)
}

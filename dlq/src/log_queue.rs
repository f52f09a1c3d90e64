use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;

use assay_core::{DraftId, StageId};
use assay_log::{Log, NewRecord, TopicSpec};
use chrono::{DateTime, Utc};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::begun::finish;
use crate::{Closed, DeadLetterQueue, DlqError, Letters, Payloads, TOPICS, headers};

mod close;
pub(crate) mod find;
mod prune;
mod scan;

pub use find::{Filter, Shown, Summary};
pub use prune::{DueLetters, KeptLetters};

/// Partitions of a topic that is made here.
const PARTITIONS: u32 = 3;

/// What is appended together at most: letters, and their bytes. As much again is made ready
/// meanwhile.
const LETTERS: usize = 5000;
const BYTES: usize = 8 << 20;

/// Keeps dead letters in three topics of a log.
pub struct LogQueue {
    pub(crate) log: Arc<dyn Log>,
    /// How many partitions each topic has. Found when something is first put: who only looks makes
    /// no topics, and can look while the log is away.
    partitions: OnceCell<BTreeMap<&'static str, u32>>,
}

/// Letters that wait to be appended, by topic.
#[derive(Default)]
struct Pending {
    records: BTreeMap<&'static str, Vec<NewRecord>>,
    letters: usize,
    bytes: usize,
}

impl LogQueue {
    /// Prepares the queue; the log is asked when it is first used.
    pub fn new(log: Arc<dyn Log>) -> LogQueue {
        LogQueue { log, partitions: OnceCell::new() }
    }

    /// Finds the three topics, and makes those that are missing.
    async fn partitions(&self) -> Result<&BTreeMap<&'static str, u32>, DlqError> {
        self.partitions.get_or_try_init(|| self.find_or_make()).await
    }

    async fn find_or_make(&self) -> Result<BTreeMap<&'static str, u32>, DlqError> {
        let failed =
            |source| DlqError::Log { doing: "make the topics for dead letters".to_owned(), source };
        let known = self.log.topics().await.map_err(failed)?;
        let mut partitions = BTreeMap::new();
        for topic in TOPICS {
            let has = known.iter().find(|known| known.name == topic).map(|known| known.partitions);
            if has.is_none() {
                let name = topic.to_owned();
                let spec = TopicSpec { name, partitions: PARTITIONS, retention: None };
                self.log.create(&spec).await.map_err(failed)?;
            }
            partitions.insert(topic, has.unwrap_or(PARTITIONS));
        }
        Ok(partitions)
    }

    /// Gives letters up, from now on; again does no harm.
    pub async fn discard(&self, letters: &[Closed], at: DateTime<Utc>) -> Result<(), DlqError> {
        self.close_these(letters, None, (None, at)).await.map(drop)
    }

    /// Begins to append what waits, once what was begun before is done.
    async fn append(
        &self,
        pending: &mut Pending,
        begun: &mut Option<JoinHandle<Result<(), DlqError>>>,
    ) -> Result<(), DlqError> {
        if let Some(before) = begun.take() {
            finish(before).await?;
        }
        let (log, records) = (Arc::clone(&self.log), std::mem::take(pending).records);
        *begun = Some(tokio::spawn(async move {
            for (topic, records) in records {
                let letters = records.len();
                log.append(topic, records).await.map_err(|source| DlqError::Log {
                    doing: format!("put {letters} dead letters"),
                    source,
                })?;
            }
            Ok(())
        }));
        Ok(())
    }
}

#[async_trait]
impl DeadLetterQueue for LogQueue {
    async fn put(&self, letters: &mut Letters, draft: Option<DraftId>) -> Result<(), DlqError> {
        if letters.is_empty() {
            return Ok(());
        }
        let partitions = self.partitions().await?;
        let mut pending = Pending::default();
        let mut begun = None;
        for letter in letters.iter()? {
            let letter = letter?;
            let topic = letter.reason.topic();
            let partitions = partitions.get(topic).copied().unwrap_or(PARTITIONS);
            let record = headers::record(letter, draft, partitions);
            let bytes = record.bytes();
            if pending.letters == LETTERS || pending.bytes + bytes > BYTES {
                self.append(&mut pending, &mut begun).await?;
            }
            pending.letters += 1;
            pending.bytes += bytes;
            pending.records.entry(topic).or_default().push(record);
        }
        self.append(&mut pending, &mut begun).await?;
        match begun {
            Some(begun) => finish(begun).await,
            None => Ok(()),
        }
    }

    async fn close(
        &self,
        stage: &StageId,
        those: &Payloads<'_>,
        again: &mut Letters,
        by: (DraftId, DateTime<Utc>),
    ) -> Result<BTreeMap<String, u64>, DlqError> {
        let mut ids = HashSet::new();
        for letter in again.iter()? {
            ids.insert(letter?.id);
        }
        self.close_letters(stage, those, &ids, by).await
    }

    async fn settle(
        &self,
        letters: &[Closed],
        job: Uuid,
        (draft, at): (DraftId, DateTime<Utc>),
    ) -> Result<BTreeMap<String, u64>, DlqError> {
        self.close_these(letters, Some(job), (Some(draft), at)).await
    }

    async fn sent(&self, letters: &[Closed], job: Uuid, at: DateTime<Utc>) -> Result<(), DlqError> {
        self.close_these(letters, Some(job), (None, at)).await.map(drop)
    }

    async fn mark_committed(&self, draft: DraftId, topics: &[&str]) -> Result<(), DlqError> {
        if !topics.is_empty() {
            self.partitions().await?;
        }
        for topic in topics {
            self.log.append(topic, vec![headers::marker(draft)]).await.map_err(|source| {
                DlqError::Log {
                    doing: format!("mark the dead letters of draft {draft} as committed"),
                    source,
                }
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

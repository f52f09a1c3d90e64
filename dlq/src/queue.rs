use std::collections::BTreeMap;

use async_trait::async_trait;

use assay_core::{DraftId, StageId};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{DlqError, Fate, LetterId, Letters, Source};

/// A letter that waits for nobody any more, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub id: LetterId,
    pub topic: String,
    pub partition: u32,
    pub fate: Fate,
    /// Where its payload is now, where it was sent to a topic.
    pub sent_to: Option<Source>,
}

/// Says of a payload whether its letter is meant.
pub type Payloads<'a> = dyn for<'p> Fn(&'p [u8]) -> bool + Send + Sync + 'a;

/// Keeps dead letters where people and replays find them.
#[async_trait]
pub trait DeadLetterQueue: Send + Sync {
    /// Keeps all letters of the bag; on return they survive a loss of power.
    ///
    /// Letters of a draft are void until the draft is marked as committed. Putting a bag again
    /// after an error does no harm: readers take copies as one.
    async fn put(&self, letters: &mut Letters, draft: Option<DraftId>) -> Result<(), DlqError>;

    /// Closes, once the draft is committed, the open letters of a stage whose payload is one of
    /// `those`, but for the letters `again`. Counts the closings by topic.
    async fn close(
        &self,
        stage: &StageId,
        those: &Payloads<'_>,
        again: &mut Letters,
        by: (DraftId, DateTime<Utc>),
    ) -> Result<BTreeMap<String, u64>, DlqError>;

    /// Closes these letters, once the draft is committed. Counts the closings by topic; again does
    /// no harm.
    async fn settle(
        &self,
        letters: &[Closed],
        job: Uuid,
        by: (DraftId, DateTime<Utc>),
    ) -> Result<BTreeMap<String, u64>, DlqError>;

    /// Closes, from now on, letters that are in the topic again that they were refused at.
    async fn sent(&self, letters: &[Closed], job: Uuid, at: DateTime<Utc>) -> Result<(), DlqError>;

    /// Makes the letters of a draft valid, once its rows are committed; again does no harm.
    ///
    /// `topics` are those that the draft's letters went to.
    async fn mark_committed(&self, draft: DraftId, topics: &[&str]) -> Result<(), DlqError>;
}

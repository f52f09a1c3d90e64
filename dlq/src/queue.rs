use async_trait::async_trait;

use assay_core::DraftId;

use crate::{DlqError, Letters};

/// Keeps dead letters where people and replays find them.
#[async_trait]
pub trait DeadLetterQueue: Send + Sync {
    /// Keeps all letters of the bag; on return they survive a loss of power.
    ///
    /// Letters of a draft are void until the draft is marked as committed. Putting a bag again
    /// after an error does no harm: readers take copies as one.
    async fn put(&self, letters: &mut Letters, draft: Option<DraftId>) -> Result<(), DlqError>;

    /// Makes the letters of a draft valid, once its rows are committed; again does no harm.
    ///
    /// `topics` are those that the draft's letters went to.
    async fn mark_committed(&self, draft: DraftId, topics: &[&str]) -> Result<(), DlqError>;
}

//! The index of letters: it follows the topics and answers without reading them. What it says can
//! be made again from the topics at any time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use assay_log::Log;
use assay_store::{Belonging, LetterFilter, LetterRow, Store};
use serde::Serialize;

use crate::{DlqError, LetterId, LetterView, LogQueue};

mod feed;
pub(crate) mod groups;
pub(crate) mod payloads;
mod reading;
pub(crate) mod row;
mod search;
mod trace;

pub use feed::CaughtUp;
pub use groups::{Group, TopicState};
pub use reading::{Portion, Reading};
pub use search::{AtPath, Found, Matching};
pub use trace::{Landing, Step, Traced};

/// Letters of a page while many are gone through.
const PAGE: u32 = 500;

/// Answers what letters there are, from the store.
#[derive(Clone)]
pub struct Index {
    pub(crate) queue: Arc<LogQueue>,
    pub(crate) store: Arc<Store>,
    /// Whether the store is known to tell of this log.
    own: Arc<AtomicBool>,
}

/// A letter with its whole payload, and every letter of its id, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Whole {
    pub letter: LetterView,
    pub history: Vec<LetterView>,
    /// Retention has deleted the record, so that its payload is lost.
    pub gone: bool,
}

impl Index {
    pub fn new(queue: Arc<LogQueue>, store: Arc<Store>) -> Index {
        Index { queue, store, own: Arc::default() }
    }

    /// Says that the store tells of this log, before anything is put into it; refused where it tells
    /// of another.
    pub async fn claim_log(&self) -> Result<(), DlqError> {
        self.check_log(true).await
    }

    /// Refuses to take this log's letters for those of another that the store tells of: hosts may
    /// share a store, and each have a log of its own. One that `has` none yet makes no claim.
    pub(crate) async fn check_log(&self, has: bool) -> Result<(), DlqError> {
        if self.own.load(Ordering::Relaxed) {
            return Ok(());
        }
        let doing = || "read the name of the log".to_owned();
        let id = self.log().identity().await;
        let id = id.map_err(|source| DlqError::Log { doing: doing(), source })?;
        if let Some(id) = &id {
            let place = self.log().namespace();
            self.store.belongs_to(Belonging::Log, (id, &place), has).await?;
        }
        self.own.store(has || id.is_none(), Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn log(&self) -> &dyn Log {
        self.queue.log.as_ref()
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn queue(&self) -> &LogQueue {
        &self.queue
    }

    /// The letters that fit, newest first, at most so many, with the first `keep` bytes of each
    /// payload; without any when that is 0, and then no topic is read.
    pub async fn list(
        &self,
        filter: &LetterFilter,
        limit: usize,
        keep: usize,
    ) -> Result<Vec<LetterView>, DlqError> {
        let mut letters: Vec<LetterView> = Vec::new();
        let mut after: Option<LetterRow> = None;
        while letters.len() < limit {
            let page = u32::try_from(limit - letters.len()).map_or(PAGE, |left| left.min(PAGE));
            let records = self.store.letters(filter, after.as_ref(), page).await?;
            let Some(last) = records.last() else { break };
            after = Some(last.letter.clone());
            let mut views: Vec<LetterView> = records.into_iter().map(row::view).collect();
            if keep > 0 {
                self.fetch(&mut views, keep).await?;
            }
            letters.append(&mut views);
        }
        Ok(letters)
    }

    /// The letter of that id which counts, with its payload; a void one when no other is there.
    pub async fn show(&self, id: LetterId) -> Result<Option<Whole>, DlqError> {
        let records = self.store.letters_of(&id.to_string()).await?;
        let mut history: Vec<LetterView> = records.into_iter().map(row::view).collect();
        let best = history.iter().position(|letter| !letter.void && !letter.older);
        let best = best.or_else(|| history.iter().position(|letter| !letter.void)).unwrap_or(0);
        let Some(letter) = history.get(best).cloned() else { return Ok(None) };
        let mut whole = [letter];
        let found = self.fetch(&mut whole, usize::MAX).await?;
        self.fetch(&mut history, crate::log_queue::find::PREVIEW).await?;
        let [letter] = whole;
        Ok(Some(Whole { letter, history, gone: found == 0 }))
    }
}

#[cfg(test)]
mod tests;

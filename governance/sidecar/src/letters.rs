//! The index of dead letters, caught up with the log before each answer.

use std::sync::Arc;
use std::time::Duration;

use assay_dlq::{DlqError, Index, LogQueue};
use assay_log::Log;
use assay_store::Store;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How long a request waits for those before it.
const TURN: Duration = Duration::from_secs(2);

/// How long those that waited are told what the one before them found out: each would find the same.
const FAILED: Duration = Duration::from_secs(1);

pub(crate) struct Letters {
    index: Index,
    /// Requests that come at once take turns, since what one takes in is new to no other. When it
    /// last failed.
    turn: Mutex<Option<Instant>>,
}

/// Why letters can't be told of now.
#[derive(Debug)]
pub(crate) enum Behind {
    /// Others wait for the same.
    Busy,
    Letters(DlqError),
}

impl From<DlqError> for Behind {
    fn from(error: DlqError) -> Behind {
        Behind::Letters(error)
    }
}

impl Letters {
    pub(crate) fn new(log: Arc<dyn Log>, store: Store) -> Letters {
        let index = Index::new(Arc::new(LogQueue::new(log)), Arc::new(store));
        Letters { index, turn: Mutex::new(None) }
    }

    /// The index as it is.
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// The index, with all that the topics gained; also of a topic of another system.
    pub(crate) async fn caught_up(&self, topic: Option<&str>) -> Result<Index, Behind> {
        let turn = timeout(TURN, self.turn.lock()).await;
        let mut failed_at = turn.map_err(|_| Behind::Busy)?;
        if failed_at.is_some_and(|at| at.elapsed() < FAILED) {
            return Err(Behind::Busy);
        }
        let caught_up = self.catch_up().await;
        *failed_at = caught_up.is_err().then(Instant::now);
        drop(failed_at);
        let index = caught_up?;
        // It may be long, and nobody else waits for it.
        if let Some(topic) = topic {
            index.take_in(topic, &|_| {}).await?;
        }
        Ok(index)
    }

    async fn catch_up(&self) -> Result<Index, DlqError> {
        self.index.catch_up(&|_| {}).await?;
        Ok(self.index.clone())
    }
}

#[cfg(test)]
mod tests {
    use assay_core::SystemClock;
    use assay_log::EmbeddedLog;

    use super::*;

    #[tokio::test]
    async fn who_waits_too_long_for_others_is_told_so_and_a_failure_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let log = EmbeddedLog::open(&folder.path().join("log.db"), clock).await.unwrap();
        let store = Store::open(&folder.path().join("store.db")).await.unwrap();
        let letters = Letters::new(Arc::new(log), store);
        let mut turn = letters.turn.lock().await;
        assert!(matches!(letters.caught_up(None).await, Err(Behind::Busy)));
        *turn = Some(Instant::now() + FAILED);
        drop(turn);
        assert!(matches!(letters.caught_up(None).await, Err(Behind::Busy)));
        *letters.turn.lock().await = Instant::now().checked_sub(FAILED);
        letters.caught_up(None).await.unwrap();
    }
}

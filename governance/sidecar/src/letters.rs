//! The index of dead letters, caught up with the log before each answer.

use std::sync::Arc;

use assay_dlq::{DlqError, Index, LogQueue};
use assay_log::Log;
use assay_store::Store;
use tokio::sync::{Mutex, OnceCell};

pub(crate) struct Letters {
    log: Arc<dyn Log>,
    store: Arc<Store>,
    /// Made when it is first asked for: the log may be away before.
    index: OnceCell<Index>,
    /// Requests that come at once take turns, since what one takes in is new to no other.
    turn: Mutex<()>,
}

impl Letters {
    pub(crate) fn new(log: Arc<dyn Log>, store: Store) -> Letters {
        Letters { log, store: Arc::new(store), index: OnceCell::new(), turn: Mutex::new(()) }
    }

    /// The index, with all that the topics gained; also of a topic of another system.
    pub(crate) async fn caught_up(&self, topic: Option<&str>) -> Result<Index, DlqError> {
        let make = || async {
            let queue = LogQueue::open(Arc::clone(&self.log)).await?;
            Ok::<_, DlqError>(Index::new(Arc::new(queue), Arc::clone(&self.store)))
        };
        let index = self.index.get_or_try_init(make).await?;
        let _turn = self.turn.lock().await;
        if let Some(topic) = topic {
            index.take_in(topic, &|_| {}).await?;
        }
        index.catch_up(&|_| {}).await?;
        Ok(index.clone())
    }
}

//! Events of many requests go to the store together: one sync of the disk for all that wait.

use std::sync::Arc;

use assay_core::Fault;
use assay_store::{Received, Store, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Events of one transaction, about: a request is not divided.
const GROUP: usize = 1000;
/// Requests that may wait for their turn.
const WAITING: usize = 1024;

/// Takes events in, and answers when they are safe.
#[derive(Clone)]
pub struct Intake {
    queue: mpsc::Sender<Parcel>,
}

/// Why events were not kept. None of a request's are, then.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unkept {
    #[error("too much is being taken in right now")]
    Busy,
    #[error("{0}")]
    Store(Arc<StoreError>),
    #[error("the service is ending")]
    Ending,
}

/// The events of a request, and who waits for them.
struct Parcel {
    events: Vec<Received>,
    done: oneshot::Sender<Result<(), Unkept>>,
}

impl Intake {
    /// Begins to take in. The task ends when the last handle is gone and all that waited is kept.
    pub fn start(store: Store) -> (Intake, JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(WAITING);
        (Intake { queue }, tokio::spawn(keep(store, waiting)))
    }

    /// Keeps all of them, or none; on return they survive a loss of power.
    pub async fn keep(&self, events: Vec<Received>) -> Result<(), Unkept> {
        if events.is_empty() {
            return Ok(());
        }
        let (done, answer) = oneshot::channel();
        self.queue.try_send(Parcel { events, done }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unkept::Busy,
            mpsc::error::TrySendError::Closed(_) => Unkept::Ending,
        })?;
        answer.await.map_err(|_| Unkept::Ending)?
    }
}

impl Unkept {
    /// Whether the same events may be kept later.
    pub fn fault(&self) -> Fault {
        match self {
            Unkept::Busy | Unkept::Ending => Fault::Transient,
            Unkept::Store(error) => error.fault(),
        }
    }
}

async fn keep(store: Store, mut waiting: mpsc::Receiver<Parcel>) {
    while let Some(first) = waiting.recv().await {
        let mut events = first.events;
        let mut owners = vec![first.done];
        while events.len() < GROUP
            && let Ok(next) = waiting.try_recv()
        {
            events.extend(next.events);
            owners.push(next.done);
        }
        let kept = store.receive(&events).await.map_err(|error| Unkept::Store(Arc::new(error)));
        if let Err(error) = &kept {
            tracing::error!(%error, events = events.len(), "lineage events were not kept");
        }
        for owner in owners {
            // Whoever has gone finds them kept when they are sent again.
            let _ = owner.send(kept.clone());
        }
    }
}

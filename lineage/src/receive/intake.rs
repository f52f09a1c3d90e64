//! Events of many requests go to the store together: one sync of the disk for all that wait.

use std::sync::Arc;

use assay_core::Fault;
use assay_store::{Prepared, Received, Store, StoreError};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Requests that may wait for their turn.
const WAITING: usize = 1024;

/// More than this is not prepared between two steps of others: bytes, and events.
const LARGE: usize = 1 << 20;
const MANY: usize = 100;

/// Takes events in, and answers when they are safe.
#[derive(Clone)]
pub struct Intake {
    store: Store,
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
    events: Vec<Prepared>,
    /// What is given back when they are not in memory any more.
    _room: Option<Box<dyn Send + Sync>>,
    done: oneshot::Sender<Result<(), Unkept>>,
}

impl Intake {
    /// Begins to take in, in a thread of its own where the store needs one. The task ends when the
    /// last handle is gone and all that waited is kept.
    pub fn start(store: Store) -> (Intake, JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(WAITING);
        let keep = keep(store.clone(), waiting);
        let keeping = if store.receives_in_thread() {
            let runtime = Handle::current();
            tokio::task::spawn_blocking(move || runtime.block_on(keep))
        } else {
            tokio::spawn(keep)
        };
        (Intake { store, queue }, keeping)
    }

    /// Keeps all of them, or none; on return they survive a loss of power.
    pub async fn keep(&self, events: Vec<Received>) -> Result<(), Unkept> {
        self.put(events, None).await
    }

    /// The same, and lets go of `room` when they are not in memory any more, also if nobody waits
    /// for the answer then.
    pub async fn keep_in(
        &self,
        events: Vec<Received>,
        room: impl Send + Sync + 'static,
    ) -> Result<(), Unkept> {
        self.put(events, Some(Box::new(room))).await
    }

    async fn put(
        &self,
        events: Vec<Received>,
        _room: Option<Box<dyn Send + Sync>>,
    ) -> Result<(), Unkept> {
        if events.is_empty() {
            return Ok(());
        }
        // First: what is refused must not cost anything.
        let place = self.queue.try_reserve().map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => Unkept::Busy,
            mpsc::error::TrySendError::Closed(()) => Unkept::Ending,
        })?;
        let events = self.prepared(events).await?;
        let (done, answer) = oneshot::channel();
        place.send(Parcel { events, _room, done });
        answer.await.map_err(|_| Unkept::Ending)?
    }

    /// Here, and not where all wait for each other: what is made of trees of JSON takes longer than
    /// to write it. Of many events it is made where nobody else waits.
    async fn prepared(&self, events: Vec<Received>) -> Result<Vec<Prepared>, Unkept> {
        let size: usize = events.iter().map(|one| one.text.as_ref().map_or(0, String::len)).sum();
        let small = size <= LARGE && events.len() <= MANY;
        let store = self.store.clone();
        let prepare = move || events.iter().map(|one| store.prepare(one)).collect();
        let prepared: Result<_, StoreError> = match small {
            true => prepare(),
            false => tokio::task::spawn_blocking(prepare).await.map_err(|_| Unkept::Ending)?,
        };
        prepared.map_err(|error| Unkept::Store(Arc::new(error)))
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
    // About: a request is not divided.
    let most = store.events_at_once();
    while let Some(first) = waiting.recv().await {
        let mut size = first.events.len();
        let mut group = vec![first];
        while size < most
            && let Ok(next) = waiting.try_recv()
        {
            size += next.events.len();
            group.push(next);
        }
        let kept = receive(&store, &group).await;
        // One that can't be kept must not take the others with it.
        let each = group.len() > 1 && kept.as_ref().is_err_and(|e| e.fault() == Fault::Permanent);
        for parcel in group {
            let kept = match each {
                true => receive(&store, std::slice::from_ref(&parcel)).await,
                false => kept.clone(),
            };
            // Whoever has gone finds them kept when they are sent again.
            let _ = parcel.done.send(kept);
        }
    }
}

async fn receive(store: &Store, group: &[Parcel]) -> Result<(), Unkept> {
    let events: Vec<&Prepared> = group.iter().flat_map(|parcel| &parcel.events).collect();
    store.receive_prepared(&events).await.map_err(|error| {
        tracing::error!(%error, requests = group.len(), "lineage events were not kept");
        Unkept::Store(Arc::new(error))
    })
}

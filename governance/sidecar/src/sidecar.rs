//! The parts of a sidecar, and how they begin and end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use assay_core::{Clock, Ids, ImportedScan};
use assay_door::{Credentials, Door, DoorError, InFlight, Quotas, open, serve};
use assay_lineage::receive::Intake;
use assay_log::Log;
use assay_store::{Store, StoreError};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::http::{self, Service};
use crate::letters::Letters;
use crate::meters::Meters;
use crate::requests::Asked;
use crate::settings::Settings;

/// Requests that are being answered when the sidecar is asked to stop have so long.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// What a sidecar is made of.
pub struct Parts {
    pub settings: Settings,
    pub store: Store,
    /// Where dead letters are; it may be away when the sidecar begins.
    pub log: Arc<dyn Log>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    /// How the results of other tools are read.
    pub results: ReadResults,
}

/// Brings what another tool has found into our form, or says why it can't: its file, and for dbt
/// the manifest. Who does so judges rows too and brings an engine along, which no sidecar needs.
pub type ReadResults = fn(&[u8], Option<&[u8]>) -> Result<Vec<ImportedScan>, String>;

/// A sidecar that listens.
pub struct Sidecar {
    door: Door,
    service: Service,
    asked: Arc<Asked>,
    telling: JoinHandle<()>,
    keeping: JoinHandle<()>,
}

/// Why a sidecar could not begin.
#[derive(Debug, thiserror::Error)]
pub enum SidecarError {
    #[error("the settings under `sidecar` can't be used: {0}")]
    Settings(String),
    #[error(transparent)]
    Door(#[from] DoorError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sidecar {
    /// Takes the port, and begins to answer with [`Sidecar::run`].
    pub async fn start(parts: Parts) -> Result<Sidecar, SidecarError> {
        let Parts { settings, store, log, clock, ids, results } = parts;
        settings.check().map_err(SidecarError::Settings)?;
        let locked = !settings.listen.is_loopback();
        let credentials = Credentials::load(&[], Some(store.clone()), locked).await?;
        if locked && !credentials.any() {
            return Err(SidecarError::Settings(format!(
                "{} can be reached by others, and there are no keys: make one with `assay keys \
                 create NAME --role writer`, or listen on 127.0.0.1",
                settings.listen.0
            )));
        }
        let door = open(settings.listen, settings.tls.as_ref()).await?;
        if let Err(error) = store.doubt_columns().await {
            tracing::warn!(%error, "what earlier versions did to columns meanwhile is not seen");
        }
        let (intake, keeping) = Intake::start(store.clone());
        let asked = Arc::new(Asked::default());
        let instance = format!("{} {}", door.address(), clock.now());
        let telling = Arc::clone(&asked).tell(intake.clone(), Arc::clone(&clock), instance);
        let telling = tokio::spawn(telling);
        let service = Service {
            letters: Letters::new(log, store.clone()),
            ids,
            store,
            intake,
            results,
            clock,
            credentials,
            quotas: Quotas::new(settings.quota),
            in_flight: Arc::new(InFlight::new(settings.in_flight_mb << 20)),
            turns: Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)),
            meters: Arc::new(Meters::new()),
            asked: Arc::clone(&asked),
            settings,
        };
        Ok(Sidecar { door, service, asked, telling, keeping })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// What this process counts, as `/metrics` answers it, whenever it is asked for.
    pub fn metrics(&self) -> impl Fn() -> String + Send + Sync + 'static {
        let meters = Arc::clone(&self.service.meters);
        move || meters.render()
    }

    /// Answers until `stopped`; then lets nobody in, and finishes what was begun.
    pub async fn run(self, stopped: impl Future<Output = ()> + Send + 'static) {
        let Sidecar { door, service, asked, telling, keeping } = self;
        let (told, mut leaving) = watch::channel(false);
        let leave = async move {
            stopped.await;
            told.send_replace(true);
        };
        let serving = serve(door, http::router(service), leave);
        let late = async {
            // An error says that nobody can ask any more.
            let _ = leaving.wait_for(|leaving| *leaving).await;
            tokio::time::sleep(LAST_ANSWERS).await;
        };
        tokio::select! {
            () = serving => {}
            () = late => tracing::warn!("some requests took too long to be answered"),
        }
        asked.ending.notify_one();
        let ending = async {
            let _ = telling.await;
            let _ = keeping.await;
        };
        // What waits is kept; whoever still holds a connection open gets no answer, and sends again.
        if tokio::time::timeout(LAST_ANSWERS, ending).await.is_err() {
            tracing::warn!("events that nobody was answered for are not kept");
        }
    }
}

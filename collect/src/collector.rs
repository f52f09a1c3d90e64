//! The parts of a collector, and how they begin and end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use assay_core::{Clock, Ids, RunId, StageId};
use assay_door::{Credentials, Door, DoorError, InFlight, Quotas, open, serve};
use assay_log::{Log, TopicSpec};
use assay_pipeline::{IngestSpec, Pipeline};
use assay_store::{Store, StoreError};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::http::{self, Service};
use crate::intake::Intake;
use crate::meters::{Meters, Standing};
use crate::segment::{
    Folder, Header, Identity, Journal, Limits, MessageSize, Reader, SegmentError,
};
use crate::sender::{DeadLetters, Progress, Sender};
use crate::settings::Settings;

/// Requests that are being answered when the collector is asked to stop have so long.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// What a collector is made of.
pub struct Parts {
    pub settings: Settings,
    pub log: Arc<dyn Log>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    /// Knows keys beside those of the settings.
    pub store: Option<Store>,
    /// Where segments are kept; the collector has it for itself.
    pub folder: PathBuf,
}

/// A collector that takes events in and sends them on.
pub struct Collector {
    settings: Settings,
    door: Door,
    service: Arc<Service>,
    journal: Arc<Journal>,
    progress: Arc<Progress>,
    sender: JoinHandle<Result<(), SegmentError>>,
    /// Until when the sender may go on.
    stop: watch::Sender<Option<Instant>>,
    found: u64,
}

/// How a collector ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Events that the log has taken from this process.
    pub sent: u64,
    /// Events that are kept in the segments for the next one.
    pub kept: u64,
}

/// Why a collector could not begin, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    #[error(
        "the pipeline `{0}` does not say how events become messages: add `ingest:` to its \
         pipeline.yaml"
    )]
    NoIngest(String),
    #[error("the settings under `collector` can't be used: {0}")]
    Settings(String),
    #[error(transparent)]
    Door(#[from] DoorError),
    #[error(transparent)]
    Keys(#[from] StoreError),
    #[error(transparent)]
    Segment(#[from] SegmentError),
    #[error("a part of the collector has ended by itself; what was accepted is in the segments")]
    Broken,
}

impl Collector {
    /// Opens the segments, begins to send what an earlier process left, and listens.
    pub async fn start(pipeline: &Pipeline, parts: Parts) -> Result<Collector, CollectorError> {
        let Parts { settings, log, clock, ids, store, folder } = parts;
        settings.check().map_err(CollectorError::Settings)?;
        let spec = pipeline.ingest.as_ref();
        let spec = spec.ok_or_else(|| CollectorError::NoIngest(pipeline.name.clone()))?;
        let locked = !settings.listen.is_loopback();
        let credentials = Credentials::load(&settings.keys, store, locked).await?;
        if locked && !credentials.any() {
            return Err(CollectorError::Settings(format!(
                "{} can be reached by others, and there are no keys: make one with `assay keys \
                 create`, or listen on 127.0.0.1",
                settings.listen.0
            )));
        }
        let door = open(settings.listen, settings.tls.as_ref()).await?;
        let folder = Arc::new(Folder::claim(&folder)?);
        let kept = Kept::open(&folder, spec, &settings, ids.as_ref())?;
        let (journal, found) = (Arc::new(kept.journal), kept.found);
        let (progress, meters) = (Arc::new(Progress::new()), Arc::new(Meters::new()));
        let (stop, stopped) = watch::channel(None);
        let stage = StageId { pipeline: pipeline.name.clone(), stage: "collect".to_owned() };
        let dataset = spec.topic.dataset.clone();
        let spool = folder.path().to_owned();
        let run = RunId(ids.next());
        let sender = Sender {
            folder: Arc::clone(&folder),
            journal: Arc::clone(&journal),
            topic: topic(spec),
            letters: DeadLetters::new(
                Arc::clone(&log),
                stage,
                dataset,
                run,
                (spool, pipeline.sensitive()),
            ),
            log,
            meters: Arc::clone(&meters),
            clock: Arc::clone(&clock),
            progress: Arc::clone(&progress),
            timeout: Duration::from_secs(settings.send_timeout_seconds),
            stop: stopped,
            cleared: 0,
        };
        let service = Arc::new(Service {
            intake: Arc::new(Intake::new(spec, ids)),
            journal: Arc::clone(&journal),
            meters,
            clock,
            credentials,
            quotas: settings.quota.map(Quotas::new),
            in_flight: InFlight::new(settings.in_flight_mb << 20),
            turns: Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)),
            progress: Arc::clone(&progress),
            settings: settings.clone(),
            started: Instant::now(),
            found,
        });
        let sender = tokio::spawn(sender.run(kept.reader));
        Ok(Collector { settings, door, service, journal, progress, sender, stop, found })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// What `/metrics` answers, whenever it is asked for.
    pub fn metrics(&self) -> impl Fn() -> String + Send + Sync + 'static {
        let service = Arc::clone(&self.service);
        move || service.meters.render(&service.standing())
    }

    /// Events that an earlier process left, and that are being sent.
    pub fn found(&self) -> u64 {
        self.found
    }

    /// Answers until `stopped`; then lets nobody in, finishes what was begun, and sends what is
    /// there for as long as the settings say. What is left stays in the segments.
    pub async fn run(
        mut self,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Drained, CollectorError> {
        let (told, mut leaving) = watch::channel(false);
        let asked = async move {
            stopped.await;
            told.send_replace(true);
        };
        let serving = serve(self.door, http::router(self.service), asked);
        let late = async {
            // An error says that nobody can ask any more.
            let _ = leaving.wait_for(|leaving| *leaving).await;
            tokio::time::sleep(LAST_ANSWERS).await;
        };
        let mut broken = None;
        tokio::select! {
            () = serving => {}
            () = late => tracing::warn!("some requests took too long to be answered"),
            ended = &mut self.sender => broken = Some(ended),
        }
        let journal = Arc::clone(&self.journal);
        let closed = tokio::task::spawn_blocking(move || journal.close());
        closed.await.map_err(|_| CollectorError::Broken)?;
        let ended = match broken {
            Some(ended) => ended,
            None => {
                let until = Duration::from_secs(self.settings.drain_seconds);
                self.stop.send_replace(Some(Instant::now() + until));
                self.sender.await
            }
        };
        ended.map_err(|_| CollectorError::Broken)??;
        let sent = self.progress.sent();
        let kept = (self.found + self.journal.accepted()).saturating_sub(sent);
        Ok(Drained { sent, kept })
    }
}

impl Service {
    /// How it stands with what waits.
    pub(crate) fn standing(&self) -> Standing {
        let accepted = self.found + self.journal.accepted();
        Standing {
            queue: accepted.saturating_sub(self.progress.sent()),
            capacity: self.settings.queue_capacity,
            bytes: self.journal.bytes(),
            bytes_limit: self.settings.backlog_mb << 20,
            age: self.progress.age(self.clock.now().timestamp_micros()),
            uptime: self.started.elapsed(),
            sending: self.progress.sending(),
        }
    }
}

/// What the folder holds, opened for writing and for reading.
struct Kept {
    journal: Journal,
    reader: Reader,
    found: u64,
}

impl Kept {
    fn open(
        folder: &Arc<Folder>,
        spec: &IngestSpec,
        settings: &Settings,
        ids: &dyn Ids,
    ) -> Result<Kept, SegmentError> {
        let known = folder.identity()?;
        let identity = known.unwrap_or_else(|| Identity { collector: ids.next(), reserved: 0 });
        let sent = folder.sent();
        let last = folder.segments()?.last().copied().unwrap_or(0).max(sent.segment);
        let waiting = folder.waiting(sent)?;
        let message = MessageSize { events: spec.events_per_message, bytes: spec.message_bytes };
        let partitions = spec.topic.partitions;
        let limits = Limits { bytes: settings.backlog_mb << 20, message, partitions };
        let schema = spec.topic.schema.clone();
        let header = Header { collector: identity.collector, schema: schema.text().to_owned() };
        let from = (last + 1, identity.reserved);
        let folder = Arc::clone(folder);
        let reader = Reader::new(Arc::clone(&folder), schema, message, settings.linger(), sent);
        let journal =
            Journal::open(folder, header, from, settings.durability, limits, waiting.bytes);
        Ok(Kept { journal, reader, found: waiting.events })
    }
}

fn topic(spec: &IngestSpec) -> TopicSpec {
    let hours = spec.topic.retention_hours.map(|hours| u64::from(hours) * 3600);
    TopicSpec {
        name: spec.topic.dataset.name().to_owned(),
        partitions: spec.topic.partitions,
        retention: hours.map(Duration::from_secs),
    }
}

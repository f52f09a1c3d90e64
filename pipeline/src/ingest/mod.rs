//! Takes a file of JSON lines into a topic: checked, packed into Avro containers, in an order
//! that can be taken again without taking anything twice.

mod encode;
mod input;
mod lines;
mod pack;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use assay_core::{
    Clock, Counts, DraftId, Evaluated, Governed, Ids, Position, Report, Run, RunId, RunStatus,
    StageId,
};
use assay_dlq::{
    DeadLetter, DeadLetterQueue, DlqError, LetterId, Letters, MAX_PAYLOAD_BYTES, Origin,
    PayloadKind, Reason,
};
use assay_lineage::{DatasetRef, batch, ended, started};
use assay_log::{Log, LogError, TopicSpec};
use assay_metrics::{of_batch, of_run};
use assay_quality::Breaker;
use assay_store::{RunEnd, Store, StoreError};
use bytes::Bytes;

use self::encode::RecordEncoder;
pub use self::input::Input;
use self::input::Opened;
use self::lines::{Line, Lines};
use self::pack::Packer;
use crate::definition::{IngestSpec, Pipeline};
use crate::stop::Stop;

/// Lines between two looks at whether to stop, and how much is set aside.
const LINES_PER_STEP: u64 = 1000;

/// Everything that taking in a file needs to take effect.
pub struct Ingest {
    pub log: Arc<dyn Log>,
    pub store: Arc<Store>,
    pub queue: Arc<dyn DeadLetterQueue>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    /// Where what does not fit in memory goes.
    pub spool: PathBuf,
    pub stop: Stop,
}

/// What taking in a file did.
#[derive(Debug, Clone)]
pub struct IngestSummary {
    pub run: Run,
    pub counts: Counts,
    pub messages: u64,
    pub rejected_by: BTreeMap<String, u64>,
}

/// Why a file was not taken in, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error(
        "the pipeline `{0}` does not say how files become messages: add `ingest:` to its pipeline.yaml"
    )]
    NoIngest(String),
    #[error("cannot {doing}")]
    Input {
        doing: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{0}")]
    Damaged(String),
    #[error(
        "{rejected} of the first {read} lines of {input} are no events (the first: {first}); \
         nothing was taken in. Is it the right file?"
    )]
    Outage { input: String, read: u64, rejected: u64, first: String },
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    DeadLetters(#[from] DlqError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "stopped when asked to, behind byte {at} of {input}; run it again to go on: what is in is not taken twice"
    )]
    Interrupted { input: String, at: u64 },
}

impl IngestError {
    fn status(&self) -> RunStatus {
        match self {
            IngestError::Outage { .. } => RunStatus::Halted,
            IngestError::Interrupted { .. } => RunStatus::Aborted,
            _ => RunStatus::Failed,
        }
    }
}

impl Ingest {
    /// Takes `input` in. Lines that are no events become dead letters; the others are in the
    /// log, durably, when this returns. Running it again on the same input changes no table.
    pub async fn run(
        &self,
        pipeline: &Pipeline,
        input: &Input,
        progress: &(dyn Fn(&Counts) + Send + Sync),
    ) -> Result<IngestSummary, IngestError> {
        let missing = || IngestError::NoIngest(pipeline.name.clone());
        let spec = pipeline.ingest.as_ref().ok_or_else(missing)?;
        let opened = input.open(&self.spool)?;
        let stage = StageId { pipeline: pipeline.name.clone(), stage: "ingest".to_owned() };
        let governed = Governed { quality: false, ..Governed::ALL };
        let id = RunId(self.ids.next());
        let run = Run { id, stage, started_at: self.clock.now(), governed };
        let from = [DatasetRef::file(&input.location())];
        let to = [DatasetRef::topic(&spec.topic.dataset, &self.log.namespace())];
        let start = started(&run, None, &from, &to, self.ids.next(), run.started_at);
        self.store.start_run(&run, run.started_at, &[start], &[]).await?;

        let name = opened.name.clone();
        let mut taking = Taking::new(self, spec, &run, opened);
        let outcome = taking.all(progress).await;
        let summary = taking.summary();
        let message = outcome.as_ref().err().map(told);
        let end = RunEnd {
            run: run.clone(),
            status: outcome.as_ref().err().map_or(RunStatus::Complete, IngestError::status),
            ended_at: self.clock.now(),
            counts: summary.counts,
            batches: summary.messages,
            message,
        };
        let report = self.report(&run, spec, &summary);
        let mut events = vec![ended(&end, None, &from, &to, self.ids.next())];
        if summary.counts.written > 0 {
            let now = self.clock.now();
            events.insert(0, batch(&report, &from, &to[0], None, self.ids.next(), now));
        }
        let totals = [of_batch(&report), of_run(&end)].concat();
        self.store.end_run(&end, &events, &totals).await?;
        tracing::debug!(input = name, "taken in");
        outcome.map(|()| summary)
    }

    fn report(&self, run: &Run, spec: &IngestSpec, summary: &IngestSummary) -> Report {
        Report {
            run: run.clone(),
            draft: DraftId(self.ids.next()),
            judged_at: self.clock.now(),
            inputs: vec![],
            output: spec.topic.dataset.clone(),
            columns: vec![],
            contract: None,
            counts: summary.counts,
            rows_out: None,
            rejected_by: summary.rejected_by.clone(),
            letters: BTreeMap::new(),
            quality: Evaluated::NotEvaluated,
            from: Position::default(),
            upto: Position::default(),
        }
    }
}

fn told(error: &IngestError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// One input on its way in.
struct Taking<'a> {
    ingest: &'a Ingest,
    spec: &'a IngestSpec,
    run: &'a Run,
    encoder: RecordEncoder<'a>,
    packer: Packer<'a>,
    letters: Letters,
    rejected_by: BTreeMap<String, u64>,
    first: Option<String>,
    counts: Counts,
    name: String,
    hash: String,
    lines: Lines,
}

impl<'a> Taking<'a> {
    fn new(ingest: &'a Ingest, spec: &'a IngestSpec, run: &'a Run, opened: Opened) -> Taking<'a> {
        Taking {
            encoder: RecordEncoder::new(spec, &opened.hash),
            packer: Packer::new(spec, &opened.hash),
            letters: Letters::new(&ingest.spool),
            rejected_by: BTreeMap::new(),
            first: None,
            counts: Counts::default(),
            lines: Lines::new(opened.reader, opened.name.clone()),
            name: opened.name,
            hash: opened.hash,
            ingest,
            spec,
            run,
        }
    }

    async fn all(&mut self, progress: &(dyn Fn(&Counts) + Send + Sync)) -> Result<(), IngestError> {
        let topic = &self.spec.topic;
        let hours = topic.retention_hours.map(|hours| u64::from(hours) * 3600);
        let created = TopicSpec {
            name: topic.dataset.name().to_owned(),
            partitions: topic.partitions,
            retention: hours.map(std::time::Duration::from_secs),
        };
        self.ingest.log.create(&created).await?;
        // Room is made before more comes: what is past its retention goes.
        self.ingest.log.expire(&created.name).await?;
        let taken = self.lines(progress).await;
        // What came before a damage is in, also when the rest can't be read.
        match &taken {
            Ok(()) | Err(IngestError::Damaged(_) | IngestError::Interrupted { .. }) => {
                self.packer.finish();
                self.flush().await?;
            }
            Err(_) => {}
        }
        progress(&self.counts);
        taken
    }

    async fn lines(
        &mut self,
        progress: &(dyn Fn(&Counts) + Send + Sync),
    ) -> Result<(), IngestError> {
        while let Some(line) = self.lines.next()? {
            self.counts.read += 1;
            self.take(line)?;
            if self.counts.read.is_multiple_of(LINES_PER_STEP) {
                self.step().await?;
                progress(&self.counts);
            }
        }
        self.check_outage()
    }

    async fn step(&mut self) -> Result<(), IngestError> {
        self.check_outage()?;
        if self.ingest.stop.asked() {
            let at = self.lines.offset();
            return Err(IngestError::Interrupted { input: self.name.clone(), at });
        }
        self.flush().await?;
        self.ingest.store.heartbeat(self.run.id, self.ingest.clock.now()).await?;
        Ok(())
    }

    /// A file of which most is no events is the wrong file, as long as nothing of it is in.
    fn check_outage(&self) -> Result<(), IngestError> {
        let breaker = Breaker::default();
        let read = self.counts.read;
        let rejected = self.rejected_by.values().sum();
        if self.packer.sent() > 0 || read > LINES_PER_STEP || !breaker.trips(rejected, read) {
            return Ok(());
        }
        let first = self.first.clone().unwrap_or_default();
        Err(IngestError::Outage { input: self.name.clone(), read, rejected, first })
    }

    fn take(&mut self, line: Line) -> Result<(), IngestError> {
        if line.bytes.len() > self.spec.max_event_bytes {
            let (found, limit) = (line.bytes.len(), self.spec.max_event_bytes);
            let detail = format!("{found} bytes; an event may have {limit}");
            return self.set_aside(line, Reason::TooLarge, detail);
        }
        match self.encoder.encode(&line) {
            Ok(record) => {
                self.packer.push(record).map_err(IngestError::Damaged)?;
                self.counts.written += 1;
                Ok(())
            }
            Err(wrong) => self.set_aside(line, wrong.reason, wrong.detail),
        }
    }

    fn set_aside(&mut self, line: Line, reason: Reason, detail: String) -> Result<(), IngestError> {
        let place = format!("line {} of {}, byte {}", line.number, self.name, line.offset);
        if line.bytes.len() > MAX_PAYLOAD_BYTES {
            return Err(IngestError::Damaged(format!(
                "{place}: the line has more than 64 MB, which can't even be set aside. Take it out \
                 of the file and run the command again: what is in is not taken twice"
            )));
        }
        let detail = format!("{detail} ({place})");
        self.first.get_or_insert_with(|| detail.clone());
        *self.rejected_by.entry(reason.name().to_owned()).or_default() += 1;
        self.counts.rejected += 1;
        let origin = Origin::in_file(&self.hash, line.offset);
        let now = self.ingest.clock.now();
        self.letters.push(DeadLetter {
            id: LetterId::of(&self.run.stage, &origin),
            attempt: 1,
            stage: self.run.stage.clone(),
            dataset: self.spec.topic.dataset.clone(),
            source: None,
            origin,
            run: self.run.id,
            reason,
            rules: vec![],
            detail,
            contract: None,
            payload: Bytes::from(line.bytes),
            payload_kind: PayloadKind::Bytes,
            key: None,
            failed_at: now,
            first_failed_at: now,
            count: 1,
        })?;
        Ok(())
    }

    /// Letters first: a line that is behind what was sent must not be without its letter.
    async fn flush(&mut self) -> Result<(), IngestError> {
        if !self.letters.is_empty() {
            let mut letters =
                std::mem::replace(&mut self.letters, Letters::new(&self.ingest.spool));
            self.ingest.queue.put(&mut letters, None).await?;
        }
        let messages = self.packer.ready();
        if !messages.is_empty() {
            self.ingest.log.append(self.spec.topic.dataset.name(), messages).await?;
        }
        Ok(())
    }

    fn summary(&self) -> IngestSummary {
        IngestSummary {
            run: self.run.clone(),
            counts: self.counts,
            messages: self.packer.sent(),
            rejected_by: self.rejected_by.clone(),
        }
    }
}

//! Takes a file of JSON lines into a topic: checked, packed into Avro containers, in an order
//! that can be taken again without taking anything twice.

mod encode;
mod event;
mod input;
mod lines;
mod pack;
mod replay;
mod taking;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use assay_core::{
    Clock, Counts, DraftId, Evaluated, Fault, Governed, Ids, Position, Report, Run, RunId,
    RunStatus, StageId,
};
use assay_dlq::{DeadLetterQueue, DlqError};
use assay_lineage::{DatasetRef, batch, ended, started};
use assay_log::{Log, LogError};
use assay_metrics::{of_batch, of_run};
use assay_store::{RunEnd, Store, StoreError};
use assay_trace::{Kind, Span};
use tracing::Instrument;

pub use self::encode::Wrong;
pub use self::event::EventEncoder;
pub use self::input::Input;
pub use self::pack::{message, part_of};
pub use self::replay::Resent;
use self::taking::Taking;
pub(crate) use self::taking::take_apart;
use crate::definition::{IngestSpec, Pipeline};
use crate::runner::lines_of;
use crate::stop::Stop;
use crate::telling::SILENCE;

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
    #[error("{again} of {read} lines that came back were refused again; the rest waits")]
    Again { again: u64, read: u64 },
    #[error("{0}")]
    Transform(String),
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
    /// Whether doing it again may help, all else unchanged.
    pub fn fault(&self) -> Fault {
        match self {
            IngestError::Log(error) => error.fault(),
            IngestError::DeadLetters(error) => error.fault(),
            IngestError::Store(error) => error.fault(),
            _ => Fault::Permanent,
        }
    }

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
        let opened = input.open(&self.spool, &self.stop)?;
        let stage = StageId { pipeline: pipeline.name.clone(), stage: "ingest".to_owned() };
        let governed = Governed { quality: false, ..Governed::ALL };
        let id = RunId(self.ids.next());
        let run = Run { id, stage, started_at: self.clock.now(), governed, following: false };
        let from = [DatasetRef::file(&input.location())];
        let to = [DatasetRef::topic(&spec.topic.dataset, &self.log.namespace())];
        let start = started(&run, None, &from, &to, self.ids.next(), run.started_at);
        self.close_abandoned(&run.stage).await?;
        self.store.start_run(&run, run.started_at, &[start], &[]).await?;

        let mut span = Span::begin("ingest", Kind::Producer, None);
        let trace = span.context().cloned();
        let mut taking = Taking::new(self, pipeline, (spec, &run), opened, trace);
        let outcome = taking.all(progress).instrument(lines_of(&run)).await;
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
        if span.recording() {
            span.set("assay.run.id", run.id.to_string());
            span.set("assay.pipeline", run.stage.pipeline.clone());
            span.set("messaging.destination.name", spec.topic.dataset.name().to_owned());
            span.count("assay.rows.read", summary.counts.read);
            span.count("assay.rows.written", summary.counts.written);
            span.count("assay.rows.rejected", summary.counts.rejected);
            span.count("assay.messages", summary.messages);
        }
        if let Err(error) = &outcome {
            span.fail(error.status().name());
        }
        let trace = span.context().cloned();
        drop(span);
        let report = Report { trace, ..self.report(&run, spec, &summary) };
        let mut events = vec![ended(&end, None, &from, &to, self.ids.next())];
        if summary.counts.written > 0 {
            let now = self.clock.now();
            events.insert(0, batch(&report, &from, (&to[0], &[]), None, self.ids.next(), now));
        }
        let totals = [of_batch(&report), of_run(&end)].concat();
        let told = self.store.end_run(&end, &events, &totals).await;
        // What went wrong first is what a person has to hear.
        outcome?;
        told?;
        Ok(summary)
    }

    /// Closes the runs of an earlier ingest whose process was not heard of for a minute.
    async fn close_abandoned(&self, stage: &StageId) -> Result<(), IngestError> {
        for record in self.store.abandoned(self.clock.now() - SILENCE).await? {
            if record.run.stage == *stage {
                let end = RunEnd {
                    run: record.run,
                    status: RunStatus::Aborted,
                    ended_at: record.heartbeat_at,
                    counts: record.counts,
                    batches: record.batches,
                    message: Some("its process ended without saying how".to_owned()),
                };
                let event = ended(&end, None, &[], &[], self.ids.next());
                self.store.end_run(&end, &[event], &of_run(&end)).await?;
            }
        }
        Ok(())
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
            accepted_at: None,
            recomputed: None,
            closed: Default::default(),
            remembered: None,
            trace: None,
            windows: Vec::new(),
        }
    }
}

fn told(error: &IngestError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

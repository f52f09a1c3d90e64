//! Performs the effects of stages, in one fixed order. Nothing else does.

mod batch;
mod error;
mod letters;
mod opened;

use std::path::PathBuf;
use std::sync::Arc;

use assay_core::{
    Clock, Counts, DraftId, Governed, Ids, Position, Report, Run, RunId, RunStatus, Verdict,
};
use assay_dlq::{DeadLetterQueue, Letters};
use assay_log::Log;
use assay_metrics::{of_halt, of_run};
use assay_store::{RunEnd, Store};
use chrono::{DateTime, TimeDelta, Utc};

use self::batch::Batch;
pub use self::error::RunError;
use self::opened::Opened;
use crate::definition::{Pipeline, TableSpec};
use crate::lake::{Lake, LakeTarget};
use crate::stage::Stage;
use crate::stop::Stop;
use crate::target::{Draft, DraftOf, Target};
use crate::telling::Teller;

/// Keys that a batch may hold to know duplicates by; then it is committed and a new one begins.
const KEYS_PER_BATCH: usize = 4_000_000;

/// Time between two signs of life of a run.
const BEAT: TimeDelta = TimeDelta::seconds(5);

/// Hears how a run gets on.
pub trait Watch: Send + Sync {
    fn progress(&self, stage: &Stage, counts: &Counts);
}

/// What a run did.
#[derive(Debug, Clone)]
pub struct RunSummary {
    pub run: Run,
    pub counts: Counts,
    pub batches: Vec<Report>,
}

/// Everything that stages need to take effect.
pub struct Runner {
    pub lake: Arc<Lake>,
    pub log: Arc<dyn Log>,
    pub store: Arc<Store>,
    pub queue: Arc<dyn DeadLetterQueue>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    /// Where what does not fit in memory goes.
    pub spool: PathBuf,
    pub watch: Arc<dyn Watch>,
    pub stop: Stop,
}

impl Runner {
    /// Makes the tables of `stages` ready for their contracts, so that a contract that does not
    /// fit is refused before anything runs.
    pub async fn prepare(&self, stages: &[Arc<Stage>]) -> Result<(), RunError> {
        for stage in stages {
            self.target_of(&stage.writes).prepare().await?;
        }
        Ok(())
    }

    /// Runs one stage over what its source gained since its position, and tells how it went.
    pub async fn run(
        &self,
        pipeline: &Pipeline,
        stage: &Stage,
        governed: Governed,
    ) -> Result<RunSummary, RunError> {
        let started_at = self.clock.now();
        let run = Run { id: RunId(self.ids.next()), stage: stage.id.clone(), started_at, governed };
        let teller = self.teller(pipeline, stage);
        // A start tells first what an earlier process committed and could not tell.
        if let Err(error) = teller.follow().await {
            tracing::warn!(%error, "an earlier commit can't be told yet");
        }
        teller.close_abandoned(&stage.id).await?;
        let event = teller.started(&run);
        self.store.start_run(&run, started_at, &event, &[]).await?;

        let mut summary =
            RunSummary { run: run.clone(), counts: Counts::default(), batches: vec![] };
        let outcome = self.batches(&run, stage, &teller, &mut summary).await;
        let (status, message) = match &outcome {
            Ok(()) => (RunStatus::Complete, None),
            Err(error) => (error.status(), Some(error.told())),
        };
        if let Err(RunError::Halted { report, .. }) = &outcome {
            // Nothing of a halted batch is written.
            summary.counts.add(&Counts { written: 0, ..report.counts });
        }
        let end = RunEnd {
            run,
            status,
            ended_at: self.clock.now(),
            counts: summary.counts,
            batches: summary.batches.len() as u64,
            message,
        };
        let halt = match &outcome {
            Err(RunError::Halted { report, .. }) => Some(report.as_ref()),
            _ => None,
        };
        let told = self.store.end_run(&end, &teller.ended(&end, halt), &of_run(&end)).await;
        // What went wrong first is what a person has to hear.
        outcome?;
        told?;
        Ok(summary)
    }

    async fn batches(
        &self,
        run: &Run,
        stage: &Stage,
        teller: &Teller<'_>,
        summary: &mut RunSummary,
    ) -> Result<(), RunError> {
        let target = LakeTarget::new(Arc::clone(&self.lake), Arc::clone(&stage.writes));
        target.prepare().await?;
        let mut from = target.position(&stage.reader()).await?;
        let mut opened = Opened::open(self, stage, &from).await?;
        while let Some((report, upto)) = self.batch(run, stage, &target, &mut opened, &from).await?
        {
            summary.counts.add(&report.counts);
            summary.batches.push(report);
            from = upto;
            self.lake.leave_read(stage.reads.dataset(), &stage.reader(), &from).await;
            // The batch is in; that it could not be told yet is no reason to call it failed.
            if let Err(error) = teller.follow().await {
                tracing::warn!(%error, "committed, but not told yet; the next run will tell it");
            }
        }
        Ok(())
    }

    /// One batch: read, shape, judge, then letters, then rows with position and report.
    async fn batch(
        &self,
        run: &Run,
        stage: &Stage,
        target: &dyn Target,
        opened: &mut Opened,
        from: &Position,
    ) -> Result<Option<(Report, Position)>, RunError> {
        let read_before = opened.source.read();
        let Some(mut chunk) = opened.next_chunk().await? else { return Ok(None) };
        let id = DraftId(self.ids.next());
        let keyed = !stage.deduplicate.is_empty();
        let reader = stage.reader();
        let of = DraftOf { id, reader: &reader, from, keyed };
        let mut draft = target.draft(of, opened.write.clone()).await?;
        let mut batch = Batch::new(self, run, stage, target, draft.base()).await?;
        let mut beat_at = self.clock.now();
        loop {
            if self.stop.asked() {
                draft.abandon().await;
                return Err(RunError::Interrupted);
            }
            let rows = batch.take(chunk).await?;
            draft.write(&stage.writes.dataset, rows).await?;
            batch.check_keeping()?;
            self.watch.progress(stage, &batch.counts);
            self.beat(run.id, &mut beat_at).await?;
            if batch.keys_held() >= KEYS_PER_BATCH && !opened.whole() {
                break;
            }
            match opened.next_chunk().await? {
                Some(next) => chunk = next,
                None => break,
            }
        }
        let read = match opened.whole() {
            true => opened.source.read(),
            false => opened.source.read() - read_before,
        };
        let upto = stamped(from, opened.source.upto(), id);
        let (report, letters) = batch.report(read, draft.written(), id, from, &upto)?;
        self.land(stage, draft, report, letters, &upto).await.map(|report| Some((report, upto)))
    }

    /// The effects, in their order. Up to the commit nothing of the batch can be seen.
    async fn land(
        &self,
        stage: &Stage,
        draft: Box<dyn Draft>,
        report: Report,
        mut letters: Letters,
        upto: &Position,
    ) -> Result<Report, RunError> {
        if report.verdict() == Some(Verdict::Halt) {
            draft.abandon().await;
            self.store.halted(&report, &[], &of_halt(&report)).await?;
            return Err(RunError::Halted { stage: stage.id.clone(), report: Box::new(report) });
        }
        if !letters.is_empty() {
            self.queue.put(&mut letters, Some(report.draft)).await?;
        }
        draft.commit(upto, &report).await?;
        Ok(report)
    }

    /// Says now and then that the run is alive.
    async fn beat(&self, run: RunId, last: &mut DateTime<Utc>) -> Result<(), RunError> {
        let now = self.clock.now();
        if now - *last >= BEAT {
            self.store.heartbeat(run, now).await?;
            *last = now;
        }
        Ok(())
    }

    fn teller<'a>(&'a self, pipeline: &'a Pipeline, stage: &'a Stage) -> Teller<'a> {
        Teller {
            lake: &self.lake,
            log: self.log.as_ref(),
            store: &self.store,
            queue: self.queue.as_ref(),
            clock: self.clock.as_ref(),
            ids: self.ids.as_ref(),
            pipeline,
            stage,
        }
    }

    /// A table of the pipeline as a target, to look keys up in.
    fn target_of(&self, spec: &Arc<TableSpec>) -> LakeTarget {
        LakeTarget::new(Arc::clone(&self.lake), Arc::clone(spec))
    }
}

/// `upto` with the draft's id in every mark that it moves.
fn stamped(from: &Position, upto: Position, draft: DraftId) -> Position {
    let mut stamped = Position::default();
    for (slice, mut mark) in upto.0 {
        let before = from.mark(&slice);
        mark.draft = before.and_then(|before| before.draft);
        if before != Some(&mark) {
            mark.draft = Some(draft);
        }
        stamped.0.insert(slice, mark);
    }
    stamped
}

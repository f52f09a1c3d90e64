//! Performs the effects of stages, in one fixed order. Nothing else does.

mod batch;
mod error;
mod feed;
mod follow;
mod landing;
mod letters;
mod opened;
mod patience;
mod replay;
mod run;
mod times;
mod traced;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use assay_core::{Clock, Counts, DraftId, Governed, Ids, Position, Report, Run, RunId};
use assay_dlq::DeadLetterQueue;
use assay_log::Log;
use assay_store::Halt;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use self::batch::{Batch, Summed};
pub use self::error::RunError;
pub use self::follow::{Pace, Sign};
use self::landing::Judged;
use self::opened::Opened;
use self::patience::Faulty;
pub use self::patience::Patience;
pub use self::replay::{Replaying, Sample};
pub(crate) use self::traced::lines_of;
use crate::definition::Pipeline;
use crate::lake::Lake;
use crate::ledger::Ledger;
use crate::source::Extent;
use crate::stage::Stage;
use crate::stop::Stop;
use crate::target::{Day, DraftOf, Target, Targets};
use crate::telling::Teller;

/// Keys that a batch may hold to know duplicates by; then it is committed and a new one begins.
/// That is just below the number at which the set would double its room.
pub const KEYS_PER_BATCH: usize = 1_800_000;

/// Time between two signs of life of a run.
const BEAT: TimeDelta = TimeDelta::seconds(5);

/// Hears how a run gets on.
pub trait Watch: Send + Sync {
    fn progress(&self, stage: &Stage, counts: &Counts);

    /// Hears what a stage does that follows its source.
    fn follows(&self, _: &Stage, _: Sign<'_>) {}
}

/// What a run did.
#[derive(Debug, Clone)]
pub struct RunSummary {
    pub run: Run,
    pub counts: Counts,
    pub batches: Vec<Report>,
}

/// How far a run has come.
struct Way {
    from: Position,
    /// What is still to be read, in this order.
    ahead: VecDeque<Extent>,
    /// The batch that quality halted here before.
    halt: Option<Halt>,
    /// Failures since the last commit.
    tried: u32,
}

impl Way {
    fn new(from: Position, halt: Option<Halt>, day: Option<Day>) -> Way {
        let halted = halt.iter().map(|halt| Extent::Upto(halt.report.upto.clone()));
        let ahead = halted.chain([Extent::New]).chain(day.map(Extent::Day)).collect();
        Way { from, ahead, halt, tried: 0 }
    }

    /// When a person let exactly this batch pass.
    fn accepted(&self, report: &Report) -> Option<DateTime<Utc>> {
        let halt = self.halt.as_ref()?;
        // A day computed anew ends at the same place, and is another batch.
        let same = report.recomputed == halt.report.recomputed
            && report.stretch() == halt.report.stretch();
        same.then_some(halt.accepted_at)?
    }
}

/// Everything that stages need to take effect.
pub struct Runner {
    /// Where tables are read.
    pub lake: Arc<Lake>,
    /// Where rows are written.
    pub targets: Arc<dyn Targets>,
    pub log: Arc<dyn Log>,
    pub ledger: Arc<dyn Ledger>,
    pub queue: Arc<dyn DeadLetterQueue>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    /// Where what does not fit in memory goes.
    pub spool: PathBuf,
    pub watch: Arc<dyn Watch>,
    pub stop: Stop,
    pub patience: Patience,
    /// A batch that holds so many keys is committed, and a new one begins.
    pub keys_per_batch: usize,
}

impl Runner {
    /// Makes the tables of `stages` ready for their contracts, so that a contract that does not
    /// fit is refused before anything runs. For the stage that writes there it is a run that
    /// failed: nobody may be there who reads the error.
    pub async fn prepare(
        &self,
        pipeline: &Pipeline,
        stages: &[Arc<Stage>],
        governed: Governed,
        following: bool,
    ) -> Result<(), RunError> {
        for stage in stages {
            let target = self.targets.target(&stage.writes);
            let teller = self.teller(pipeline, stage, target.as_ref());
            // First of all: nothing is written down where it would be taken for somebody else's.
            self.patience.keep(|| Box::pin(teller.check_lake())).await?;
            if let Err(error) = self.patience.keep(|| target.prepare()).await {
                let error = RunError::from(error);
                if let Err(untold) = self.refused(&teller, (governed, following), &error).await {
                    tracing::warn!(error = %untold, "that a run failed could not be kept");
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Batch after batch, until nothing is new. What may work the next time is done anew from the
    /// last commit, under another draft.
    async fn batches(
        &self,
        stage: &Stage,
        target: &dyn Target,
        teller: &Teller<'_>,
        day: Option<Day>,
        summary: &mut RunSummary,
    ) -> Result<(), RunError> {
        self.patience.keep(|| target.prepare()).await?;
        let reader = stage.reader();
        let from = self.patience.keep(|| target.position(&reader)).await?;
        let date = day.as_ref().map(|day| day.date);
        let halt = self.halt_at(stage, &from, date).await?;
        let mut way = Way::new(from, halt, day);
        while let Some(extent) = way.ahead.front().cloned() {
            match self.pass(stage, target, teller, &extent, &mut way, summary).await {
                Ok(()) => {
                    way.ahead.pop_front();
                }
                Err(error)
                    if error.is_transient()
                        && self.patience.pause(&mut way.tried, &error).await => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The batch that quality halted where a reader stands.
    async fn halt_at(
        &self,
        stage: &Stage,
        from: &Position,
        day: Option<NaiveDate>,
    ) -> Result<Option<Halt>, RunError> {
        let contract = stage.writes.contract.reference();
        let halt = || self.ledger.latest_halt(&stage.id, from, &contract, day);
        Ok(self.patience.keep(halt).await?)
    }

    /// Reads so much of the source, batch by batch.
    async fn pass(
        &self,
        stage: &Stage,
        target: &dyn Target,
        teller: &Teller<'_>,
        extent: &Extent,
        way: &mut Way,
        summary: &mut RunSummary,
    ) -> Result<(), RunError> {
        let mut opened = Opened::open(self, stage, &way.from, extent).await?;
        while let Some(mut judged) =
            self.batch(&summary.run, stage, target, &mut opened, &way.from).await?
        {
            judged.report.accepted_at = way.accepted(&judged.report);
            let report = self.land(stage, target, judged).await?;
            summary.counts.add(&report.counts);
            way.from = report.upto.clone();
            way.tried = 0;
            summary.batches.push(report);
            self.lake.leave_read(stage.reads.dataset(), &stage.reader(), &way.from).await;
            self.tell(teller).await;
            if self.stop.draining() && !self.stop.asked() {
                break;
            }
        }
        Ok(())
    }

    /// Tells what is committed. That it can't be told yet is no reason to call it failed.
    async fn tell(&self, teller: &Teller<'_>) {
        if let Err(error) = self.patience.keep(|| Box::pin(teller.follow())).await {
            tracing::warn!(%error, "committed, but not told yet; the next run will tell it");
        }
    }

    /// One batch up to its report: read, shape, judge. Nothing of it can be seen yet.
    async fn batch(
        &self,
        run: &Run,
        stage: &Stage,
        target: &dyn Target,
        opened: &mut Opened<'_>,
        from: &Position,
    ) -> Result<Option<Judged>, RunError> {
        let read_before = opened.source.read();
        let Some(mut chunk) = opened.next_chunk().await? else { return Ok(None) };
        let first = opened.source.came_from();
        let mut span = traced::begun(run, stage, &first);
        let id = DraftId(self.ids.next());
        let reader = match &opened.apart {
            Some((reader, _)) => reader.clone(),
            None => stage.reader(),
        };
        let begun_at = self.clock.now();
        let of = DraftOf {
            id,
            reader: &reader,
            from,
            key: &stage.deduplicate,
            also: &stage.also,
            event_time: stage.event_time.as_ref(),
            begun_at,
        };
        let mut draft = target.draft(of, opened.write.clone()).await?;
        let ground = (draft.base(), from);
        let mut batch = Batch::new(self, run, stage, target, ground, &opened.write).await?;
        if let Some((_, breaker)) = opened.apart {
            batch.trip_at(breaker);
            batch.never_late();
        }
        let mut beat_at = begun_at;
        loop {
            if self.stop.asked() {
                draft.abandon().await;
                return Err(RunError::Interrupted);
            }
            let taken = batch.take(chunk).await?;
            draft.write(&stage.writes.dataset, taken.rows).await?;
            for (also, rows) in stage.also.iter().zip(taken.also) {
                draft.write(&also.writes.dataset, rows).await?;
            }
            batch.check_keeping()?;
            self.watch.progress(stage, &batch.counts);
            self.beat(run.id, &mut beat_at).await;
            let full = batch.keys_held() >= self.keys_per_batch && !opened.whole();
            if full || self.stop.draining() && opened.may_end() {
                break;
            }
            match opened.next_chunk().await? {
                Some(next) => chunk = next,
                None => break,
            }
        }
        opened.source.confirm().await?;
        let read = match opened.whole() {
            true => opened.source.read(),
            false => opened.source.read() - read_before,
        };
        let mut upto = opened.source.upto();
        batch.stamp(&mut upto);
        // A batch that ends within a sequence number leaves the place where it was, and yet fences.
        let all = opened.day.is_some() || upto.reaches_as_far(from);
        let upto = stamped(from, upto, id, all);
        let summed = batch.report(read, draft.written(), id, from, &upto).await?;
        let Summed { mut report, letters, keys, closed } = summed;
        let day = opened.day.clone();
        report.recomputed = day.as_ref().map(|day| day.date);
        traced::judged(&mut span, &report, (&first, &opened.source.came_from()));
        Ok(Some(Judged { draft, report, letters, keys, closed, day, span }))
    }

    /// Says now and then that the run is alive. That it can't be said does not stop a run.
    async fn beat(&self, run: RunId, last: &mut DateTime<Utc>) {
        let now = self.clock.now();
        if now - *last < BEAT {
            return;
        }
        match self.ledger.heartbeat(run, now).await {
            Ok(_) => *last = now,
            Err(error) => tracing::warn!(%error, "the run can't say that it is alive"),
        }
    }

    fn teller<'a>(
        &'a self,
        pipeline: &'a Pipeline,
        stage: &'a Stage,
        target: &'a dyn Target,
    ) -> Teller<'a> {
        Teller {
            lake: &self.lake,
            target,
            log: self.log.as_ref(),
            ledger: self.ledger.as_ref(),
            queue: self.queue.as_ref(),
            clock: self.clock.as_ref(),
            ids: self.ids.as_ref(),
            pipeline,
            stage,
        }
    }
}

/// `upto` with the draft's id in every mark that it moves; in all of them when the batch is to
/// refuse every other one that was begun here.
fn stamped(from: &Position, upto: Position, draft: DraftId, all: bool) -> Position {
    let mut stamped = Position::default();
    for (slice, mut mark) in upto.0 {
        let before = from.mark(&slice);
        mark.draft = before.and_then(|before| before.draft);
        if all || before != Some(&mark) {
            mark.draft = Some(draft);
        }
        stamped.0.insert(slice, mark);
    }
    stamped
}

//! Letters that come back: read, judged and committed by their stage as rows that are new, with a
//! position of their own.

use assay_core::{Counts, DraftId, Governed, Mark, Position, Run, RunId, Verdict};
use assay_dlq::{LetterId, ReplaySet};
use assay_quality::Breaker;
use assay_store::Replay;
use async_trait::async_trait;
use serde_json::Value;
use tracing::Instrument;

use super::landing::Judged;
use super::opened::Opened;
use super::patience::Faulty;
use super::{RunError, RunSummary, Runner, traced};
use crate::definition::Pipeline;
use crate::source::{Diff, ReplaySource, Transform};
use crate::stage::Stage;
use crate::target::{Closing, Target, TargetError};
use crate::telling::Teller;

/// Letters that died again and are shown.
const SAMPLES: usize = 5;

/// Hears how a job gets on, and says whether it may go on.
#[async_trait]
pub trait Replaying: Send + Sync {
    /// After each batch; false when another worker has the job now.
    async fn goes_on(&self, counts: &Counts) -> bool;

    /// Whether it was heard meanwhile that the job may not go on: its open batch is dropped.
    fn lost(&self) -> bool {
        false
    }
}

/// What a job did, or would do.
#[derive(Debug, Clone)]
pub struct Sample {
    pub summary: RunSummary,
    /// What became of the letters of the batches, by fate.
    pub fates: std::collections::BTreeMap<&'static str, u64>,
    /// Letters whose topics do not have them any more.
    pub gone: u64,
    /// Some that died again, and why.
    pub again: Vec<(LetterId, String)>,
    /// Letters that died again.
    pub dead: u64,
    /// Some letters before and after they were transformed.
    pub changes: Vec<(LetterId, Value, Value)>,
}

struct Way<'a> {
    job: &'a Replay,
    set: &'a ReplaySet,
    watch: &'a dyn Replaying,
    found: Sample,
    tried: u32,
}

impl Runner {
    /// Sends the letters of a job through their stage, from where the job stands in the target.
    /// A dry one is the same with every draft abandoned.
    pub async fn replay(
        &self,
        pipeline: &Pipeline,
        stage: &Stage,
        (job, set): (&Replay, &ReplaySet),
        watch: &dyn Replaying,
    ) -> Result<Sample, RunError> {
        let target = self.targets.target(&stage.writes);
        let teller = self.teller(pipeline, stage, target.as_ref());
        self.patience.keep(|| target.prepare()).await?;
        let run = match job.dry {
            true => {
                let (id, started_at) = (RunId(self.ids.next()), self.clock.now());
                let governed = Governed::ALL;
                Run { id, stage: stage.id.clone(), started_at, governed, following: false }
            }
            false => self.begin(&teller, stage, Governed::ALL, false).await?,
        };
        let summary = RunSummary { run, counts: Counts::default(), batches: vec![] };
        let found = Sample {
            summary,
            fates: Default::default(),
            gone: 0,
            again: vec![],
            dead: 0,
            changes: vec![],
        };
        let mut way = Way { job, set, watch, found, tried: 0 };
        let lines = traced::lines_of(&way.found.summary.run);
        let outcome =
            self.letters(stage, target.as_ref(), &teller, &mut way).instrument(lines).await;
        let found = way.found;
        if job.dry {
            return outcome.map(|()| found);
        }
        let batches = found.summary.batches.len() as u64;
        let told = self.end(&teller, &found.summary, batches, outcome.as_ref().err()).await;
        outcome?;
        told?;
        // A letter that landed is not open any more, and nobody else may take it for that.
        self.patience.keep(|| Box::pin(teller.follow())).await?;
        Ok(found)
    }

    /// Whether letters could be sent through a stage, before a job has them.
    pub(crate) async fn check_replay(
        &self,
        stage: &Stage,
        transform: Option<&str>,
    ) -> Result<(), RunError> {
        self.transform(stage, transform)?;
        let target = self.targets.target(&stage.writes);
        Ok(self.patience.keep(|| target.prepare()).await?)
    }

    fn transform(&self, stage: &Stage, text: Option<&str>) -> Result<Option<Transform>, RunError> {
        let schema = stage.reads.schema();
        let transform = text.map(|text| Transform::parse(text, &schema, self.clock.now()));
        transform.transpose().map_err(|what| RunError::Transform { what })
    }

    /// Gives a job up: whoever still carries it out, suspended or on its way, commits nothing more.
    /// On return all that it committed is told.
    pub async fn give_up_replay(
        &self,
        pipeline: &Pipeline,
        stage: &Stage,
        (job, set): (&Replay, &ReplaySet),
        why: &str,
    ) -> Result<(), RunError> {
        let target = self.targets.target(&stage.writes);
        let database = stage.writes.postgres.is_some();
        if database || self.lake.table(&stage.writes.dataset).await?.is_some() {
            let reader = stage.replayer();
            let from = self.patience.keep(|| target.position(&reader)).await?;
            let id = DraftId(self.ids.next());
            let mut to = from.clone();
            let mark = Mark { at: job.letters, draft: Some(id), ..Mark::default() };
            to.0.insert(crate::source::slice_of(set), mark);
            match database {
                true => target.move_reader(&reader, (&from, &to)).await?,
                false => {
                    self.lake.rewind(&stage.writes.dataset, &reader, (&from, &to), id, why).await?;
                }
            }
        }
        let teller = self.teller(pipeline, stage, target.as_ref());
        Ok(self.patience.keep(|| Box::pin(teller.follow())).await.map(drop)?)
    }

    async fn letters(
        &self,
        stage: &Stage,
        target: &dyn Target,
        teller: &Teller<'_>,
        way: &mut Way<'_>,
    ) -> Result<(), RunError> {
        loop {
            let reader = stage.replayer();
            let from = self.patience.keep(|| target.position(&reader)).await?;
            let slice = crate::source::slice_of(way.set);
            let from = from.only(|other| *other == slice);
            match self.letters_from(stage, target, teller, from, way).await {
                // Whoever had the job before was still at it. It is ours now, so we are faster in
                // the end.
                Err(RunError::Target(TargetError::Fenced { .. }))
                    if way.watch.goes_on(&way.found.summary.counts).await
                        && !self.stop.draining() =>
                {
                    tracing::info!(job = %way.job.id, "an earlier worker was faster: going on");
                }
                Err(error)
                    if error.is_transient()
                        && !way.job.dry
                        && !way.watch.lost()
                        && self.patience.pause(&mut way.tried, &error).await => {}
                outcome => return outcome,
            }
        }
    }

    async fn letters_from(
        &self,
        stage: &Stage,
        target: &dyn Target,
        teller: &Teller<'_>,
        mut from: Position,
        way: &mut Way<'_>,
    ) -> Result<(), RunError> {
        let options = &way.job.options;
        let transform = self.transform(stage, options.transform.as_deref())?;
        let watch = way.watch;
        let lost = || watch.lost();
        let mut source = ReplaySource::new(way.set.clone(), &stage.reads, options, &from);
        source.transform = transform;
        source.lost = Some(&lost);
        let breaker = Breaker { percent: options.stop_percent, at_least_rows: options.stop_rows };
        let gone = way.found.gone;
        loop {
            let mut opened = Opened::replay(&mut source, (stage.replayer(), breaker));
            let run = way.found.summary.run.clone();
            let judged = self.batch(&run, stage, target, &mut opened, &from).await?;
            drop(opened);
            way.found.gone = gone + source.gone;
            way.found.note_changes(&source.diffs);
            if watch.lost() {
                if let Some(judged) = judged {
                    judged.draft.abandon().await;
                }
                return Err(RunError::Interrupted);
            }
            let Some(mut judged) = judged else {
                // A batch of letters that are all gone has no rows, and may have others behind it.
                if source.ended {
                    return Ok(());
                }
                continue;
            };
            way.found.note_dead(&mut judged)?;
            for closed in &judged.closed {
                *way.found.fates.entry(closed.fate.name()).or_default() += 1;
            }
            let report = match way.job.dry {
                true => {
                    let Judged { draft, report, .. } = judged;
                    draft.abandon().await;
                    report
                }
                false => self.land_letters(stage, target, judged, way.set).await?,
            };
            // What was not committed moved nothing: the source alone knows how far it is.
            if !way.job.dry {
                from = report.upto.clone();
            }
            way.tried = 0;
            way.found.summary.counts.add(&report.counts);
            way.found.summary.batches.push(report);
            if !way.job.dry {
                self.tell(teller).await;
            }
            if !way.watch.goes_on(&way.found.summary.counts).await || self.stop.draining() {
                return Err(RunError::Interrupted);
            }
        }
    }

    /// Commits a batch of letters that came back: those that died again are put, the others are
    /// closed, both for the draft, so they count with its commit and not without.
    async fn land_letters(
        &self,
        stage: &Stage,
        target: &dyn Target,
        judged: Judged,
        set: &ReplaySet,
    ) -> Result<assay_core::Report, RunError> {
        let Judged { mut draft, mut report, mut letters, keys, closed, mut span, .. } = judged;
        if report.verdict() == Some(Verdict::Halt) {
            span.fail("halted by quality");
            draft.abandon().await;
            let (stage, report, job) = (stage.id.clone(), Box::new(report), Some(set.job()));
            return Err(RunError::Halted { stage, report, job });
        }
        // Rows of other days are no example for the next batch.
        report.remembered = None;
        if !letters.is_empty() {
            self.put(&mut letters, report.draft).await?;
        }
        let by = (report.draft, report.judged_at);
        let (queue, job, closed) = (&self.queue, set.job(), &closed[..]);
        report.closed = self.patience.keep(|| queue.settle(closed, job, by)).await?;
        let commit = traced::commit(&span, &mut report);
        let closing = Closing { upto: &report.upto, report: &report, keys: &keys };
        let outcome = self.commit(stage, target, draft.as_mut(), closing).await;
        traced::committed(commit, &outcome);
        outcome?;
        Ok(report)
    }
}

impl Sample {
    fn note_dead(&mut self, judged: &mut Judged) -> Result<(), RunError> {
        for letter in judged.letters.iter()? {
            let letter = letter?;
            self.dead += 1;
            if self.again.len() < SAMPLES {
                self.again.push((letter.id, letter.detail));
            }
        }
        Ok(())
    }

    fn note_changes(&mut self, diffs: &[Diff]) {
        let change = |diff: &Diff| (diff.id, diff.before.clone(), diff.after.clone());
        self.changes = diffs.iter().map(change).collect();
    }
}

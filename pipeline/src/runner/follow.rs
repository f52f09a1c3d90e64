//! Follows a source for as long as nobody asks it to stop: batch after batch, run after run.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use assay_core::{Counts, Governed, Report, RunId};
use assay_log::LogError;
use assay_store::Pause;
use tokio::time::Instant;
use tracing::Instrument;

use super::feed::Feed;
use super::opened::Opened;
use super::patience::Faulty;
use super::{BEAT, RunError, RunSummary, Runner, Way, traced};
use crate::definition::Pipeline;
use crate::source::{Extent, SourceError};
use crate::stage::{Reads, Stage};
use crate::target::{Target, TargetError};
use crate::telling::Teller;

/// How often a stage that is paused looks whether it still is.
const LOOK: Duration = Duration::from_millis(500);

/// When a following stage commits: whatever is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    pub rows: u64,
    /// Of the rows in memory.
    pub bytes: u64,
    pub every: Duration,
    /// A run that follows is complete after so long, and another begins: so there is a rate of
    /// success, a last success, and no sum that grows for ever.
    pub run: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            rows: 1_000_000,
            bytes: 256 << 20,
            every: Duration::from_secs(5),
            run: Duration::from_secs(3600),
        }
    }
}

/// What a following stage does, for those who look at it from outside.
#[derive(Debug, Clone, Copy)]
pub enum Sign<'a> {
    /// These partitions are ours.
    Owns(&'a BTreeSet<u32>),
    /// Nothing is new.
    Waits,
    Paused(&'a Pause),
    /// Its commit took that long, from the first effect on.
    Committed(&'a Report, Duration),
    /// Another worker moved the position: the batch was dropped, and it goes on from there.
    FencedOff,
    /// That may work the next time.
    Fails(&'a RunError),
}

/// How a run came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Drained,
    TimeOver,
}

/// A stage on its way.
struct Following<'a> {
    stage: &'a Stage,
    target: &'a dyn Target,
    teller: &'a Teller<'a>,
    feed: Feed,
    way: Way,
    /// Of the run at hand; it keeps the last batch only.
    summary: RunSummary,
    batches: u64,
}

impl Runner {
    /// Follows what the stage reads until it is asked to stop, and sums up what it did. Batches end
    /// as `pace` says; what may work the next time is tried for as long as it takes.
    pub async fn follow(
        &self,
        pipeline: &Pipeline,
        stage: &Stage,
        governed: Governed,
        pace: Pace,
    ) -> Result<RunSummary, RunError> {
        let target = self.targets.target(&stage.writes);
        let teller = self.teller(pipeline, stage, target.as_ref());
        let run = self.begin(&teller, stage, governed, true).await?;
        let summary = RunSummary { run, counts: Counts::default(), batches: vec![] };
        let mut following = Following {
            stage,
            target: target.as_ref(),
            teller: &teller,
            feed: Feed::of(stage, pace),
            way: Way::new(Default::default(), None, None),
            summary,
            batches: 0,
        };
        let mut all = Counts::default();
        loop {
            let lines = traced::lines_of(&following.summary.run);
            let outcome = self.one_run(&mut following, pace.run).instrument(lines).await;
            let (summary, batches) = (&following.summary, following.batches);
            let told = self.end(&teller, summary, batches, outcome.as_ref().err()).await;
            all.add(&summary.counts);
            if !matches!(outcome, Ok(End::TimeOver)) {
                following.feed.leave().await;
            }
            if outcome? == End::Drained {
                told?;
                return Ok(RunSummary { counts: all, ..following.summary });
            }
            told?;
            let run = self.begin(&teller, stage, governed, true).await?;
            following.summary = RunSummary { run, counts: Counts::default(), batches: vec![] };
            following.batches = 0;
        }
    }

    /// One run. Its signs of life go out whatever it waits for.
    async fn one_run(
        &self,
        following: &mut Following<'_>,
        time: Duration,
    ) -> Result<End, RunError> {
        let run = following.summary.run.id;
        tokio::select! {
            outcome = self.rounds(following, time) => outcome,
            never = self.beating(run) => match never {},
        }
    }

    async fn beating(&self, run: RunId) -> Infallible {
        let pause = BEAT.to_std().unwrap_or_default();
        loop {
            tokio::time::sleep(pause).await;
            if let Err(error) = self.ledger.heartbeat(run, self.clock.now()).await {
                tracing::warn!(%error, "the run can't say that it is alive");
            }
        }
    }

    async fn rounds(&self, following: &mut Following<'_>, time: Duration) -> Result<End, RunError> {
        self.patience.keep(|| following.target.prepare()).await?;
        let begun = Instant::now();
        while !self.stop.draining() {
            if begun.elapsed() >= time {
                return Ok(End::TimeOver);
            }
            let Err(error) = Box::pin(self.round(following)).await else { continue };
            let stage = following.stage;
            following.feed.displace();
            if let RunError::Target(TargetError::Fenced { .. }) = &error {
                tracing::info!(stage = %stage.id, "another worker was faster: going on from there");
                self.watch.follows(stage, Sign::FencedOff);
                // It is at work on what is here, so it would be faster again.
                self.stop.sleep(following.feed.stand_back()).await;
                continue;
            }
            // A worker may be started before its topic is made.
            let topic =
                matches!(&error, RunError::Source(SourceError::Log(LogError::UnknownTopic { .. })));
            if !error.is_transient() && !topic {
                return Err(error);
            }
            self.watch.follows(stage, Sign::Fails(&error));
            if !self.patience.pause(&mut following.way.tried, &error).await {
                return Err(error);
            }
        }
        Ok(End::Drained)
    }

    /// One batch, or a while of waiting for one.
    async fn round(&self, following: &mut Following<'_>) -> Result<(), RunError> {
        let stage = following.stage;
        if let Some(pause) = self.ledger.paused(&stage.id).await? {
            self.watch.follows(stage, Sign::Paused(&pause));
            following.feed.settle_while_paused().await?;
            self.stop.sleep(LOOK).await;
            return Ok(());
        }
        if following.feed.unsettled() && self.settle(following).await? {
            return Ok(());
        }
        if !following.feed.news(self, stage).await? {
            following.way.tried = 0;
            self.watch.follows(stage, Sign::Waits);
            return Ok(());
        }
        let judged = match &mut following.feed {
            Feed::Topic { topic: Some(topic), .. } => {
                let mut opened = Opened::follow(topic);
                let (run, from) = (&following.summary.run, &following.way.from);
                self.batch(run, stage, following.target, &mut opened, from).await?
            }
            _ => return self.pass_on(following, &Extent::New).await.map(drop),
        };
        let Some(judged) = judged else {
            // What lies there is no record: a log may use offsets for marks of its own.
            self.watch.follows(stage, Sign::Waits);
            self.stop.sleep(LOOK).await;
            return Ok(());
        };
        let begun = Instant::now();
        let report = self.land(stage, following.target, judged).await?;
        self.took(following, report, begun.elapsed());
        following.feed.committed(&following.way.from).await;
        self.tell(following.teller).await;
        Ok(())
    }

    /// Finds out where the stage stands. A batch that was halted here comes first, exactly as it
    /// was; true when that was so, and the stage stands elsewhere now.
    async fn settle(&self, following: &mut Following<'_>) -> Result<bool, RunError> {
        let stage = following.stage;
        if let Reads::Topic(topic) = &stage.reads
            && let Some(own) = following.feed.join(self, topic, &stage.reader()).await?
        {
            self.watch.follows(stage, Sign::Owns(own));
        }
        let position = following.target.position(&stage.reader()).await?;
        let from = following.feed.own_of(&position);
        let halt = self.halt_at(stage, &from, None).await?;
        let tried = following.way.tried;
        let upto = halt.as_ref().map(|halt| following.feed.own_of(&halt.report.upto));
        following.way = Way { tried, ..Way::new(from, halt, None) };
        if let Some(upto) = upto
            && self.pass_on(following, &Extent::Upto(upto)).await? > 0
        {
            return Ok(true);
        }
        following.way.halt = None;
        following.feed.place(&following.way.from).await?;
        // What was committed before may not have been told, or by nobody who is a member.
        following.feed.committed(&following.way.from).await;
        Ok(false)
    }

    /// Reads so much as a run that ends by itself would, and counts the batches.
    async fn pass_on(
        &self,
        following: &mut Following<'_>,
        extent: &Extent,
    ) -> Result<usize, RunError> {
        let Following { stage, target, teller, way, summary, batches, .. } = following;
        let before = std::mem::take(&mut summary.batches);
        let begun = Instant::now();
        let passed = self.pass(stage, *target, teller, extent, way, summary).await;
        let count = summary.batches.len();
        for report in &summary.batches {
            self.watch.follows(stage, Sign::Committed(report, begun.elapsed()));
        }
        *batches += count as u64;
        match count {
            0 => summary.batches = before,
            _ => drop(summary.batches.drain(..count - 1)),
        }
        passed.map(|()| count)
    }

    /// Counts a batch of a topic that was committed.
    fn took(&self, following: &mut Following<'_>, report: Report, took: Duration) {
        let Following { stage, way, summary, batches, .. } = following;
        summary.counts.add(&report.counts);
        way.from = report.upto.clone();
        way.tried = 0;
        *batches += 1;
        self.watch.follows(stage, Sign::Committed(&report, took));
        summary.batches = vec![report];
    }
}

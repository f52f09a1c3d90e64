//! Carries out jobs that send dead letters back.

use std::sync::atomic::Ordering;

use assay_core::{Counts, Fault, StageId};
use assay_dlq::{DlqError, ForwardError, Index, LetterId, LetterView, mask};
use assay_store::{AuditEntry, Outcome, Replay, ReplayState};
use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::definition::Pipeline;
use crate::ingest::{Ingest, IngestError};
use crate::job::Held;
use crate::runner::{Replaying, RunError, Runner};
use crate::telling::SILENCE;

/// Everything that a job needs to be carried out.
pub struct Replayer<'a> {
    pub runner: &'a Runner,
    pub ingest: &'a Ingest,
    pub index: &'a Index,
    pub pipeline: &'a Pipeline,
}

/// What a job did, or what it would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Carried {
    pub job: Uuid,
    pub dry: bool,
    pub letters: u64,
    /// Letters that fit, and are in flight for another job.
    pub skipped: u64,
    /// What became of the letters: landed, duplicate, filtered, sent, again, …
    pub outcome: Outcome,
    /// Why rows died again, and how many.
    pub died_of: Outcome,
    pub samples: Vec<Died>,
    pub changes: Vec<Changed>,
    /// Why nothing would be committed, where that is so.
    pub halted: Vec<String>,
    /// Why a letter may be in its topic twice; absent where each is there once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twice: Option<String>,
}

/// A letter that died again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Died {
    pub letter: String,
    pub detail: String,
}

/// A letter before and after it was transformed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed {
    pub letter: String,
    pub before: Value,
    pub after: Value,
}

impl Carried {
    /// What the contract shows to few is not in what changed either. A change whose letter is gone is
    /// dropped: nobody knows what that is.
    pub async fn hide(&mut self, index: &Index) -> Result<(), DlqError> {
        for mut change in std::mem::take(&mut self.changes) {
            let Ok(id) = change.letter.parse() else { continue };
            let Some(shown) = index.show(id).await?.filter(|shown| !shown.gone) else { continue };
            mask(&mut change.before, &shown.letter.sensitive);
            mask(&mut change.after, &shown.letter.sensitive);
            self.changes.push(change);
        }
        Ok(())
    }
}

/// Why a job was not carried out to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("there is no job {0}: see `assay dlq jobs`")]
    NoJob(Uuid),
    #[error("job {0} is {1}: nothing more comes of it")]
    Over(Uuid, &'static str),
    #[error("the pipeline {pipeline} has no stage {stage}: name the pipeline with --pipeline")]
    NoStage { pipeline: String, stage: StageId },
    #[error(
        "job {0} is being carried out: stop that with Ctrl-C, or wait a minute after it was killed"
    )]
    Alive(Uuid),
    #[error("job {0} is carried out by another worker now; see `assay dlq jobs {0}`")]
    Taken(Uuid),
    #[error(
        "{letters} letters of job {job} are not accounted for yet: go on with it by `assay dlq \
         resume {job}`"
    )]
    Waiting { job: Uuid, letters: u64 },
    #[error(transparent)]
    Run(Box<RunError>),
    #[error(transparent)]
    Ingest(#[from] IngestError),
    #[error("{0}")]
    Transform(String),
    #[error(transparent)]
    Forward(#[from] ForwardError),
    #[error(transparent)]
    Letters(#[from] DlqError),
}

impl From<RunError> for ReplayError {
    fn from(error: RunError) -> Self {
        ReplayError::Run(Box::new(error))
    }
}

#[async_trait]
impl Replaying for Held<'_> {
    async fn goes_on(&self, counts: &Counts) -> bool {
        (self.progress)(counts);
        self.lives().await
    }

    fn lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Replayer<'_> {
    /// Carries a job out, from wherever it stands, whoever had it before: the place is in the
    /// target, so of two workers one is fenced off. `worker` is whoever does so now.
    pub async fn carry_out(
        &self,
        id: Uuid,
        worker: Uuid,
        progress: &(dyn Fn(&Counts) + Send + Sync),
    ) -> Result<Carried, ReplayError> {
        let clock = self.runner.clock.as_ref();
        let store = self.index.store();
        let job = store.replay(id).await.map_err(DlqError::from)?;
        let job = job.ok_or(ReplayError::NoJob(id))?;
        self.check(&job)?;
        let held = Held::of(self.index, clock, &job, worker, progress);
        held.take().await?;
        let done = match held.while_it_lives(Box::pin(self.done(&job, &held))).await {
            Ok(carried) => self.account(&job, carried).await,
            Err(error) => Err(error),
        };
        held.leave(done).await
    }

    /// Gives a job up, so that others may send what is left of its letters.
    pub async fn give_up(&self, id: Uuid, entry: &AuditEntry) -> Result<Replay, ReplayError> {
        let store = self.index.store();
        let job = store.replay(id).await.map_err(DlqError::from)?;
        let job = job.ok_or(ReplayError::NoJob(id))?;
        self.check(&job)?;
        let alive = job.beat_at.is_some_and(|beat| entry.at - beat < SILENCE);
        if job.state.over() {
            return Err(ReplayError::Over(id, job.state.name()));
        }
        if job.state == ReplayState::Running && alive {
            return Err(ReplayError::Alive(id));
        }
        if let Some(stage) = self.pipeline.stages.iter().find(|stage| stage.id == job.stage) {
            let set = self.index.letters_of(id);
            let which = (&job, &set);
            self.runner.give_up_replay(self.pipeline, stage, which, &entry.reason).await?;
        }
        // What it landed is not open any more before others may choose from what is.
        self.index.catch_up(&|_| {}).await?;
        match store.cancel_replay(id, entry).await.map_err(DlqError::from)? {
            true => Ok(job),
            false => Err(ReplayError::Over(id, "complete")),
        }
    }

    /// Whether the pipeline has the stage that the letters come from.
    pub fn check(&self, job: &Replay) -> Result<(), ReplayError> {
        self.check_stage(&job.stage)
    }

    /// Whether a job of that stage could be carried out, before there is one.
    pub async fn check_asked(
        &self,
        stage: &StageId,
        transform: Option<&str>,
    ) -> Result<(), ReplayError> {
        self.check_stage(stage)?;
        match self.pipeline.stages.iter().find(|known| known.id == *stage) {
            Some(stage) => Ok(self.runner.check_replay(stage, transform).await?),
            None => Ok(Ingest::check_transform(transform)?),
        }
    }

    fn check_stage(&self, stage: &StageId) -> Result<(), ReplayError> {
        let known = self.pipeline.stages.iter().any(|known| known.id == *stage);
        let ingest = self.pipeline.ingest.is_some()
            && stage.pipeline == self.pipeline.name
            && is_ingest(stage);
        match known || ingest {
            true => Ok(()),
            false => Err(ReplayError::NoStage {
                pipeline: self.pipeline.name.clone(),
                stage: stage.clone(),
            }),
        }
    }

    async fn done(&self, job: &Replay, held: &Held<'_>) -> Result<Carried, ReplayError> {
        let set = self.index.letters_of(job.id);
        let mut carried = Carried {
            job: job.id,
            dry: job.dry,
            letters: job.letters,
            skipped: job.skipped,
            outcome: Outcome::new(),
            died_of: Outcome::new(),
            samples: vec![],
            changes: vec![],
            halted: vec![],
            twice: None,
        };
        let died = |(id, detail): (LetterId, String)| Died { letter: id.to_string(), detail };
        let Some(stage) = self.pipeline.stages.iter().find(|stage| stage.id == job.stage) else {
            let done = |letter: &LetterView| letter.closed || letter.older;
            let resent = self.ingest.resend(self.pipeline, (job, &set), &done, held).await?;
            for (what, count) in
                [("sent", resent.sent), ("again", resent.again), ("gone", resent.gone)]
            {
                if count > 0 {
                    carried.outcome.insert(what.to_owned(), count);
                }
            }
            carried.samples = resent.samples.into_iter().map(died).collect();
            return Ok(carried);
        };
        let found = self.runner.replay(self.pipeline, stage, (job, &set), held).await?;
        for (fate, count) in found.fates {
            carried.outcome.insert(fate.to_owned(), count);
        }
        for (what, count) in [("again", found.dead), ("gone", found.gone)] {
            if count > 0 {
                carried.outcome.insert(what.to_owned(), count);
            }
        }
        for report in &found.summary.batches {
            for (cause, count) in &report.rejected_by {
                *carried.died_of.entry(cause.clone()).or_default() += count;
            }
            if let assay_core::Evaluated::Judged(quality) = &report.quality
                && quality.verdict == assay_core::Verdict::Halt
            {
                carried.halted.extend(quality.because.iter().cloned());
            }
        }
        carried.samples = found.again.into_iter().map(died).collect();
        let change = |(id, before, after): (LetterId, Value, Value)| Changed {
            letter: id.to_string(),
            before,
            after,
        };
        carried.changes = found.changes.into_iter().map(change).collect();
        Ok(carried)
    }

    /// What became of every letter, as the topics say it now: also of those that an earlier worker
    /// dealt with.
    async fn account(&self, job: &Replay, carried: Carried) -> Result<Carried, ReplayError> {
        if job.dry {
            return Ok(carried);
        }
        self.index.catch_up(&|_| {}).await?;
        let outcome = self.index.store().replay_outcome(job.id).await.map_err(DlqError::from)?;
        match outcome.get("waiting") {
            // Those that the topic lost since are not coming.
            Some(waiting) if *waiting > carried.outcome.get("gone").copied().unwrap_or(0) => {
                Err(ReplayError::Waiting { job: job.id, letters: *waiting })
            }
            _ => Ok(Carried { outcome, ..carried }),
        }
    }
}

/// Stages that take in what no stage has read yet.
pub(crate) fn is_ingest(stage: &StageId) -> bool {
    matches!(stage.stage.as_str(), "ingest" | "collect")
}

impl ReplayError {
    /// Whether going on with the job later may help, all else unchanged.
    pub fn fault(&self) -> Fault {
        match self {
            ReplayError::Run(error) => error.fault(),
            ReplayError::Ingest(error) => error.fault(),
            ReplayError::Letters(error) => error.fault(),
            ReplayError::Forward(ForwardError::Letters(error)) => error.fault(),
            _ => Fault::Permanent,
        }
    }

    /// How the job stands after it.
    pub(crate) fn state(&self) -> ReplayState {
        match self {
            ReplayError::Run(error)
                if matches!(**error, RunError::Halted { .. } | RunError::Interrupted) =>
            {
                ReplayState::Stopped
            }
            ReplayError::Ingest(IngestError::Again { .. } | IngestError::Interrupted { .. }) => {
                ReplayState::Stopped
            }
            ReplayError::Forward(ForwardError::Interrupted(_)) => ReplayState::Stopped,
            _ => ReplayState::Failed,
        }
    }

    pub(crate) fn told(&self) -> String {
        match self {
            ReplayError::Run(error) => match error.as_ref() {
                RunError::Halted { report, .. } => match &report.quality {
                    assay_core::Evaluated::Judged(quality) => quality.because.join("; "),
                    assay_core::Evaluated::NotEvaluated => self.to_string(),
                },
                error => error.told(),
            },
            _ => self.to_string(),
        }
    }
}

//! `assay dlq work`: carries out the jobs that others made, one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use assay_core::{Counts, Fault};
use assay_dlq::{DlqError, Index};
use assay_pipeline::{Carried, Patience, Pipeline, ReplayError, Replayer};
use assay_store::{Action, AuditEntry, Replay, ReplayState, Wish};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::forward::forwarder;
use super::{caught_up, jobs};
use crate::app::App;
use crate::args::DlqWorkArgs;
use crate::commands::Sending;
use crate::exit::Usage;
use crate::output::{json as print_json, line, number, time};
use crate::progress::Progress;
use crate::shipped;

/// How often it is looked whether there is a job.
const EVERY: Duration = Duration::from_secs(1);

/// How long a job is left alone that could not be carried out or given up: an outage may last.
const ANEW_AFTER: TimeDelta = TimeDelta::seconds(10);

/// A worker says each 5 seconds that it lives: less than some of them is no silence.
const LEAST_SILENCE: TimeDelta = TimeDelta::seconds(15);

struct Worker<'a> {
    app: &'a App,
    index: Index,
    /// Jobs that are left alone for a while, and until when.
    later: BTreeMap<Uuid, DateTime<Utc>>,
    /// What a person calls each pipeline: it is read anew for each job, since it may be mended.
    pipelines: BTreeMap<String, String>,
    silence: TimeDelta,
    as_json: bool,
}

pub(crate) async fn work(app: &App, what: &DlqWorkArgs, as_json: bool) -> Result<()> {
    let silence = TimeDelta::from_std(what.takeover_after.0)?;
    if silence < LEAST_SILENCE {
        let (least, told) = (LEAST_SILENCE.num_seconds(), "workers give a sign of life every 5 s");
        return Err(Usage(format!("--takeover-after is {least} or more: {told}")).into());
    }
    let mut worker = Worker {
        app,
        index: caught_up(app, None).await?,
        later: BTreeMap::new(),
        pipelines: pipelines(&what.pipelines)?,
        silence,
        as_json,
    };
    let sending = Sending::start(app)?;
    app.drain_when_asked();
    let known: Vec<&str> = worker.pipelines.keys().map(String::as_str).collect();
    eprintln!("working on jobs of {}", known.join(", "));
    let outcome = async {
        while !app.stop.draining() {
            match worker.next().await {
                Ok(true) => {}
                Ok(false) if what.once => break,
                Ok(false) => app.stop.sleep(EVERY).await,
                Err(error) if what.once => return Err(error),
                // The store may be away for a while; nobody would start the worker again.
                Err(error) => {
                    eprintln!("could not look for jobs, trying again: {error:#}");
                    app.stop.sleep(EVERY).await;
                }
            }
        }
        Ok(())
    };
    let outcome = Box::pin(outcome).await;
    sending.after(outcome).await
}

/// Each pipeline by its own name. One that can't be read is found before anybody relies on it.
fn pipelines(given: &[String]) -> Result<BTreeMap<String, String>> {
    let given = if given.is_empty() { shipped::names() } else { given.to_vec() };
    let mut known = BTreeMap::new();
    for place in given {
        let name = shipped::load(&place)?.name;
        if let Some(other) = known.insert(name.clone(), place.clone()) {
            let told =
                format!("{other} and {place} are both the pipeline {name}: name one of them");
            return Err(Usage(told).into());
        }
    }
    Ok(known)
}

impl Worker<'_> {
    /// Carries out the first job that can be; false when there is none.
    async fn next(&mut self) -> Result<bool> {
        let now = self.app.clock.now();
        self.later.retain(|_, until| *until > now);
        for job in self.app.store.free_replays(now - self.silence).await? {
            if self.later.contains_key(&job.id) {
                continue;
            }
            let to_topic = job.options.to.is_some();
            let place = self.pipelines.get(&job.stage.pipeline).filter(|_| !to_topic);
            if place.is_none() && !to_topic {
                continue;
            }
            // A stage that somebody stopped for a while is left alone.
            let stage = (!job.dry && !to_topic).then_some(&job.stage);
            let paused = match stage {
                Some(stage) => self.app.store.paused(stage).await?.is_some(),
                None => false,
            };
            if paused && job.wish.is_none() {
                continue;
            }
            // Somebody's own version of it judges what he sent back.
            let place = place.map(|place| job.options.pipeline.as_ref().unwrap_or(place));
            let pipeline = place.map(|place| shipped::load(place)).transpose();
            match (&job.wish, pipeline) {
                (Some(_), Err(error)) => eprintln!("job {} can't be given up: {error:#}", job.id),
                // One that can't be given up must not keep the others waiting.
                (Some(wish), Ok(pipeline)) => {
                    match self.give_up(&job, wish, pipeline.as_ref()).await {
                        Ok(true) => return Ok(true),
                        Ok(false) => {}
                        Err(error) => {
                            eprintln!("job {} can't be given up, trying again: {error:#}", job.id);
                            self.later.insert(job.id, self.app.clock.now() + ANEW_AFTER);
                        }
                    }
                }
                (None, pipeline) => {
                    let worker = self.app.ids.next();
                    let at = (now, now - self.silence);
                    if self.app.store.claim_replay(job.id, worker, at).await? {
                        if !self.carry_out(&job, worker, pipeline).await? {
                            self.later.insert(job.id, self.app.clock.now() + ANEW_AFTER);
                        }
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// False when another does so, or whoever has the job may still be alive.
    async fn give_up(
        &self,
        job: &Replay,
        wish: &Wish,
        pipeline: Option<&Pipeline>,
    ) -> Result<bool> {
        let entry = AuditEntry {
            at: self.app.clock.now(),
            who: wish.who.clone(),
            action: Action::Replay,
            subject: format!("{} job {}", job.stage, job.id),
            reason: wish.reason.clone(),
            details: json!({"cancelled": true}),
        };
        let given_up = match pipeline {
            None => forwarder(self.app, &self.index).give_up(job, &entry).await,
            Some(pipeline) => {
                let (runner, ingest) =
                    (self.app.runner(Arc::new(Progress::new(true)) as _), self.app.ingest());
                let index = &self.index;
                let replayer = Replayer { runner: &runner, ingest: &ingest, index, pipeline };
                Box::pin(replayer.give_up(job.id, &entry)).await.map(drop)
            }
        };
        match given_up {
            Ok(()) => {}
            Err(ReplayError::Over(..) | ReplayError::Alive(_)) => return Ok(false),
            // Nobody can carry it out either.
            Err(ReplayError::NoStage { .. }) => {
                if !self.app.store.cancel_replay(job.id, &entry).await? {
                    return Ok(false);
                }
            }
            Err(error) => return Err(error.into()),
        }
        self.say(job, "given up, as was asked", None)?;
        Ok(true)
    }

    /// What comes of a job is said and kept; it is no reason for the worker to end. False when that
    /// may be another thing in a while.
    async fn carry_out(
        &self,
        job: &Replay,
        worker: Uuid,
        pipeline: Result<Option<Pipeline>>,
    ) -> Result<bool> {
        let store = &self.app.store;
        let done = match pipeline {
            Ok(pipeline) => self.carried(job, worker, pipeline.as_ref()).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(carried) => {
                let outcome = jobs::told(&carried.outcome);
                self.say(
                    job,
                    &format!("{} letters: {outcome}", number(carried.letters)),
                    Some(&carried),
                )?;
                Ok(true)
            }
            Err(_) if self.app.stop.draining() && store.leave_to_others(job.id, worker).await? => {
                self.say(job, "left to the next worker", None)?;
                Ok(true)
            }
            Err(error) => {
                let message = format!("{error:#}");
                let passes = passing(&error);
                let state = if passes { ReplayState::Waiting } else { ReplayState::Failed };
                let left = (state, self.app.clock.now());
                // It says so itself, unless it was not even begun.
                store.leave_replay(job.id, worker, left, Some(&message)).await?;
                self.say(job, &message, None)?;
                Ok(!passes)
            }
        }
    }

    async fn carried(
        &self,
        job: &Replay,
        worker: Uuid,
        pipeline: Option<&Pipeline>,
    ) -> Result<Carried> {
        let (index, heard) = (&self.index, |_: &Counts| {});
        index.catch_up(&|_| {}).await?;
        let Some(pipeline) = pipeline else {
            let forwarder = forwarder(self.app, index);
            return Ok(Box::pin(forwarder.carry_out(job.id, worker, &heard)).await?);
        };
        let progress = Arc::new(Progress::new(true));
        let (mut runner, ingest) = (self.app.runner(Arc::clone(&progress) as _), self.app.ingest());
        runner.patience = Patience::endless(self.app.stop.clone());
        let replayer = Replayer { runner: &runner, ingest: &ingest, index, pipeline };
        Ok(Box::pin(replayer.carry_out(job.id, worker, &heard)).await?)
    }

    fn say(&self, job: &Replay, told: &str, carried: Option<&Carried>) -> Result<()> {
        let (id, stage) = (job.id, &job.stage);
        let kind = if job.dry { "dry run" } else { "job" };
        match self.as_json {
            true => {
                let stage = stage.to_string();
                let outcome = carried.map(|carried| &carried.outcome);
                print_json(&json!({
                    "job": id, "dry": job.dry, "stage": stage, "outcome": outcome, "told": told,
                }))
            }
            false => {
                let at: DateTime<Utc> = self.app.clock.now();
                line(format!("{}  {kind} {id} of {stage}: {told}", time(at)))
            }
        }
    }
}

/// Whether it may work the next time.
fn passing(error: &anyhow::Error) -> bool {
    let job = error.downcast_ref::<ReplayError>().map(ReplayError::fault);
    let letters = error.downcast_ref::<DlqError>().map(DlqError::fault);
    job.or(letters) == Some(Fault::Transient)
}

//! What a worker that follows its sources says of itself: to people, to the log, over HTTP.

mod http;
mod said;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use assay_core::{Clock, Counts, Position, Report, StageId};
use assay_metrics::{Following, render_following};
use assay_pipeline::{Sign, Stage, Watch};
use assay_store::Pause;
use chrono::{DateTime, Utc};
use serde::Serialize;

pub(crate) use self::http::serve;
use self::said::Said;

/// Hears what the stages do, and remembers it.
pub(crate) struct Worker {
    clock: Arc<dyn Clock>,
    stages: Mutex<BTreeMap<StageId, Known>>,
    said: Said,
}

/// How a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Starting,
    Following,
    Paused,
    /// Something is away: it tries again.
    Retrying,
}

/// What is known of a stage in this process.
#[derive(Debug, Clone)]
struct Known {
    state: State,
    following: Following,
    owns: BTreeSet<u32>,
    position: Position,
    last_commit_at: Option<DateTime<Utc>>,
    last_error: Option<LastError>,
    pause: Option<Pause>,
}

#[derive(Debug, Clone, Serialize)]
struct LastError {
    at: DateTime<Utc>,
    message: String,
}

impl Worker {
    pub(crate) fn new(clock: Arc<dyn Clock>, stages: &[Arc<Stage>], quiet: bool) -> Worker {
        let names: Vec<&StageId> = stages.iter().map(|stage| &stage.id).collect();
        let said = Said::new(&names, quiet);
        let known = |stage: &Arc<Stage>| (stage.id.clone(), Known::new(&stage.id));
        Worker { clock, stages: Mutex::new(stages.iter().map(known).collect()), said }
    }

    /// What is known of every stage now.
    fn known(&self) -> Vec<Known> {
        self.stages.lock().map(|stages| stages.values().cloned().collect()).unwrap_or_default()
    }

    /// What this process counts, as `/metrics` shows it, without what the store and the log know.
    pub(crate) fn text(&self) -> Option<String> {
        let following: Vec<_> = self.known().into_iter().map(|known| known.following).collect();
        render_following(&following, &[], &[], self.clock.now()).ok()
    }

    /// Leaves nothing on the terminal.
    pub(crate) fn end(&self) {
        self.said.end();
    }
}

impl Known {
    fn new(stage: &StageId) -> Known {
        Known {
            state: State::Starting,
            following: Following::new(stage.clone()),
            owns: BTreeSet::new(),
            position: Position::default(),
            last_commit_at: None,
            last_error: None,
            pause: None,
        }
    }

    /// Takes in a sign; true when it says something that was not so before.
    fn hear(&mut self, sign: Sign<'_>, now: DateTime<Utc>) -> bool {
        let before = self.state;
        if !matches!(sign, Sign::Paused(_)) {
            self.pause = None;
        }
        self.state = match sign {
            Sign::Owns(partitions) => {
                let news = self.owns != *partitions;
                self.owns = partitions.clone();
                self.following.partitions = partitions.len() as u64;
                return news;
            }
            Sign::Waits => State::Following,
            Sign::Committed(report, took) => {
                self.committed(report, took, now);
                State::Following
            }
            Sign::Paused(pause) => {
                self.pause = Some(pause.clone());
                State::Paused
            }
            Sign::FencedOff => {
                self.following.fenced += 1;
                State::Following
            }
            Sign::Fails(error) => {
                self.following.retries += 1;
                self.last_error = Some(LastError { at: now, message: error.told() });
                State::Retrying
            }
        };
        if matches!(sign, Sign::Waits | Sign::Committed(..)) {
            self.following.last_success_at = Some(now);
        }
        self.following.paused = self.state == State::Paused;
        self.state != before || matches!(sign, Sign::Committed(..) | Sign::FencedOff)
    }

    fn committed(&mut self, report: &Report, took: Duration, now: DateTime<Utc>) {
        self.following.batches += 1;
        self.following.counts.add(&report.counts);
        self.following.commits.observe(took.as_secs_f64());
        self.position = report.upto.clone();
        self.last_commit_at = Some(now);
    }
}

impl Watch for Worker {
    fn progress(&self, stage: &Stage, counts: &Counts) {
        self.said.reads(&stage.id, counts);
    }

    fn follows(&self, stage: &Stage, sign: Sign<'_>) {
        let now = self.clock.now();
        let Ok(mut stages) = self.stages.lock() else { return };
        let known = stages.entry(stage.id.clone()).or_insert_with(|| Known::new(&stage.id));
        let news = known.hear(sign, now);
        self.said.says(&stage.id, sign, known, news);
    }
}

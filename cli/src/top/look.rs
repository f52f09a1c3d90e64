//! What is seen at one moment, from where `assay status` has it.

use anyhow::Result;
use assay_core::{RunId, RunStatus};
use assay_pipeline::{Behind, SILENCE};
use assay_store::{Replay, ReportRecord, RunRecord, TargetHealth};
use chrono::{DateTime, Utc};

use crate::app::App;
use crate::commands::runs::current;
use crate::waiting::{Desk, Waiting};

/// All that a frame is made of, worst first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Look {
    pub(crate) at: DateTime<Utc>,
    pub(crate) place: String,
    pub(crate) stages: Vec<Stage>,
    pub(crate) datasets: Vec<Dataset>,
    pub(crate) readers: Vec<Reader>,
    pub(crate) letters: Vec<Letters>,
    pub(crate) targets: Vec<TargetHealth>,
    pub(crate) jobs: Vec<Replay>,
    /// Why the log does not answer: then no readers are known, and letters are those of before.
    pub(crate) away: Option<String>,
}

/// How a stage stands; what somebody has to look at comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Failed,
    Halted,
    Aborted,
    /// It should be running, and is not heard of.
    Silent,
    Paused,
    Running,
    Complete,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Failed => "failed",
            State::Halted => "halted",
            State::Aborted => "aborted",
            State::Silent => "silent",
            State::Paused => "paused",
            State::Running => "running",
            State::Complete => "complete",
        }
    }

    /// Whether a person has to do something.
    pub(crate) fn trouble(self) -> bool {
        self < State::Paused
    }

    fn of(record: &RunRecord, paused: bool, now: DateTime<Utc>) -> State {
        match record.status {
            RunStatus::Failed => State::Failed,
            RunStatus::Halted => State::Halted,
            _ if paused => State::Paused,
            RunStatus::Aborted => State::Aborted,
            RunStatus::Complete => State::Complete,
            RunStatus::Running if now - record.heartbeat_at > SILENCE => State::Silent,
            RunStatus::Running => State::Running,
        }
    }
}

/// A stage and its last run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stage {
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) run: RunId,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    pub(crate) read: u64,
    pub(crate) written: u64,
    pub(crate) rejected: u64,
    /// Rows written a second: of a run that has ended over all of it, else in the last minute.
    pub(crate) rows_per_second: Option<f64>,
    /// Why it stands as it does, where something is known.
    pub(crate) why: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dataset {
    pub(crate) name: String,
    pub(crate) score: Option<f64>,
    pub(crate) verdict: &'static str,
    pub(crate) judged_at: DateTime<Utc>,
}

/// How far a reader is behind in all partitions of a topic.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reader {
    pub(crate) name: String,
    pub(crate) topic: String,
    pub(crate) messages: u64,
    /// Age of the oldest message that it has not read.
    pub(crate) seconds: Option<f64>,
}

/// Dead letters of one reason in one topic.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Letters {
    pub(crate) topic: String,
    pub(crate) reason: &'static str,
    pub(crate) letters: u64,
    pub(crate) oldest: DateTime<Utc>,
}

impl Look {
    /// Looks at everything once.
    pub(crate) async fn at(app: &App) -> Result<Look> {
        let (store, now) = (&app.store, app.clock.now());
        let pauses = store.pauses().await?;
        let stage = |record: &RunRecord| {
            let pause = pauses.iter().find(|pause| pause.stage == record.run.stage);
            let paused = pause.map(|pause| format!("paused by {}: {}", pause.who, pause.reason));
            Stage::of(record, paused, now)
        };
        let Waiting { unread, letters, away } = Desk::of(app).waiting().await?;
        let mut look = Look {
            at: now,
            place: app.data_dir().display().to_string(),
            stages: current(store, now).await?.iter().map(stage).collect(),
            datasets: store.latest_reports().await?.iter().map(Dataset::of).collect(),
            readers: readers(unread.unwrap_or_default()),
            letters: letters.into_iter().map(Letters::of).collect(),
            targets: store.targets().await?,
            jobs: store.open_replays().await?,
            away,
        };
        look.sort();
        Ok(look)
    }

    /// Puts what somebody has to look at first.
    pub(crate) fn sort(&mut self) {
        self.stages.sort_by(|a, b| (a.state, &a.name).cmp(&(b.state, &b.name)));
        let rank = |dataset: &Dataset| match dataset.verdict {
            "halt" => 0,
            "accepted" => 1,
            "warn" => 2,
            _ => 3,
        };
        self.datasets.sort_by(|a, b| (rank(a), &a.name).cmp(&(rank(b), &b.name)));
        self.readers.sort_by(|a, b| b.messages.cmp(&a.messages).then(a.name.cmp(&b.name)));
        self.letters.sort_by_key(|letters| std::cmp::Reverse(letters.letters));
        self.targets.sort_by_key(|target| std::cmp::Reverse((target.parked, target.waiting)));
    }
}

impl Stage {
    fn of(record: &RunRecord, paused: Option<String>, now: DateTime<Utc>) -> Stage {
        let state = State::of(record, paused.is_some(), now);
        let (started_at, ended_at) = (record.run.started_at, record.ended_at);
        let took = ended_at.map(|ended| (ended - started_at).as_seconds_f64());
        let silent = || "its process is not heard of any more".to_owned();
        let why = match state {
            State::Paused => paused,
            State::Silent => Some(silent()),
            _ => record.message.clone(),
        };
        Stage {
            name: record.run.stage.to_string(),
            state,
            run: record.run.id,
            started_at,
            ended_at,
            read: record.counts.read,
            written: record.counts.written,
            rejected: record.counts.rejected,
            rows_per_second: took.map(|took| rate(record.counts.written, took)),
            why,
        }
    }
}

impl Dataset {
    fn of(record: &ReportRecord) -> Dataset {
        let report = &record.report;
        Dataset {
            name: report.output.to_string(),
            score: report.score(),
            verdict: report.verdict_name(),
            judged_at: report.judged_at,
        }
    }
}

impl Letters {
    fn of(summary: assay_dlq::Summary) -> Letters {
        Letters {
            topic: summary.topic,
            reason: summary.reason.map_or("unknown", assay_dlq::Reason::name),
            letters: summary.letters,
            oldest: summary.oldest,
        }
    }
}

/// Rows a second; what took no time is held to a millisecond.
#[allow(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
pub(super) fn rate(rows: u64, seconds: f64) -> f64 {
    rows as f64 / seconds.max(0.001)
}

/// One line for each reader and topic.
fn readers(partitions: Vec<Behind>) -> Vec<Reader> {
    let mut readers: Vec<Reader> = vec![];
    for behind in partitions {
        let name = behind.reader.unwrap_or_else(|| "nobody yet".to_owned());
        let known = readers.iter_mut().find(|r| r.name == name && r.topic == behind.topic);
        if let Some(reader) = known {
            reader.messages += behind.messages;
            reader.seconds = reader.seconds.into_iter().chain(behind.seconds).reduce(f64::max);
        } else {
            let (topic, messages, seconds) = (behind.topic, behind.messages, behind.seconds);
            readers.push(Reader { name, topic, messages, seconds });
        }
    }
    readers
}

//! Jobs that send dead letters back, and the letters of each. A letter is in one open job at most.

use std::collections::{BTreeMap, HashSet};

use assay_core::StageId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use self::rows::{choose, drop_dry, in_flight, insert, letter, replay};
use crate::column::{count, from_count, from_time, word};
use crate::database::{Row, statement};
use crate::{AuditEntry, LetterFilter, Store, StoreError, audit};

mod handed;
mod rows;

pub use handed::{GivenUp, Wish};
pub(crate) use rows::IN_FLIGHT;

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayState {
    Waiting,
    Running,
    /// Too many letters died again: a person has to look.
    Stopped,
    Failed,
    Complete,
    Cancelled,
}

impl ReplayState {
    const ALL: [ReplayState; 6] = [
        ReplayState::Waiting,
        ReplayState::Running,
        ReplayState::Stopped,
        ReplayState::Failed,
        ReplayState::Complete,
        ReplayState::Cancelled,
    ];

    pub fn name(self) -> &'static str {
        match self {
            ReplayState::Waiting => "waiting",
            ReplayState::Running => "running",
            ReplayState::Stopped => "stopped",
            ReplayState::Failed => "failed",
            ReplayState::Complete => "complete",
            ReplayState::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more comes of the job.
    pub fn over(self) -> bool {
        matches!(self, ReplayState::Complete | ReplayState::Cancelled)
    }
}

impl std::str::FromStr for ReplayState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = ReplayState::ALL.into_iter().find(|state| state.name() == text);
        known.ok_or_else(|| format!("`{text}` is no state of a job"))
    }
}

/// How letters are to be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplayOptions {
    /// Letters a second at most.
    pub rate: Option<u32>,
    /// Letters of one commit at most.
    pub batch: u32,
    /// The job stops when more than so many percent of a batch die again …
    pub stop_percent: f64,
    /// … of at least so many.
    pub stop_rows: u64,
    /// A JSON merge patch, or columns and SQL, that changes what is sent.
    pub transform: Option<String>,
    /// The topic that they are sent to; absent: back into the stage that they failed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<ReplayTopic>,
    /// Where the pipeline was read that judges them; absent: it is the shipped one of that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
}

/// A topic that letters are sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayTopic {
    pub topic: String,
    /// Where each partition ended when the job was made: what it sends comes behind that.
    pub starts: Vec<u64>,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        ReplayOptions {
            rate: None,
            batch: 10_000,
            stop_percent: 50.0,
            stop_rows: 100,
            transform: None,
            to: None,
            pipeline: None,
        }
    }
}

/// A job that sends letters back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replay {
    pub id: Uuid,
    pub stage: StageId,
    pub state: ReplayState,
    /// Whether nothing of it may take effect.
    pub dry: bool,
    pub who: String,
    pub reason: String,
    pub wanted: LetterFilter,
    pub options: ReplayOptions,
    pub created_at: DateTime<Utc>,
    /// The last sign of life of whoever carries it out.
    pub beat_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub letters: u64,
    /// Letters that fit, and were in flight for another job.
    pub skipped: u64,
    pub message: Option<String>,
    /// Whether it is left to whichever worker comes for it.
    pub handed: bool,
    /// Who wants it given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wish: Option<Wish>,
    /// What the worker found out with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
}

/// A letter of a job, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplayLetter {
    pub number: u64,
    pub id: String,
    pub attempt: u32,
    pub draft: String,
    pub topic: String,
    pub part: u32,
    pub place: u64,
}

/// What became of the letters of a job: landed, duplicate, filtered, … , again, waiting; elsewhere
/// are those that another job sent.
pub type Outcome = BTreeMap<String, u64>;

impl Store {
    /// Makes a job of the open letters that fit, at most `limit` of them, in the order of their
    /// sources. Which those are is fixed from here on; letters in flight are left out and counted.
    /// Where all of them are in flight, there is no job.
    pub async fn start_replay(
        &self,
        job: &Replay,
        limit: Option<u64>,
        entry: Option<&AuditEntry>,
    ) -> Result<Replay, StoreError> {
        let started = async {
            let mut transaction = self.write().await?;
            // A dry run that was killed left its letters.
            let old = from_time(job.created_at - chrono::TimeDelta::days(1));
            drop_dry(&mut transaction, "dry = 1 AND created_at < $1", &old).await?;
            let mut job = job.clone();
            job.letters = choose(&mut transaction, &job, limit).await?;
            job.skipped = in_flight(&mut transaction, &job).await?;
            if !job.dry && job.letters == 0 && job.skipped > 0 {
                // Nobody has anything to do.
                transaction.commit().await?;
                return Ok(job);
            }
            job.wanted.shorten();
            insert(&mut transaction, &job).await?;
            if let Some(entry) = entry {
                let mut entry = entry.clone();
                if !entry.details["which"].is_null() {
                    entry.details["which"] = serde_json::to_value(&job.wanted).unwrap_or_default();
                }
                entry.details["letters"] = job.letters.into();
                audit::put(&mut transaction, &entry).await?;
            }
            transaction.commit().await?;
            Ok(job)
        };
        started.await.map_err(self.failed("make a job of dead letters"))
    }

    /// Forgets a dry run.
    pub async fn forget_replay(&self, job: Uuid) -> Result<(), StoreError> {
        let forgotten = async {
            let mut transaction = self.write().await?;
            drop_dry(&mut transaction, "dry = 1 AND id = $1", &job.to_string()).await?;
            transaction.commit().await
        };
        forgotten.await.map_err(self.failed("forget a dry run"))
    }

    /// Jobs, the newest first.
    pub async fn replays(&self, limit: u32) -> Result<Vec<Replay>, StoreError> {
        let failed = self.failed("list the jobs");
        let sql = "SELECT * FROM replays WHERE dry = 0 ORDER BY created_at DESC, id DESC LIMIT $1";
        let rows = statement(sql).bind(i64::from(limit)).fetch_all(self.pool()).await;
        rows.map_err(&failed)?.iter().map(replay).collect::<Result<_, _>>().map_err(failed)
    }

    /// Jobs that are not over, oldest first.
    pub async fn open_replays(&self) -> Result<Vec<Replay>, StoreError> {
        let failed = self.failed("list the jobs that are not over");
        let sql = "SELECT * FROM replays WHERE dry = 0 AND state NOT IN ('complete', 'cancelled')
            ORDER BY created_at, id";
        let rows = statement(sql).fetch_all(self.pool()).await;
        rows.map_err(&failed)?.iter().map(replay).collect::<Result<_, _>>().map_err(failed)
    }

    pub async fn replay(&self, job: Uuid) -> Result<Option<Replay>, StoreError> {
        let failed = self.failed("read a job");
        let row = statement("SELECT * FROM replays WHERE id = $1")
            .bind(job.to_string())
            .fetch_optional(self.pool())
            .await
            .map_err(&failed)?;
        row.as_ref().map(replay).transpose().map_err(failed)
    }

    /// Gives the job to `worker`, whoever had it; false when it is over.
    pub async fn take_replay(
        &self,
        job: Uuid,
        worker: Uuid,
        at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let failed = self.failed("take on a job");
        let done = statement(
            "UPDATE replays SET state = 'running', worker = $2, beat_at = $3, message = NULL
             WHERE id = $1 AND state NOT IN ('complete', 'cancelled')",
        )
        .bind(job.to_string())
        .bind(worker.to_string())
        .bind(from_time(at))
        .execute(self.pool())
        .await
        .map_err(failed)?;
        Ok(done.rows_affected() > 0)
    }

    /// Says how `worker` left the job; false when it had lost it.
    pub async fn leave_replay(
        &self,
        job: Uuid,
        worker: Uuid,
        (state, at): (ReplayState, DateTime<Utc>),
        message: Option<&str>,
    ) -> Result<bool, StoreError> {
        let failed = self.failed("say how a job ended");
        let done = statement(
            "UPDATE replays SET state = $3, ended_at = $4, message = $5
             WHERE id = $1 AND worker = $2 AND state = 'running'",
        )
        .bind(job.to_string())
        .bind(worker.to_string())
        .bind(state.name())
        .bind(state.over().then(|| from_time(at)))
        .bind(message)
        .execute(self.pool())
        .await
        .map_err(failed)?;
        Ok(done.rows_affected() > 0)
    }

    /// Gives a job up, and keeps who did so; false when it is over. Its letters may be sent by
    /// others from then on.
    pub async fn cancel_replay(&self, job: Uuid, entry: &AuditEntry) -> Result<bool, StoreError> {
        let cancelled = async {
            let mut transaction = self.write().await?;
            let done = statement(
                "UPDATE replays SET state = 'cancelled', ended_at = $2, message = $3
                 WHERE id = $1 AND state NOT IN ('complete', 'cancelled')",
            )
            .bind(job.to_string())
            .bind(from_time(entry.at))
            .bind(&entry.reason)
            .execute(&mut transaction)
            .await?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
            audit::put(&mut transaction, entry).await?;
            transaction.commit().await?;
            Ok(true)
        };
        cancelled.await.map_err(self.failed("cancel a job"))
    }

    /// The letters of a job from a number on.
    pub async fn replay_letters(
        &self,
        job: Uuid,
        from: u64,
        limit: u32,
    ) -> Result<Vec<ReplayLetter>, StoreError> {
        let failed = self.failed("read the letters of a job");
        let rows = statement(
            "SELECT * FROM replay_letters WHERE job = $1 AND number >= $2 ORDER BY number LIMIT $3",
        )
        .bind(job.to_string())
        .bind(from_count(from))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        rows.iter().map(letter).collect::<Result<_, _>>().map_err(failed)
    }

    /// Jobs that are over since before a time: nothing comes of them any more.
    pub async fn replays_over(&self, before: DateTime<Utc>) -> Result<HashSet<Uuid>, StoreError> {
        let failed = self.failed("look for jobs that are over");
        let rows = statement(
            "SELECT id FROM replays WHERE state IN ('complete', 'cancelled')
                 AND COALESCE(ended_at, created_at) < $1",
        )
        .bind(from_time(before))
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        rows.iter().map(|row| word(row, "id")).collect::<Result<_, _>>().map_err(failed)
    }

    /// The jobs that had a letter, the newest first.
    pub async fn replays_of(&self, letter: &str) -> Result<Vec<Replay>, StoreError> {
        let failed = self.failed("read the jobs of a letter");
        let rows = statement(
            "SELECT * FROM replays WHERE dry = 0 AND id IN (
                 SELECT job FROM replay_letters WHERE id = $1) ORDER BY created_at DESC, id DESC",
        )
        .bind(letter)
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        rows.iter().map(replay).collect::<Result<_, _>>().map_err(failed)
    }

    /// What became of the letters of a job, as the index knows it.
    pub async fn replay_outcome(&self, job: Uuid) -> Result<Outcome, StoreError> {
        let failed = self.failed("count what became of the letters of a job");
        let sql = format!(
            "SELECT {FATE} AS what, COUNT(*) AS letters FROM replay_letters r
             LEFT JOIN letters l ON l.id = r.id AND l.attempt = r.attempt AND l.draft = r.draft
             WHERE r.job = $1 GROUP BY 1"
        );
        let rows = statement(&sql).bind(job.to_string()).fetch_all(self.pool()).await;
        let pair = |row: &Row| Ok((row.try_get("what")?, count(row, "letters")?));
        rows.map_err(&failed)?.iter().map(pair).collect::<Result<_, _>>().map_err(failed)
    }
}

/// What became of a letter `l` that a job `r` sent.
const FATE: &str = "CASE
    WHEN l.id IS NULL THEN 'gone'
    WHEN l.state = 'closed' AND l.job <> r.job THEN 'elsewhere'
    WHEN l.closed_at IS NOT NULL AND l.state = 'closed' THEN l.fate
    WHEN EXISTS (SELECT 1 FROM letters n WHERE n.id = l.id AND n.attempt > l.attempt
        AND n.state <> 'void') THEN 'again'
    ELSE 'waiting' END";

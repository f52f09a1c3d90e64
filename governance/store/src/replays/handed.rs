//! Jobs that are left to workers: who made one need not be able to carry it out. A worker has a job
//! as long as it gives signs of life; then another takes it over.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::rows::replay;
use super::{Replay, ReplayState};
use crate::column::{from_json, from_time};
use crate::database::statement;
use crate::{AuditEntry, Store, StoreError, audit};

/// That somebody wants a job given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    pub who: String,
    pub reason: String,
    pub at: DateTime<Utc>,
}

/// What came of asking that a job be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// Nobody had begun it.
    AtOnce,
    /// A worker does so: only it can fence off whoever may still have the job.
    ByWorker,
    /// The job is over, or somebody asked before.
    No,
}

/// Whom nobody has: what waits, and what was left without a sign of life. A wish is granted also of
/// what was stopped.
const FREE: &str = "handed = 1 AND (state = 'waiting'
    OR (state = 'running' AND (beat_at IS NULL OR beat_at < $1))
    OR (wish IS NOT NULL AND state IN ('stopped', 'failed')))";

impl Store {
    /// Jobs that wait for a worker, the oldest first; also those whose worker was last heard of
    /// before `silent`.
    pub async fn free_replays(&self, silent: DateTime<Utc>) -> Result<Vec<Replay>, StoreError> {
        let failed = self.failed("look for jobs to do");
        let sql = format!("SELECT * FROM replays WHERE {FREE} ORDER BY created_at, id LIMIT 1000");
        let rows = statement(&sql).bind(from_time(silent)).fetch_all(self.pool()).await;
        rows.map_err(&failed)?.iter().map(replay).collect::<Result<_, _>>().map_err(failed)
    }

    /// Gives a job that is free to `worker`; false when another was quicker.
    pub async fn claim_replay(
        &self,
        job: Uuid,
        worker: Uuid,
        (at, silent): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<bool, StoreError> {
        let failed = self.failed("claim a job");
        let sql = format!(
            "UPDATE replays SET state = 'running', worker = $2, beat_at = $3, message = NULL
             WHERE id = $4 AND wish IS NULL AND {FREE}"
        );
        let query = statement(&sql).bind(from_time(silent)).bind(worker.to_string());
        let query = query.bind(from_time(at)).bind(job.to_string());
        Ok(query.execute(self.pool()).await.map_err(failed)?.rows_affected() > 0)
    }

    /// A sign of life of a job's worker; false when another has the job now, it was cancelled, or is
    /// to be given up. Whoever gives a job up does so for a while, and lives.
    pub async fn beat_replay(
        &self,
        job: Uuid,
        worker: Uuid,
        at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let failed = self.failed("give a sign of life of a job");
        let beat = async {
            let mut transaction = self.write().await?;
            let done = statement(
                "UPDATE replays SET beat_at = $3
                 WHERE id = $1 AND worker = $2 AND state = 'running'",
            )
            .bind(job.to_string())
            .bind(worker.to_string())
            .bind(from_time(at))
            .execute(&mut transaction)
            .await?;
            let wanted = statement("SELECT 1 FROM replays WHERE id = $1 AND wish IS NULL")
                .bind(job.to_string())
                .fetch_optional(&mut transaction)
                .await?;
            transaction.commit().await?;
            Ok(done.rows_affected() > 0 && wanted.is_some())
        };
        beat.await.map_err(failed)
    }

    /// Leaves a job of `worker` to the next one that comes for it.
    pub async fn leave_to_others(&self, job: Uuid, worker: Uuid) -> Result<bool, StoreError> {
        let failed = self.failed("leave a job to others");
        let sql = "UPDATE replays SET state = 'waiting', message = NULL
             WHERE id = $1 AND worker = $2 AND handed = 1 AND state IN ('running', 'stopped')";
        let query = statement(sql).bind(job.to_string()).bind(worker.to_string());
        Ok(query.execute(self.pool()).await.map_err(failed)?.rows_affected() > 0)
    }

    /// Hands a job to whichever worker comes for it, and keeps who did so; false when it is over, is
    /// being given up, or its worker was heard of since `silent`.
    pub async fn hand_over_replay(
        &self,
        job: Uuid,
        silent: DateTime<Utc>,
        entry: &AuditEntry,
    ) -> Result<bool, StoreError> {
        let handed = async {
            let mut transaction = self.write().await?;
            let sql = "UPDATE replays SET handed = 1, message = NULL,
                     state = CASE WHEN state = 'running' THEN 'running' ELSE 'waiting' END
                 WHERE id = $1 AND wish IS NULL AND (state IN ('waiting', 'stopped', 'failed')
                     OR (state = 'running' AND (beat_at IS NULL OR beat_at < $2)))";
            let done = statement(sql)
                .bind(job.to_string())
                .bind(from_time(silent))
                .execute(&mut transaction)
                .await?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
            audit::put(&mut transaction, entry).await?;
            transaction.commit().await?;
            Ok(true)
        };
        handed.await.map_err(self.failed("hand a job over"))
    }

    /// Asks that a job be given up, and keeps who did so.
    pub async fn wish_given_up(
        &self,
        job: Uuid,
        entry: &AuditEntry,
    ) -> Result<GivenUp, StoreError> {
        let (who, reason) = (entry.who.clone(), entry.reason.clone());
        let wish = Wish { who, reason, at: entry.at };
        let asked = async {
            let mut transaction = self.write().await?;
            // Of a dry one nothing takes effect, whoever still has it.
            let sql = "UPDATE replays SET state = 'cancelled', ended_at = $2, message = $3
                 WHERE id = $1 AND state NOT IN ('complete', 'cancelled')
                     AND (dry = 1 OR (state = 'waiting' AND beat_at IS NULL))";
            let at_once = statement(sql)
                .bind(job.to_string())
                .bind(from_time(entry.at))
                .bind(&entry.reason)
                .execute(&mut transaction)
                .await?;
            let sql = "UPDATE replays SET handed = 1, wish = $2
                 WHERE id = $1 AND wish IS NULL AND state NOT IN ('complete', 'cancelled')";
            let asked = statement(sql).bind(job.to_string()).bind(from_json(&wish)?);
            let outcome = match at_once.rows_affected() {
                0 if asked.execute(&mut transaction).await?.rows_affected() == 0 => {
                    return Ok(GivenUp::No);
                }
                0 => GivenUp::ByWorker,
                _ => GivenUp::AtOnce,
            };
            audit::put(&mut transaction, entry).await?;
            transaction.commit().await?;
            Ok(outcome)
        };
        asked.await.map_err(self.failed("ask that a job be given up"))
    }

    /// Keeps what a worker found out with a job.
    pub async fn keep_replay_result(&self, job: Uuid, result: &Value) -> Result<(), StoreError> {
        let kept = statement("UPDATE replays SET result = $2 WHERE id = $1")
            .bind(job.to_string())
            .bind(result.to_string())
            .execute(self.pool())
            .await;
        kept.map(drop).map_err(self.failed("keep what became of a job"))
    }

    /// Jobs behind one in time, the newest first; dry ones only when they are asked for.
    pub async fn replays_before(
        &self,
        before: Option<(DateTime<Utc>, Uuid)>,
        (state, dry): (Option<ReplayState>, bool),
        limit: u32,
    ) -> Result<Vec<Replay>, StoreError> {
        let failed = self.failed("list the jobs");
        let (at, id) = before.unzip();
        let rows = statement(
            "SELECT * FROM replays WHERE dry = $1 AND ($2 IS NULL OR state = $2)
                 AND ($3 IS NULL OR (created_at, id) < ($3, $4))
             ORDER BY created_at DESC, id DESC LIMIT $5",
        )
        .bind(i64::from(dry))
        .bind(state.map(ReplayState::name))
        .bind(at.map(from_time))
        .bind(id.map(|id| id.to_string()))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        rows.iter().map(replay).collect::<Result<_, _>>().map_err(failed)
    }
}

//! Runs as their lineage events tell of them, and what they read and wrote.

use assay_core::{RunId, StageId};
use chrono::{DateTime, Utc};

use super::Direction;
use crate::column::{from_json, from_time, some_time, time, word};
use crate::database::{Row, statement};
use crate::{Store, StoreError};

/// A run as its events tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageRun {
    pub id: RunId,
    pub job: StageId,
    /// running, complete, failed, aborted or stated.
    pub status: String,
    pub started_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub last_at: DateTime<Utc>,
    /// As the event spells it.
    pub parent: Option<String>,
}

const RUN: &str =
    "SELECT r.id, r.pipeline, r.stage, r.status, r.started_at, r.ended_at, r.last_at, r.parent
    FROM lineage_runs r";

impl Store {
    pub async fn lineage_run(&self, id: RunId) -> Result<Option<LineageRun>, StoreError> {
        let failed = self.failed("read a run of the lineage");
        let sql = format!("{RUN} WHERE r.id = $1");
        let query = statement(&sql).bind(id.to_string());
        let row = query.fetch_optional(self.pool()).await.map_err(&failed)?;
        row.as_ref().map(lineage_run).transpose().map_err(failed)
    }

    /// Runs by the time of their last event, the newest first; those before `before`.
    pub async fn lineage_runs(
        &self,
        before: Option<(DateTime<Utc>, RunId)>,
        limit: u32,
    ) -> Result<Vec<LineageRun>, StoreError> {
        let failed = self.failed("list the runs of the lineage");
        let sql = format!(
            "{RUN} WHERE $1 IS NULL OR (r.last_at, r.id) < ($1, $2)
             ORDER BY r.last_at DESC, r.id DESC LIMIT $3"
        );
        let rows = statement(&sql)
            .bind(before.map(|(at, _)| from_time(at)))
            .bind(before.map(|(_, id)| id.to_string()))
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        rows.iter().map(lineage_run).collect::<Result<_, _>>().map_err(failed)
    }

    /// What a run read, or wrote.
    pub async fn touched(
        &self,
        run: RunId,
        direction: Direction,
    ) -> Result<Vec<String>, StoreError> {
        let side = match direction {
            Direction::Upstream => "in",
            Direction::Downstream => "out",
        };
        let failed = self.failed("read what a run touched");
        let sql = "SELECT dataset FROM touched WHERE run = $1 AND side = $2 ORDER BY dataset";
        let query = statement(sql).bind(run.to_string()).bind(side);
        let rows = query.fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(|row| row.try_get("dataset")).collect::<Result<_, _>>().map_err(failed)
    }

    /// The runs that wrote any of `datasets`, begun up to a time, the last first.
    pub async fn runs_that_wrote(
        &self,
        datasets: &[&str],
        upto: Option<DateTime<Utc>>,
        limit: u32,
    ) -> Result<Vec<LineageRun>, StoreError> {
        let failed = self.failed("read which runs wrote a dataset");
        let sql = format!(
            "{RUN} WHERE ($2 IS NULL OR r.started_at <= $2) AND r.id IN (SELECT t.run FROM touched t
                 WHERE t.side = 'out' AND t.dataset IN (SELECT value FROM json_each($1)))
             ORDER BY r.last_at DESC, r.id DESC LIMIT $3"
        );
        let rows = statement(&sql)
            .bind(from_json(&datasets).map_err(&failed)?)
            .bind(upto.map(from_time))
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        rows.iter().map(lineage_run).collect::<Result<_, _>>().map_err(failed)
    }

    /// The run of the same job that began last before `run` and wrote something.
    pub async fn run_before(&self, run: &LineageRun) -> Result<Option<LineageRun>, StoreError> {
        let failed = self.failed("read the run before a run");
        let sql = format!(
            "{RUN} WHERE r.pipeline = $1 AND r.stage = $2 AND r.started_at < $3 AND r.id <> $4
                 AND EXISTS (SELECT 1 FROM touched t WHERE t.run = r.id AND t.side = 'out')
             ORDER BY r.started_at DESC, r.id DESC LIMIT 1"
        );
        let row = statement(&sql)
            .bind(&run.job.pipeline)
            .bind(&run.job.stage)
            .bind(from_time(run.started_at))
            .bind(run.id.to_string())
            .fetch_optional(self.pool())
            .await
            .map_err(&failed)?;
        row.as_ref().map(lineage_run).transpose().map_err(failed)
    }

    /// Runs that read any of `datasets`, wrote nothing, and began after `run` ended and before the
    /// next run that wrote them: tests of what it wrote.
    pub async fn tests_after(
        &self,
        datasets: &[&str],
        run: &LineageRun,
    ) -> Result<Vec<RunId>, StoreError> {
        let failed = self.failed("read the tests of what a run wrote");
        let named = "SELECT value FROM json_each($1)";
        let sql = format!(
            "SELECT r.id FROM lineage_runs r WHERE r.started_at >= $2 AND r.id <> $3
                 AND r.id IN (SELECT run FROM touched WHERE side = 'in' AND dataset IN ({named}))
                 AND NOT EXISTS (SELECT 1 FROM touched o WHERE o.run = r.id AND o.side = 'out')
                 AND NOT EXISTS (SELECT 1 FROM lineage_runs w JOIN touched o ON o.run = w.id
                     WHERE o.side = 'out' AND o.dataset IN ({named}) AND w.id <> $3
                         AND w.started_at >= $2 AND w.started_at < r.started_at)
             ORDER BY r.started_at, r.id LIMIT 20"
        );
        let rows = statement(&sql)
            .bind(from_json(&datasets).map_err(&failed)?)
            .bind(from_time(run.ended_at.unwrap_or(run.last_at)))
            .bind(run.id.to_string())
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        rows.iter().map(|row| word(row, "id")).collect::<Result<_, _>>().map_err(failed)
    }
}

fn lineage_run(row: &Row) -> Result<LineageRun, sqlx::Error> {
    Ok(LineageRun {
        id: word(row, "id")?,
        job: StageId { pipeline: row.try_get("pipeline")?, stage: row.try_get("stage")? },
        status: row.try_get("status")?,
        started_at: time(row, "started_at")?,
        ended_at: some_time(row, "ended_at")?,
        last_at: time(row, "last_at")?,
        parent: row.try_get("parent")?,
    })
}

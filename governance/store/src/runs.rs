use assay_core::{Counts, Run, RunId, RunStatus, StageId};
use chrono::{DateTime, Utc};

use crate::column::{count, from_count, from_json, from_time, json, some_time, time, word};
use crate::database::{Row, Session, statement};
use crate::{Event, Increment, Store, StoreError, events, totals};

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    pub run: Run,
    pub status: RunStatus,
    pub ended_at: DateTime<Utc>,
    /// The sum over its batches.
    pub counts: Counts,
    pub batches: u64,
    /// Why it did not complete.
    pub message: Option<String>,
}

/// What is known of a run. While it runs, batches and counts are those told so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    pub run: Run,
    pub status: RunStatus,
    pub heartbeat_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub counts: Counts,
    pub batches: u64,
    pub message: Option<String>,
}

/// Which runs to list; what is not given does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFilter {
    pub pipeline: Option<String>,
    pub stage: Option<String>,
    pub status: Option<RunStatus>,
    pub limit: u32,
}

impl Default for RunFilter {
    fn default() -> Self {
        RunFilter { pipeline: None, stage: None, status: None, limit: 100 }
    }
}

/// How the runs of a stage fared, of those that were asked for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageHealth {
    pub stage: StageId,
    /// Runs that ended in the time asked for, in whatever way.
    pub finished: u64,
    /// Those of them that completed.
    pub complete: u64,
    /// When a run completed last, ever.
    pub last_complete_at: Option<DateTime<Utc>>,
}

const RUN: &str = "SELECT r.body, r.status, r.heartbeat_at, r.ended_at, r.counts, r.batches,
    r.message FROM runs r";

impl Store {
    /// Takes in that a run has started; false, and without effect, when that is known.
    pub async fn start_run(
        &self,
        run: &Run,
        at: DateTime<Utc>,
        events: &[Event],
        totals: &[Increment],
    ) -> Result<bool, StoreError> {
        let start = Writing { run, status: RunStatus::Running, heartbeat_at: at, end: None };
        let put = self.put_run(start, "DO NOTHING", events, totals).await;
        put.map_err(self.failed("start a run"))
    }

    /// Says that a run is alive; false when it is not running, as far as the store knows.
    pub async fn heartbeat(&self, run: RunId, at: DateTime<Utc>) -> Result<bool, StoreError> {
        let beat =
            statement("UPDATE runs SET heartbeat_at = $2 WHERE id = $1 AND status = 'running'")
                .bind(run.to_string())
                .bind(from_time(at))
                .execute(self.pool())
                .await
                .map_err(self.failed("say that a run is alive"))?;
        Ok(beat.rows_affected() > 0)
    }

    /// Takes in how a run ended, also of one whose start the store did not hear of.
    ///
    /// False, and without effect, when it had ended before; but what the run itself says corrects
    /// what others said when it was silent. It is counted once, as what it was taken for first.
    pub async fn end_run(
        &self,
        end: &RunEnd,
        events: &[Event],
        totals: &[Increment],
    ) -> Result<bool, StoreError> {
        let row = Writing {
            run: &end.run,
            status: end.status,
            heartbeat_at: end.ended_at,
            end: Some(end),
        };
        let update = "DO UPDATE SET status = excluded.status, ended_at = excluded.ended_at,
            batches = excluded.batches, counts = excluded.counts, message = excluded.message
            WHERE runs.status = 'running' OR (runs.status = 'aborted'
                AND runs.ended_at = runs.heartbeat_at AND excluded.status <> 'aborted')";
        let put = self.put_run(row, update, events, totals).await;
        put.map_err(self.failed("end a run"))
    }

    /// Runs, the last started first.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        let sql = format!(
            "{RUN} WHERE ($1 IS NULL OR pipeline = $1) AND ($2 IS NULL OR stage = $2)
                 AND ($3 IS NULL OR status = $3)
             ORDER BY started_at DESC, id DESC LIMIT $4"
        );
        let query = statement(&sql)
            .bind(&filter.pipeline)
            .bind(&filter.stage)
            .bind(filter.status.map(RunStatus::name))
            .bind(i64::from(filter.limit));
        let failed = self.failed("list the runs");
        let rows = query.fetch_all(self.pool()).await.map_err(&failed)?;
        self.records(rows).await.map_err(failed)
    }

    pub async fn run(&self, id: RunId) -> Result<Option<RunRecord>, StoreError> {
        let sql = format!("{RUN} WHERE id = $1");
        let failed = self.failed("read a run");
        let query = statement(&sql).bind(id.to_string());
        let rows = query.fetch_all(self.pool()).await.map_err(&failed)?;
        Ok(self.records(rows).await.map_err(failed)?.pop())
    }

    /// The run of each stage that started last.
    pub async fn latest_runs(&self) -> Result<Vec<RunRecord>, StoreError> {
        let sql = format!(
            "{RUN} WHERE NOT EXISTS (
                 SELECT 1 FROM runs later WHERE later.pipeline = r.pipeline
                     AND later.stage = r.stage
                     AND (later.started_at, later.id) > (r.started_at, r.id))
             ORDER BY pipeline, stage"
        );
        let failed = self.failed("read the latest runs");
        let rows = statement(&sql).fetch_all(self.pool()).await.map_err(&failed)?;
        self.records(rows).await.map_err(failed)
    }

    /// Runs that should be running and have not been heard of since `silent_since`.
    pub async fn abandoned(
        &self,
        silent_since: DateTime<Utc>,
    ) -> Result<Vec<RunRecord>, StoreError> {
        let sql =
            format!("{RUN} WHERE status = 'running' AND heartbeat_at < $1 ORDER BY started_at, id");
        let failed = self.failed("look for abandoned runs");
        let query = statement(&sql).bind(from_time(silent_since));
        let rows = query.fetch_all(self.pool()).await.map_err(&failed)?;
        self.records(rows).await.map_err(failed)
    }

    /// How each stage fared from `since` on.
    pub async fn health(&self, since: DateTime<Utc>) -> Result<Vec<StageHealth>, StoreError> {
        let failed = self.failed("read how the stages fared");
        let rows = statement(
            "SELECT pipeline, stage, COUNT(CASE WHEN ended_at >= $1 THEN 1 END) AS finished,
                 COUNT(CASE WHEN ended_at >= $1 AND status = 'complete' THEN 1 END) AS complete,
                 MAX(CASE WHEN status = 'complete' THEN ended_at END) AS last_complete_at
             FROM runs WHERE status <> 'running' AND measured = 1
             GROUP BY pipeline, stage ORDER BY pipeline, stage",
        )
        .bind(from_time(since))
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        rows.iter().map(health).collect::<Result<_, _>>().map_err(failed)
    }

    async fn put_run(
        &self,
        row: Writing<'_>,
        on_conflict: &str,
        events: &[Event],
        totals: &[Increment],
    ) -> Result<bool, sqlx::Error> {
        let mut transaction = self.write().await?;
        let counted = aborted(&mut transaction, row.run.id).await?;
        if !row.put(&mut transaction, on_conflict).await? {
            return Ok(false);
        }
        events::put(&mut transaction, row.run, events, &self.recipients, None).await?;
        if !counted {
            totals::add(&mut transaction, totals).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    async fn records(&self, rows: Vec<Row>) -> Result<Vec<RunRecord>, sqlx::Error> {
        let mut records = rows.iter().map(record).collect::<Result<Vec<_>, _>>()?;
        for record in &mut records {
            if record.status == RunStatus::Running {
                // What the run has already is of reports that were pruned.
                let (batches, counts) = self.told_of(record.run.id).await?;
                record.batches += batches;
                record.counts.add(&counts);
            }
        }
        Ok(records)
    }
}

/// What is written of a run.
struct Writing<'a> {
    run: &'a Run,
    status: RunStatus,
    heartbeat_at: DateTime<Utc>,
    end: Option<&'a RunEnd>,
}

impl Writing<'_> {
    async fn put(&self, connection: &mut Session, on_conflict: &str) -> Result<bool, sqlx::Error> {
        let Writing { run, end, .. } = self;
        let counts = end.map(|end| end.counts).unwrap_or_default();
        let sql = format!(
            "INSERT INTO runs (id, pipeline, stage, started_at, measured, status, heartbeat_at,
                 ended_at, batches, counts, message, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (id) {on_conflict}"
        );
        let put = statement(&sql)
            .bind(run.id.to_string())
            .bind(&run.stage.pipeline)
            .bind(&run.stage.stage)
            .bind(from_time(run.started_at))
            .bind(i64::from(run.governed.metrics))
            .bind(self.status.name())
            .bind(from_time(self.heartbeat_at))
            .bind(end.map(|end| from_time(end.ended_at)))
            .bind(from_count(end.map_or(0, |end| end.batches)))
            .bind(from_json(&counts)?)
            .bind(end.and_then(|end| end.message.as_deref()))
            .bind(from_json(run)?)
            .execute(connection)
            .await?;
        Ok(put.rows_affected() > 0)
    }
}

/// Whether the run is known as aborted, and so has been counted.
async fn aborted(connection: &mut Session, run: RunId) -> Result<bool, sqlx::Error> {
    let known = statement("SELECT 1 FROM runs WHERE id = $1 AND status = 'aborted'")
        .bind(run.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(known.is_some())
}

fn record(row: &Row) -> Result<RunRecord, sqlx::Error> {
    Ok(RunRecord {
        run: json(row, "body")?,
        status: word(row, "status")?,
        heartbeat_at: time(row, "heartbeat_at")?,
        ended_at: some_time(row, "ended_at")?,
        counts: json(row, "counts")?,
        batches: count(row, "batches")?,
        message: row.try_get("message")?,
    })
}

fn health(row: &Row) -> Result<StageHealth, sqlx::Error> {
    Ok(StageHealth {
        stage: StageId { pipeline: row.try_get("pipeline")?, stage: row.try_get("stage")? },
        finished: count(row, "finished")?,
        complete: count(row, "complete")?,
        last_complete_at: some_time(row, "last_complete_at")?,
    })
}

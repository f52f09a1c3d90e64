//! The lineage with its time: which way rows went, by what job, and from when until when.

mod said;
mod take;

use assay_core::{RunId, StageId};
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::column::{from_json, from_time, some_time, time, word};
use crate::{Event, Store, StoreError, events};

pub use said::{job, label};
pub(crate) use take::take;

/// An event that somebody sent, with the run that it tells of.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    pub run: assay_core::Run,
    pub event: Event,
}

/// Rows went from one dataset to another, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    pub input: String,
    pub output: String,
    pub job: StageId,
    pub since: DateTime<Utc>,
    /// When a run completed that went another way.
    pub until: Option<DateTime<Utc>>,
    /// The last run that went this way, and when.
    pub run: RunId,
    pub last_at: DateTime<Utc>,
}

/// Values of one column went to another, or decided which do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnWay {
    pub input: String,
    pub input_column: String,
    pub output: String,
    /// `*` when it is all of the output's rows.
    pub output_column: String,
    pub job: StageId,
    /// False when it only decides which values there are.
    pub direct: bool,
    /// identity, aggregation, filter, …; empty when that is not known.
    pub how: String,
    pub since: DateTime<Utc>,
    pub until: Option<DateTime<Utc>>,
}

/// In which direction a graph is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Upstream,
    Downstream,
}

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

const WAY: &str = "SELECT input, output, pipeline, stage, since, until, run, last_at FROM ways";
const COLUMN: &str = "SELECT input, input_column, output, output_column, pipeline, stage, direct,
    how, since, until FROM column_ways";
pub(crate) const RUN: &str =
    "SELECT r.id, r.pipeline, r.stage, r.status, r.started_at, r.ended_at, r.last_at, r.parent
    FROM lineage_runs r";

/// What was so at a time; now when none is given.
const THEN: &str =
    "(($2 IS NULL AND until IS NULL) OR (since <= $2 AND (until IS NULL OR until > $2)))";

impl Store {
    /// Takes in events of others, all or none of them; on return they survive a loss of power.
    /// An event that was there already has no effect.
    pub async fn receive(&self, received: &[Received]) -> Result<(), StoreError> {
        let taken = async {
            let mut transaction = self.write_durably().await?;
            for Received { run, event } in received {
                events::put(&mut transaction, run, std::slice::from_ref(event)).await?;
            }
            transaction.commit().await
        };
        taken.await.map_err(self.failed("take in lineage events"))
    }

    /// The ways from or to any of `datasets`, as it was then, or as it is.
    pub async fn ways(
        &self,
        datasets: &[&str],
        direction: Direction,
        at: Option<DateTime<Utc>>,
    ) -> Result<Vec<Way>, StoreError> {
        let end = match direction {
            Direction::Upstream => "output",
            Direction::Downstream => "input",
        };
        let sql = format!("{WAY} WHERE {end} IN (SELECT value FROM json_each($1)) AND {THEN}");
        let failed = self.failed("read the lineage");
        let rows = sqlx::query(&sql)
            .bind(from_json(&datasets).map_err(&failed)?)
            .bind(at.map(from_time))
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        rows.iter().map(way).collect::<Result<_, _>>().map_err(failed)
    }

    /// The ways from or to columns of any of `datasets`, as it was then, or as it is.
    pub async fn column_ways(
        &self,
        datasets: &[&str],
        direction: Direction,
        at: Option<DateTime<Utc>>,
    ) -> Result<Vec<ColumnWay>, StoreError> {
        let end = match direction {
            Direction::Upstream => "output",
            Direction::Downstream => "input",
        };
        let sql = format!("{COLUMN} WHERE {end} IN (SELECT value FROM json_each($1)) AND {THEN}");
        let failed = self.failed("read the lineage of columns");
        let rows = sqlx::query(&sql)
            .bind(from_json(&datasets).map_err(&failed)?)
            .bind(at.map(from_time))
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        rows.iter().map(column_way).collect::<Result<_, _>>().map_err(failed)
    }

    /// The ways that were there at one of two times and not at the other.
    pub async fn ways_between(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<Way>, StoreError> {
        let failed = self.failed("compare the lineage of two times");
        let sql = format!(
            "{WAY} WHERE (since <= $1 AND (until IS NULL OR until > $1))
                 <> (since <= $2 AND (until IS NULL OR until > $2))
             ORDER BY output, input, pipeline, stage, since"
        );
        let query = sqlx::query(&sql).bind(from_time(from)).bind(from_time(to));
        let rows = query.fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(way).collect::<Result<_, _>>().map_err(failed)
    }

    /// The ways of columns that were there at one of two times and not at the other.
    pub async fn column_ways_between(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<ColumnWay>, StoreError> {
        let failed = self.failed("compare the lineage of columns at two times");
        let sql = format!(
            "{COLUMN} WHERE (since <= $1 AND (until IS NULL OR until > $1))
                 <> (since <= $2 AND (until IS NULL OR until > $2))
             ORDER BY output, output_column, input, input_column, pipeline, stage, since"
        );
        let query = sqlx::query(&sql).bind(from_time(from)).bind(from_time(to));
        let rows = query.fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(column_way).collect::<Result<_, _>>().map_err(failed)
    }

    /// Pairs of names of one dataset.
    pub async fn aliases(&self) -> Result<Vec<(String, String)>, StoreError> {
        let failed = self.failed("read the names of datasets");
        let rows = sqlx::query("SELECT alias, dataset FROM aliases ORDER BY dataset, alias")
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        let pair = |row: &SqliteRow| Ok((row.try_get("alias")?, row.try_get("dataset")?));
        rows.iter().map(pair).collect::<Result<_, _>>().map_err(failed)
    }

    /// Datasets that rows ever came from or went to, in the order of their names; those behind
    /// `after`.
    pub async fn lineage_datasets(
        &self,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let failed = self.failed("list the datasets of the lineage");
        let rows = sqlx::query(
            "SELECT dataset FROM (
                 SELECT output AS dataset FROM ways WHERE output > $1
                 UNION SELECT input FROM ways WHERE input > $1
                 UNION SELECT dataset FROM touched WHERE dataset > $1)
             ORDER BY dataset LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        rows.iter().map(|row| row.try_get("dataset")).collect::<Result<_, _>>().map_err(failed)
    }

    /// Whether any event named a dataset by one of these names.
    pub async fn lineage_knows(&self, names: &[&str]) -> Result<bool, StoreError> {
        let failed = self.failed("look for a dataset of the lineage");
        let found = sqlx::query(
            "SELECT 1 FROM json_each($1) named WHERE
                 EXISTS (SELECT 1 FROM ways WHERE output = named.value)
                 OR EXISTS (SELECT 1 FROM ways WHERE input = named.value)
                 OR EXISTS (SELECT 1 FROM touched WHERE dataset = named.value) LIMIT 1",
        )
        .bind(from_json(&names).map_err(&failed)?)
        .fetch_optional(self.pool())
        .await
        .map_err(failed)?;
        Ok(found.is_some())
    }

    pub async fn lineage_run(&self, id: RunId) -> Result<Option<LineageRun>, StoreError> {
        let failed = self.failed("read a run of the lineage");
        let sql = format!("{RUN} WHERE r.id = $1");
        let query = sqlx::query(&sql).bind(id.to_string());
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
        let rows = sqlx::query(&sql)
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
        let query = sqlx::query(sql).bind(run.to_string()).bind(side);
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
        let rows = sqlx::query(&sql)
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
        let row = sqlx::query(&sql)
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
        let rows = sqlx::query(&sql)
            .bind(from_json(&datasets).map_err(&failed)?)
            .bind(from_time(run.ended_at.unwrap_or(run.last_at)))
            .bind(run.id.to_string())
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        rows.iter().map(|row| word(row, "id")).collect::<Result<_, _>>().map_err(failed)
    }
}

fn way(row: &SqliteRow) -> Result<Way, sqlx::Error> {
    Ok(Way {
        input: row.try_get("input")?,
        output: row.try_get("output")?,
        job: StageId { pipeline: row.try_get("pipeline")?, stage: row.try_get("stage")? },
        since: time(row, "since")?,
        until: some_time(row, "until")?,
        run: word(row, "run")?,
        last_at: time(row, "last_at")?,
    })
}

fn column_way(row: &SqliteRow) -> Result<ColumnWay, sqlx::Error> {
    Ok(ColumnWay {
        input: row.try_get("input")?,
        input_column: row.try_get("input_column")?,
        output: row.try_get("output")?,
        output_column: row.try_get("output_column")?,
        job: StageId { pipeline: row.try_get("pipeline")?, stage: row.try_get("stage")? },
        direct: row.try_get::<i64, _>("direct")? == 1,
        how: row.try_get("how")?,
        since: time(row, "since")?,
        until: some_time(row, "until")?,
    })
}

fn lineage_run(row: &SqliteRow) -> Result<LineageRun, sqlx::Error> {
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

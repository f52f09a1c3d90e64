//! Takes events into the graph: what runs touched, the ways that rows went, and their ends.

use assay_core::StageId;
use serde::Serialize;
use sqlx::SqliteConnection;

use super::said::{ColumnSaid, Said};
use crate::Event;
use crate::column::{from_json, from_time};

/// Takes in what an event that is new says. Events may come late and in any order.
pub(crate) async fn take(
    connection: &mut SqliteConnection,
    stage: &StageId,
    event: &Event,
) -> Result<(), sqlx::Error> {
    let Some(said) = Said::of(event) else { return Ok(()) };
    let told = Told { stage, run: event.run.to_string(), at: from_time(event.at) };
    if !said.aliases.is_empty() {
        let sql = "INSERT INTO aliases (alias, dataset)
            SELECT value ->> 0, value ->> 1 FROM json_each($1) WHERE TRUE
            ON CONFLICT (alias, dataset) DO NOTHING";
        sqlx::query(sql).bind(from_json(&said.aliases)?).execute(&mut *connection).await?;
    }
    if event.body.get("job").is_none() {
        return Ok(());
    }
    told.run(connection, &said).await?;
    let new = told.touch(connection, &said).await?;
    let complete = said.ended && matches!(said.status, "complete" | "stated");
    if (new || complete) && told.few(connection).await? {
        told.go(connection, new).await?;
    }
    if !said.columns.is_empty() {
        told.go_by_column(connection, &said.columns).await?;
    }
    if complete {
        told.close(connection).await?;
    }
    Ok(())
}

/// One event's run, job and time.
struct Told<'t> {
    stage: &'t StageId,
    run: String,
    at: String,
}

/// Ways of one run that are written down. They are one transaction, for which everybody waits.
const MOST_WAYS: i64 = 100_000;

/// The pairs of what the run read and what it wrote.
const PAIRS: &str = "touched i JOIN touched o ON o.run = i.run AND o.side = 'out'
    WHERE i.run = $1 AND i.side = 'in'";

impl Told<'_> {
    /// How the run stands: an end stays, whatever comes late.
    async fn run(&self, connection: &mut SqliteConnection, said: &Said) -> Result<(), sqlx::Error> {
        const SQL: &str = "
            INSERT INTO lineage_runs
                (id, pipeline, stage, status, started_at, ended_at, last_at, parent)
            VALUES ($1, $2, $3, $4, $5, $6, $5, $7)
            ON CONFLICT (id) DO UPDATE SET
                status = CASE
                    WHEN excluded.ended_at IS NULL THEN lineage_runs.status
                    WHEN lineage_runs.ended_at > excluded.ended_at THEN lineage_runs.status
                    ELSE excluded.status END,
                ended_at = CASE
                    WHEN excluded.ended_at IS NULL THEN lineage_runs.ended_at
                    WHEN lineage_runs.ended_at > excluded.ended_at THEN lineage_runs.ended_at
                    ELSE excluded.ended_at END,
                started_at = CASE WHEN excluded.started_at < lineage_runs.started_at
                    THEN excluded.started_at ELSE lineage_runs.started_at END,
                last_at = CASE WHEN excluded.last_at > lineage_runs.last_at
                    THEN excluded.last_at ELSE lineage_runs.last_at END,
                parent = COALESCE(excluded.parent, lineage_runs.parent)";
        sqlx::query(SQL)
            .bind(&self.run)
            .bind(&self.stage.pipeline)
            .bind(&self.stage.stage)
            .bind(said.status)
            .bind(&self.at)
            .bind(said.ended.then_some(&self.at))
            .bind(&said.parent)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Whether the run is new to any of its datasets.
    async fn touch(
        &self,
        connection: &mut SqliteConnection,
        said: &Said,
    ) -> Result<bool, sqlx::Error> {
        if said.datasets.is_empty() {
            return Ok(false);
        }
        let sql = "INSERT INTO touched (run, side, dataset, once)
            SELECT $1, value ->> 0, value ->> 1, value ->> 2 FROM json_each($2) WHERE TRUE
            ON CONFLICT (run, side, dataset) DO NOTHING";
        let query = sqlx::query(sql).bind(&self.run).bind(from_json(&said.datasets)?);
        Ok(query.execute(connection).await?.rows_affected() > 0)
    }

    /// Whether the run went few enough ways to write them all down.
    async fn few(&self, connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        let sql = "SELECT COALESCE(SUM(side = 'in') * SUM(side = 'out'), 0) FROM touched
            WHERE run = $1";
        let ways: i64 = sqlx::query_scalar(sql).bind(&self.run).fetch_one(&mut *connection).await?;
        if ways > MOST_WAYS {
            let run = &self.run;
            tracing::warn!(run, ways, "a run goes too many ways to be shown in the graph");
        }
        Ok(ways <= MOST_WAYS)
    }

    /// From each dataset that the run read to each that it wrote.
    async fn go(&self, connection: &mut SqliteConnection, fresh: bool) -> Result<(), sqlx::Error> {
        let known = format!(
            "UPDATE OR IGNORE ways SET
                 run = CASE WHEN $4 >= last_at THEN $1 ELSE run END,
                 last_at = CASE WHEN $4 > last_at THEN $4 ELSE last_at END,
                 since = CASE WHEN $4 < since THEN $4 ELSE since END
             WHERE pipeline = $2 AND stage = $3 AND (until IS NULL OR until > $4)
                 AND (output, input) IN (SELECT o.dataset, i.dataset FROM {PAIRS})
                 -- The first that had not ended then: a later one stays as it is.
                 AND since = (SELECT MIN(w.since) FROM ways w WHERE w.output = ways.output
                     AND w.input = ways.input AND w.pipeline = $2 AND w.stage = $3
                     AND (w.until IS NULL OR w.until > $4))"
        );
        // A run that is told late may have been overtaken by one that did not go this way.
        let new = format!(
            "INSERT INTO ways (output, input, pipeline, stage, since, until, run, last_at, once)
             SELECT o.dataset, i.dataset, $2, $3, $4, CASE WHEN i.once = 1 THEN NULL ELSE (
                     SELECT MIN(r.last_at) FROM lineage_runs r
                     JOIN touched t ON t.run = r.id AND t.side = 'out' AND t.dataset = o.dataset
                     WHERE r.pipeline = $2 AND r.stage = $3 AND r.started_at > $4
                         AND r.status IN ('complete', 'stated')
                         AND EXISTS (SELECT 1 FROM touched f WHERE f.run = r.id AND f.side = 'in')
                 ) END, $1, $4, i.once
             FROM {PAIRS} AND NOT EXISTS (
                 SELECT 1 FROM ways w WHERE w.output = o.dataset AND w.input = i.dataset
                     AND w.pipeline = $2 AND w.stage = $3 AND (w.until IS NULL OR w.until > $4))
             ON CONFLICT (output, input, pipeline, stage, since) DO NOTHING"
        );
        // What an earlier event of the run told is there already.
        for sql in [Some(known), fresh.then_some(new)].into_iter().flatten() {
            sqlx::query(&sql)
                .bind(&self.run)
                .bind(&self.stage.pipeline)
                .bind(&self.stage.stage)
                .bind(&self.at)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }

    async fn go_by_column(
        &self,
        connection: &mut SqliteConnection,
        columns: &[ColumnSaid],
    ) -> Result<(), sqlx::Error> {
        #[derive(Serialize)]
        struct Row<'c>(&'c str, &'c str, &'c str, &'c str, u8, &'c str);
        let row = |c: &'_ ColumnSaid| {
            from_json(&Row(
                &c.output,
                &c.output_column,
                &c.input,
                &c.input_column,
                c.direct.into(),
                &c.how,
            ))
        };
        let rows: Result<Vec<String>, sqlx::Error> = columns.iter().map(row).collect();
        let rows = format!("[{}]", rows?.join(","));
        let known = "
            UPDATE OR IGNORE column_ways SET
                run = CASE WHEN $4 >= last_at THEN $1 ELSE run END,
                last_at = CASE WHEN $4 > last_at THEN $4 ELSE last_at END,
                since = CASE WHEN $4 < since THEN $4 ELSE since END,
                direct = said.value ->> 4, how = said.value ->> 5
            FROM json_each($5) said
            WHERE pipeline = $2 AND stage = $3 AND (until IS NULL OR until > $4)
                AND output = said.value ->> 0 AND output_column = said.value ->> 1
                AND input = said.value ->> 2 AND input_column = said.value ->> 3
                AND since = (SELECT MIN(w.since) FROM column_ways w
                    WHERE w.output = column_ways.output
                        AND w.output_column = column_ways.output_column
                        AND w.input = column_ways.input
                        AND w.input_column = column_ways.input_column
                        AND w.pipeline = $2 AND w.stage = $3
                        AND (w.until IS NULL OR w.until > $4))";
        let new = "
            INSERT INTO column_ways (output, output_column, input, input_column, pipeline, stage,
                direct, how, since, until, run, last_at)
            SELECT said.value ->> 0, said.value ->> 1, said.value ->> 2, said.value ->> 3, $2, $3,
                said.value ->> 4, said.value ->> 5, $4, NULL, $1, $4
            FROM json_each($5) said WHERE NOT EXISTS (
                SELECT 1 FROM column_ways w WHERE w.output = said.value ->> 0
                    AND w.output_column = said.value ->> 1 AND w.input = said.value ->> 2
                    AND w.input_column = said.value ->> 3 AND w.pipeline = $2 AND w.stage = $3
                    AND (w.until IS NULL OR w.until > $4))
            ON CONFLICT (output, output_column, input, input_column, pipeline, stage, since)
                DO NOTHING";
        for sql in [known, new] {
            sqlx::query(sql)
                .bind(&self.run)
                .bind(&self.stage.pipeline)
                .bind(&self.stage.stage)
                .bind(&self.at)
                .bind(&rows)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }

    /// A run that completed says how its job goes now: other ways to what it wrote have ended,
    /// unless a later run went them.
    async fn close(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let ways = "
            UPDATE ways SET until = $4 WHERE pipeline = $2 AND stage = $3 AND until IS NULL
                AND once = 0 AND run <> $1
                AND last_at <= (SELECT started_at FROM lineage_runs WHERE id = $1)
                AND output IN (SELECT dataset FROM touched WHERE run = $1 AND side = 'out')
                AND EXISTS (SELECT 1 FROM touched WHERE run = $1 AND side = 'in')";
        let columns = "
            UPDATE column_ways SET until = $4 WHERE pipeline = $2 AND stage = $3 AND until IS NULL
                AND run <> $1 AND last_at <= (SELECT started_at FROM lineage_runs WHERE id = $1)
                AND output IN (SELECT dataset FROM touched WHERE run = $1 AND side = 'out')
                AND EXISTS (SELECT 1 FROM column_ways c WHERE c.pipeline = $2 AND c.stage = $3
                    AND c.output = column_ways.output AND c.run = $1)";
        for sql in [ways, columns] {
            sqlx::query(sql)
                .bind(&self.run)
                .bind(&self.stage.pipeline)
                .bind(&self.stage.stage)
                .bind(&self.at)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}

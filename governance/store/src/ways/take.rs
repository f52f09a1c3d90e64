//! Takes events into the graph: what runs touched, the ways that rows went, and their ends.

use std::collections::BTreeMap;

use assay_core::StageId;
use serde::Serialize;

use super::said::{ColumnSaid, Said};
use crate::Event;
use crate::column::{from_json, from_time};
use crate::database::{Session, Statement, statement};

/// Takes in an event that is new, and what it says. Events may come late and in any order.
///
/// Every question to SQLite is a walk to its thread and back, so there are two of an event.
pub(crate) async fn take(
    connection: &mut Session,
    stage: &StageId,
    event: &Event,
) -> Result<(), sqlx::Error> {
    let said = Said::of(event);
    let tells = said.as_ref().filter(|_| event.body.get("job").is_some());
    let told = Told { stage, run: event.run.to_string(), at: from_time(event.at) };
    let moves = event.kind.moves_rows() && !event.inputs.is_empty() && !event.outputs.is_empty();
    let aliases = said.as_ref().map(|said| &said.aliases).filter(|all| !all.is_empty());
    let datasets = tells.map(|said| &said.datasets).filter(|all| !all.is_empty());
    let parts = [
        Some(EVENT),
        moves.then_some(EDGES),
        aliases.is_some().then_some(ALIASES),
        tells.is_some().then_some(RUN),
    ];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    let body = from_json(&event.body)?;
    let taken = statement("")
        .bind(&told.run)
        .bind(&stage.pipeline)
        .bind(&stage.stage)
        .bind(&told.at)
        .bind(event.id.to_string())
        .bind(event.kind.name())
        .bind(from_json(&event.inputs)?)
        .bind(from_json(&event.outputs)?)
        .bind(&body)
        .bind(aliases.map(from_json).transpose()?)
        .bind(said.as_ref().map(|said| said.status))
        .bind(said.as_ref().and_then(|said| said.ended.then_some(&told.at)))
        .bind(said.as_ref().and_then(|said| said.parent.as_deref()))
        .bind(datasets.map(from_json).transpose()?);
    let (fresh, ways) = touch(connection, &taken, parts, datasets.is_some()).await?;
    let Some(said) = tells else { return Ok(()) };
    if ways > MOST_WAYS {
        let run = &told.run;
        tracing::warn!(run, ways, "a run goes too many ways to be shown in the graph");
    }
    told.go(connection, said, fresh, ways <= MOST_WAYS).await
}

/// Runs these parts and writes down which datasets the run touched, where the event names any.
/// Says whether the run is new to one of them, and how many ways it went.
async fn touch(
    connection: &mut Session,
    taken: &Statement<'_>,
    mut parts: Vec<&str>,
    datasets: bool,
) -> Result<(bool, i64), sqlx::Error> {
    if let Session::Postgres(..) = connection {
        taken.run_all(&parts, connection).await?;
        let fresh = match datasets {
            true => taken.saying(TOUCHED).execute(&mut *connection).await?.rows_affected(),
            false => 0,
        };
        let row = taken.saying(NOTHING_FRESH).fetch_one(connection).await?;
        return Ok((fresh > 0, row.try_get("ways")?));
    }
    match datasets {
        true => parts.extend([TOUCHED, FRESH]),
        false => parts.push(NOTHING_FRESH),
    }
    let row = taken.saying(&parts.concat()).fetch_one(connection).await?;
    Ok((row.try_get::<i64, _>("fresh")? > 0, row.try_get("ways")?))
}

/// One event's run, job and time.
struct Told<'t> {
    stage: &'t StageId,
    run: String,
    at: String,
}

/// Ways of one run that are written down. They are one transaction, for which everybody waits.
const MOST_WAYS: i64 = 100_000;

const EVENT: &str = "INSERT INTO events (id, run, kind, at, inputs, outputs, body)
    VALUES ($5, $1, $6, $4, $7, $8, $9);";

/// An event told late must not move an edge back in time.
const EDGES: &str = "
    INSERT INTO edges (input, output, pipeline, stage, run, first_seen_at, last_seen_at)
    SELECT DISTINCT i.value, o.value, $2, $3, $1, $4, $4
    FROM json_each($7) i, json_each($8) o WHERE TRUE
    ON CONFLICT (input, output, pipeline, stage) DO UPDATE SET
        run = CASE WHEN excluded.last_seen_at >= edges.last_seen_at
                   THEN excluded.run ELSE edges.run END,
        first_seen_at = CASE WHEN excluded.first_seen_at < edges.first_seen_at
                             THEN excluded.first_seen_at ELSE edges.first_seen_at END,
        last_seen_at = CASE WHEN excluded.last_seen_at > edges.last_seen_at
                            THEN excluded.last_seen_at ELSE edges.last_seen_at END;";

const ALIASES: &str = "
    INSERT INTO aliases (alias, dataset)
    SELECT value ->> 0, value ->> 1 FROM json_each($10) WHERE TRUE
    ON CONFLICT (alias, dataset) DO NOTHING;";

/// How the run stands: an end stays, whatever comes late. A run that failed has failed, also where
/// its last event says that it is complete, as those of Spark do.
const RUN: &str = "
    INSERT INTO lineage_runs (id, pipeline, stage, status, started_at, ended_at, last_at, parent)
    VALUES ($1, $2, $3, $11, $4, $12, $4, $13)
    ON CONFLICT (id) DO UPDATE SET
        status = CASE
            WHEN excluded.ended_at IS NULL THEN lineage_runs.status
            WHEN 'failed' IN (lineage_runs.status, excluded.status) THEN 'failed'
            WHEN 'aborted' IN (lineage_runs.status, excluded.status) THEN 'aborted'
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
        parent = COALESCE(excluded.parent, lineage_runs.parent);";

const TOUCHED: &str = "
    INSERT INTO touched (run, side, dataset, once)
    SELECT $1, value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT) FROM json_each($14) WHERE TRUE
    ON CONFLICT (run, side, dataset) DO NOTHING;";

/// `changes()` is of the statement before.
const FRESH: &str = "
    SELECT changes() AS fresh,
        COUNT(CASE side WHEN 'in' THEN 1 END) * COUNT(CASE side WHEN 'out' THEN 1 END) AS ways
    FROM touched WHERE run = $1";

const NOTHING_FRESH: &str = "
    SELECT 0 AS fresh,
        COUNT(CASE side WHEN 'in' THEN 1 END) * COUNT(CASE side WHEN 'out' THEN 1 END) AS ways
    FROM touched WHERE run = $1";

/// From each dataset that the run read to each that it wrote: ways that are known. What is made of
/// another that the same run writes (`mid`) comes from there; that one does not come from itself.
const KNOWN_WAYS: &str = "
    UPDATE ways SET
        run = CASE WHEN $4 >= last_at THEN $1 ELSE run END,
        last_at = CASE WHEN $4 > last_at THEN $4 ELSE last_at END,
        since = CASE WHEN $4 < since THEN $4 ELSE since END
    WHERE pipeline = $2 AND stage = $3 AND (until IS NULL OR until > $4)
        AND (output, input) IN (SELECT o.dataset, i.dataset FROM touched i
            JOIN touched o ON o.run = i.run AND o.side = 'out' WHERE i.run = $1
                AND (i.side = 'in' OR i.side = 'mid' AND i.dataset <> o.dataset))
        -- The first that had not ended then: a later one stays as it is.
        AND since = (SELECT MIN(w.since) FROM ways w WHERE w.output = ways.output
            AND w.input = ways.input AND w.pipeline = $2 AND w.stage = $3
            AND (w.until IS NULL OR w.until > $4))
        AND (since <= $4 OR NOT EXISTS (SELECT 1 FROM ways w WHERE w.output = ways.output
            AND w.input = ways.input AND w.pipeline = $2 AND w.stage = $3 AND w.since = $4));";

/// Ways that are new. A run that is told late may have been overtaken by one that did not go them.
const NEW_WAYS: &str = "
    INSERT INTO ways (output, input, pipeline, stage, since, until, run, last_at, once)
    SELECT o.dataset, i.dataset, $2, $3, $4, CASE WHEN i.once = 1 THEN NULL ELSE (
            SELECT MIN(r.last_at) FROM lineage_runs r
            JOIN touched t ON t.run = r.id AND t.side = 'out' AND t.dataset = o.dataset
            WHERE r.pipeline = $2 AND r.stage = $3 AND r.started_at > $4
                AND r.status IN ('complete', 'stated')
                AND EXISTS (SELECT 1 FROM touched f WHERE f.run = r.id AND f.side = 'in')
        ) END, $1, $4, i.once
    FROM touched i JOIN touched o ON o.run = i.run AND o.side = 'out'
    WHERE i.run = $1 AND (i.side = 'in' OR i.side = 'mid' AND i.dataset <> o.dataset) AND NOT EXISTS (
        SELECT 1 FROM ways w WHERE w.output = o.dataset AND w.input = i.dataset
            AND w.pipeline = $2 AND w.stage = $3 AND (w.until IS NULL OR w.until > $4))
    ON CONFLICT (output, input, pipeline, stage, since) DO NOTHING;";

const KNOWN_COLUMNS: &str = "
    UPDATE column_ways SET
        run = CASE WHEN $4 >= last_at THEN $1 ELSE run END,
        last_at = CASE WHEN $4 > last_at THEN $4 ELSE last_at END,
        since = CASE WHEN $4 < since THEN $4 ELSE since END,
        direct = CAST(said.value ->> 4 AS BIGINT), how = said.value ->> 5
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
                AND (w.until IS NULL OR w.until > $4))
        AND (since <= $4 OR NOT EXISTS (SELECT 1 FROM column_ways w
            WHERE w.output = column_ways.output
                AND w.output_column = column_ways.output_column
                AND w.input = column_ways.input
                AND w.input_column = column_ways.input_column
                AND w.pipeline = $2 AND w.stage = $3 AND w.since = $4));";

const NEW_COLUMNS: &str = "
    INSERT INTO column_ways (output, output_column, input, input_column, pipeline, stage,
        direct, how, since, until, run, last_at)
    SELECT said.value ->> 0, said.value ->> 1, said.value ->> 2, said.value ->> 3, $2, $3,
        CAST(said.value ->> 4 AS BIGINT), said.value ->> 5, $4, NULL, $1, $4
    FROM json_each($5) said WHERE NOT EXISTS (
        SELECT 1 FROM column_ways w WHERE w.output = said.value ->> 0
            AND w.output_column = said.value ->> 1 AND w.input = said.value ->> 2
            AND w.input_column = said.value ->> 3 AND w.pipeline = $2 AND w.stage = $3
            AND (w.until IS NULL OR w.until > $4))
    ON CONFLICT (output, output_column, input, input_column, pipeline, stage, since)
        DO NOTHING;";

/// A run that completed says how its job goes now: other ways to what it wrote have ended, unless a
/// later run went them.
const CLOSE: &str = "
    UPDATE ways SET until = $4 WHERE pipeline = $2 AND stage = $3 AND until IS NULL
        AND once = 0 AND run <> $1
        AND last_at <= (SELECT started_at FROM lineage_runs
            WHERE id = $1 AND status IN ('complete', 'stated'))
        AND output IN (SELECT dataset FROM touched WHERE run = $1 AND side = 'out')
        AND EXISTS (SELECT 1 FROM touched WHERE run = $1 AND side = 'in');";

const CLOSE_COLUMNS: &str = "
    UPDATE column_ways SET until = $4 WHERE pipeline = $2 AND stage = $3 AND until IS NULL
        AND run <> $1 AND last_at <= (SELECT started_at FROM lineage_runs
            WHERE id = $1 AND status IN ('complete', 'stated'))
        AND output IN (SELECT dataset FROM touched WHERE run = $1 AND side = 'out')
        AND EXISTS (SELECT 1 FROM column_ways c WHERE c.pipeline = $2 AND c.stage = $3
            AND c.output = column_ways.output AND c.run = $1);";

impl Told<'_> {
    /// Writes down which ways the run went; `few` when they are few enough for that.
    async fn go(
        &self,
        connection: &mut Session,
        said: &Said,
        fresh: bool,
        few: bool,
    ) -> Result<(), sqlx::Error> {
        let complete = said.ended && matches!(said.status, "complete" | "stated");
        let columns = !said.columns.is_empty();
        let parts = [
            // What an earlier event of the run told is there already.
            (few && (fresh || complete)).then_some(KNOWN_WAYS),
            (few && fresh).then_some(NEW_WAYS),
            columns.then_some(KNOWN_COLUMNS),
            columns.then_some(NEW_COLUMNS),
            complete.then_some(CLOSE),
            complete.then_some(CLOSE_COLUMNS),
        ];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        let going = statement("")
            .bind(&self.run)
            .bind(&self.stage.pipeline)
            .bind(&self.stage.stage)
            .bind(&self.at)
            .bind(columns.then(|| rows(&said.columns)).transpose()?);
        going.run_all(&parts, connection).await
    }
}

/// As rows of JSON, for the database to take apart.
fn rows(columns: &[ColumnSaid]) -> Result<String, sqlx::Error> {
    #[derive(Serialize)]
    struct Row<'c>(&'c str, &'c str, &'c str, &'c str, u8, &'c str);
    let row = |c: &'_ ColumnSaid| {
        let direct = c.direct.into();
        from_json(&Row(&c.output, &c.output_column, &c.input, &c.input_column, direct, &c.how))
    };
    // Said twice, the last one counts: a database may take either.
    let mut last: BTreeMap<[&str; 4], &ColumnSaid> = BTreeMap::new();
    for c in columns {
        last.insert([&c.output, &c.output_column, &c.input, &c.input_column], c);
    }
    let rows: Result<Vec<String>, sqlx::Error> = last.values().map(|c| row(c)).collect();
    Ok(format!("[{}]", rows?.join(",")))
}

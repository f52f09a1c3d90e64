//! Takes events into the graph: what runs touched, the ways that rows went, and their ends.

use assay_core::StageId;

use super::columns::{self, Columns, Standing};
use super::said::Said;
use crate::Event;
use crate::column::{from_json, from_time};
use crate::database::{Session, Statement, statement};

/// Takes in an event that is new, and what it says. Events may come late and in any order.
///
/// Every question to SQLite is a walk to its thread and back, so there are two of an event at most.
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
    let columns = tells.map(|said| Columns::of(&said.columns)).transpose()?.flatten();
    let parts = [
        Some(EVENT),
        moves.then_some(EDGES),
        aliases.is_some().then_some(ALIASES),
        tells.is_some().then_some(RUN),
        columns.is_some().then_some(columns::AGAIN),
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
        .bind(datasets.map(from_json).transpose()?)
        .bind(columns.as_ref().map(|columns| &columns.sets));
    let touched = touch(connection, &taken, parts, datasets.is_some()).await?;
    let Some(said) = tells else { return Ok(()) };
    if touched.ways() > MOST_WAYS {
        let (run, ways) = (&told.run, touched.ways());
        tracing::warn!(run, ways, "a run goes too many ways to be shown in the graph");
    }
    told.go(connection, said, columns.as_ref(), touched).await
}

/// What is known of a run once its event was taken in.
#[derive(Debug, Clone, Copy)]
struct Touched {
    /// Whether it is new to one of the datasets that the event names.
    fresh: bool,
    /// How many it read and wrote, as all its events tell.
    read: i64,
    written: i64,
    sets: Standing,
}

impl Touched {
    fn ways(self) -> i64 {
        self.read.saturating_mul(self.written)
    }
}

/// Runs these parts and writes down which datasets the run touched, where the event names any.
async fn touch(
    connection: &mut Session,
    taken: &Statement<'_>,
    mut parts: Vec<&str>,
    datasets: bool,
) -> Result<Touched, sqlx::Error> {
    let mut fresh = 0;
    if let Session::Here(_) | Session::Postgres(..) = connection {
        taken.run_all(&parts, connection).await?;
        parts.clear();
        if datasets {
            fresh = taken.saying(TOUCHED).execute(&mut *connection).await?.rows_affected();
        }
    } else if datasets {
        parts.push(TOUCHED);
    }
    // `changes()` is of the statement before, of which others have told.
    parts.push(match (&*connection, datasets) {
        (Session::Sqlite(_), true) => "SELECT changes() AS fresh",
        _ => "SELECT CAST(0 AS BIGINT) AS fresh",
    });
    parts.push(STAND);
    let row = taken.saying(&parts.concat()).fetch_one(connection).await?;
    Ok(Touched {
        fresh: fresh > 0 || row.try_get::<i64, _>("fresh")? > 0,
        read: row.try_get("read")?,
        written: row.try_get("written")?,
        sets: Standing { again: row.try_get("again")?, alone: row.try_get("alone")? },
    })
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

/// What the run touched, and of its last event the sets of columns that were said before.
const STAND: &str = "
    , t.read, t.written, c.again, c.alone FROM (
        SELECT COUNT(CASE side WHEN 'in' THEN 1 END) AS read,
            COUNT(CASE side WHEN 'out' THEN 1 END) AS written
        FROM touched WHERE run = $1) t, (
        SELECT COUNT(*) AS again, CAST(COALESCE(SUM(alone), 0) AS BIGINT) AS alone
        FROM column_sets
        WHERE pipeline = $2 AND stage = $3 AND run = $1 AND last_at = $4
            AND (output, digest) IN (SELECT value ->> 0, value ->> 1 FROM json_each($15))) c";

/// Every name that a dataset of the run is known by.
const NAMES: &str = "
    INSERT INTO names (dataset) SELECT DISTINCT dataset FROM touched WHERE run = $1
    ON CONFLICT (dataset) DO NOTHING;";

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

/// A run that completed says how its job goes now: other ways to what it wrote have ended, unless a
/// later run went them.
const CLOSE: &str = "
    UPDATE ways SET until = $4 WHERE pipeline = $2 AND stage = $3 AND until IS NULL
        AND once = 0 AND run <> $1
        AND last_at <= (SELECT started_at FROM lineage_runs
            WHERE id = $1 AND status IN ('complete', 'stated'))
        AND output IN (SELECT dataset FROM touched WHERE run = $1 AND side = 'out')
        AND EXISTS (SELECT 1 FROM touched WHERE run = $1 AND side = 'in');";

impl Told<'_> {
    /// Writes down which ways the run went.
    async fn go(
        &self,
        connection: &mut Session,
        said: &Said,
        columns: Option<&Columns>,
        touched: Touched,
    ) -> Result<(), sqlx::Error> {
        let Touched { fresh, written, sets, .. } = touched;
        let few = touched.ways() <= MOST_WAYS;
        let complete = said.ended && matches!(said.status, "complete" | "stated");
        let new = columns.is_some_and(|columns| !columns.are_known(sets));
        let rest = !columns.is_some_and(|columns| columns.are_all(sets, written));
        let parts = [
            fresh.then_some(NAMES),
            // What an earlier event of the run told is there already.
            (few && (fresh || complete)).then_some(KNOWN_WAYS),
            (few && fresh).then_some(NEW_WAYS),
            new.then_some(columns::SETTLE),
            new.then_some(columns::KNOWN),
            new.then_some(columns::NEW),
            new.then_some(columns::SETS),
            complete.then_some(CLOSE),
            (complete && rest).then_some(columns::CLOSE),
            (complete && rest).then_some(columns::ALONE),
        ];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        let going = statement("")
            .bind(&self.run)
            .bind(&self.stage.pipeline)
            .bind(&self.stage.stage)
            .bind(&self.at)
            .bind(columns.filter(|_| new).map(|columns| &columns.rows))
            .bind(columns.filter(|_| new).map(|columns| &columns.sets));
        going.run_all(&parts, connection).await
    }
}

//! Takes events into the graph: what runs touched, the ways that rows went, and their ends.

use super::columns::{self, Columns, Set, Standing};
use super::prepared::{Prepared, ToldRun};
use crate::database::{Session, Statement, statement};

/// Takes in an event that is new, and what it says. Events may come late and in any order.
///
/// Where every question is a walk to a thread of SQLite and back, there are two of most events.
pub(crate) async fn take(connection: &mut Session, event: &Prepared) -> Result<(), sqlx::Error> {
    let told = event.told.as_ref();
    let sets = told.and_then(|told| told.columns.as_ref()).map_or(&[][..], |all| &all.sets);
    let (first, others) =
        sets.split_first().map_or((None, sets), |(first, rest)| (Some(first), rest));
    let parts = [
        Some(EVENT),
        event.moves.then_some(EDGES),
        event.aliases.is_some().then_some(ALIASES),
        told.is_some().then_some(RUN),
        first.is_some().then_some(columns::AGAIN),
    ];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    let datasets = told.is_some_and(|told| told.datasets.is_some());
    let mut touched = touch(connection, event, first, parts, datasets).await?;
    let Some(told) = told else { return Ok(()) };
    for set in others {
        let of_set = event.of_set(Some(set));
        of_set.saying(columns::AGAIN).execute(&mut *connection).await?;
        let row = of_set.saying(columns::ALONE_NOW).fetch_one(&mut *connection).await?;
        touched.sets.count(row.try_get("alone")?);
    }
    if touched.ways() > MOST_WAYS {
        let (run, ways) = (&event.run, touched.ways());
        tracing::warn!(run, ways, "a run goes too many ways to be shown in the graph");
    }
    go(connection, event, told, touched).await
}

impl Prepared {
    /// With the values that all of its questions have: run, job and time.
    fn statement(&self) -> Statement<'_> {
        let Prepared { run, stage, when, .. } = self;
        statement("").bind(run).bind(&stage.pipeline).bind(&stage.stage).bind(when)
    }

    /// The same with one of its sets.
    fn of_set<'p>(&'p self, set: Option<&'p Set>) -> Statement<'p> {
        let (output, digest) = set.map(|set| (&set.output, &set.digest)).unzip();
        self.statement().bind(output).bind(digest)
    }

    /// The same with all that it says.
    fn taken<'p>(&'p self, set: Option<&'p Set>) -> Statement<'p> {
        let told = self.told.as_ref();
        self.of_set(set)
            .bind(self.id.to_string())
            .bind(self.kind.name())
            .bind(&self.inputs)
            .bind(&self.outputs)
            .bind(&self.body)
            .bind(&self.aliases)
            .bind(told.map(|told| told.status))
            .bind(told.and_then(|told| told.ended.then_some(&self.when)))
            .bind(told.and_then(|told| told.parent.as_ref()))
            .bind(told.and_then(|told| told.datasets.as_ref()))
    }
}

/// What is known of a run once its event was taken in.
#[derive(Debug, Clone, Copy)]
struct Touched {
    /// Whether it is new to one of the datasets that the event names.
    fresh: bool,
    /// How many it read and wrote, as all its events tell, and how many of those it reads itself.
    read: i64,
    written: i64,
    between: i64,
    /// Whether a later event of it came before this one.
    late: bool,
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
    event: &Prepared,
    first: Option<&Set>,
    mut parts: Vec<&str>,
    datasets: bool,
) -> Result<Touched, sqlx::Error> {
    if datasets {
        parts.push(TOUCHED);
    }
    let (mut new, mut asking) = (0, event.taken(first));
    // `changes()` is of the statement before, of which others have told.
    if let Session::Sqlite(_) = connection {
        parts.push(if datasets { "SELECT changes() AS new," } else { "SELECT 0 AS new," });
    } else {
        let changed = asking.run_together(&parts, connection).await?;
        new = if datasets { changed } else { 0 };
        // Its body need not be said again.
        (asking, parts) = (event.of_set(first), vec!["SELECT CAST(0 AS BIGINT) AS new,"]);
    }
    parts.push(STAND);
    let row = asking.saying(&parts.concat()).fetch_one(connection).await?;
    let mut sets = Standing::default();
    sets.count(row.try_get("alone")?);
    Ok(Touched {
        fresh: new > 0 || row.try_get::<i64, _>("new")? > 0,
        read: row.try_get("read")?,
        written: row.try_get("written")?,
        between: row.try_get("between_them")?,
        late: row
            .try_get::<Option<&str>, _>("last_at")?
            .is_some_and(|last| last > event.when.as_str()),
        sets,
    })
}

/// Writes down which ways the run went.
async fn go(
    connection: &mut Session,
    event: &Prepared,
    told: &ToldRun,
    touched: Touched,
) -> Result<(), sqlx::Error> {
    let Touched { fresh, written, late, sets, .. } = touched;
    let complete = told.completes();
    let columns = told.columns.as_ref();
    let new = columns.is_some_and(|columns| !columns.are_known(sets));
    let rest = !columns.is_some_and(|columns| columns.are_all(sets, written));
    // What an earlier event of the run told is there already.
    let ways = touched.ways() <= MOST_WAYS && (fresh || complete || late);
    let ways = ways && !gone_on(connection, event, told, touched).await?;
    let parts = [
        fresh.then_some(NAMES),
        ways.then_some(KNOWN_WAYS),
        (ways && fresh).then_some(NEW_WAYS),
        new.then_some(columns::SETTLE),
        new.then_some(columns::KNOWN),
        new.then_some(columns::NEW),
        new.then_some(columns::SETS),
        complete.then_some(CLOSE),
        (complete && rest).then_some(columns::CLOSE),
        (complete && rest).then_some(columns::ALONE),
    ];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    let said = columns.filter(|_| new);
    let going = event
        .statement()
        .bind(said.map(Columns::rows).transpose()?)
        .bind(said.map(Columns::listed).transpose()?);
    going.run_all(&parts, connection).await
}

/// Whether all ways of a run were known and go on, which is so of most runs. They are asked for one
/// by one, where the event names all that the run touched and that is little.
async fn gone_on(
    connection: &mut Session,
    event: &Prepared,
    told: &ToldRun,
    touched: Touched,
) -> Result<bool, sqlx::Error> {
    let reach = &told.reach;
    let all = (touched.read, touched.written, touched.between) == (reach.read, reach.written, 0);
    // Where a question more is a walk more, more than one are not worth it.
    let few = match connection {
        Session::Sqlite(_) => 0,
        Session::Postgres(..) => 1,
        Session::Here(_) => usize::MAX,
    };
    if !all || reach.pairs.is_empty() || reach.pairs.len() > few {
        return Ok(false);
    }
    for (input, output) in &reach.pairs {
        let way = event.statement().bind(input).bind(output);
        if way.saying(SAME_WAY).execute(&mut *connection).await?.rows_affected() == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Ways of one run that are written down. They are one transaction, for which everybody waits.
const MOST_WAYS: i64 = 100_000;

const EVENT: &str = "INSERT INTO events (id, run, kind, at, inputs, outputs, body)
    VALUES ($7, $1, $8, $4, $9, $10, $11);";

/// An event told late must not move an edge back in time.
const EDGES: &str = "
    INSERT INTO edges (input, output, pipeline, stage, run, first_seen_at, last_seen_at)
    SELECT DISTINCT i.value, o.value, $2, $3, $1, $4, $4
    FROM json_each($9) i, json_each($10) o WHERE TRUE
    ON CONFLICT (input, output, pipeline, stage) DO UPDATE SET
        run = CASE WHEN excluded.last_seen_at >= edges.last_seen_at
                   THEN excluded.run ELSE edges.run END,
        first_seen_at = CASE WHEN excluded.first_seen_at < edges.first_seen_at
                             THEN excluded.first_seen_at ELSE edges.first_seen_at END,
        last_seen_at = CASE WHEN excluded.last_seen_at > edges.last_seen_at
                            THEN excluded.last_seen_at ELSE edges.last_seen_at END;";

const ALIASES: &str = "
    INSERT INTO aliases (alias, dataset)
    SELECT value ->> 0, value ->> 1 FROM json_each($12) WHERE TRUE
    ON CONFLICT (alias, dataset) DO NOTHING;";

/// How the run stands: an end stays, whatever comes late. A run that failed has failed, also where
/// its last event says that it is complete, as those of Spark do.
const RUN: &str = "
    INSERT INTO lineage_runs (id, pipeline, stage, status, started_at, ended_at, last_at, parent)
    VALUES ($1, $2, $3, $13, $4, $14, $4, $15)
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
    SELECT $1, value ->> 0, value ->> 1, CAST(value ->> 2 AS BIGINT) FROM json_each($16) WHERE TRUE
    ON CONFLICT (run, side, dataset) DO NOTHING;";

/// What the run touched, and how the first set of columns of its event stands.
const STAND: &str = "
        COUNT(CASE side WHEN 'in' THEN 1 END) AS read,
        COUNT(CASE side WHEN 'out' THEN 1 END) AS written,
        COUNT(CASE side WHEN 'mid' THEN 1 END) AS between_them,
        (SELECT MAX(last_at) FROM lineage_runs WHERE id = $1) AS last_at,
        (SELECT CASE WHEN last_at > $4 THEN 0 ELSE alone END FROM column_sets WHERE pipeline = $2 AND stage = $3 AND output = $5
            AND digest = $6 AND since <= $4) AS alone
    FROM touched WHERE run = $1";

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

/// The way from `$5` to `$6`, if it goes on at the time of the event: there is one at most.
const SAME_WAY: &str = "
    UPDATE ways SET
        run = CASE WHEN $4 >= last_at THEN $1 ELSE run END,
        last_at = CASE WHEN $4 > last_at THEN $4 ELSE last_at END
    WHERE output = $6 AND input = $5 AND pipeline = $2 AND stage = $3
        AND until IS NULL AND since <= $4;";

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
    UPDATE ways SET until = $4
    WHERE pipeline = $2 AND stage = $3 AND (until IS NULL OR until > $4)
        AND once = 0 AND run <> $1
        AND last_at <= (SELECT started_at FROM lineage_runs
            WHERE id = $1 AND status IN ('complete', 'stated'))
        AND output IN (SELECT dataset FROM touched WHERE run = $1 AND side = 'out')
        AND EXISTS (SELECT 1 FROM touched WHERE run = $1 AND side = 'in');";

//! What events say of columns. A job says the same of an output with every run: a set that was said
//! before costs one row, however many columns it has.

use std::collections::BTreeMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::said::ColumnSaid;
use crate::column::from_json;
use crate::database::statement;
use crate::{Store, StoreError};

/// The columns that one event names. An output's name may be long, and is there once.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) sets: Vec<Set>,
}

/// All that an event says of the columns of one output.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) output: String,
    pub(super) digest: String,
    columns: Vec<ColumnSaid>,
}

/// How the sets of an event stand, once it has been said that they were said again.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    /// How many of them had been said before, and by nobody otherwise since.
    pub(super) again: i64,
    /// How many of those have no other ways beside them, and were not said later.
    pub(super) alone: i64,
}

impl Standing {
    /// Counts one of them in; it is nothing when it had not been said before.
    pub(super) fn count(&mut self, alone: Option<i64>) {
        self.again += i64::from(alone.is_some());
        self.alone += alone.unwrap_or(0);
    }
}

impl Columns {
    /// None when the event names none.
    pub(super) fn of(said: BTreeMap<String, Vec<ColumnSaid>>) -> Option<Columns> {
        let sets: Vec<Set> = said.into_iter().map(|(output, said)| Set::of(output, said)).collect();
        (!sets.is_empty()).then_some(Columns { sets })
    }

    /// JSON rows, for the database to take apart: output, its column, input, its column, direct, how,
    /// digest of the output's set.
    pub(super) fn rows(&self) -> Result<String, sqlx::Error> {
        let rows = self.sets.iter().flat_map(|Set { output, digest, columns }| {
            columns.iter().map(move |c| {
                let ColumnSaid { column, input, input_column, direct, how } = c;
                (output, column, input, input_column, u8::from(*direct), how, digest)
            })
        });
        from_json(&rows.collect::<Vec<_>>())
    }

    /// JSON rows: output, digest of its set, how many columns.
    pub(super) fn listed(&self) -> Result<String, sqlx::Error> {
        let listed = self.sets.iter().map(|set| (&set.output, &set.digest, set.columns.len()));
        from_json(&listed.collect::<Vec<_>>())
    }

    /// Whether every set had been said before.
    pub(super) fn are_known(&self, standing: Standing) -> bool {
        standing.again == self.outputs()
    }

    /// Whether these are all that a run says which wrote so many outputs, and nothing is beside them
    /// that would have to end.
    pub(super) fn are_all(&self, standing: Standing, written: i64) -> bool {
        self.are_known(standing) && standing.alone == written && self.outputs() == written
    }

    fn outputs(&self) -> i64 {
        i64::try_from(self.sets.len()).unwrap_or(i64::MAX)
    }
}

impl Set {
    /// Said twice, the last one counts: a database may take either.
    fn of(output: String, said: Vec<ColumnSaid>) -> Set {
        let mut last = BTreeMap::new();
        for c in said {
            last.insert([c.column.clone(), c.input.clone(), c.input_column.clone()], c);
        }
        let columns: Vec<ColumnSaid> = last.into_values().collect();
        Set { output, digest: digest(&columns), columns }
    }
}

fn digest(columns: &[ColumnSaid]) -> String {
    let mut hash = Sha256::new();
    for ColumnSaid { column, input, input_column, direct, how } in columns {
        for text in [column, input, input_column, how] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hash.update([u8::from(*direct)]);
    }
    let mut digest = String::with_capacity(32);
    for byte in &hash.finalize()[..16] {
        // To a text nothing fails to be written.
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}

/// A set that was said before, and of which all goes on at the time of the event.
pub(super) const AGAIN: &str = "
    UPDATE column_sets SET
        run = CASE WHEN $4 >= last_at THEN $1 ELSE run END,
        last_at = CASE WHEN $4 > last_at THEN $4 ELSE last_at END
    WHERE pipeline = $2 AND stage = $3 AND output = $5 AND digest = $6 AND since <= $4;";

/// How it stands then, for [`Standing::count`].
pub(super) const ALONE_NOW: &str = "
    SELECT MAX(CASE WHEN last_at > $4 THEN 0 ELSE alone END) AS alone FROM column_sets WHERE pipeline = $2 AND stage = $3 AND output = $5
        AND digest = $6 AND since <= $4";

/// Whatever else is said of an output: the ways themselves have to know first who said them last.
pub(super) const SETTLE: &str = "
    UPDATE column_ways SET run = s.run, last_at = s.last_at
    FROM column_sets s
    WHERE s.pipeline = $2 AND s.stage = $3
        AND s.output IN (SELECT value ->> 0 FROM json_each($6))
        AND column_ways.pipeline = $2 AND column_ways.stage = $3
        AND column_ways.output = s.output AND column_ways.digest = s.digest
        AND column_ways.until IS NULL AND column_ways.last_at <= s.last_at;";

/// Of a way that ended and began again the first that had not ended at the time of the event.
pub(super) const KNOWN: &str = "
    UPDATE column_ways SET
        run = CASE WHEN $4 >= column_ways.last_at THEN $1 ELSE column_ways.run END,
        last_at = CASE WHEN $4 > column_ways.last_at THEN $4 ELSE column_ways.last_at END,
        since = CASE WHEN $4 < column_ways.since THEN $4 ELSE column_ways.since END,
        direct = said.direct, how = said.how, digest = said.digest
    FROM (SELECT n.value ->> 0 AS output, n.value ->> 1 AS output_column,
            n.value ->> 2 AS input, n.value ->> 3 AS input_column,
            CAST(n.value ->> 4 AS BIGINT) AS direct, n.value ->> 5 AS how, n.value ->> 6 AS digest,
            (SELECT MIN(w.since) FROM column_ways w
                WHERE w.output = n.value ->> 0 AND w.output_column = n.value ->> 1
                    AND w.input = n.value ->> 2 AND w.input_column = n.value ->> 3
                    AND w.pipeline = $2 AND w.stage = $3
                    AND (w.until IS NULL OR w.until > $4)) AS since
        FROM json_each($5) n) said
    WHERE column_ways.output = said.output AND column_ways.output_column = said.output_column
        AND column_ways.input = said.input AND column_ways.input_column = said.input_column
        AND column_ways.pipeline = $2 AND column_ways.stage = $3
        AND column_ways.since = said.since
        AND (said.since <= $4 OR NOT EXISTS (SELECT 1 FROM column_ways w
            WHERE w.output = said.output AND w.output_column = said.output_column
                AND w.input = said.input AND w.input_column = said.input_column
                AND w.pipeline = $2 AND w.stage = $3 AND w.since = $4));";

/// Ways that are new. Where columns of the output were said later, and a run that began later wrote it
/// and is complete, that one has overtaken them.
pub(super) const NEW: &str = "
    INSERT INTO column_ways (output, output_column, input, input_column, pipeline, stage,
        direct, how, since, until, run, last_at, digest)
    SELECT n.value ->> 0, n.value ->> 1, n.value ->> 2, n.value ->> 3, $2, $3,
        CAST(n.value ->> 4 AS BIGINT), n.value ->> 5, $4, CASE WHEN EXISTS (
            SELECT 1 FROM column_ways w WHERE w.pipeline = $2 AND w.stage = $3
                AND w.output = n.value ->> 0 AND w.until IS NULL AND w.last_at > $4)
        THEN (SELECT MIN(r.last_at) FROM lineage_runs r
            JOIN touched t ON t.run = r.id AND t.side = 'out' AND t.dataset = n.value ->> 0
            WHERE r.pipeline = $2 AND r.stage = $3 AND r.started_at > $4
                AND r.status IN ('complete', 'stated')) END, $1, $4, n.value ->> 6
    FROM json_each($5) n WHERE NOT EXISTS (
        SELECT 1 FROM column_ways w WHERE w.output = n.value ->> 0
            AND w.output_column = n.value ->> 1 AND w.input = n.value ->> 2
            AND w.input_column = n.value ->> 3 AND w.pipeline = $2 AND w.stage = $3
            AND (w.until IS NULL OR w.until > $4))
    ON CONFLICT (output, output_column, input, input_column, pipeline, stage, since)
        DO NOTHING;";

/// Keeps what was said as the last set, when all of it goes on now and nothing was said later.
pub(super) const SETS: &str = "
    INSERT INTO column_sets (pipeline, stage, output, digest, alone, since, run, last_at)
    SELECT $2, $3, n.value ->> 0,
        CASE WHEN CAST(n.value ->> 2 AS BIGINT) = (
            SELECT COUNT(*) FROM column_ways w WHERE w.pipeline = $2 AND w.stage = $3
                AND w.output = n.value ->> 0 AND w.until IS NULL AND w.digest = n.value ->> 1
                AND w.last_at <= $4) THEN n.value ->> 1 ELSE '' END,
        CASE WHEN EXISTS (
            SELECT 1 FROM column_ways w WHERE w.pipeline = $2 AND w.stage = $3
                AND w.output = n.value ->> 0 AND w.until IS NULL
                AND (w.digest IS NULL OR w.digest <> n.value ->> 1)) THEN 0 ELSE 1 END,
        COALESCE((SELECT MAX(w.since) FROM column_ways w
            WHERE w.pipeline = $2 AND w.stage = $3 AND w.output = n.value ->> 0
                AND w.until IS NULL AND w.digest = n.value ->> 1), $4),
        $1, $4
    FROM json_each($6) n WHERE TRUE
    ON CONFLICT (pipeline, stage, output) DO UPDATE SET
        digest = CASE WHEN excluded.last_at >= column_sets.last_at
                      THEN excluded.digest ELSE '' END,
        alone = excluded.alone,
        since = excluded.since,
        run = CASE WHEN excluded.last_at >= column_sets.last_at
                   THEN excluded.run ELSE column_sets.run END,
        last_at = CASE WHEN excluded.last_at > column_sets.last_at
                       THEN excluded.last_at ELSE column_sets.last_at END;";

/// A run that completed and said what columns of an output come from: other ways to them have ended,
/// unless a later run went them.
pub(super) const CLOSE: &str = "
    UPDATE column_ways SET until = $4
    WHERE pipeline = $2 AND stage = $3 AND (until IS NULL OR until > $4) AND run <> $1 AND last_at <= (SELECT started_at FROM lineage_runs
            WHERE id = $1 AND status IN ('complete', 'stated'))
        AND output IN (SELECT t.dataset FROM touched t WHERE t.run = $1 AND t.side = 'out' AND (
            EXISTS (SELECT 1 FROM column_sets s WHERE s.pipeline = $2 AND s.stage = $3
                AND s.output = t.dataset AND s.digest <> '' AND s.run = $1)
            OR EXISTS (SELECT 1 FROM column_ways c WHERE c.pipeline = $2 AND c.stage = $3
                AND c.output = t.dataset AND c.run = $1
                AND NOT EXISTS (SELECT 1 FROM column_sets s WHERE s.pipeline = $2
                    AND s.stage = $3 AND s.output = c.output AND s.digest = c.digest))))
        AND (until IS NOT NULL OR NOT EXISTS (SELECT 1 FROM column_sets s
            WHERE s.pipeline = $2 AND s.stage = $3
                AND s.output = column_ways.output AND s.digest = column_ways.digest));";

/// Sets that have no other ways beside them from now on.
pub(super) const ALONE: &str = "
    UPDATE column_sets SET alone = 1 WHERE pipeline = $2 AND stage = $3 AND alone = 0
        AND output IN (SELECT dataset FROM touched WHERE run = $1 AND side = 'out')
        AND NOT EXISTS (SELECT 1 FROM column_ways w WHERE w.pipeline = $2 AND w.stage = $3
            AND w.output = column_sets.output AND w.until IS NULL
            AND (w.digest IS NULL OR w.digest <> column_sets.digest));";

/// No event is of a time behind this word, so each set is said anew before it is known again.
const DOUBT: &str = "UPDATE column_sets SET since = 'in doubt' WHERE since <> 'in doubt'";

impl Store {
    /// Takes no set of columns for known until it was said anew. A program of an earlier version that
    /// was still at work changes columns and knows of no sets.
    pub async fn doubt_columns(&self) -> Result<(), StoreError> {
        let doubted = statement(DOUBT).execute(self.pool()).await;
        doubted.map(drop).map_err(self.failed("look at the columns of jobs anew"))
    }
}

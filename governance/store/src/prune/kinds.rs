//! Where each kind is kept, and which of its old rows may go.

use super::Kind;

/// A table to prune. Its rows are called `r` in all expressions.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// The columns that name a row.
    pub(crate) key: &'static str,
    /// How old a row is.
    pub(crate) at: &'static str,
    /// About how many bytes a row takes.
    pub(crate) weight: &'static str,
    /// What has to hold beside the age.
    pub(crate) goes: &'static str,
}

impl Table {
    /// Whether a row is from before `$1`.
    pub(crate) fn past(&self) -> String {
        match self.name {
            // By their jobs, which are few: a look at each of a million would be a million.
            JOB_LETTERS => PAST_JOB.to_owned(),
            _ => format!("{} < $1", self.at),
        }
    }

    /// The rows that go, those of the oldest first.
    pub(crate) fn chosen(&self) -> String {
        let Table { name, key, goes, .. } = self;
        let order = match *name {
            // To sort a million at every step would take hours.
            JOB_LETTERS => key.to_string(),
            _ => format!("{}, {key}", self.at),
        };
        let past = self.past();
        format!("SELECT {key} FROM {name} r WHERE {past} AND {goes} ORDER BY {order} LIMIT $2")
    }
}

const JOB_LETTERS: &str = "replay_letters";

const PAST_JOB: &str = "
    r.job IN (SELECT j.id FROM replays j WHERE COALESCE(j.ended_at, j.created_at) < $1)";

/// The last report of a dataset is shown by `status`, the last with a score is a metric, the last
/// with a commit says how far void letters are settled. A stage that halts again and again leaves
/// reports of the same batch: the last and what was accepted are enough to go on from.
const REPORTS: &str = "
    EXISTS (SELECT 1 FROM reports l WHERE l.dataset = r.dataset
        AND (l.judged_at, l.draft) > (r.judged_at, r.draft))
    AND (r.score IS NULL OR EXISTS (SELECT 1 FROM reports l WHERE l.dataset = r.dataset
        AND l.score IS NOT NULL AND (l.judged_at, l.draft) > (r.judged_at, r.draft)))
    AND (r.sequence IS NULL OR EXISTS (SELECT 1 FROM reports l WHERE l.dataset = r.dataset
        AND l.sequence IS NOT NULL AND (l.judged_at, l.draft) > (r.judged_at, r.draft)))
    AND NOT EXISTS (SELECT 1 FROM halts h WHERE h.draft = r.draft AND h.closed_by IS NULL
        AND (h.accepted_at IS NOT NULL OR NOT EXISTS (SELECT 1 FROM halts l
            WHERE l.pipeline = h.pipeline AND l.stage = h.stage AND l.closed_by IS NULL
            AND (l.judged_at, l.draft) > (h.judged_at, h.draft))))";

/// The last run of a stage is shown by `status`, the last that completed is a metric.
const RUNS: &str = "
    r.status <> 'running'
    AND EXISTS (SELECT 1 FROM runs l WHERE l.pipeline = r.pipeline AND l.stage = r.stage
        AND (l.started_at, l.id) > (r.started_at, r.id))
    AND (r.status <> 'complete' OR r.measured = 0 OR EXISTS (SELECT 1 FROM runs l
        WHERE l.pipeline = r.pipeline AND l.stage = r.stage AND l.measured = 1
        AND l.status = 'complete' AND (l.ended_at, l.id) > (r.ended_at, r.id)))";

/// The last one says what a dataset looks like.
const PROFILES: &str = "
    EXISTS (SELECT 1 FROM profiles l WHERE l.dataset = r.dataset
        AND (l.judged_at, l.run) > (r.judged_at, r.run))";

/// A stage reads many files and one table: of its ways to a dataset the last ones stay.
const EDGES: &str = "
    EXISTS (SELECT 1 FROM edges l WHERE l.output = r.output AND l.pipeline = r.pipeline
        AND l.stage = r.stage AND l.last_seen_at > r.last_seen_at)";

/// A way that ended, or that its job does not go any more: it may be from a file, which is read once.
/// A run that is not complete says nothing of ways that it did not go.
const WAYS: &str = "
    (r.until IS NOT NULL OR EXISTS (SELECT 1 FROM ways l
        JOIN lineage_runs c ON c.id = l.run AND c.status IN ('complete', 'stated')
        WHERE l.output = r.output AND l.pipeline = r.pipeline AND l.stage = r.stage
            AND l.last_at > r.last_at))";

const COLUMN_WAYS: &str = "r.until IS NOT NULL";

/// The run of a job before the first one that is kept says what was new to that.
const LINEAGE_RUNS: &str = "
    EXISTS (SELECT 1 FROM lineage_runs l WHERE l.pipeline = r.pipeline AND l.stage = r.stage
        AND (l.started_at, l.id) > (r.started_at, r.id))";

/// A job that waits, runs, or was stopped is gone on with.
const OVER: &str = "r.state IN ('complete', 'cancelled')";

const OF_ONE_OVER: &str = "
    EXISTS (SELECT 1 FROM replays j WHERE j.id = r.job AND j.state IN ('complete', 'cancelled'))";

pub(crate) fn table(kind: Kind) -> Table {
    match kind {
        Kind::Reports => Table {
            name: "reports",
            key: "draft",
            at: "judged_at",
            weight: "LENGTH(r.body) + 300",
            goes: REPORTS,
        },
        Kind::Profiles => Table {
            name: "profiles",
            key: "dataset, run",
            at: "judged_at",
            weight: "LENGTH(r.body) + 200",
            goes: PROFILES,
        },
        Kind::Windows => Table {
            name: "window_scores",
            key: "dataset, starts, ends",
            at: "ends",
            weight: "200",
            goes: "1 = 1",
        },
        Kind::Runs => Table {
            name: "runs",
            key: "id",
            at: "COALESCE(ended_at, heartbeat_at)",
            weight: "LENGTH(r.body) + LENGTH(r.counts) + 400",
            goes: RUNS,
        },
        Kind::Events => Table {
            name: "events",
            key: "id",
            at: "at",
            weight: "LENGTH(r.body) + LENGTH(r.inputs) + LENGTH(r.outputs) + 300",
            goes: "1 = 1",
        },
        Kind::Edges => Table {
            name: "edges",
            key: "input, output, pipeline, stage",
            at: "last_seen_at",
            weight: "2 * (LENGTH(r.input) + LENGTH(r.output)) + 200",
            goes: EDGES,
        },
        Kind::Ways => Table {
            name: "ways",
            key: "output, input, pipeline, stage, since",
            at: "COALESCE(until, last_at)",
            weight: "2 * (LENGTH(r.input) + LENGTH(r.output)) + 300",
            goes: WAYS,
        },
        Kind::ColumnWays => Table {
            name: "column_ways",
            key: "output, output_column, input, input_column, pipeline, stage, since",
            // Of a set that is said again and again it is the set that has the time.
            at: "COALESCE(until, (SELECT s.last_at FROM column_sets s WHERE s.pipeline = r.pipeline
                AND s.stage = r.stage AND s.output = r.output AND s.digest = r.digest), last_at)",
            weight: "2 * (LENGTH(r.input) + LENGTH(r.output)) + 400",
            goes: COLUMN_WAYS,
        },
        Kind::LineageRuns => Table {
            name: "lineage_runs",
            key: "id",
            at: "last_at",
            weight: "600",
            goes: LINEAGE_RUNS,
        },
        // Before their jobs, which may have a million each.
        Kind::JobLetters => Table {
            name: JOB_LETTERS,
            key: "job, number",
            at: "(SELECT COALESCE(j.ended_at, j.created_at) FROM replays j WHERE j.id = r.job)",
            weight: "250",
            goes: OF_ONE_OVER,
        },
        Kind::Jobs => Table {
            name: "replays",
            key: "id",
            at: "COALESCE(ended_at, created_at)",
            weight: "LENGTH(r.wanted) + LENGTH(r.options) + 400",
            goes: OVER,
        },
        Kind::Audit => Table {
            name: "audit",
            key: "number",
            at: "at",
            weight: "LENGTH(r.details) + LENGTH(r.reason) + 200",
            goes: "1 = 1",
        },
    }
}

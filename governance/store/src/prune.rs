//! What the store has kept for long enough goes; what something else still rests on stays.

use assay_core::{Counts, Report};
use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::column::{count, from_count, from_json, from_time, json, some_time};
use crate::database::{Session, statement};
use crate::{Store, StoreError, ways};

pub(crate) mod kinds;

use kinds::Table;

/// Rows that one transaction deletes, so that other processes never wait long.
const STEP: i64 = 2000;

/// What the store prunes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Reports,
    /// What the rows of runs look like; as long as reports.
    Profiles,
    /// How good the rows of windows of time are; as long as reports.
    Windows,
    Runs,
    /// Lineage events as they were sent.
    Events,
    /// Which dataset was made from which.
    Edges,
    /// The same, with its time.
    Ways,
    /// Which column was made from which.
    ColumnWays,
    /// Runs as events tell of them.
    LineageRuns,
    /// Which letters a job had that is over.
    JobLetters,
    /// Jobs that sent letters back.
    Jobs,
    Audit,
}

impl Kind {
    pub const ALL: [Kind; 12] = [
        Kind::Reports,
        Kind::Profiles,
        Kind::Windows,
        Kind::Runs,
        Kind::Events,
        Kind::Edges,
        Kind::Ways,
        Kind::ColumnWays,
        Kind::LineageRuns,
        Kind::JobLetters,
        Kind::Jobs,
        Kind::Audit,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Reports => "reports",
            Kind::Profiles => "profiles",
            Kind::Windows => "scores of windows",
            Kind::Runs => "runs",
            Kind::Events => "lineage events",
            Kind::Edges => "lineage edges",
            Kind::Ways => "lineage ways",
            Kind::ColumnWays => "lineage of columns",
            Kind::LineageRuns => "lineage runs",
            Kind::JobLetters => "letters of jobs",
            Kind::Jobs => "jobs of letters",
            Kind::Audit => "audit entries",
        }
    }

    /// Why some of this kind stay although they are old enough to go.
    pub fn why_kept(self) -> &'static str {
        match self {
            Kind::Reports => "the last of a dataset, or an open halt",
            Kind::Profiles => "the last of a dataset",
            Kind::Runs => "the last of a stage, the last that completed, or still running",
            Kind::Edges | Kind::Ways => "the last way into a dataset",
            Kind::ColumnWays => "the last ways into a column",
            Kind::LineageRuns => "the last of a job",
            Kind::JobLetters | Kind::Jobs => "the job is not over",
            Kind::Windows | Kind::Events | Kind::Audit => "nothing is kept",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// From when on each kind is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptSince {
    /// Of halted batches as well.
    pub reports: DateTime<Utc>,
    pub runs: DateTime<Utc>,
    /// Of events, the graph and its runs.
    pub lineage: DateTime<Utc>,
    /// Of jobs that sent letters back, and are over: without them the way of a letter is known from
    /// its topic alone.
    pub jobs: DateTime<Utc>,
    pub audit: DateTime<Utc>,
}

impl KeptSince {
    fn of(&self, kind: Kind) -> DateTime<Utc> {
        match kind {
            Kind::Reports | Kind::Profiles | Kind::Windows => self.reports,
            Kind::Runs => self.runs,
            Kind::Events | Kind::Edges | Kind::Ways | Kind::ColumnWays | Kind::LineageRuns => {
                self.lineage
            }
            Kind::JobLetters | Kind::Jobs => self.jobs,
            Kind::Audit => self.audit,
        }
    }
}

/// What of one kind goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Due {
    pub kind: Kind,
    pub rows: u64,
    /// About how much room they take.
    pub bytes: u64,
    pub oldest: Option<DateTime<Utc>>,
    /// As old, and stay.
    pub kept: u64,
}

impl Store {
    /// What pruning would delete now.
    pub async fn due(&self, since: &KeptSince) -> Result<Vec<Due>, StoreError> {
        let mut all = Vec::new();
        for kind in Kind::ALL {
            let due = self.due_of(kind, since.of(kind)).await;
            all.push(due.map_err(self.failed("look for what is past its retention"))?);
        }
        Ok(all)
    }

    /// Deletes what is due, and says what that was.
    ///
    /// Marks and totals stay, so nothing is told or counted again. Other processes may go on
    /// writing; what they add meanwhile is not old enough to go.
    pub async fn prune(&self, since: &KeptSince) -> Result<Vec<Due>, StoreError> {
        let mut all = self.due(since).await?;
        for due in all.iter_mut().filter(|due| due.rows > 0) {
            let deleted = self.delete(due.kind, since.of(due.kind)).await;
            due.rows = deleted.map_err(self.failed("delete what is past its retention"))?;
        }
        let named = |due: &Due| matches!(due.kind, Kind::Ways | Kind::LineageRuns);
        if all.iter().any(|due| named(due) && due.rows > 0) {
            let forgotten = ways::forget_names(self.pool(), STEP).await;
            forgotten.map_err(self.failed("forget the names of datasets that are gone"))?;
        }
        Ok(all)
    }

    async fn due_of(&self, kind: Kind, since: DateTime<Utc>) -> Result<Due, sqlx::Error> {
        let table = kinds::table(kind);
        let past = table.past();
        let Table { name, at, weight, goes, .. } = table;
        let sql = format!(
            "SELECT COUNT(*) AS due, CAST(COALESCE(SUM({weight}), 0) AS BIGINT) AS bytes,
                 MIN({at}) AS oldest, (SELECT COUNT(*) FROM {name} r WHERE {past}) AS past
             FROM {name} r WHERE {past} AND {goes}"
        );
        let row = statement(&sql).bind(from_time(since)).fetch_one(self.pool()).await?;
        let rows = count(&row, "due")?;
        Ok(Due {
            kind,
            rows,
            bytes: count(&row, "bytes")?,
            oldest: some_time(&row, "oldest")?,
            kept: count(&row, "past")?.saturating_sub(rows),
        })
    }

    async fn delete(&self, kind: Kind, since: DateTime<Utc>) -> Result<u64, sqlx::Error> {
        let mut deleted = 0;
        loop {
            let mut transaction = self.write().await?;
            let step = delete_step(&mut transaction, kind, since).await?;
            transaction.commit().await?;
            deleted += step;
            if step < STEP.cast_unsigned() {
                return Ok(deleted);
            }
        }
    }
}

async fn delete_step(
    connection: &mut Session,
    kind: Kind,
    since: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let table = kinds::table(kind);
    let chosen = table.chosen();
    let Table { name, key, .. } = table;
    if kind == Kind::Reports {
        keep_what_reports_count_for(connection, &chosen, since).await?;
    }
    if kind == Kind::Profiles {
        // A look has no report with which its lags would go.
        let sql = format!("DELETE FROM lags WHERE (dataset, draft) IN ({chosen})");
        let query = statement(&sql).bind(from_time(since)).bind(STEP);
        query.execute(&mut *connection).await?;
    }
    if kind == Kind::LineageRuns {
        let sql = format!("DELETE FROM touched WHERE run IN ({chosen})");
        let query = statement(&sql).bind(from_time(since)).bind(STEP);
        query.execute(&mut *connection).await?;
    }
    let sql = format!("DELETE FROM {name} WHERE ({key}) IN ({chosen})");
    let deleted = statement(&sql).bind(from_time(since)).bind(STEP).execute(connection).await?;
    Ok(deleted.rows_affected())
}

/// Before reports go: their commits are remembered as counted, runs that still run take over their
/// counts, and their halts and lags go with them.
async fn keep_what_reports_count_for(
    connection: &mut Session,
    chosen: &str,
    since: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let remember = format!(
        "INSERT INTO pruned (dataset, judged_at)
         SELECT dataset, MAX(judged_at) FROM reports
         WHERE draft IN ({chosen}) AND sequence IS NOT NULL GROUP BY dataset
         ON CONFLICT (dataset) DO UPDATE SET judged_at = excluded.judged_at
             WHERE pruned.judged_at < excluded.judged_at"
    );
    let forget_halts = format!("DELETE FROM halts WHERE draft IN ({chosen})");
    let forget_lags = format!("DELETE FROM lags WHERE draft IN ({chosen})");
    let running = format!(
        "SELECT n.id, n.batches + COUNT(*) AS batches, n.counts,
             CAST(SUM(r.rows_read) AS BIGINT) AS rows_read,
             CAST(SUM(r.rows_written) AS BIGINT) AS rows_written,
             CAST(SUM(r.rows_rejected) AS BIGINT) AS rows_rejected,
             CAST(SUM(r.rows_filtered) AS BIGINT) AS rows_filtered,
             CAST(SUM(r.duplicates) AS BIGINT) AS duplicates
         FROM reports r JOIN runs n ON n.id = r.run
         WHERE r.draft IN ({chosen}) AND r.sequence IS NOT NULL AND n.status = 'running'
         GROUP BY n.id, n.batches, n.counts"
    );
    let query = statement(&running).bind(from_time(since)).bind(STEP);
    for row in query.fetch_all(&mut *connection).await? {
        let mut counts: Counts = json(&row, "counts")?;
        counts.add(&crate::reports::counts(&row)?);
        statement("UPDATE runs SET batches = $2, counts = $3 WHERE id = $1")
            .bind(row.try_get::<&str, _>("id")?)
            .bind(from_count(count(&row, "batches")?))
            .bind(from_json(&counts)?)
            .execute(&mut *connection)
            .await?;
    }
    for sql in [remember, forget_halts, forget_lags] {
        statement(&sql).bind(from_time(since)).bind(STEP).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Whether the report of a commit was pruned, so that the commit was told and counted before.
///
/// Telling goes in order, so every commit of the dataset that was judged no later than one whose
/// report was pruned has been told as well.
pub(crate) async fn was_pruned(
    connection: &mut Session,
    report: &Report,
) -> Result<bool, sqlx::Error> {
    let found = statement("SELECT 1 FROM pruned WHERE dataset = $1 AND judged_at >= $2")
        .bind(report.output.to_string())
        .bind(from_time(report.judged_at))
        .fetch_optional(connection)
        .await?;
    Ok(found.is_some())
}

use std::collections::{BTreeMap, BTreeSet};

use assay_core::{Counts, DatasetName, DraftId, Report, RunId};
use chrono::{DateTime, Utc};

use crate::column::{count, from_count, from_json, from_time, json, some_time, time, word};
use crate::database::{Row, Session, statement};
use crate::{Store, StoreError};

/// The commit of a target that carries a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitRef {
    pub sequence: u64,
    pub snapshot: i64,
}

/// A report, and the commit it came with; a halted batch has none.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportRecord {
    pub report: Report,
    pub commit: Option<CommitRef>,
    /// When a person let the halted batch pass under this id; its rows are then committed with
    /// another report.
    pub accepted_at: Option<DateTime<Utc>>,
    /// Whether the batch was halted and its stage has committed nothing since.
    pub waits: bool,
}

const REPORT: &str = "SELECT r.body, r.sequence, r.snapshot, h.accepted_at,
    CAST(CASE WHEN h.draft IS NOT NULL AND h.closed_by IS NULL THEN 1 ELSE 0 END AS BIGINT)
        AS waits
    FROM reports r LEFT JOIN halts h ON h.draft = r.draft";

impl Store {
    /// The newest reports of a dataset, or of all, newest first.
    pub async fn reports(
        &self,
        dataset: Option<&DatasetName>,
        limit: u32,
    ) -> Result<Vec<ReportRecord>, StoreError> {
        let failed = self.failed("read the reports");
        let of_dataset =
            if dataset.is_some() { "WHERE r.dataset = $1" } else { "WHERE $1 IS NULL" };
        let sql = format!("{REPORT} {of_dataset} ORDER BY r.judged_at DESC, r.draft DESC LIMIT $2");
        let query = statement(&sql).bind(dataset.map(DatasetName::to_string));
        let rows = query.bind(i64::from(limit)).fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(record).collect::<Result<_, _>>().map_err(failed)
    }

    /// The newest reports of rows of a dataset that were new, newest first.
    pub async fn reports_of_news(
        &self,
        dataset: &DatasetName,
        limit: u32,
    ) -> Result<Vec<ReportRecord>, StoreError> {
        let failed = self.failed("read the reports");
        let sql = format!(
            "{REPORT} WHERE r.dataset = $1 AND r.replay = 0
             ORDER BY r.judged_at DESC, r.draft DESC LIMIT $2"
        );
        let query = statement(&sql).bind(dataset.to_string()).bind(i64::from(limit));
        let rows = query.fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(record).collect::<Result<_, _>>().map_err(failed)
    }

    /// When the newest batches of a dataset were judged and how many rows each added, of those that
    /// were committed; newest first.
    pub async fn rows_added(
        &self,
        dataset: &DatasetName,
        limit: u32,
    ) -> Result<Vec<(DateTime<Utc>, u64)>, StoreError> {
        let failed = self.failed("read how many rows earlier batches had");
        let rows = statement(
            "SELECT judged_at, rows_written FROM reports
             WHERE dataset = $1 AND sequence IS NOT NULL AND replay = 0
             ORDER BY judged_at DESC, draft DESC LIMIT $2",
        )
        .bind(dataset.to_string())
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        let pair = |row| Ok((time(row, "judged_at")?, count(row, "rows_written")?));
        rows.iter().map(pair).collect::<Result<_, _>>().map_err(failed)
    }

    /// The reports of all batches of a run, oldest first.
    pub async fn reports_of(&self, run: RunId) -> Result<Vec<ReportRecord>, StoreError> {
        let failed = self.failed("read the reports of a run");
        let sql = format!("{REPORT} WHERE r.run = $1 ORDER BY r.judged_at, r.draft");
        let query = statement(&sql).bind(run.to_string());
        let rows = query.fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(record).collect::<Result<_, _>>().map_err(failed)
    }

    /// The report of a batch, if the store has it.
    pub async fn report_of(&self, draft: DraftId) -> Result<Option<ReportRecord>, StoreError> {
        let failed = self.failed("read the report of a batch");
        let sql = format!("{REPORT} WHERE r.draft = $1");
        let row = statement(&sql).bind(draft.to_string()).fetch_optional(self.pool()).await;
        row.map_err(&failed)?.as_ref().map(record).transpose().map_err(failed)
    }

    /// The reports of these commits of a dataset, as far as they are kept, oldest first.
    pub async fn reports_at(
        &self,
        dataset: &DatasetName,
        sequences: &BTreeSet<u64>,
    ) -> Result<Vec<ReportRecord>, StoreError> {
        let failed = self.failed("read the reports of commits");
        let sql = format!(
            "{REPORT} WHERE r.dataset = $1
                 AND r.sequence IN (SELECT CAST(value AS BIGINT) FROM json_each($2))
             ORDER BY r.sequence"
        );
        let sequences: Vec<i64> = sequences.iter().copied().map(from_count).collect();
        let sequences = from_json(&sequences).map_err(&failed)?;
        let query = statement(&sql).bind(dataset.to_string()).bind(sequences);
        let rows = query.fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(record).collect::<Result<_, _>>().map_err(failed)
    }

    /// The last report of each dataset, committed or halted; letters that came back are no news of
    /// how good it is.
    pub async fn latest_reports(&self) -> Result<Vec<ReportRecord>, StoreError> {
        self.latest("AND replay = 0", record).await
    }

    /// When the last commit of each dataset that the store has taken in was judged.
    pub async fn last_commits(&self) -> Result<BTreeMap<DatasetName, DateTime<Utc>>, StoreError> {
        let failed = self.failed("read the last commits");
        let rows = statement(
            "SELECT dataset, MAX(judged_at) AS judged_at FROM reports
             WHERE sequence IS NOT NULL GROUP BY dataset",
        )
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        let pair = |row| Ok((word(row, "dataset")?, time(row, "judged_at")?));
        rows.iter().map(pair).collect::<Result<_, _>>().map_err(failed)
    }

    /// What `taken` takes of the last report of each dataset, of those that are meant.
    pub(crate) async fn latest<T>(
        &self,
        which: &str,
        taken: impl Fn(&Row) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StoreError> {
        let failed = self.failed("read the latest reports");
        // Steps from one dataset's name to the next in the index: a worker leaves thousands of
        // reports a day, and this is asked at every scrape.
        let sql = format!(
            "WITH RECURSIVE names (dataset) AS (
                 SELECT MIN(dataset) FROM reports
                 UNION ALL
                 SELECT (SELECT MIN(next.dataset) FROM reports next
                         WHERE next.dataset > names.dataset)
                 FROM names WHERE names.dataset IS NOT NULL
             )
             {REPORT} JOIN names ON r.draft = (
                 SELECT draft FROM reports WHERE dataset = names.dataset {which}
                 ORDER BY judged_at DESC, draft DESC LIMIT 1)
             ORDER BY r.dataset"
        );
        let rows = statement(&sql).fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(taken).collect::<Result<_, _>>().map_err(failed)
    }

    /// How many batches of a run were committed, as far as told and kept, and where their rows
    /// went.
    pub(crate) async fn told_of(&self, run: RunId) -> Result<(u64, Counts), sqlx::Error> {
        let row = statement(
            "SELECT COUNT(*) AS batches,
                    CAST(COALESCE(SUM(rows_read), 0) AS BIGINT) AS rows_read,
                    CAST(COALESCE(SUM(rows_written), 0) AS BIGINT) AS rows_written,
                    CAST(COALESCE(SUM(rows_rejected), 0) AS BIGINT) AS rows_rejected,
                    CAST(COALESCE(SUM(rows_filtered), 0) AS BIGINT) AS rows_filtered,
                    CAST(COALESCE(SUM(duplicates), 0) AS BIGINT) AS duplicates
             FROM reports WHERE run = $1 AND sequence IS NOT NULL",
        )
        .bind(run.to_string())
        .fetch_one(self.pool())
        .await?;
        Ok((count(&row, "batches")?, counts(&row)?))
    }
}

/// Takes in a report; false when the report of this draft is there already. What it remembers for
/// later batches, and what it says of windows, is kept by itself.
pub(crate) async fn put(
    connection: &mut Session,
    report: &Report,
    commit: Option<CommitRef>,
) -> Result<bool, sqlx::Error> {
    let counts = &report.counts;
    let body = Report { remembered: None, windows: Vec::new(), ..report.clone() };
    let put = statement(
        "INSERT INTO reports (draft, run, dataset, judged_at, score, verdict, sequence, snapshot,
             rows_read, rows_written, rows_rejected, rows_filtered, duplicates, body, replay)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (draft) DO NOTHING",
    )
    .bind(report.draft.to_string())
    .bind(report.run.id.to_string())
    .bind(report.output.to_string())
    .bind(from_time(report.judged_at))
    .bind(report.score())
    .bind(report.verdict().map(|verdict| verdict.name()))
    .bind(commit.map(|commit| from_count(commit.sequence)))
    .bind(commit.map(|commit| commit.snapshot))
    .bind(from_count(counts.read))
    .bind(from_count(counts.written))
    .bind(from_count(counts.rejected))
    .bind(from_count(counts.filtered))
    .bind(from_count(counts.duplicates))
    .bind(from_json(&body)?)
    .bind(i64::from(report.upto.is_replay()))
    .execute(connection)
    .await?;
    Ok(put.rows_affected() > 0)
}

/// Where rows went, as sums of the columns that say so.
pub(crate) fn counts(row: &Row) -> Result<Counts, sqlx::Error> {
    Ok(Counts {
        read: count(row, "rows_read")?,
        written: count(row, "rows_written")?,
        rejected: count(row, "rows_rejected")?,
        filtered: count(row, "rows_filtered")?,
        duplicates: count(row, "duplicates")?,
    })
}

fn record(row: &Row) -> Result<ReportRecord, sqlx::Error> {
    let commit = match row.try_get::<Option<i64>, _>("snapshot")? {
        Some(snapshot) => Some(CommitRef { sequence: count(row, "sequence")?, snapshot }),
        None => None,
    };
    let accepted_at = some_time(row, "accepted_at")?;
    let waits = count(row, "waits")? == 1;
    Ok(ReportRecord { report: json(row, "body")?, commit, accepted_at, waits })
}

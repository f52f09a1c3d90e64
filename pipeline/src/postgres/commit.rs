//! A draft for tables of Postgres, and the one transaction in which it becomes visible.

use std::sync::Arc;

use arrow::array::RecordBatch;
use assay_core::{DatasetName, DraftId, Mark, Position, ReaderId, Slice};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::columns::WireColumn;
use super::sheet::Sheet;
use super::{Postgres, failure, unique};
use crate::definition::TableSpec;
use crate::target::{Closing, Commit, Draft, DraftOf, Snapshot, TargetError, Write};

/// Reports of commits are kept for the stores that follow; a store that is silent for longer has
/// missed them.
const KEEP_DAYS: i64 = 3;

/// Every so many commits, old ones go.
const SWEEP: i64 = 256;

pub(super) struct PostgresDraft {
    postgres: Arc<Postgres>,
    spec: Arc<TableSpec>,
    id: DraftId,
    reader: ReaderId,
    from: Position,
    /// The columns that deduplicate.
    key: Vec<String>,
    begun_at: DateTime<Utc>,
    sheets: Vec<(Arc<TableSpec>, Sheet)>,
}

impl PostgresDraft {
    pub(super) fn new(
        postgres: &Arc<Postgres>,
        spec: &Arc<TableSpec>,
        of: &DraftOf<'_>,
    ) -> PostgresDraft {
        PostgresDraft {
            postgres: Arc::clone(postgres),
            spec: Arc::clone(spec),
            id: of.id,
            reader: of.reader.clone(),
            from: of.from.clone(),
            key: of.key.to_vec(),
            begun_at: of.begun_at,
            sheets: Vec::new(),
        }
    }

    pub(super) fn add(
        &mut self,
        spec: &Arc<TableSpec>,
        table: &str,
        columns: Vec<WireColumn>,
        write: Write,
    ) {
        let sheet = Sheet::new(table, columns, write, &self.postgres.spool);
        self.sheets.push((Arc::clone(spec), sheet));
    }

    fn failed(&self, error: sqlx::Error) -> TargetError {
        let place = self.postgres.place();
        failure::of(format!("commit a batch of {} in {place}", self.spec.dataset), error)
    }

    /// Another may have written one of the keys since they were looked up: then the batch is done
    /// anew. A key that nobody looks up would be there again the next time.
    async fn not_taken(&self, place: usize, error: sqlx::Error) -> TargetError {
        if place == 0 && failure::is_repeated_key(&error) {
            match unique::refused_by(&self.postgres.pool, &error, &self.key).await {
                Ok(true) => return TargetError::Moved { dataset: self.spec.dataset.clone() },
                Ok(false) => {}
                Err(error) => return self.failed(error),
            }
        }
        let dataset = self.sheets.get(place).map_or(&self.spec.dataset, |(spec, _)| &spec.dataset);
        failure::of(format!("write {dataset} in {}", self.postgres.place()), error)
    }

    /// The number comes last, from a row that stays locked until the commit: so commits become
    /// visible in the order of their numbers.
    async fn number(&self, to: &mut PgConnection, report: &str) -> Result<i64, sqlx::Error> {
        let dataset = self.spec.dataset.to_string();
        let number: i64 = sqlx::query_scalar(
            "WITH next AS (INSERT INTO assay.commit_numbers AS n (dataset, last) VALUES ($1, 1) \
               ON CONFLICT (dataset) DO UPDATE SET last = n.last + 1 RETURNING last) \
             INSERT INTO assay.commits (dataset, number, draft, report) \
             SELECT $1, last, $2, $3 FROM next RETURNING number",
        )
        .bind(&dataset)
        .bind(self.id.to_string())
        .bind(report)
        .fetch_one(&mut *to)
        .await?;
        Ok(number)
    }

    async fn sweep(&self, number: i64) {
        if number % SWEEP != 0 {
            return;
        }
        let gone = sqlx::query(
            "DELETE FROM assay.commits WHERE dataset = $1 AND number < $2 \
             AND committed_at < now() - make_interval(days => $3)",
        )
        .bind(self.spec.dataset.to_string())
        .bind(number)
        .bind(i32::try_from(KEEP_DAYS).unwrap_or(i32::MAX))
        .execute(&self.postgres.pool)
        .await;
        if let Err(error) = gone {
            let error = self.failed(error);
            tracing::warn!(%error, "old reports in Postgres could not be deleted yet");
        }
    }
}

/// A draft that is older does not commit, as in the lake.
const OLDEST: TimeDelta = TimeDelta::hours(24);

#[async_trait]
impl Draft for PostgresDraft {
    fn base(&self) -> Option<Snapshot> {
        None
    }

    fn written(&self) -> u64 {
        self.sheets.first().map_or(0, |(_, sheet)| sheet.rows)
    }

    async fn write(&mut self, to: &DatasetName, rows: RecordBatch) -> Result<(), TargetError> {
        let Some((spec, sheet)) = self.sheets.iter_mut().find(|(spec, _)| spec.dataset == *to)
        else {
            return Err(TargetError::Refused {
                doing: format!("write to {to}"),
                why: format!("a draft of {} has no rows of it", self.spec.dataset),
            });
        };
        sheet.keep(&rows, spec)
    }

    async fn commit(&mut self, closing: Closing<'_>) -> Result<Commit, TargetError> {
        if closing.report.judged_at - self.begun_at >= OLDEST {
            let (dataset, hours) = (self.spec.dataset.clone(), OLDEST.num_hours());
            return Err(TargetError::Stale { dataset, hours });
        }
        let report = serde_json::to_string(closing.report).expect("a report is JSON");
        let place = self.postgres.place();
        let writing = || format!("write {} in {place}", self.spec.dataset);
        let connection = self.postgres.pool.acquire().await;
        let mut connection = connection.map_err(|error| self.failed(error))?;
        for (_, sheet) in &self.sheets {
            let prepared = sheet.prepare(&mut connection).await;
            prepared.map_err(|error| failure::of(writing(), error))?;
        }
        let begun = connection.begin().await;
        let mut transaction = begun.map_err(|error| self.failed(error))?;
        let mut sheets = std::mem::take(&mut self.sheets);
        let sent = send(&mut sheets, &mut transaction).await;
        self.sheets = sheets;
        sent.map_err(|error| error.told(writing()))?;
        // From here on the server needs nothing of this process but its next word, and ends the
        // transaction when that does not come.
        let way = (&self.from, closing.upto);
        move_marks(&mut transaction, &self.spec.dataset, &self.reader, way).await?;
        for (place, (_, sheet)) in self.sheets.iter().enumerate() {
            if let Err(error) = sheet.take(&mut transaction).await {
                return Err(self.not_taken(place, error).await);
            }
        }
        let number = self.number(&mut transaction, &report).await;
        let number = number.map_err(|error| self.failed(error))?;
        transaction.commit().await.map_err(|error| self.failed(error))?;
        self.sweep(number).await;
        Ok(Commit {
            sequence: number.unsigned_abs(),
            snapshot: Snapshot(number),
            report: closing.report.clone(),
        })
    }

    async fn abandon(self: Box<Self>) {}
}

/// Who finds a position elsewhere writes nothing.
pub(super) async fn move_marks(
    within: &mut PgConnection,
    dataset: &DatasetName,
    reader: &ReaderId,
    (from, upto): (&Position, &Position),
) -> Result<(), TargetError> {
    // In the order of their names, so that workers wait for each other and never in a circle.
    for (slice, mark) in upto.moved_since(from) {
        let moved = move_mark(&mut *within, dataset, reader, slice, (from.mark(slice), mark)).await;
        let failed = |error| failure::of(format!("move the position of {dataset}"), error);
        if !moved.map_err(failed)? {
            let (dataset, reader) = (dataset.clone(), reader.clone());
            return Err(TargetError::Fenced { dataset, reader });
        }
    }
    Ok(())
}

async fn move_mark(
    to: &mut PgConnection,
    dataset: &DatasetName,
    reader: &ReaderId,
    slice: &Slice,
    (expected, mark): (Option<&Mark>, &Mark),
) -> Result<bool, sqlx::Error> {
    let text = |mark: &Mark| serde_json::to_string(mark).expect("a mark is JSON");
    let moving = match expected {
        Some(expected) => sqlx::query(
            "UPDATE assay.positions SET mark = $4, moved_at = now() \
             WHERE dataset = $1 AND reader = $2 AND slice = $3 AND mark = $5",
        )
        .bind(dataset.to_string())
        .bind(&reader.0)
        .bind(slice.as_str())
        .bind(text(mark))
        .bind(text(expected)),
        None => sqlx::query(
            "INSERT INTO assay.positions (dataset, reader, slice, mark) \
             VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(dataset.to_string())
        .bind(&reader.0)
        .bind(slice.as_str())
        .bind(text(mark)),
    };
    Ok(moving.execute(to).await?.rows_affected() == 1)
}

async fn send(
    sheets: &mut [(Arc<TableSpec>, Sheet)],
    to: &mut PgConnection,
) -> Result<(), super::sheet::SendError> {
    for (_, sheet) in sheets {
        sheet.send(&mut *to).await?;
    }
    Ok(())
}

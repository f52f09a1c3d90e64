use assay_core::{DatasetName, WindowScore};
use chrono::{DateTime, Utc};

use crate::column::{count, from_count, from_time, time, word};
use crate::database::{Row, Session, statement};
use crate::{Store, StoreError};

impl Store {
    /// How good the rows of the newest windows of a dataset are, newest first.
    pub async fn window_scores(
        &self,
        dataset: &DatasetName,
        before: Option<DateTime<Utc>>,
        limit: u32,
    ) -> Result<Vec<WindowScore>, StoreError> {
        let failed = self.failed("read the scores of windows");
        let rows = statement(
            "SELECT * FROM window_scores WHERE dataset = $1 AND ($2 IS NULL OR starts < $2)
             ORDER BY starts DESC, ends DESC LIMIT $3",
        )
        .bind(dataset.to_string())
        .bind(before.map(from_time))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        rows.iter().map(window).collect::<Result<_, _>>().map_err(failed)
    }
}

/// Adds what a batch found to what is known of its windows.
pub(crate) async fn add(
    connection: &mut Session,
    windows: &[WindowScore],
) -> Result<(), sqlx::Error> {
    for window in windows {
        statement(
            "INSERT INTO window_scores (dataset, starts, ends, rows, rejected, lost)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (dataset, starts, ends) DO UPDATE SET
                 rows = window_scores.rows + excluded.rows,
                 rejected = window_scores.rejected + excluded.rejected,
                 lost = window_scores.lost + excluded.lost",
        )
        .bind(window.dataset.to_string())
        .bind(from_time(window.start))
        .bind(from_time(window.end))
        .bind(from_count(window.rows))
        .bind(from_count(window.rejected))
        .bind(window.lost)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

fn window(row: &Row) -> Result<WindowScore, sqlx::Error> {
    Ok(WindowScore {
        dataset: word(row, "dataset")?,
        start: time(row, "starts")?,
        end: time(row, "ends")?,
        rows: count(row, "rows")?,
        rejected: count(row, "rejected")?,
        lost: row.try_get("lost")?,
    })
}

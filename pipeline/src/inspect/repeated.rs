//! Keys that come more than once. This is asked only when a rule of uniqueness failed: it costs
//! one more read of the key's columns, and spills what does not fit in memory.

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use futures::TryStreamExt;

use super::subject::ROWS;
use super::{InspectError, Sample, Subject};

/// The keys with most rows, and how many rows each has.
pub(super) async fn repeated(
    subject: &Subject,
    columns: &[String],
    redact: &[String],
    limit: usize,
) -> Result<Sample, InspectError> {
    let quoted: Vec<String> =
        columns.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    let keys = quoted.join(", ");
    let whole: Vec<String> = quoted.iter().map(|name| format!("{name} IS NOT NULL")).collect();
    let sql = format!(
        "SELECT {keys}, count(*) AS rows FROM {ROWS} WHERE {} GROUP BY {keys} \
         HAVING count(*) > 1 ORDER BY rows DESC, {keys} LIMIT {limit}",
        whole.join(" AND ")
    );
    let mut answer = subject.ask(&sql).await?;
    let mut sample = Sample::of(&answer.schema());
    let wrong = |error: DataFusionError| InspectError::rows(subject.name(), &error);
    while let Some(rows) = answer.try_next().await.map_err(wrong)? {
        for row in 0..rows.num_rows() {
            let added = sample.add(&rows, row, redact);
            added.map_err(|error: ArrowError| wrong(error.into()))?;
        }
    }
    Ok(sample)
}

use bytes::Bytes;
use chrono::DateTime;
use futures::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::file::LogFile;
use super::headers;
use super::lane::{self, Lane};
use crate::{Ends, Fetch, LogError, Record};

pub(super) async fn read(
    file: &LogFile,
    topic: &str,
    partition: u32,
    from: u64,
    fetch: Fetch,
) -> Result<Vec<Record>, LogError> {
    let doing = format!("read topic `{topic}`, partition {partition}");
    let failed = |error| file.failed(&doing, error);
    let mut view = file.view(&doing).await?;
    let lanes = lane::of_topic(&mut view, file, topic).await?;
    let lane = lane::of_partition(&lanes, topic, partition)?;
    let Ends { start, end, .. } = lane.ends;
    if from < start || from > end {
        let topic = topic.to_owned();
        return Err(LogError::OutOfRange { topic, partition, from, start, end });
    }
    let until = plan(&mut view, lane, from, fetch).await.map_err(failed)?;

    let mut records = Vec::new();
    let mut rows = sqlx::query(
        "SELECT id, appended_at, key, headers, value FROM record
         WHERE id >= $1 AND id < $2 ORDER BY id",
    )
    .bind(lane.record(from))
    .bind(lane.record(until))
    .fetch(&mut *view);
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        let offset = lane.offset(row.try_get(0).map_err(failed)?);
        let record = record(&row, partition, offset).map_err(failed)?;
        records.push(record.ok_or_else(|| LogError::Damaged {
            log: file.path().to_owned(),
            topic: topic.to_owned(),
            partition,
            offset,
        })?);
    }
    Ok(records)
}

/// Finds the offset before which the read has to stop, from the sizes alone.
async fn plan(
    connection: &mut SqliteConnection,
    lane: Lane,
    from: u64,
    fetch: Fetch,
) -> Result<u64, sqlx::Error> {
    // Summed up where they lie: a row that comes over here costs more than the record itself.
    let last: Option<i64> = sqlx::query_scalar(
        "SELECT max(id) FROM (
             SELECT id, sum(bytes) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS bytes FROM (
                 SELECT id, bytes FROM record WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3))
         WHERE bytes <= $4",
    )
    .bind(lane.record(from))
    .bind(lane.record(lane.ends.end))
    .bind(i64::try_from(fetch.max_records.max(1)).unwrap_or(i64::MAX))
    .bind(i64::try_from(fetch.max_bytes).unwrap_or(i64::MAX))
    .fetch_one(connection)
    .await?;
    let fitting = last.map_or(from, |last| lane.offset(last) + 1);
    // At least one comes, even if it is larger.
    Ok(fitting.max(from + 1).min(lane.ends.end))
}

/// The record of a row; nothing when what stands there can't have been written by us.
fn record(row: &SqliteRow, partition: u32, offset: u64) -> Result<Option<Record>, sqlx::Error> {
    let appended_at: i64 = row.try_get(1)?;
    let key: Option<Vec<u8>> = row.try_get(2)?;
    let headers = headers::decode(row.try_get(3)?);
    let value: Option<Vec<u8>> = row.try_get(4)?;
    Ok(DateTime::from_timestamp_micros(appended_at).zip(headers).map(|(timestamp, headers)| {
        Record {
            partition,
            offset,
            timestamp,
            key: key.map(Bytes::from),
            value: value.map(Bytes::from),
            headers,
        }
    }))
}

use chrono::DateTime;
use futures::TryStreamExt;
use sqlx::SqliteConnection;

use super::file::LogFile;
use super::lane::{self, Lane};
use crate::{Head, Keep, LogError};

/// What one transaction deletes at most, so that writers never wait long.
const RECORDS: i64 = 10_000;
const BYTES: i64 = 256 << 20;

/// Looks from the start of the partition for the first record that has to stay.
pub(super) async fn head(
    file: &LogFile,
    topic: &str,
    partition: u32,
    keep: Keep,
) -> Result<Head, LogError> {
    let doing = format!("measure topic `{topic}`, partition {partition}");
    let failed = |error| file.failed(&doing, error);
    let mut view = file.view(&doing).await?;
    let lanes = lane::of_topic(&mut view, file, topic).await?;
    let lane = lane::of_partition(&lanes, topic, partition)?;
    find(&mut view, lane, keep).await.map_err(failed)
}

async fn find(
    connection: &mut SqliteConnection,
    lane: Lane,
    keep: Keep,
) -> Result<Head, sqlx::Error> {
    let mut left: i64 = sqlx::query_scalar("SELECT bytes FROM lane WHERE id = $1")
        .bind(lane.id)
        .fetch_one(&mut *connection)
        .await?;
    let since = keep.since.map(|since| since.timestamp_micros());
    let end = keep.from.unwrap_or(u64::MAX).min(lane.ends.end);
    let mut head = Head { until: lane.ends.start, records: 0, bytes: None, oldest: None };
    let mut weight = 0;
    let mut rows = sqlx::query_as::<_, (i64, i64, i64)>(
        "SELECT id, appended_at, bytes FROM record WHERE id >= $1 AND id < $2 ORDER BY id",
    )
    .bind(lane.record(lane.ends.start))
    .bind(lane.record(end))
    .fetch(connection);
    while let Some((id, appended_at, bytes)) = rows.try_next().await? {
        let old = since.is_some_and(|since| appended_at < since);
        let too_much = keep.bytes.is_some_and(|most| left.cast_unsigned() > most);
        if !old && !too_much {
            break;
        }
        left -= bytes;
        head.until = lane.offset(id) + 1;
        head.records += 1;
        weight += bytes.cast_unsigned();
        head.oldest = head.oldest.or_else(|| DateTime::from_timestamp_micros(appended_at));
    }
    head.bytes = Some(weight);
    Ok(head)
}

/// Deletes in steps; what another process deletes at the same time is counted there.
pub(super) async fn delete_before(
    file: &LogFile,
    topic: &str,
    partition: u32,
    offset: u64,
) -> Result<u64, LogError> {
    let doing = format!("delete from topic `{topic}`, partition {partition}");
    let failed = |error| file.failed(&doing, error);
    let mut deleted = 0;
    loop {
        let mut write = file.write(&doing).await?;
        let lanes = lane::of_topic(&mut write, file, topic).await?;
        let lane = lane::of_partition(&lanes, topic, partition)?;
        let until = offset.min(lane.ends.end);
        if lane.ends.start >= until {
            return Ok(deleted);
        }
        deleted += step(&mut write, lane, until).await.map_err(failed)?;
        write.commit().await.map_err(failed)?;
    }
}

/// Deletes some of the records before `until`, at least one.
async fn step(
    connection: &mut SqliteConnection,
    lane: Lane,
    until: u64,
) -> Result<u64, sqlx::Error> {
    let mut rows = sqlx::query_as::<_, (i64, i64)>(
        "SELECT id, bytes FROM record WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3",
    )
    .bind(lane.record(lane.ends.start))
    .bind(lane.record(until))
    .bind(RECORDS)
    .fetch(&mut *connection);
    let (mut start, mut bytes) = (until, 0);
    while let Some((id, weight)) = rows.try_next().await? {
        start = lane.offset(id) + 1;
        bytes += weight;
        if bytes >= BYTES {
            break;
        }
    }
    drop(rows);
    sqlx::query("DELETE FROM record WHERE id >= $1 AND id < $2")
        .bind(lane.record(lane.ends.start))
        .bind(lane.record(start))
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE lane SET start_offset = $1, bytes = bytes - $2 WHERE id = $3")
        .bind(start.cast_signed())
        .bind(bytes)
        .bind(lane.id)
        .execute(connection)
        .await?;
    Ok(start - lane.ends.start)
}

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use sqlx::SqliteConnection;
use tracing::info;

use super::file::LogFile;
use super::lane::{self, Lane};
use crate::LogError;

/// What one transaction deletes at most, so that writers never wait long.
const RECORDS: i64 = 10_000;
const BYTES: i64 = 256 << 20;

/// The oldest part of a lane that may go.
struct Expired {
    records: u64,
    bytes: i64,
    /// Whether there may be more.
    more: bool,
}

pub(super) async fn expire(
    file: &LogFile,
    now: DateTime<Utc>,
    topic: &str,
) -> Result<u64, LogError> {
    let doing = format!("delete what is past the retention of topic `{topic}`");
    let failed = |error| file.failed(&doing, error);
    let mut view = file.view(&doing).await?;
    let partitions = lane::of_topic(&mut view, file, topic).await?;
    let retention: Option<i64> =
        sqlx::query_scalar("SELECT retention_ms FROM topic WHERE name = $1")
            .bind(topic)
            .fetch_one(&mut *view)
            .await
            .map_err(failed)?;
    drop(view);
    let Some(retention) = retention else { return Ok(0) };
    let cutoff = now.timestamp_micros().saturating_sub(retention.saturating_mul(1000));

    let mut deleted = 0;
    for partition in partitions.iter().map(|lane| lane.ends.partition) {
        loop {
            let mut write = file.write(&doing).await?;
            let lanes = lane::of_topic(&mut write, file, topic).await?;
            let lane = lane::of_partition(&lanes, topic, partition)?;
            let expired = find(&mut write, lane, cutoff).await.map_err(failed)?;
            if expired.records == 0 {
                break;
            }
            delete(&mut write, lane, &expired).await.map_err(failed)?;
            write.commit().await.map_err(failed)?;
            deleted += expired.records;
            if !expired.more {
                break;
            }
        }
    }
    info!(topic, deleted, "expired records");
    Ok(deleted)
}

/// Looks from the start of the lane for the first record that has to stay.
async fn find(
    connection: &mut SqliteConnection,
    lane: Lane,
    cutoff: i64,
) -> Result<Expired, sqlx::Error> {
    let mut rows = sqlx::query_as::<_, (i64, i64)>(
        "SELECT appended_at, bytes FROM record WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3",
    )
    .bind(lane.record(lane.ends.start))
    .bind(lane.record(lane.ends.end))
    .bind(RECORDS)
    .fetch(connection);
    let mut expired = Expired { records: 0, bytes: 0, more: false };
    while let Some((appended_at, bytes)) = rows.try_next().await? {
        if appended_at >= cutoff {
            expired.more = false;
            break;
        }
        expired.records += 1;
        expired.bytes += bytes;
        expired.more = expired.records == RECORDS.cast_unsigned() || expired.bytes >= BYTES;
        if expired.more {
            break;
        }
    }
    Ok(expired)
}

async fn delete(
    connection: &mut SqliteConnection,
    lane: Lane,
    expired: &Expired,
) -> Result<(), sqlx::Error> {
    let start = lane.ends.start + expired.records;
    sqlx::query("DELETE FROM record WHERE id >= $1 AND id < $2")
        .bind(lane.record(lane.ends.start))
        .bind(lane.record(start))
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE lane SET start_offset = $1, bytes = bytes - $2 WHERE id = $3")
        .bind(start.cast_signed())
        .bind(expired.bytes)
        .bind(lane.id)
        .execute(connection)
        .await?;
    Ok(())
}

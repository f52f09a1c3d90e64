use bytes::Bytes;
use sqlx::SqliteConnection;

use assay_core::Clock;

use super::file::LogFile;
use super::headers;
use super::lane::{self, Lane};
use crate::{LogError, MAX_RECORD_BYTES, NewRecord, placement};

/// Rows of one INSERT, and the bytes after which no more are added to it.
const ROWS: usize = 256;
const BYTES: usize = 1 << 20;

/// A record with its place, ready to be written.
struct Row {
    id: i64,
    bytes: usize,
    record: NewRecord,
}

/// What an append adds to a lane.
struct Growth {
    lane: Lane,
    bytes: u64,
}

pub(super) async fn append(
    file: &LogFile,
    clock: &dyn Clock,
    topic: &str,
    records: Vec<NewRecord>,
) -> Result<Vec<(u32, u64)>, LogError> {
    let doing = format!("append to topic `{topic}`");
    let failed = |error| file.failed(&doing, error);
    check_sizes(topic, &records)?;

    let mut write = file.write(&doing).await?;
    let lanes = lane::of_topic(&mut write, file, topic).await?;
    let mut lanes: Vec<_> = lanes.into_iter().map(|lane| Growth { lane, bytes: 0 }).collect();
    // Taken under the write lock, so that times rise as offsets do.
    let now = clock.now().timestamp_micros();

    let mut places = Vec::with_capacity(records.len());
    let mut pending = Vec::with_capacity(ROWS.min(records.len()));
    let mut pending_bytes = 0;
    for record in records {
        let (place, row) = place(&mut lanes, topic, record)?;
        places.push(place);
        pending_bytes += row.bytes;
        pending.push(row);
        if pending.len() == ROWS || pending_bytes >= BYTES {
            insert(&mut write, now, &mut pending).await.map_err(failed)?;
            pending_bytes = 0;
        }
    }
    insert(&mut write, now, &mut pending).await.map_err(failed)?;
    grow(&mut write, &lanes).await.map_err(failed)?;
    write.commit().await.map_err(failed)?;
    Ok(places)
}

fn check_sizes(topic: &str, records: &[NewRecord]) -> Result<(), LogError> {
    match records.iter().map(NewRecord::bytes).find(|bytes| *bytes > MAX_RECORD_BYTES) {
        None => Ok(()),
        Some(bytes) => {
            Err(LogError::TooLarge { topic: topic.to_owned(), bytes, limit: MAX_RECORD_BYTES })
        }
    }
}

/// Gives the record the next offset of its partition.
fn place(
    lanes: &mut [Growth],
    topic: &str,
    record: NewRecord,
) -> Result<((u32, u64), Row), LogError> {
    let count = u32::try_from(lanes.len()).unwrap_or(u32::MAX);
    let partition = match (record.partition, &record.key) {
        (Some(partition), _) => partition,
        (None, Some(key)) => placement::of_key(key, count),
        (None, None) => turn(lanes, count),
    };
    let Some(growth) = lanes.iter_mut().find(|growth| growth.lane.ends.partition == partition)
    else {
        let topic = topic.to_owned();
        return Err(LogError::UnknownPartition { topic, partition, partitions: count });
    };
    let offset = growth.lane.ends.end;
    growth.lane.ends.end += 1;
    let bytes = record.bytes();
    growth.bytes += bytes as u64;
    Ok(((partition, offset), Row { id: growth.lane.record(offset), bytes, record }))
}

/// Whose turn it is follows from how much was ever written, so that it is remembered by the file
/// and not by a process.
fn turn(lanes: &[Growth], count: u32) -> u32 {
    let written = lanes.iter().fold(0u64, |sum, growth| sum.wrapping_add(growth.lane.ends.end));
    u32::try_from(written % u64::from(count)).unwrap_or(0)
}

async fn insert(
    connection: &mut SqliteConnection,
    now: i64,
    rows: &mut Vec<Row>,
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let values = vec!["(?, ?, ?, ?, ?, ?)"; rows.len()].join(", ");
    let sql =
        format!("INSERT INTO record (id, appended_at, bytes, key, headers, value) VALUES {values}");
    let mut query = sqlx::query(&sql);
    for Row { id, bytes, record } in rows.drain(..) {
        query = query
            .bind(id)
            .bind(now)
            .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
            .bind(record.key.map(Vec::from))
            .bind(headers::encode(&record.headers))
            // Moved, not copied, when the caller kept no handle to it.
            .bind(record.value.map(<Vec<u8> as From<Bytes>>::from));
    }
    query.execute(connection).await?;
    Ok(())
}

async fn grow(connection: &mut SqliteConnection, lanes: &[Growth]) -> Result<(), sqlx::Error> {
    for Growth { lane, bytes } in lanes {
        sqlx::query(
            "UPDATE lane SET end_offset = $1, bytes = bytes + $2 WHERE id = $3 AND end_offset < $1",
        )
        .bind(lane.ends.end.cast_signed())
        .bind(bytes.cast_signed())
        .bind(lane.id)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

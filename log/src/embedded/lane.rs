use sqlx::{Row, SqliteConnection};

use super::file::LogFile;
use crate::{Ends, LogError};

/// Bits of a record's id that are its offset.
const OFFSET_BITS: u32 = 48;

/// Lanes that a file can have, since an id is a signed number of 64 bits.
pub(super) const MAX_LANES: i64 = (1 << (63 - OFFSET_BITS)) - 1;

/// One partition of one topic, as the file knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lane {
    pub(super) id: i64,
    pub(super) ends: Ends,
}

impl Lane {
    /// The id of the record at `offset`.
    pub(super) fn record(&self, offset: u64) -> i64 {
        (self.id << OFFSET_BITS) | offset.cast_signed()
    }

    /// The offset of the record with that id.
    pub(super) fn offset(&self, record: i64) -> u64 {
        (record & ((1 << OFFSET_BITS) - 1)).cast_unsigned()
    }
}

/// All lanes of a topic in the order of its partitions; a topic that is not there is an error.
pub(super) async fn of_topic(
    connection: &mut SqliteConnection,
    file: &LogFile,
    topic: &str,
) -> Result<Vec<Lane>, LogError> {
    let rows = sqlx::query(
        "SELECT lane.id, partition, start_offset, end_offset
         FROM lane JOIN topic ON topic.id = lane.topic WHERE topic.name = $1 ORDER BY partition",
    )
    .bind(topic)
    .fetch_all(connection)
    .await
    .map_err(|error| file.failed(&format!("find topic `{topic}`"), error))?;
    if rows.is_empty() {
        return Err(LogError::UnknownTopic {
            log: file.path().to_owned(),
            topic: topic.to_owned(),
        });
    }
    let lane = |row: sqlx::sqlite::SqliteRow| {
        Ok(Lane {
            id: row.try_get(0)?,
            ends: Ends {
                partition: row.try_get(1)?,
                start: row.try_get::<i64, _>(2)?.cast_unsigned(),
                end: row.try_get::<i64, _>(3)?.cast_unsigned(),
            },
        })
    };
    let lanes: Result<Vec<Lane>, sqlx::Error> = rows.into_iter().map(lane).collect();
    lanes.map_err(|error| file.failed(&format!("find topic `{topic}`"), error))
}

/// The lane of one partition; a partition that is not there is an error.
pub(super) fn of_partition(lanes: &[Lane], topic: &str, partition: u32) -> Result<Lane, LogError> {
    lanes.iter().find(|lane| lane.ends.partition == partition).copied().ok_or_else(|| {
        LogError::UnknownPartition {
            topic: topic.to_owned(),
            partition,
            partitions: u32::try_from(lanes.len()).unwrap_or(u32::MAX),
        }
    })
}

//! Marks that readers and stores leave in a table's properties: how far they have come in it.
//! They may lag; expiry and compaction spare what is above them.

use std::collections::{BTreeMap, HashMap};

use assay_core::{DatasetName, Position, ReaderId, Slice};
use chrono::{DateTime, TimeDelta, Utc};
use iceberg::spec::TableMetadata;
use serde::{Deserialize, Serialize};

use super::Lake;
use super::amend::Amendment;
use super::positions::positions;
use crate::target::TargetError;

const READ: &str = "assay.read.";
const TOLD: &str = "assay.told.";

/// A mark that was left longer ago holds nothing back.
pub(super) const MARKS_HOLD: TimeDelta = TimeDelta::days(7);

/// A mark is left again after so long at the earliest: it is a commit to the table.
const EVERY: TimeDelta = TimeDelta::minutes(1);

/// Races that leaving a mark may lose: a writer may commit all the time.
const TRIES: u32 = 10;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LeftMark {
    /// The greatest sequence number that was read or told.
    at: u64,
    time: DateTime<Utc>,
}

impl Lake {
    /// Leaves in `dataset` that `reader` has read it up to the sequence number `at`, at most once
    /// a minute and without a snapshot. Whether the mark was moved.
    pub async fn leave_mark(
        &self,
        dataset: &DatasetName,
        reader: &ReaderId,
        at: u64,
    ) -> Result<bool, TargetError> {
        self.leave(dataset, format!("{READ}{reader}"), at).await
    }

    /// Leaves in `dataset` that the store `store` was told of its commits up to `at`, likewise.
    pub async fn leave_told(
        &self,
        dataset: &DatasetName,
        store: &str,
        at: u64,
    ) -> Result<bool, TargetError> {
        self.leave(dataset, format!("{TOLD}{store}"), at).await
    }

    /// Leaves the mark of a stage in the table that it reads. A failure is a warning: marks may
    /// lag.
    pub(crate) async fn leave_read(
        &self,
        reads: &DatasetName,
        reader: &ReaderId,
        position: &Position,
    ) {
        let Some(mark) = position.mark(&Slice::table(&reads.to_string())) else { return };
        if let Err(error) = self.leave_mark(reads, reader, mark.at).await {
            tracing::warn!(dataset = %reads, %reader, %error, "the mark was not left in the table");
        }
    }

    async fn leave(
        &self,
        dataset: &DatasetName,
        key: String,
        at: u64,
    ) -> Result<bool, TargetError> {
        for _ in 0..TRIES {
            let table = self.existing(dataset).await?;
            let time = self.clock.now();
            let before = table.metadata().properties().get(&key).and_then(|text| parse(&key, text));
            if before.is_some_and(|before| before.at == at || time - before.time < EVERY) {
                return Ok(false);
            }
            let mark = LeftMark { at, time };
            let text = serde_json::to_string(&mark).expect("a mark is plain data");
            let properties = HashMap::from([(key.clone(), text)]);
            let amendment = Amendment { properties, ..Amendment::default() };
            if self.amend(dataset, &table, &amendment).await?.is_some() {
                return Ok(true);
            }
        }
        Err(TargetError::Moved { dataset: dataset.clone() })
    }
}

/// The least of the marks that are young enough to count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LowestMarks {
    pub(super) read: Option<u64>,
    pub(super) told: Option<u64>,
}

impl LowestMarks {
    pub(super) fn of(metadata: &TableMetadata, now: DateTime<Utc>) -> LowestMarks {
        let least = |prefix: &str| young(metadata, prefix, now).map(|(_, mark)| mark.at).min();
        LowestMarks { read: least(READ), told: least(TOLD) }
    }
}

impl Lake {
    /// Up to where all readers that left a mark lately have read. Of a reader that writes to this
    /// lake the place itself is known, of others the mark.
    pub(super) async fn read_by_all(
        &self,
        dataset: &DatasetName,
        metadata: &TableMetadata,
    ) -> Result<Option<u64>, TargetError> {
        let mut marks: BTreeMap<&str, u64> =
            young(metadata, READ, self.clock.now()).map(|(who, mark)| (who, mark.at)).collect();
        if marks.is_empty() {
            return Ok(None);
        }
        let slice = Slice::table(&dataset.to_string());
        for other in self.datasets().await? {
            let Some(table) = self.table(&other).await? else { continue };
            for (reader, position) in positions(&other, &table)? {
                if let Some(place) = position.mark(&slice)
                    && let Some(mark) = marks.get_mut(reader.0.as_str())
                {
                    *mark = place.at;
                }
            }
        }
        Ok(marks.into_values().min())
    }
}

/// Who left a mark, and which, unless it is too old to count.
fn young<'a>(
    metadata: &'a TableMetadata,
    prefix: &'a str,
    now: DateTime<Utc>,
) -> impl Iterator<Item = (&'a str, LeftMark)> {
    let properties = metadata.properties().iter();
    let marks = properties
        .filter_map(move |(key, text)| Some((key.strip_prefix(prefix)?, parse(key, text)?)));
    marks.filter(move |(_, mark)| now - mark.time <= MARKS_HOLD)
}

fn parse(key: &str, text: &str) -> Option<LeftMark> {
    let mark = serde_json::from_str(text);
    mark.map_err(|error| tracing::warn!(property = key, %error, "a damaged mark is ignored")).ok()
}

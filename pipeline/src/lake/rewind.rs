//! Moves a reader of a table's source back, by a commit that adds no rows.

use std::collections::HashMap;

use assay_core::{DatasetName, DraftId, Mark, Position, ReaderId, Slice};
use iceberg::spec::SnapshotRef;
use iceberg::table::Table;

use super::Lake;
use super::change::Change;
use super::commits::{ancestors, is_first, summary};
use super::positions::{moved, position_of, property};
use crate::target::TargetError;

/// Races for the catalog's row that a rewind may lose before it gives up.
const TRIES: u32 = 10;

impl Lake {
    /// Moves `reader` from one position to another. Its own draft id is in every mark moved, so
    /// that a worker which is building on the old place is refused.
    pub(crate) async fn rewind(
        &self,
        dataset: &DatasetName,
        reader: &ReaderId,
        (from, to): (&Position, &Position),
        id: DraftId,
        reason: &str,
    ) -> Result<(), TargetError> {
        let properties = moved(reader, from, to);
        let mut change = Change { id: id.0, properties, ..Change::default() };
        change.summary = HashMap::from([
            (summary::DRAFT.to_owned(), id.to_string()),
            (summary::REWIND.to_owned(), reason.to_owned()),
        ]);
        change.summary.extend(change.properties.clone());
        for _ in 0..TRIES {
            let table = self.existing(dataset).await?;
            if position_of(dataset, &table, reader)? != *from {
                let (dataset, reader) = (dataset.clone(), reader.clone());
                return Err(TargetError::Fenced { dataset, reader });
            }
            if self.swap(dataset, &table, &change).await? {
                return Ok(());
            }
        }
        Err(TargetError::Moved { dataset: dataset.clone() })
    }

    /// How far `reader` had come when `snapshot` of the table was the newest; none when the table
    /// has no such snapshot.
    pub(crate) async fn position_at(
        &self,
        dataset: &DatasetName,
        reader: &ReaderId,
        snapshot: i64,
    ) -> Result<Option<Position>, TargetError> {
        let table = self.existing(dataset).await?;
        let Some(then) = table.metadata().snapshot_by_id(snapshot) else { return Ok(None) };
        let mut position = Position::default();
        for slice in position_of(dataset, &table, reader)?.0.into_keys() {
            if let Some(mark) = mark_at(dataset, &table, then, reader, &slice)? {
                position.0.insert(slice, mark);
            }
        }
        Ok(Some(position))
    }
}

/// The mark of a slice as of a snapshot: none when it had not been read.
fn mark_at(
    dataset: &DatasetName,
    table: &Table,
    then: &SnapshotRef,
    reader: &ReaderId,
    slice: &Slice,
) -> Result<Option<Mark>, TargetError> {
    let key = property(reader, slice);
    let refused = |why: String| TargetError::Refused {
        doing: format!("find how far {reader} had come in {slice}"),
        why,
    };
    let mut oldest = then;
    for snapshot in ancestors(table, then) {
        oldest = snapshot;
        if let Some(text) = snapshot.summary().additional_properties.get(&key) {
            let damaged = |error| refused(format!("the property `{key}` is damaged: {error}"));
            return serde_json::from_str(text).map(Some).map_err(damaged);
        }
    }
    match is_first(oldest) {
        true => Ok(None),
        false => Err(refused(format!(
            "the snapshot of {dataset} that moved it has expired; name the place itself"
        ))),
    }
}

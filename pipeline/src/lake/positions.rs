//! Positions live in table properties, one per slice, and in the summary of the commit that moved
//! them: the property survives expiry, the summary is the history.

use std::collections::{BTreeSet, HashMap};

use assay_core::{DatasetName, Mark, Position, ReaderId, Slice};
use iceberg::table::Table;

use super::commits::{history, is_first};
use crate::target::TargetError;

const PREFIX: &str = "assay.position.";

/// The property that holds the mark of `slice`.
pub(super) fn property(reader: &ReaderId, slice: &Slice) -> String {
    format!("{PREFIX}{reader}.{slice}")
}

/// The name of the slice whose mark a property holds; none of a property of another kind.
pub(super) fn of_slice(property: &str) -> Option<&str> {
    // Neither pipelines nor stages have a dot in their names.
    property.strip_prefix(PREFIX)?.split_once('.').map(|(_, slice)| slice)
}

/// The position of `reader`, as the table has it now.
pub(crate) fn position_of(
    dataset: &DatasetName,
    table: &Table,
    reader: &ReaderId,
) -> Result<Position, TargetError> {
    marks_of(table.metadata().properties(), reader).map_err(|(key, error)| TargetError::Refused {
        doing: format!("read how far {reader} has come"),
        why: format!("the property `{key}` of {dataset} is damaged: {error}"),
    })
}

/// The position of `reader` that properties say, or the property that can't be read.
pub(crate) fn marks_of(
    properties: &HashMap<String, String>,
    reader: &ReaderId,
) -> Result<Position, (String, serde_json::Error)> {
    let prefix = format!("{PREFIX}{reader}.");
    let mut position = Position::default();
    for (key, text) in properties {
        let Some(slice) = key.strip_prefix(&prefix) else { continue };
        let mark: Mark = serde_json::from_str(text).map_err(|error| (key.clone(), error))?;
        position.0.insert(Slice::from_name(slice), mark);
    }
    Ok(position)
}

/// Refuses a table that another program rolled back: the property would promise rows that are not
/// there any more. The newest ancestor that moved a slice must be the one that the property names;
/// where the history ends in a snapshot that has expired, nothing can be said.
pub(super) fn check_history(
    dataset: &DatasetName,
    table: &Table,
    reader: &ReaderId,
    position: &Position,
) -> Result<(), TargetError> {
    for (slice, mark) in &position.0 {
        let key = property(reader, slice);
        let moved =
            history(table).find_map(|snapshot| snapshot.summary().additional_properties.get(&key));
        let rolled_back = match moved.map(|text| serde_json::from_str::<Mark>(text)) {
            Some(Ok(moved)) => moved.draft != mark.draft,
            Some(Err(_)) => true,
            None => mark.draft.is_some() && !expired(table),
        };
        if rolled_back {
            let current = table.metadata().current_snapshot();
            return Err(TargetError::RolledBack {
                dataset: dataset.clone(),
                reader: reader.clone(),
                slice: slice.clone(),
                at: mark.at,
                snapshot: current.map_or("start".to_owned(), |s| s.snapshot_id().to_string()),
            });
        }
    }
    Ok(())
}

/// Whether the beginning of the table's history is not kept any more.
fn expired(table: &Table) -> bool {
    history(table).last().is_some_and(|oldest| !is_first(oldest))
}

/// The positions of all readers that the table knows.
pub(crate) fn positions(
    dataset: &DatasetName,
    table: &Table,
) -> Result<Vec<(ReaderId, Position)>, TargetError> {
    let properties = table.metadata().properties().keys();
    let named = properties.filter_map(|key| key.strip_prefix(PREFIX)?.split_once('.'));
    let readers: BTreeSet<&str> = named.map(|(reader, _)| reader).collect();
    let position = |reader: &str| {
        let reader = ReaderId(reader.to_owned());
        let position = position_of(dataset, table, &reader)?;
        Ok((reader, position))
    };
    readers.into_iter().map(position).collect()
}

/// The properties that say `position`, of the slices that moved since `from`.
pub(super) fn moved(
    reader: &ReaderId,
    from: &Position,
    upto: &Position,
) -> HashMap<String, String> {
    let entry = |(slice, mark): (&Slice, &Mark)| {
        let text = serde_json::to_string(mark).expect("a mark is plain data");
        (property(reader, slice), text)
    };
    upto.moved_since(from).map(entry).collect()
}

//! A table's past: its snapshots, and the stretches of it that have expired.

use std::collections::HashMap;

use assay_core::DatasetName;
use iceberg::spec::TableMetadata;
use iceberg::spec::{DataFile, ManifestContentType, ManifestStatus, Operation, SnapshotRef};
use iceberg::table::Table;

use super::commits::is_first;
use crate::target::TargetError;

/// The greatest sequence number of a snapshot that Assay let expire.
const EXPIRED_UPTO: &str = "assay.expired.upto";

/// The greatest sequence number of an expired snapshot that removed rows, or may have: a reader
/// at or above it has nothing to fear from what is gone.
const EXPIRED_REMOVED_AT: &str = "assay.expired.removed-at";

/// One step back in a table's past.
#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Snapshot(&'a SnapshotRef),
    /// Snapshots up to this sequence number and above the next step are not known any more.
    Gone {
        upto: i64,
    },
}

/// From `begin` back, with the gaps in between.
fn steps<'a>(metadata: &'a TableMetadata, begin: Option<&'a SnapshotRef>) -> Vec<Step<'a>> {
    let mut newest_first: Vec<&SnapshotRef> = metadata.snapshots().collect();
    newest_first.sort_by_key(|snapshot| -snapshot.sequence_number());
    let mut steps = vec![];
    let mut next = begin;
    while let Some(snapshot) = next {
        steps.push(Step::Snapshot(snapshot));
        let sequence = snapshot.sequence_number();
        let older = |other: &&SnapshotRef| other.sequence_number() < sequence;
        if is_first(snapshot) {
            break;
        }
        let parent = snapshot.parent_snapshot_id().and_then(|id| metadata.snapshot_by_id(id));
        next = parent.filter(older).or_else(|| {
            let below = newest_first.iter().copied().find(older);
            if below.map_or(0, |below| below.sequence_number()) + 1 < sequence {
                steps.push(Step::Gone { upto: sequence - 1 });
            }
            below
        });
    }
    steps
}

/// Whether rows may have left the table with this snapshot.
pub(super) fn removes(snapshot: &SnapshotRef) -> bool {
    match snapshot.summary().operation {
        Operation::Append | Operation::Replace => false,
        Operation::Overwrite | Operation::Delete => true,
    }
}

/// What is known of snapshots that are gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Expired {
    pub(super) upto: i64,
    pub(super) removed_at: i64,
}

impl Expired {
    pub(super) fn of(metadata: &TableMetadata) -> Expired {
        let number = |key: &str| {
            let text = metadata.properties().get(key);
            text.and_then(|text| text.parse().ok()).unwrap_or_default()
        };
        Expired { upto: number(EXPIRED_UPTO), removed_at: number(EXPIRED_REMOVED_AT) }
    }

    /// What is known after `snapshots` are gone as well. Of a gap that somebody else made nobody
    /// knows whether rows left in it, so they may have.
    pub(super) fn and<'a>(
        self,
        metadata: &TableMetadata,
        snapshots: impl Iterator<Item = &'a SnapshotRef> + Clone,
    ) -> Expired {
        let numbers = snapshots.clone().map(|snapshot| snapshot.sequence_number());
        let upto = self.upto.max(numbers.max().unwrap_or_default());
        let removing = snapshots.filter(|snapshot| removes(snapshot));
        let removed = removing.map(|snapshot| snapshot.sequence_number()).max();
        let steps = steps(metadata, metadata.current_snapshot());
        let unexplained = steps.into_iter().filter_map(|step| match step {
            Step::Gone { upto: end } if end > self.upto && end <= upto => Some(end),
            _ => None,
        });
        let removed_at =
            self.removed_at.max(removed.unwrap_or_default()).max(unexplained.max().unwrap_or(0));
        Expired { upto, removed_at }
    }

    pub(super) fn properties(self) -> HashMap<String, String> {
        HashMap::from([
            (EXPIRED_UPTO.to_owned(), self.upto.to_string()),
            (EXPIRED_REMOVED_AT.to_owned(), self.removed_at.to_string()),
        ])
    }
}

/// Files that a reader has seen and that are gone since.
#[derive(Debug, Clone)]
pub(crate) enum Removed {
    Files(Vec<DataFile>),
    /// Snapshots above the reader's mark have expired in which rows may have left. What is known
    /// begins behind this sequence number.
    Unknown {
        known_from: u64,
    },
}

/// The files at or below `mark` that left the table above it, up to `snapshot`, and were not only
/// rewritten.
pub(crate) async fn removed_since(
    dataset: &DatasetName,
    table: &Table,
    snapshot: &SnapshotRef,
    mark: u64,
) -> Result<Removed, TargetError> {
    let mark = i64::try_from(mark).unwrap_or(i64::MAX);
    let mut files = vec![];
    // Who has read nothing misses nothing.
    if mark == 0 {
        return Ok(Removed::Files(files));
    }
    let expired = Expired::of(table.metadata());
    for step in steps(table.metadata(), Some(snapshot)) {
        match step {
            Step::Snapshot(snapshot) if snapshot.sequence_number() <= mark => break,
            Step::Snapshot(snapshot) if removes(snapshot) => {
                let wrong = |source| {
                    TargetError::iceberg(format!("list what was removed from {dataset}"), source)
                };
                files.extend(removed_by(table, snapshot, mark).await.map_err(wrong)?);
            }
            Step::Snapshot(_) => {}
            Step::Gone { upto } if upto <= mark => break,
            Step::Gone { upto } => {
                if upto > expired.upto || expired.removed_at > mark {
                    let known_from = u64::try_from(upto).unwrap_or_default();
                    return Ok(Removed::Unknown { known_from });
                }
            }
        }
    }
    Ok(Removed::Files(files))
}

async fn removed_by(
    table: &Table,
    snapshot: &SnapshotRef,
    mark: i64,
) -> iceberg::Result<Vec<DataFile>> {
    let id = snapshot.snapshot_id();
    let mut files = vec![];
    for manifest in table.manifest_list_reader(snapshot).load().await?.entries() {
        let own = manifest.added_snapshot_id == id && manifest.has_deleted_files();
        if !own || manifest.content == ManifestContentType::Deletes {
            continue;
        }
        for entry in manifest.load_manifest(table.file_io()).await?.entries() {
            let seen = entry.sequence_number().is_none_or(|sequence| sequence <= mark);
            if entry.status() == ManifestStatus::Deleted && seen {
                files.push(entry.data_file().clone());
            }
        }
    }
    Ok(files)
}

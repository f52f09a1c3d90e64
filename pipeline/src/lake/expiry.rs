//! Which snapshots of a table may go.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use iceberg::TableUpdate;
use iceberg::spec::{SnapshotRef, TableMetadata};
use serde::Deserialize;

use super::history::{Expired, removes};
use super::marks::{LowestMarks, MARKS_HOLD};

/// How much of its past a table carries along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Snapshots; what is not told or read yet may come on top. Older ones go in steps of a tenth.
    pub snapshots: usize,
    /// Small manifests that may gather before a commit merges them.
    pub manifests: usize,
    /// Metadata files of earlier versions, where the table has no property that says how many.
    pub versions: usize,
    /// Files that only expired snapshots named are deleted when the newest of these snapshots is
    /// older: a reader may still be at them.
    pub grace: TimeDelta,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { snapshots: 500, manifests: 64, versions: 20, grace: TimeDelta::minutes(30) }
    }
}

/// Snapshots that go.
#[derive(Debug, Clone)]
pub(super) struct Expiry {
    pub(super) snapshots: Vec<SnapshotRef>,
    /// When the newest of them was made.
    pub(super) newest: DateTime<Utc>,
    expired: Expired,
}

impl Expiry {
    /// What a commit lets go: the oldest, so that there never are more than `limits` says.
    pub(super) fn as_it_goes(
        metadata: &TableMetadata,
        limits: &Limits,
        now: DateTime<Utc>,
    ) -> Option<Expiry> {
        let step = (limits.snapshots / 10).max(1);
        // Not at every commit, and with room for those up to the next time; this one adds one.
        let count = metadata.snapshots().len() + 1;
        let due = usize::try_from(metadata.next_sequence_number()).is_ok_and(|n| n % step == 0);
        if !due || count + step <= limits.snapshots {
            return None;
        }
        // Many may wait, and each costs time that a commit should not take.
        let most = (count + step - limits.snapshots).min(4 * step);
        Expiry::new(metadata, free(metadata, now).into_iter().take(most).collect())
    }

    /// What a person lets go: everything older than `cutoff` but the newest `keep`.
    pub(super) fn older_than(
        metadata: &TableMetadata,
        cutoff: DateTime<Utc>,
        keep: usize,
        now: DateTime<Utc>,
    ) -> Option<Expiry> {
        let mut numbers: Vec<i64> = metadata.snapshots().map(|s| s.sequence_number()).collect();
        numbers.sort_unstable_by_key(|number| -number);
        let spared: HashSet<i64> = numbers.into_iter().take(keep.max(1)).collect();
        let old = |snapshot: &SnapshotRef| {
            snapshot.timestamp_ms() < cutoff.timestamp_millis()
                && !spared.contains(&snapshot.sequence_number())
        };
        Expiry::new(metadata, free(metadata, now).into_iter().filter(old).collect())
    }

    fn new(metadata: &TableMetadata, snapshots: Vec<SnapshotRef>) -> Option<Expiry> {
        let newest = snapshots.iter().map(|snapshot| snapshot.timestamp_ms()).max()?;
        let newest = DateTime::from_timestamp_millis(newest).unwrap_or_default();
        let expired = Expired::of(metadata).and(metadata, snapshots.iter());
        Some(Expiry { snapshots, newest, expired })
    }

    pub(super) fn ids(&self) -> HashSet<i64> {
        self.snapshots.iter().map(|snapshot| snapshot.snapshot_id()).collect()
    }

    /// What tells readers later of that which is gone.
    pub(super) fn properties(&self) -> HashMap<String, String> {
        self.expired.properties()
    }

    /// What takes the snapshots out of the table.
    pub(super) fn updates(&self, metadata: &TableMetadata) -> Vec<TableUpdate> {
        let ids: Vec<i64> = self.ids().into_iter().collect();
        let mut updates = vec![];
        for id in &ids {
            if metadata.statistics_for_snapshot(*id).is_some() {
                updates.push(TableUpdate::RemoveStatistics { snapshot_id: *id });
            }
            if metadata.partition_statistics_for_snapshot(*id).is_some() {
                updates.push(TableUpdate::RemovePartitionStatistics { snapshot_id: *id });
            }
        }
        updates.push(TableUpdate::RemoveSnapshots { snapshot_ids: ids });
        updates.push(TableUpdate::SetProperties { updates: self.properties() });
        updates
    }
}

/// The snapshots that nobody needs, oldest first. Needed are the current one, those that a ref
/// names, and for a week those that a store was not told yet, and those that took rows away of
/// which a reader has not heard yet.
fn free(metadata: &TableMetadata, now: DateTime<Utc>) -> Vec<SnapshotRef> {
    let named = named(metadata);
    let marks = LowestMarks::of(metadata, now);
    let above = |mark: Option<u64>, snapshot: &SnapshotRef| {
        mark.is_some_and(|mark| i64::try_from(mark).is_ok_and(|at| snapshot.sequence_number() > at))
    };
    let needed = |snapshot: &SnapshotRef| {
        let made = DateTime::from_timestamp_millis(snapshot.timestamp_ms()).unwrap_or_default();
        let young = now - made <= MARKS_HOLD;
        let waited_for =
            above(marks.told, snapshot) || (above(marks.read, snapshot) && removes(snapshot));
        named.contains(&snapshot.snapshot_id()) || (young && waited_for)
    };
    let by_number: BTreeMap<i64, &SnapshotRef> =
        metadata.snapshots().map(|snapshot| (snapshot.sequence_number(), snapshot)).collect();
    by_number.into_values().filter(|snapshot| !needed(snapshot)).cloned().collect()
}

/// The current snapshot, and those of tags and branches.
fn named(metadata: &TableMetadata) -> HashSet<i64> {
    #[derive(Deserialize)]
    struct Refs {
        #[serde(default)]
        refs: BTreeMap<String, Ref>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Ref {
        snapshot_id: i64,
    }
    // The crate answers by name alone; which names there are, only the text says.
    let text = serde_json::to_vec(metadata).expect("metadata has a form as JSON");
    let Refs { refs } = serde_json::from_slice(&text).expect("metadata names its refs");
    let named = refs.into_values().map(|named| named.snapshot_id);
    named.chain(metadata.current_snapshot_id()).collect()
}

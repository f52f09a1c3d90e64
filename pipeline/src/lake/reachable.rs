//! Which files only expired snapshots name, and which files any snapshot names.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use assay_core::DatasetName;
use iceberg::spec::{ManifestFile, ManifestStatus, SnapshotRef};
use iceberg::table::Table;

use super::Lake;
use super::commits::summary;
use super::expiry::Expiry;
use crate::target::TargetError;

impl Lake {
    /// The files that go with the snapshots of `expiry`: their lists and reports, manifests that
    /// no other snapshot names, and data that was removed when it was their turn.
    pub(super) async fn left_behind(
        &self,
        dataset: &DatasetName,
        before: &Table,
        expiry: &Expiry,
    ) -> Result<Vec<String>, TargetError> {
        let wrong = |source| {
            TargetError::iceberg(format!("find the files of {dataset} that are not needed"), source)
        };
        left_behind(before, expiry).await.map_err(wrong)
    }
}

async fn left_behind(before: &Table, expiry: &Expiry) -> iceberg::Result<Vec<String>> {
    let gone = expiry.ids();
    let kept = Kept::of(before, &gone).await?;
    let (mut files, mut data) = (vec![], HashMap::new());
    for snapshot in &expiry.snapshots {
        files.push(snapshot.manifest_list().to_owned());
        files.extend(snapshot.summary().additional_properties.get(summary::REPORT).cloned());
        for manifest in manifests(before, snapshot).await? {
            removed_by(before, snapshot, &manifest, &mut data).await?;
            if !kept.manifests.contains_key(&manifest.manifest_path) {
                files.push(manifest.manifest_path);
            }
        }
    }
    // What the next one removed was there for the sake of those that are gone.
    for snapshot in heirs(before, &gone) {
        for manifest in manifests(before, snapshot).await? {
            removed_by(before, snapshot, &manifest, &mut data).await?;
        }
    }
    kept.spare(before, &mut data).await?;
    files.extend(data.into_keys());
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

/// Manifests that kept snapshots name, as far as they can be those of expired ones.
struct Kept {
    manifests: HashMap<String, ManifestFile>,
}

impl Kept {
    /// A manifest that has left the line of the current snapshot never comes back, so of that
    /// line the oldest kept one speaks for all; every other kept snapshot speaks for itself.
    async fn of(before: &Table, gone: &HashSet<i64>) -> iceberg::Result<Kept> {
        let metadata = before.metadata();
        let line: Vec<&SnapshotRef> =
            std::iter::successors(metadata.current_snapshot(), |snapshot| {
                metadata.snapshot_by_id(snapshot.parent_snapshot_id()?)
            })
            .take_while(|snapshot| !gone.contains(&snapshot.snapshot_id()))
            .collect();
        let on_line: HashSet<i64> = line.iter().map(|snapshot| snapshot.snapshot_id()).collect();
        let aside = metadata.snapshots().filter(|snapshot| {
            let id = snapshot.snapshot_id();
            !gone.contains(&id) && !on_line.contains(&id)
        });
        let mut kept = HashMap::new();
        for snapshot in line.first().into_iter().chain(line.last()).copied().chain(aside) {
            for manifest in manifests(before, snapshot).await? {
                kept.insert(manifest.manifest_path.clone(), manifest);
            }
        }
        Ok(Kept { manifests: kept })
    }

    /// Takes out of `data`, files with their sequence numbers, those that a kept snapshot names.
    async fn spare(&self, table: &Table, data: &mut HashMap<String, i64>) -> iceberg::Result<()> {
        for manifest in self.manifests.values() {
            let range = manifest.min_sequence_number..=manifest.sequence_number;
            if !data.values().any(|sequence| range.contains(sequence)) {
                continue;
            }
            for entry in manifest.load_manifest(table.file_io()).await?.entries() {
                if entry.is_alive() {
                    data.remove(entry.file_path());
                }
            }
        }
        Ok(())
    }
}

/// The kept snapshots that come next after an expired one.
fn heirs<'a>(table: &'a Table, gone: &HashSet<i64>) -> Vec<&'a SnapshotRef> {
    let mut all: Vec<&SnapshotRef> = table.metadata().snapshots().collect();
    all.sort_by_key(|snapshot| snapshot.sequence_number());
    let expired = |snapshot: &SnapshotRef| gone.contains(&snapshot.snapshot_id());
    all.windows(2)
        .filter(|pair| expired(pair[0]) && !expired(pair[1]))
        .map(|pair| pair[1])
        .collect()
}

async fn manifests(table: &Table, snapshot: &SnapshotRef) -> iceberg::Result<Vec<ManifestFile>> {
    let list = table.manifest_list_reader(snapshot).load().await?;
    Ok(list.consume_entries().into_iter().collect())
}

/// Adds the data files that `snapshot` removed by `manifest`, if it is its own.
async fn removed_by(
    table: &Table,
    snapshot: &SnapshotRef,
    manifest: &ManifestFile,
    data: &mut HashMap<String, i64>,
) -> iceberg::Result<()> {
    if manifest.added_snapshot_id != snapshot.snapshot_id() || !manifest.has_deleted_files() {
        return Ok(());
    }
    for entry in manifest.load_manifest(table.file_io()).await?.entries() {
        if entry.status() == ManifestStatus::Deleted {
            let sequence = entry.sequence_number().unwrap_or_default();
            data.insert(entry.file_path().to_owned(), sequence);
        }
    }
    Ok(())
}

/// Takes out of `candidates` every file that the table names in any way.
pub(super) async fn spare_named<T>(
    table: &Table,
    candidates: &mut HashMap<PathBuf, T>,
) -> iceberg::Result<()> {
    let mut spare = |path: &str| {
        candidates.remove(&PathBuf::from(path.strip_prefix("file://").unwrap_or(path)));
    };
    let metadata = table.metadata();
    metadata.metadata_log().iter().for_each(|log| spare(&log.metadata_file));
    table.metadata_location().into_iter().for_each(&mut spare);
    metadata.statistics_iter().for_each(|file| spare(&file.statistics_path));
    metadata.partition_statistics_iter().for_each(|file| spare(&file.statistics_path));
    let mut seen = HashSet::new();
    for snapshot in metadata.snapshots() {
        spare(snapshot.manifest_list());
        if let Some(report) = snapshot.summary().additional_properties.get(summary::REPORT) {
            spare(report);
        }
        for manifest in manifests(table, snapshot).await? {
            if !seen.insert(manifest.manifest_path.clone()) {
                continue;
            }
            spare(&manifest.manifest_path);
            for entry in manifest.load_manifest(table.file_io()).await?.entries() {
                if entry.is_alive() {
                    spare(entry.file_path());
                }
            }
        }
    }
    Ok(())
}

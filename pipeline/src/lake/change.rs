//! One commit of ours: files in, files out, properties, all or nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use iceberg::spec::{
    DataFile, MAIN_BRANCH, ManifestContentType, ManifestFile, ManifestListWriter, Operation,
    Snapshot, SnapshotReference, SnapshotRetention, SnapshotSummaryCollector, Summary,
};
use iceberg::table::Table;
use iceberg::{Error, ErrorKind, Result, TableUpdate};
use uuid::Uuid;

use super::manifests::{Manifests, to_merge};

/// What a commit changes.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Becomes the ids of snapshot and manifests.
    pub(super) id: Uuid,
    pub(super) added: Vec<DataFile>,
    /// Files with rows of removed files, each with the data sequence number that those had.
    pub(super) rewritten: Vec<(DataFile, i64)>,
    /// All rows of removed files are in the rewritten ones: the commit says that none changed.
    pub(super) same_rows: bool,
    /// Paths of files that leave the table.
    pub(super) removed: HashSet<String>,
    pub(super) summary: HashMap<String, String>,
    pub(super) properties: HashMap<String, String>,
}

/// The totals of a summary, and what adds to and takes from each.
const TOTALS: [(&str, &str, &str); 6] = [
    ("total-data-files", "added-data-files", "deleted-data-files"),
    ("total-records", "added-records", "deleted-records"),
    ("total-files-size", "added-files-size", "removed-files-size"),
    ("total-delete-files", "added-delete-files", "removed-delete-files"),
    ("total-position-deletes", "added-position-deletes", "removed-position-deletes"),
    ("total-equality-deletes", "added-equality-deletes", "removed-equality-deletes"),
];

impl Change {
    fn snapshot_id(&self) -> i64 {
        let (high, low) = self.id.as_u64_pair();
        i64::try_from((high ^ low) & (u64::MAX >> 1)).unwrap_or(1).max(1)
    }

    fn operation(&self) -> Operation {
        match (self.removed.is_empty(), self.same_rows) {
            (true, _) => Operation::Append,
            (false, true) => Operation::Replace,
            (false, false) => Operation::Overwrite,
        }
    }

    /// The updates that turn `table` into what this change makes of it. Once `gather` small
    /// manifests have come together they are merged.
    pub(super) async fn updates(
        &self,
        table: &Table,
        gather: usize,
        now_ms: i64,
    ) -> Result<Vec<TableUpdate>> {
        let metadata = table.metadata();
        let (id, sequence) = (self.snapshot_id(), metadata.next_sequence_number());
        let (manifests, mut properties) = self.manifests(table, gather).await?;
        let list = format!("{}/metadata/snap-{id}-0-{}.avro", metadata.location(), self.id);
        let parent = metadata.current_snapshot();
        let output = table.file_io().new_output(&list)?.writer().await?;
        let mut writer =
            ManifestListWriter::v2(output, id, parent.map(|s| s.snapshot_id()), sequence);
        writer.add_manifests(manifests.into_iter())?;
        writer.close().await?;

        let before = parent.map(|s| &s.summary().additional_properties);
        for (total, added, removed) in TOTALS {
            let number = |map: Option<&HashMap<String, String>>, key: &str| {
                map.and_then(|map| map.get(key)?.parse::<i64>().ok()).unwrap_or(0)
            };
            let now = number(before, total) + number(Some(&properties), added)
                - number(Some(&properties), removed);
            properties.insert(total.to_owned(), now.to_string());
        }
        properties.extend(self.summary.clone());
        // Readers travel in time by these, so they only rise.
        let timestamp = now_ms.max(metadata.last_updated_ms());
        let snapshot = Snapshot::builder()
            .with_snapshot_id(id)
            .with_parent_snapshot_id(parent.map(|s| s.snapshot_id()))
            .with_sequence_number(sequence)
            .with_manifest_list(list)
            .with_schema_id(metadata.current_schema_id())
            .with_timestamp_ms(timestamp)
            .with_summary(Summary {
                operation: self.operation(),
                additional_properties: properties,
            })
            .build();
        let retention = SnapshotRetention::branch(None, None, None);
        Ok(vec![
            TableUpdate::AddSnapshot { snapshot },
            TableUpdate::SetSnapshotRef {
                ref_name: MAIN_BRANCH.to_owned(),
                reference: SnapshotReference::new(id, retention),
            },
            TableUpdate::SetProperties { updates: self.properties.clone() },
        ])
    }

    /// All manifests of the new snapshot, and the figures of what changed.
    async fn manifests(
        &self,
        table: &Table,
        gather: usize,
    ) -> Result<(Vec<ManifestFile>, HashMap<String, String>)> {
        let metadata = table.metadata();
        let mut figures = SnapshotSummaryCollector::default();
        let mut writing = Manifests::new(table, self.id, self.snapshot_id());
        let mut kept = Vec::new();
        let mut missing = self.removed.len();
        if let Some(current) = metadata.current_snapshot() {
            for manifest in table.manifest_list_reader(current).load().await?.entries() {
                if !self.rewrites(table, manifest, &mut writing, &mut figures, &mut missing).await?
                {
                    kept.push(manifest.clone());
                }
            }
        }
        if missing > 0 {
            let what = "a file that was to be replaced is not in the table any more";
            return Err(Error::new(ErrorKind::PreconditionFailed, what));
        }
        for place in to_merge(&kept, gather).into_iter().rev() {
            let manifest = kept.remove(place);
            let (entries, _) = manifest.load_manifest(table.file_io()).await?.into_parts();
            writing.rewrite(&manifest, entries, |_| false, |_| ()).await?;
        }
        let (schema, spec) = (metadata.current_schema(), metadata.default_partition_spec());
        let next = metadata.next_sequence_number();
        let added = self.added.iter().map(|file| (file, next));
        let rewritten = self.rewritten.iter().map(|(file, sequence)| (file, *sequence));
        for (file, sequence) in added.chain(rewritten) {
            figures.add_file(file, Arc::clone(schema), Arc::clone(spec));
            writing.add(file.clone(), sequence)?;
        }
        kept.extend(writing.close().await?);
        Ok((kept, figures.build()))
    }

    /// Whether nothing of an older manifest stays as it is: files of it leave, or nothing in it
    /// is live and who wrote it still names it.
    async fn rewrites(
        &self,
        table: &Table,
        manifest: &ManifestFile,
        writing: &mut Manifests<'_>,
        figures: &mut SnapshotSummaryCollector,
        missing: &mut usize,
    ) -> Result<bool> {
        if manifest.content == ManifestContentType::Deletes {
            return Ok(false);
        }
        if !manifest.has_added_files() && !manifest.has_existing_files() {
            return Ok(true);
        }
        if *missing == 0 {
            return Ok(false);
        }
        let (entries, _) = manifest.load_manifest(table.file_io()).await?.into_parts();
        let leaves = |path: &str| self.removed.contains(path);
        if !entries.iter().any(|entry| entry.is_alive() && leaves(entry.file_path())) {
            return Ok(false);
        }
        let metadata = table.metadata();
        let Some(spec) = metadata.partition_spec_by_id(manifest.partition_spec_id) else {
            return Err(Error::new(ErrorKind::DataInvalid, "the table has lost a partition spec"));
        };
        let gone = |file: &DataFile| {
            figures.remove_file(file, Arc::clone(metadata.current_schema()), Arc::clone(spec));
            *missing = missing.saturating_sub(1);
        };
        writing.rewrite(manifest, entries, leaves, gone).await?;
        Ok(true)
    }
}

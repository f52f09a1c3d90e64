//! One commit of ours: files in, files out, properties, all or nothing.
//!
//! The new metadata is built on the very table that was checked, and goes in by a
//! compare-and-swap on the catalog's row, so what was checked still holds when it counts.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::sync::Arc;

use assay_core::DatasetName;
use iceberg::spec::{
    DataFile, MAIN_BRANCH, ManifestContentType, ManifestFile, ManifestListWriter, ManifestWriter,
    ManifestWriterBuilder, Operation, Snapshot, SnapshotReference, SnapshotRetention,
    SnapshotSummaryCollector, Summary,
};
use iceberg::table::Table;
use iceberg::{MetadataLocation, Result, TableUpdate};
use uuid::Uuid;

use super::{CATALOG, Lake};
use crate::target::TargetError;

/// What a commit changes.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Becomes the ids of snapshot and manifests.
    pub(super) id: Uuid,
    pub(super) added: Vec<DataFile>,
    /// Files with rows of removed files, each with the data sequence number that those had.
    pub(super) rewritten: Vec<(DataFile, i64)>,
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

    /// The updates that turn `table` into what this change makes of it.
    async fn updates(&self, table: &Table, now_ms: i64) -> Result<Vec<TableUpdate>> {
        let metadata = table.metadata();
        let (id, sequence) = (self.snapshot_id(), metadata.next_sequence_number());
        let (manifests, mut properties) = self.manifests(table).await?;
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
        let operation =
            if self.removed.is_empty() { Operation::Append } else { Operation::Overwrite };
        // Readers travel in time by these, so they only rise.
        let timestamp = now_ms.max(metadata.last_updated_ms());
        let snapshot = Snapshot::builder()
            .with_snapshot_id(id)
            .with_parent_snapshot_id(parent.map(|s| s.snapshot_id()))
            .with_sequence_number(sequence)
            .with_manifest_list(list)
            .with_schema_id(metadata.current_schema_id())
            .with_timestamp_ms(timestamp)
            .with_summary(Summary { operation, additional_properties: properties })
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
    ) -> Result<(Vec<ManifestFile>, HashMap<String, String>)> {
        let metadata = table.metadata();
        let mut figures = SnapshotSummaryCollector::default();
        let mut manifests = Vec::new();
        if let Some(current) = metadata.current_snapshot() {
            for manifest in table.manifest_list_reader(current).load().await?.entries() {
                manifests.extend(self.carry(table, manifest, &mut figures).await?);
            }
        }
        if !self.added.is_empty() || !self.rewritten.is_empty() {
            let spec = metadata.default_partition_spec();
            let mut writer = self.writer(table, metadata.default_partition_spec_id(), "a")?;
            for file in &self.added {
                figures.add_file(file, Arc::clone(metadata.current_schema()), Arc::clone(spec));
                writer.add_file(file.clone(), metadata.next_sequence_number())?;
            }
            for (file, sequence) in &self.rewritten {
                figures.add_file(file, Arc::clone(metadata.current_schema()), Arc::clone(spec));
                writer.add_file(file.clone(), *sequence)?;
            }
            manifests.push(writer.write_manifest_file().await?);
        }
        Ok((manifests, figures.build()))
    }

    /// An older manifest as it is, or written anew without the files that leave.
    async fn carry(
        &self,
        table: &Table,
        manifest: &ManifestFile,
        figures: &mut SnapshotSummaryCollector,
    ) -> Result<Option<ManifestFile>> {
        if manifest.content == ManifestContentType::Deletes || self.removed.is_empty() {
            return Ok(Some(manifest.clone()));
        }
        if !manifest.has_added_files() && !manifest.has_existing_files() {
            return Ok(None);
        }
        let metadata = table.metadata();
        let loaded = manifest.load_manifest(table.file_io()).await?;
        let leaves = |path: &str| self.removed.contains(path);
        let alive = || loaded.entries().iter().filter(|entry| entry.is_alive());
        if !alive().any(|entry| leaves(entry.file_path())) {
            return Ok(Some(manifest.clone()));
        }
        let damaged = |what| {
            iceberg::Error::new(
                iceberg::ErrorKind::DataInvalid,
                format!("a manifest has no {what}"),
            )
        };
        let spec = metadata
            .partition_spec_by_id(manifest.partition_spec_id)
            .ok_or_else(|| damaged("partition spec"))?;
        let name = format!("r{}", manifest.sequence_number);
        let mut writer = self.writer(table, manifest.partition_spec_id, &name)?;
        for entry in alive() {
            let sequence = entry.sequence_number().ok_or_else(|| damaged("sequence number"))?;
            let file = entry.data_file().clone();
            if leaves(entry.file_path()) {
                figures.remove_file(&file, Arc::clone(metadata.current_schema()), Arc::clone(spec));
                writer.add_delete_file(file, sequence, entry.file_sequence_number)?;
            } else {
                let snapshot = entry.snapshot_id().ok_or_else(|| damaged("snapshot"))?;
                writer.add_existing_file(file, snapshot, sequence, entry.file_sequence_number)?;
            }
        }
        Ok(Some(writer.write_manifest_file().await?))
    }

    fn writer(&self, table: &Table, spec_id: i32, name: &str) -> Result<ManifestWriter> {
        let metadata = table.metadata();
        let spec = metadata.partition_spec_by_id(spec_id).ok_or_else(|| {
            iceberg::Error::new(
                iceberg::ErrorKind::DataInvalid,
                "the table has lost a partition spec",
            )
        })?;
        let path = format!("{}/metadata/{}-{name}.avro", metadata.location(), self.id);
        Ok(ManifestWriterBuilder::new(
            table.file_io().new_output(path)?,
            Some(self.snapshot_id()),
            Arc::clone(metadata.current_schema()),
            spec.as_ref().clone(),
        )
        .build_v2_data())
    }
}

impl Lake {
    /// Commits `change` on exactly this state of the table. `false`: somebody else was faster,
    /// nothing happened.
    pub(super) async fn swap(
        &self,
        dataset: &DatasetName,
        table: &Table,
        change: &Change,
    ) -> std::result::Result<bool, TargetError> {
        let doing = || format!("commit to {dataset}");
        let wrong = |source| TargetError::iceberg(doing(), source);
        let now_ms = self.clock.now().timestamp_millis();
        let updates = change.updates(table, now_ms).await.map_err(wrong)?;
        let before = table.metadata_location_result().map_err(wrong)?;
        let mut builder = table.metadata().clone().into_builder(Some(before.to_owned()));
        for update in updates {
            builder = update.apply(builder).map_err(wrong)?;
        }
        let metadata = builder.build().map_err(wrong)?.metadata;
        let after = MetadataLocation::from_str(before)
            .map_err(wrong)?
            .with_next_version()
            .with_new_metadata(&metadata);
        metadata.write_to(table.file_io(), &after).await.map_err(wrong)?;
        let swapped = sqlx::query(
            "UPDATE iceberg_tables SET metadata_location = $1, previous_metadata_location = $2 \
             WHERE catalog_name = $3 AND table_namespace = $4 AND table_name = $5 \
             AND metadata_location = $2",
        )
        .bind(after.to_string())
        .bind(before)
        .bind(CATALOG)
        .bind(dataset.layer().name())
        .bind(dataset.name())
        .execute(&self.pool)
        .await
        .map_err(|source| TargetError::Catalog { doing: doing(), source })?;
        Ok(swapped.rows_affected() == 1)
    }
}

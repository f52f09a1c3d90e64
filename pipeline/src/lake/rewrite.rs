//! Writes the rows of some files into fewer, and puts these in their place.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use assay_core::{DatasetName, Ids};
use futures::{StreamExt, TryStreamExt};
use iceberg::scan::FileScanTask;
use iceberg::spec::{DataFile, DataFileFormat};
use iceberg::table::Table;
use uuid::Uuid;

use super::Lake;
use super::change::Change;
use super::commits::summary;
use super::compact::{Compacted, Group};
use super::files::each_live;
use super::writer::TableWriter;
use crate::session::ROWS_PER_BATCH;
use crate::target::TargetError;

/// Races for the catalog's row that a commit may lose before it gives up.
const TRIES: u32 = 20;

/// A partition whose rows are in new files that no snapshot names yet.
pub(super) struct Rewritten {
    pub(super) group: Group,
    /// Its place in the report.
    place: usize,
    files: Vec<DataFile>,
}

/// Reads the files of `group` one after the other, so their rows stay in order and little is held
/// in memory, and writes files of `target_bytes`.
pub(super) async fn rewrite(
    dataset: &DatasetName,
    table: &Table,
    group: Group,
    place: usize,
    target_bytes: u64,
    id: Uuid,
) -> Result<Rewritten, TargetError> {
    let wrong = |source| TargetError::iceberg(format!("rewrite files of {dataset}"), source);
    let metadata = table.metadata();
    let columns: Vec<i32> =
        metadata.current_schema().as_struct().fields().iter().map(|field| field.id).collect();
    let tasks: Vec<iceberg::Result<FileScanTask>> = group
        .inputs
        .iter()
        .map(|input| {
            Ok(FileScanTask::builder()
                .with_file_size_in_bytes(input.bytes)
                .with_start(0)
                .with_length(input.bytes)
                .with_record_count(Some(input.rows))
                .with_data_file_path(input.path.clone())
                .with_data_file_format(DataFileFormat::Parquet)
                .with_schema(Arc::clone(metadata.current_schema()))
                .with_project_field_ids(columns.clone())
                .with_partition(Some(group.partition.clone()))
                .with_partition_spec(Some(Arc::clone(metadata.default_partition_spec())))
                .with_case_sensitive(true)
                .build())
        })
        .collect();
    let mut writer = TableWriter::new(table, target_bytes, id).map_err(wrong)?;
    let reader = table.reader_builder().with_data_file_concurrency_limit(1);
    let reader = reader.with_batch_size(ROWS_PER_BATCH).build();
    let mut rows = reader.read(futures::stream::iter(tasks).boxed()).map_err(wrong)?.stream();
    while let Some(batch) = rows.try_next().await.map_err(wrong)? {
        writer.write(&batch).await.map_err(wrong)?;
    }
    let written = writer.rows();
    let files = writer.close().await.map_err(wrong)?;
    if written != group.rows() {
        return Err(TargetError::Refused {
            doing: format!("compact {dataset}"),
            why: format!(
                "its manifests count {} rows in `{}`, but its files have {written}. Nothing was \
                 changed; a writer has damaged the table",
                group.rows(),
                group.name
            ),
        });
    }
    Ok(Rewritten { group, place, files })
}

impl Lake {
    /// Commits what was rewritten. Where an input is gone meanwhile the partition stays as it is.
    pub(super) async fn land(
        &self,
        dataset: &DatasetName,
        planned: &Table,
        open: &mut Vec<Rewritten>,
        ids: &dyn Ids,
        report: &mut Compacted,
    ) -> Result<(), TargetError> {
        let landed = self.try_land(dataset, planned, open, ids, report).await;
        // Where only the answer was lost the files may be in the table: then sweeping decides.
        if landed.as_ref().is_err_and(TargetError::settled) {
            self.abandon(planned, open);
        }
        open.clear();
        landed
    }

    async fn try_land(
        &self,
        dataset: &DatasetName,
        planned: &Table,
        open: &mut Vec<Rewritten>,
        ids: &dyn Ids,
        report: &mut Compacted,
    ) -> Result<(), TargetError> {
        for _ in 0..TRIES {
            let table = self.existing(dataset).await?;
            let (now, then) = (table.metadata(), planned.metadata());
            if now.default_partition_spec_id() != then.default_partition_spec_id() {
                break;
            }
            if now.current_snapshot_id() != then.current_snapshot_id() {
                self.give_up_replaced(dataset, &table, open, report).await?;
            }
            if open.is_empty() {
                return Ok(());
            }
            if self.swap(dataset, &table, &change(open, ids.next())).await? {
                for done in open.iter() {
                    let line = &mut report.partitions[done.place];
                    line.into_files = done.files.len() as u64;
                    line.into_bytes = done.files.iter().map(DataFile::file_size_in_bytes).sum();
                }
                return Ok(());
            }
        }
        Err(TargetError::Moved { dataset: dataset.clone() })
    }

    /// Takes out the partitions of which a file has left the table.
    async fn give_up_replaced(
        &self,
        dataset: &DatasetName,
        table: &Table,
        open: &mut Vec<Rewritten>,
        report: &mut Compacted,
    ) -> Result<(), TargetError> {
        let inputs = open.iter().flat_map(|one| &one.group.inputs);
        let mut missing: HashSet<String> = inputs.map(|input| input.path.clone()).collect();
        each_live(dataset, table, |_, _, file| {
            missing.remove(file.file_path());
        })
        .await?;
        let replaced =
            |one: &Rewritten| one.group.inputs.iter().any(|input| missing.contains(&input.path));
        let (given_up, kept): (Vec<Rewritten>, Vec<Rewritten>) =
            std::mem::take(open).into_iter().partition(replaced);
        *open = kept;
        self.abandon(table, &given_up);
        for one in given_up {
            let line = &mut report.partitions[one.place];
            (line.given_up, line.into_files, line.into_bytes) = (true, line.files, line.bytes);
        }
        Ok(())
    }

    /// Deletes files that were written and that no snapshot will name.
    pub(super) fn abandon(&self, table: &Table, rewritten: &[Rewritten]) {
        let files = rewritten.iter().flat_map(|one| &one.files);
        let paths: Vec<String> = files.map(|file| file.file_path().to_owned()).collect();
        self.delete(table.metadata().location(), &paths);
    }
}

fn change(open: &[Rewritten], id: Uuid) -> Change {
    let inputs = open.iter().flat_map(|one| &one.group.inputs);
    let outputs = open
        .iter()
        .flat_map(|one| one.files.iter().map(|file| (file.clone(), one.group.sequence())));
    Change {
        id,
        removed: inputs.map(|input| input.path.clone()).collect(),
        rewritten: outputs.collect(),
        same_rows: true,
        summary: HashMap::from([(summary::MAINTENANCE.to_owned(), "compaction".to_owned())]),
        ..Change::default()
    }
}

//! Answers whether keys are in a table, as of one snapshot.

use std::ops::Range;

use arrow::array::{Array, BooleanArray, RecordBatch};
use assay_core::DatasetName;
use assay_quality::{KeyError, KeyHasher};
use async_trait::async_trait;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use iceberg::spec::{DataFile, Datum};
use iceberg::table::Table;
use tokio::sync::Mutex;

use super::Lake;
use super::files::new_since;
use super::key_file::{KeyFile, Wanted};
use super::predicate::datum;
use crate::target::{Lookup, Snapshot, TargetError};

/// What may be remembered of files that were looked into; beyond it they are looked into anew.
const REMEMBERED_BYTES: usize = 48 << 20;

/// The key columns of one snapshot of a table. What it costs follows the keys asked for: files
/// and row groups that can't hold one, by their bounds or by their Bloom filters, are not read,
/// and of the others the keys are read once.
pub(super) struct LakeLookup {
    dataset: DatasetName,
    table: Table,
    snapshot: Option<Snapshot>,
    columns: Vec<String>,
    /// None until the first question.
    files: Mutex<Option<Vec<KeyFile>>>,
}

impl Lake {
    /// Answers whether values are in columns of a table, as of now.
    pub(crate) async fn lookup(
        &self,
        dataset: &DatasetName,
        columns: &[String],
    ) -> Result<Box<dyn Lookup>, TargetError> {
        let table = self.existing(dataset).await?;
        let at = table.metadata().current_snapshot().map(|now| Snapshot(now.snapshot_id()));
        Ok(Box::new(LakeLookup::new(dataset, table, at, columns)))
    }
}

impl LakeLookup {
    pub(super) fn new(
        dataset: &DatasetName,
        table: Table,
        snapshot: Option<Snapshot>,
        columns: &[String],
    ) -> LakeLookup {
        LakeLookup {
            dataset: dataset.clone(),
            table,
            snapshot,
            columns: columns.to_vec(),
            files: Mutex::new(None),
        }
    }

    /// The keys of these files alone.
    pub(super) fn of_files(
        dataset: &DatasetName,
        table: Table,
        columns: &[String],
        files: &[DataFile],
    ) -> LakeLookup {
        let mut lookup = LakeLookup::new(dataset, table, None, columns);
        lookup.files = Mutex::new(Some(lookup.key_files(files)));
        lookup
    }

    fn key_files(&self, files: &[DataFile]) -> Vec<KeyFile> {
        let schema = self.table.metadata().current_schema();
        let id = schema.field_id_by_name(&self.columns[0]);
        files.iter().map(|file| KeyFile::new(file, id)).collect()
    }

    async fn list(&self) -> Result<Vec<KeyFile>, TargetError> {
        let snapshot = self.snapshot.and_then(|at| self.table.metadata().snapshot_by_id(at.0));
        let Some(snapshot) = snapshot else { return Ok(Vec::new()) };
        let files = new_since(&self.dataset, &self.table, snapshot, 0).await?;
        Ok(self.key_files(&files.files))
    }

    async fn find(
        &self,
        files: &mut [KeyFile],
        keys: &RecordBatch,
        found: &mut [bool],
    ) -> Result<(), TargetError> {
        let doing = || format!("look keys up in {}", self.dataset);
        let wrong = |source| TargetError::iceberg(doing(), source);
        let key = |error: KeyError| TargetError::Query {
            doing: doing(),
            source: DataFusionError::External(Box::new(error)),
        };
        let hasher = KeyHasher::new(&keys.schema(), &self.columns).map_err(key)?;
        let mut wanted = None;
        let extent = extent(keys);
        for place in 0..files.len() {
            if !files[place].overlaps(extent.as_ref()) {
                continue;
            }
            let wanted = match &mut wanted {
                Some(wanted) => wanted,
                none => none.insert(sorted(keys, &hasher.hash(keys).map_err(key)?)),
            };
            let range = within(wanted, &files[place]);
            if range.is_empty() {
                continue;
            }
            make_room(files, place);
            let file = &mut files[place];
            file.find(self.table.file_io(), &wanted[range], &hasher, &keys.schema(), found)
                .await
                .map_err(wrong)?;
            wanted.retain(|wanted| !found[wanted.row]);
        }
        Ok(())
    }
}

#[async_trait]
impl Lookup for LakeLookup {
    async fn known(&self, keys: &RecordBatch) -> Result<BooleanArray, TargetError> {
        let mut found = vec![false; keys.num_rows()];
        let mut files = self.files.lock().await;
        if files.is_none() {
            *files = Some(self.list().await?);
        }
        if let (Some(files), true) = (files.as_mut(), keys.num_rows() > 0) {
            self.find(files, keys, &mut found).await?;
        }
        Ok(BooleanArray::from(found))
    }
}

/// Forgets what was read of other files when it is too much.
fn make_room(files: &mut [KeyFile], but: usize) {
    if files.iter().map(KeyFile::remembered_bytes).sum::<usize>() > REMEMBERED_BYTES {
        let others = files.iter_mut().enumerate().filter(|(place, _)| *place != but);
        others.for_each(|(_, file)| file.forget());
    }
}

/// The least and the greatest value of the first key column; none when they have no order here.
fn extent(keys: &RecordBatch) -> Option<(Datum, Datum)> {
    use arrow::compute::{max, max_string, min, min_string};
    use arrow::datatypes::{DataType, Int64Type};
    let column = keys.column(0);
    match column.data_type() {
        DataType::Utf8 => {
            let texts = arrow::array::AsArray::as_string::<i32>(column);
            Some((Datum::string(min_string(texts)?), Datum::string(max_string(texts)?)))
        }
        DataType::Int64 => {
            let numbers = arrow::array::AsArray::as_primitive::<Int64Type>(column);
            Some((Datum::long(min(numbers)?), Datum::long(max(numbers)?)))
        }
        _ => None,
    }
}

/// The keys that have no part missing, by the value of the first column.
fn sorted(keys: &RecordBatch, hashes: &[Option<u128>]) -> Vec<Wanted> {
    let first = keys.column(0);
    let wanted = |(row, hash): (usize, &Option<u128>)| {
        let value = ScalarValue::try_from_array(first, row).ok().as_ref().and_then(datum);
        Some(Wanted { value, hash: (*hash)?, row })
    };
    let mut wanted: Vec<Wanted> = hashes.iter().enumerate().filter_map(wanted).collect();
    wanted.sort_by(|a, b| a.value.partial_cmp(&b.value).unwrap_or(std::cmp::Ordering::Equal));
    wanted
}

/// The keys between the bounds of a file.
fn within(wanted: &[Wanted], file: &KeyFile) -> Range<usize> {
    let (Some((lower, upper)), true) =
        (file.bounds(), wanted.iter().all(|wanted| wanted.value.is_some()))
    else {
        return 0..wanted.len();
    };
    let below = |wanted: &Wanted| wanted.value.as_ref().is_some_and(|value| value < lower);
    let upto = |wanted: &Wanted| wanted.value.as_ref().is_some_and(|value| value <= upper);
    let start = wanted.partition_point(below);
    start..wanted.partition_point(upto).max(start)
}

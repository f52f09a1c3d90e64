//! The data files of a table: those that are live, those that are new to a reader.

use assay_core::DatasetName;
use datafusion::common::ScalarValue;
use iceberg::spec::{
    DataFile, Datum, Literal, ManifestContentType, PrimitiveLiteral, PrimitiveType, SnapshotRef,
    Type,
};
use iceberg::table::Table;

use crate::target::TargetError;

/// Files to be read, and how many rows they hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct DataFiles {
    pub(crate) files: Vec<DataFile>,
    pub(crate) rows: u64,
}

impl DataFiles {
    pub(super) fn push(&mut self, file: &DataFile) {
        self.rows += file.record_count();
        self.files.push(file.clone());
    }
}

/// The files of `snapshot` with a data sequence number above `mark`: what was appended, and what
/// replaced something.
pub(crate) async fn new_since(
    dataset: &DatasetName,
    table: &Table,
    snapshot: &SnapshotRef,
    mark: u64,
) -> Result<DataFiles, TargetError> {
    let mut found = DataFiles::default();
    for (_, file) in sequences_since(dataset, table, snapshot, mark).await? {
        found.push(&file);
    }
    found.files.sort_by(|a, b| a.file_path().cmp(b.file_path()));
    Ok(found)
}

/// The same files with their sequence numbers, in the order of those.
pub(crate) async fn sequences_since(
    dataset: &DatasetName,
    table: &Table,
    snapshot: &SnapshotRef,
    mark: u64,
) -> Result<Vec<(u64, DataFile)>, TargetError> {
    let wrong = |source| TargetError::iceberg(format!("list the files of {dataset}"), source);
    let mut found = Vec::new();
    for manifest in table.manifest_list_reader(snapshot).load().await.map_err(wrong)?.entries() {
        if manifest.content == ManifestContentType::Deletes {
            return Err(row_deletes(format!("read what is new in {dataset}")));
        }
        // Sequence numbers only rise, so an old manifest has nothing new in it.
        if u64::try_from(manifest.sequence_number).unwrap_or(0) <= mark {
            continue;
        }
        let entries = manifest.load_manifest(table.file_io()).await.map_err(wrong)?;
        for entry in entries.entries().iter().filter(|entry| entry.is_alive()) {
            let sequence = entry.sequence_number().and_then(|s| u64::try_from(s).ok());
            if sequence.is_none_or(|sequence| sequence > mark) {
                let newest = u64::try_from(snapshot.sequence_number()).unwrap_or_default();
                found.push((sequence.unwrap_or(newest), entry.data_file().clone()));
            }
        }
    }
    found.sort_by(|a, b| (a.0, a.1.file_path()).cmp(&(b.0, b.1.file_path())));
    Ok(found)
}

/// Shows `each` live data file of the current snapshot, with its partition spec and its data
/// sequence number.
pub(super) async fn each_live(
    dataset: &DatasetName,
    table: &Table,
    mut each: impl FnMut(i32, i64, &DataFile),
) -> Result<(), TargetError> {
    let wrong = |source| TargetError::iceberg(format!("list the files of {dataset}"), source);
    let Some(current) = table.metadata().current_snapshot() else { return Ok(()) };
    for manifest in table.manifest_list_reader(current).load().await.map_err(wrong)?.entries() {
        if manifest.content == ManifestContentType::Deletes {
            return Err(row_deletes(format!("compact {dataset}")));
        }
        let entries = manifest.load_manifest(table.file_io()).await.map_err(wrong)?;
        for entry in entries.entries().iter().filter(|entry| entry.is_alive()) {
            let sequence = entry.sequence_number().unwrap_or(manifest.sequence_number);
            each(manifest.partition_spec_id, sequence, entry.data_file());
        }
    }
    Ok(())
}

fn row_deletes(doing: String) -> TargetError {
    let why = "another engine wrote row deletes into it; compact the table with that engine first";
    TargetError::Refused { doing, why: why.to_owned() }
}

/// The least value of the partition column `column` among `files`.
pub(crate) fn earliest<'a>(
    dataset: &DatasetName,
    table: &Table,
    files: impl IntoIterator<Item = &'a DataFile>,
    column: &str,
) -> Result<Option<ScalarValue>, TargetError> {
    let refused = |why: String| TargetError::Refused {
        doing: format!("find the earliest new `{column}` of {dataset}"),
        why,
    };
    let mut least: Option<Datum> = None;
    for file in files {
        let value = partition_value(table, file, column)
            .ok_or_else(|| refused(format!("the table is not partitioned by `{column}`")))?;
        let value = value.ok_or_else(|| {
            refused(format!("rows have no `{column}`: let a rule of the contract reject them"))
        })?;
        if least.as_ref().is_none_or(|known| value < *known) {
            least = Some(value);
        }
    }
    least
        .map(|datum| scalar(&datum).ok_or_else(|| refused(format!("{datum} can't be compared"))))
        .transpose()
}

/// The value of an identity partition of a file; the inner option is NULL.
pub(super) fn partition_value(
    table: &Table,
    file: &DataFile,
    column: &str,
) -> Option<Option<Datum>> {
    let metadata = table.metadata();
    let spec = metadata.default_partition_spec();
    let place = spec.fields().iter().position(|field| field.name == column)?;
    let field = metadata.current_schema().field_by_id(spec.fields()[place].source_id)?;
    let Type::Primitive(kind) = field.field_type.as_ref() else { return None };
    match &file.partition()[place] {
        Some(Literal::Primitive(literal)) => datum(kind, literal).map(Some),
        Some(_) => None,
        None => Some(None),
    }
}

/// A partition's value with its type, for the types that a partition may have.
fn datum(kind: &PrimitiveType, literal: &PrimitiveLiteral) -> Option<Datum> {
    Some(match (kind, literal) {
        (PrimitiveType::Date, PrimitiveLiteral::Int(days)) => Datum::date(*days),
        (PrimitiveType::Int, PrimitiveLiteral::Int(value)) => Datum::int(*value),
        (PrimitiveType::Long, PrimitiveLiteral::Long(value)) => Datum::long(*value),
        (PrimitiveType::String, PrimitiveLiteral::String(text)) => Datum::string(text),
        _ => return None,
    })
}

/// A value of Iceberg as a value of DataFusion, for the types that a partition may have.
fn scalar(datum: &Datum) -> Option<ScalarValue> {
    Some(match (datum.data_type(), datum.literal()) {
        (PrimitiveType::Date, PrimitiveLiteral::Int(days)) => ScalarValue::Date32(Some(*days)),
        (PrimitiveType::Int, PrimitiveLiteral::Int(value)) => ScalarValue::Int32(Some(*value)),
        (PrimitiveType::Long, PrimitiveLiteral::Long(value)) => ScalarValue::Int64(Some(*value)),
        (PrimitiveType::String, PrimitiveLiteral::String(text)) => {
            ScalarValue::Utf8(Some(text.clone()))
        }
        _ => return None,
    })
}

//! Writes rows into Parquet files of the size that the pipeline wants, a writer per partition.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use iceberg::Result;
use iceberg::arrow::{RecordBatchPartitionSplitter, schema_to_arrow_schema};
use iceberg::spec::{DataFile, DataFileFormat, PartitionKey, Struct, Type};
use iceberg::table::Table;
use iceberg::writer::base_writer::data_file_writer::{DataFileWriter, DataFileWriterBuilder};
use iceberg::writer::file_writer::ParquetWriterBuilder;
use iceberg::writer::file_writer::location_generator::{
    DefaultFileNameGenerator, LocationGenerator,
};
use iceberg::writer::file_writer::rolling_writer::RollingFileWriterBuilder;
use iceberg::writer::{IcebergWriter, IcebergWriterBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use uuid::Uuid;

/// A row group is held in memory until it is full.
const ROW_GROUP_BYTES: usize = 8 << 20;

/// Partitions that may be open at once; one more closes them all first. Each holds a row group.
const OPEN_PARTITIONS: usize = 32;

type Builder = DataFileWriterBuilder<ParquetWriterBuilder, Location, DefaultFileNameGenerator>;
type Writer = DataFileWriter<ParquetWriterBuilder, Location, DefaultFileNameGenerator>;

/// Turns batches into data files that no table knows yet.
pub(super) struct TableWriter {
    schema: SchemaRef,
    builder: Builder,
    splitter: Option<RecordBatchPartitionSplitter>,
    open: HashMap<Option<Struct>, Writer>,
    files: Vec<DataFile>,
    rows: u64,
}

impl TableWriter {
    /// `draft` becomes part of the files' names, so that no two drafts can meet.
    pub(super) fn new(table: &Table, target_file_size: u64, draft: Uuid) -> Result<TableWriter> {
        let metadata = table.metadata();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .build();
        let rolling = RollingFileWriterBuilder::new(
            ParquetWriterBuilder::new(properties, Arc::clone(metadata.current_schema())),
            usize::try_from(target_file_size).unwrap_or(usize::MAX),
            table.file_io().clone(),
            Location(format!("{}/data", metadata.location())),
            DefaultFileNameGenerator::new(draft.to_string(), None, DataFileFormat::Parquet),
        );
        let spec = metadata.default_partition_spec();
        let splitter = (!spec.is_unpartitioned()).then(|| {
            RecordBatchPartitionSplitter::try_new_with_computed_values(
                Arc::clone(metadata.current_schema()),
                Arc::clone(spec),
            )
        });
        Ok(TableWriter {
            schema: Arc::new(schema_to_arrow_schema(metadata.current_schema())?),
            builder: DataFileWriterBuilder::new(rolling),
            splitter: splitter.transpose()?,
            open: HashMap::new(),
            files: Vec::new(),
            rows: 0,
        })
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) async fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let rows = self.in_table_order(rows)?;
        self.rows += rows.num_rows() as u64;
        let parts = match &self.splitter {
            Some(splitter) => {
                splitter.split(&rows)?.into_iter().map(|(key, part)| (Some(key), part)).collect()
            }
            None => vec![(None, rows)],
        };
        for (key, part) in parts {
            self.write_part(key, part).await?;
        }
        Ok(())
    }

    async fn write_part(&mut self, key: Option<PartitionKey>, rows: RecordBatch) -> Result<()> {
        let partition = key.as_ref().map(|key| key.data().clone());
        if !self.open.contains_key(&partition) {
            if self.open.len() >= OPEN_PARTITIONS {
                self.close_open().await?;
            }
            let writer = self.builder.build(key).await?;
            self.open.insert(partition.clone(), writer);
        }
        match self.open.get_mut(&partition) {
            Some(writer) => writer.write(rows).await,
            None => Ok(()),
        }
    }

    async fn close_open(&mut self) -> Result<()> {
        for (_, mut writer) in self.open.drain() {
            self.files.extend(writer.close().await?);
        }
        Ok(())
    }

    /// Finishes all files, and names them.
    pub(super) async fn close(&mut self) -> Result<Vec<DataFile>> {
        self.close_open().await?;
        Ok(std::mem::take(&mut self.files))
    }

    /// The columns as the table has them; one that the rows lack is null.
    fn in_table_order(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let column = |field: &arrow::datatypes::FieldRef| -> std::result::Result<ArrayRef, _> {
            match rows.column_by_name(field.name()) {
                Some(column) => cast(column, field.data_type()),
                None => Ok(new_null_array(field.data_type(), rows.num_rows())),
            }
        };
        let columns: std::result::Result<Vec<ArrayRef>, _> =
            self.schema.fields().iter().map(column).collect();
        let ordered =
            columns.and_then(|columns| RecordBatch::try_new(Arc::clone(&self.schema), columns));
        ordered.map_err(|error| {
            iceberg::Error::new(iceberg::ErrorKind::DataInvalid, "rows do not fit the table")
                .with_source(error)
        })
    }
}

/// Names files by their partition, as people know it from Hive, but escaped: a value with a
/// slash in it must not lead out of the table.
#[derive(Debug, Clone)]
struct Location(String);

impl LocationGenerator for Location {
    fn generate_location(&self, key: Option<&PartitionKey>, file: &str) -> String {
        match key.map(partition_path) {
            Some(path) if !path.is_empty() => format!("{}/{path}/{file}", self.0),
            _ => format!("{}/{file}", self.0),
        }
    }
}

fn partition_path(key: &PartitionKey) -> String {
    let Ok(kinds) = key.spec().partition_type(key.schema()) else { return String::new() };
    let part = |(place, field): (usize, &iceberg::spec::PartitionField)| {
        let kind = kinds.fields().get(place).map(|field| field.field_type.as_ref().clone());
        let kind = kind.unwrap_or(Type::Primitive(iceberg::spec::PrimitiveType::String));
        let value = field.transform.to_human_string(&kind, key.data()[place].as_ref());
        format!("{}={}", escaped(&field.name), escaped(&value))
    };
    key.spec().fields().iter().enumerate().map(part).collect::<Vec<_>>().join("/")
}

/// `text` in letters that every file system takes; cut, since a name may have 255 bytes. Values
/// that look alike then share a folder, which harms nobody: no two files have one name.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        if safe.len() >= 100 {
            break;
        }
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => safe.push(char::from(byte)),
            other => safe.push_str(&format!("_{other:02x}")),
        }
    }
    safe
}

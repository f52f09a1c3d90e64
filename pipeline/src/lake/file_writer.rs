//! One Parquet file on its way: row group by row group, then as a data file of a table.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use bytes::Bytes;
use futures::future::BoxFuture;
use iceberg::io::{FileIO, FileWrite};
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, PartitionKey,
    SchemaRef as TableSchema, Struct,
};
use iceberg::writer::file_writer::location_generator::{
    DefaultFileNameGenerator, FileNameGenerator, LocationGenerator,
};
use iceberg::{Error, ErrorKind, Result};
use parquet::arrow::AsyncArrowWriter;
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::bounds::describe;

/// Rows that a row group has at most.
const GROUP_ROWS: usize = 128 << 10;

/// Rows by which the values of a column are known.
const SAMPLE_ROWS: usize = 1000;

/// Texts of this mean length are neither worth a dictionary nor bounds.
const LONG_TEXT: usize = 256;

/// How often a Bloom filter takes a key for one that it has. The keys of its row group are then
/// read for nothing, so it has to be seldom.
const MISTAKEN: f64 = 1e-5;

/// Opens the files of one draft.
pub(super) struct FileMaker<L> {
    pub(super) io: FileIO,
    pub(super) schema: TableSchema,
    pub(super) arrow: SchemaRef,
    pub(super) spec: i32,
    pub(super) locations: L,
    pub(super) names: DefaultFileNameGenerator,
    /// Columns whose values are looked up.
    pub(super) keys: Vec<String>,
}

/// A file that is being written.
pub(super) struct FileWriter {
    path: String,
    partition: Struct,
    spec: i32,
    schema: TableSchema,
    inner: AsyncArrowWriter<Sink>,
}

impl<L: LocationGenerator> FileMaker<L> {
    /// Opens a file for rows like `sample`.
    pub(super) async fn open(
        &self,
        key: Option<&PartitionKey>,
        sample: &RecordBatch,
    ) -> Result<FileWriter> {
        let path = self.locations.generate_location(key, &self.names.generate_file_name());
        let sink = Sink(self.io.new_output(&path)?.writer().await?);
        let properties = properties(sample, &self.keys);
        let inner = AsyncArrowWriter::try_new(sink, Arc::clone(&self.arrow), Some(properties));
        Ok(FileWriter {
            path,
            partition: key.map_or_else(Struct::empty, |key| key.data().clone()),
            spec: self.spec,
            schema: Arc::clone(&self.schema),
            inner: inner.map_err(unwritable)?,
        })
    }
}

impl FileWriter {
    /// Writes `rows` as a row group, after which nothing of them is held.
    pub(super) async fn write_group(&mut self, rows: &[RecordBatch]) -> Result<()> {
        for batch in rows {
            self.inner.write(batch).await.map_err(unwritable)?;
        }
        self.inner.flush().await.map_err(unwritable)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.inner.bytes_written() as u64
    }

    /// Ends the file; it is on disk when this returns.
    pub(super) async fn close(mut self) -> Result<DataFile> {
        let metadata = self.inner.finish().await.map_err(unwritable)?;
        let mut file = DataFileBuilder::default();
        file.content(DataContentType::Data)
            .file_path(self.path)
            .file_format(DataFileFormat::Parquet)
            .partition(self.partition)
            .partition_spec_id(self.spec)
            .record_count(u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default())
            .file_size_in_bytes(self.inner.bytes_written() as u64);
        describe(&mut file, &self.schema, &metadata)?;
        file.build().map_err(|error| {
            Error::new(ErrorKind::Unexpected, "a data file lacks a part").with_source(error)
        })
    }
}

/// What suits the values of `sample`.
fn properties(sample: &RecordBatch, keys: &[String]) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS));
    for (field, column) in sample.schema_ref().fields().iter().zip(sample.columns()) {
        if *field.data_type() == DataType::Utf8 {
            properties = text_properties(properties, field.name(), column.as_ref());
        }
    }
    for key in keys {
        // Made for a full row group; one that has less keeps only the part that it needs.
        let path = ColumnPath::from(key.as_str());
        properties = properties
            .set_column_bloom_filter_fpp(path.clone(), MISTAKEN)
            .set_column_bloom_filter_ndv(path, GROUP_ROWS as u64);
    }
    properties.build()
}

fn text_properties(
    properties: WriterPropertiesBuilder,
    name: &str,
    column: &dyn Array,
) -> WriterPropertiesBuilder {
    let texts: Vec<&str> = column.as_string::<i32>().iter().take(SAMPLE_ROWS).flatten().collect();
    let path = ColumnPath::from(name);
    if texts.iter().map(|text| text.len()).sum::<usize>() > LONG_TEXT * texts.len() {
        return properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_statistics_enabled(path, EnabledStatistics::None);
    }
    let different = texts.iter().collect::<HashSet<_>>().len();
    match texts.len() > 100 && different * 10 > texts.len() * 9 {
        true => properties.set_column_dictionary_enabled(path, false),
        false => properties,
    }
}

fn unwritable(error: ParquetError) -> Error {
    Error::new(ErrorKind::Unexpected, "rows can't be written as Parquet").with_source(error)
}

/// A file of Iceberg's as one that Parquet writes to.
struct Sink(Box<dyn FileWrite>);

impl AsyncFileWriter for Sink {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, parquet::errors::Result<()>> {
        Box::pin(async { self.0.write(bytes).await.map_err(external) })
    }

    fn complete(&mut self) -> BoxFuture<'_, parquet::errors::Result<()>> {
        Box::pin(async { self.0.close().await.map_err(external) })
    }
}

fn external(error: Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

//! Reads data files as they are, row group by row group, in batches of bounded size.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use iceberg::arrow::ArrowFileReader;
use iceberg::io::{FileIO, FileMetadata};
use iceberg::spec::DataFile;
use iceberg::{Error, ErrorKind, Result};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::{ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder};
use parquet::errors::ParquetError;

use crate::session::ROWS_PER_BATCH;

/// What a batch weighs at most, as far as the file tells; a row alone may be heavier.
const BATCH_BYTES: u64 = 4 << 20;

/// A data file whose footer is read.
pub(super) struct OpenFile {
    io: FileIO,
    path: String,
    bytes: u64,
    pub(super) metadata: ArrowReaderMetadata,
}

/// The columns of `schema` out of some files, one file after the other.
pub(crate) struct FileRows {
    io: FileIO,
    schema: SchemaRef,
    left: VecDeque<(String, u64)>,
    stream: Option<ParquetRecordBatchStream<ArrowFileReader>>,
}

impl FileRows {
    /// Rows get exactly the types of `schema`; a column that a file lacks is null.
    pub(crate) fn new(io: FileIO, files: &[DataFile], schema: SchemaRef) -> FileRows {
        let place = |file: &DataFile| (file.file_path().to_owned(), file.file_size_in_bytes());
        FileRows { io, schema, left: files.iter().map(place).collect(), stream: None }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(stream) = &mut self.stream {
                if let Some(rows) = stream.try_next().await.map_err(unreadable)? {
                    return typed(&rows, &self.schema).map(Some);
                }
                self.stream = None;
            }
            let Some((path, bytes)) = self.left.pop_front() else { return Ok(None) };
            let file = OpenFile::open(&self.io, path, bytes).await?;
            self.stream = Some(file.rows(&self.schema, None).await?);
        }
    }
}

impl OpenFile {
    pub(super) async fn open(io: &FileIO, path: String, bytes: u64) -> Result<OpenFile> {
        let mut reader = reader(io, &path, bytes).await?;
        let options = ArrowReaderOptions::new();
        let metadata = ArrowReaderMetadata::load_async(&mut reader, options).await;
        Ok(OpenFile { io: io.clone(), path, bytes, metadata: metadata.map_err(unreadable)? })
    }

    /// The columns of `schema` that the file has, of these row groups or of all.
    pub(super) async fn rows(
        &self,
        schema: &SchemaRef,
        groups: Option<Vec<usize>>,
    ) -> Result<ParquetRecordBatchStream<ArrowFileReader>> {
        let builder = self.builder().await?;
        let columns = self.metadata.schema().fields().iter().enumerate();
        let wanted = columns.filter(|(_, field)| schema.field_with_name(field.name()).is_ok());
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.map(|(place, _)| place));
        let builder = builder.with_projection(mask).with_batch_size(self.rows_per_batch());
        let builder = match groups {
            Some(groups) => builder.with_row_groups(groups),
            None => builder,
        };
        builder.build().map_err(unreadable)
    }

    pub(super) async fn builder(&self) -> Result<ParquetRecordBatchStreamBuilder<ArrowFileReader>> {
        let reader = reader(&self.io, &self.path, self.bytes).await?;
        Ok(ParquetRecordBatchStreamBuilder::new_with_metadata(reader, self.metadata.clone()))
    }

    /// As many rows as weigh what a batch may, in the row group whose rows are heaviest.
    fn rows_per_batch(&self) -> usize {
        let groups = self.metadata.metadata().row_groups().iter();
        let weight = groups.map(|group| {
            let rows = u64::try_from(group.num_rows()).unwrap_or(1).max(1);
            u64::try_from(group.total_byte_size()).unwrap_or(0).div_ceil(rows)
        });
        let rows = BATCH_BYTES / weight.max().unwrap_or(1).max(1);
        usize::try_from(rows).unwrap_or(ROWS_PER_BATCH).clamp(64, ROWS_PER_BATCH)
    }
}

async fn reader(io: &FileIO, path: &str, bytes: u64) -> Result<ArrowFileReader> {
    let reader = io.new_input(path)?.reader().await?;
    Ok(ArrowFileReader::new(FileMetadata { size: bytes }, reader))
}

/// The columns of `schema`, in its order and with its types.
pub(super) fn typed(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let column = |field: &arrow::datatypes::FieldRef| -> std::result::Result<ArrayRef, _> {
        match rows.column_by_name(field.name()) {
            Some(column) => cast(column, field.data_type()),
            None => Ok(new_null_array(field.data_type(), rows.num_rows())),
        }
    };
    let columns: std::result::Result<Vec<ArrayRef>, _> =
        schema.fields().iter().map(column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    let typed = columns.and_then(|columns| {
        RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
    });
    typed.map_err(|error| {
        Error::new(ErrorKind::DataInvalid, "a file has a column of another type").with_source(error)
    })
}

pub(super) fn unreadable(error: ParquetError) -> Error {
    Error::new(ErrorKind::DataInvalid, "a data file can't be read").with_source(error)
}

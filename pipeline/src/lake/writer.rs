//! Splits rows by partition and gathers them, until they make a row group worth writing.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::row::{OwnedRow, RowConverter, SortField};
use iceberg::Result;
use iceberg::arrow::{PartitionValueCalculator, arrow_struct_to_literal, schema_to_arrow_schema};
use iceberg::spec::{DataFile, DataFileFormat, Literal, PartitionKey, Struct, Type};
use iceberg::table::Table;
use iceberg::writer::file_writer::location_generator::{
    DefaultFileNameGenerator, LocationGenerator,
};
use uuid::Uuid;

use super::file_writer::{FileMaker, FileWriter};

/// Rows of a partition that weigh this much in memory become a row group.
const GROUP_BYTES: usize = 32 << 20;

/// What all partitions may hold in memory; beyond it the heaviest becomes a row group.
const HELD_BYTES: usize = 40 << 20;

/// Rows are split by partition when they are so many, or weigh so much: the split costs something
/// for every partition and column.
const SPLIT_ROWS: usize = 8192;
const SPLIT_BYTES: usize = 4 << 20;

/// Files that may be open at once; one more closes the one that was written to longest ago.
const OPEN_FILES: usize = 64;

/// Turns batches into data files that no table knows yet, in memory that neither the number of
/// rows nor of partitions makes grow.
pub(super) struct TableWriter {
    schema: SchemaRef,
    target_file_size: u64,
    /// What a row group weighs in memory: not more than a file may, so that none is much too large.
    group_bytes: usize,
    maker: FileMaker<Location>,
    splitter: Option<Splitter>,
    /// Rows that are not split yet.
    gathered: Held,
    held: HashMap<Option<OwnedRow>, Part>,
    held_bytes: usize,
    groups: u64,
    files: Vec<DataFile>,
    rows: u64,
}

/// Rows in memory and what they weigh.
#[derive(Default)]
struct Held {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

/// A partition: its rows that wait, and its file.
struct Part {
    key: Option<PartitionKey>,
    held: Held,
    file: Option<FileWriter>,
    /// When its last row group was written, in row groups.
    written: u64,
}

impl TableWriter {
    /// `draft` becomes part of the files' names, so that no two drafts can meet.
    pub(super) fn new(table: &Table, target_file_size: u64, draft: Uuid) -> Result<TableWriter> {
        let metadata = table.metadata();
        let schema = Arc::new(schema_to_arrow_schema(metadata.current_schema())?);
        let spec = metadata.default_partition_spec();
        let maker = FileMaker {
            io: table.file_io().clone(),
            schema: Arc::clone(metadata.current_schema()),
            arrow: Arc::clone(&schema),
            spec: spec.spec_id(),
            locations: Location(format!("{}/data", metadata.location())),
            names: DefaultFileNameGenerator::new(draft.to_string(), None, DataFileFormat::Parquet),
            keys: looked_up(table),
        };
        let splitter = (!spec.is_unpartitioned()).then(|| Splitter::new(table)).transpose()?;
        Ok(TableWriter {
            schema,
            target_file_size,
            group_bytes: usize::try_from(target_file_size)
                .map_or(GROUP_BYTES, |t| t.min(GROUP_BYTES)),
            maker,
            splitter,
            gathered: Held::default(),
            held: HashMap::new(),
            held_bytes: 0,
            groups: 0,
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
        let most = SPLIT_BYTES.min(self.group_bytes);
        let pieces = (weight(&rows) / most).clamp(1, rows.num_rows());
        let step = rows.num_rows().div_ceil(pieces);
        for start in (0..rows.num_rows()).step_by(step) {
            self.gathered.push(rows.slice(start, step.min(rows.num_rows() - start)));
            // What is heavy already is not copied to become heavier.
            let alone = self.gathered.batches.len() == 1 && self.gathered.bytes >= most / 4;
            if alone || self.gathered.rows >= SPLIT_ROWS || self.gathered.bytes >= most {
                self.split().await?;
            }
        }
        Ok(())
    }

    /// Moves what was gathered to its partitions.
    async fn split(&mut self) -> Result<()> {
        let gathered = std::mem::take(&mut self.gathered);
        if gathered.rows == 0 {
            return Ok(());
        }
        let rows = concat_batches(&self.schema, &gathered.batches).map_err(misfit)?;
        let parts = match &self.splitter {
            Some(splitter) => splitter.split(&rows)?,
            None => vec![(None, None, rows)],
        };
        for (id, key, rows) in parts {
            self.hold(id, key, rows).await?;
        }
        Ok(())
    }

    async fn hold(
        &mut self,
        id: Option<OwnedRow>,
        key: Option<PartitionKey>,
        rows: RecordBatch,
    ) -> Result<()> {
        let part = self.held.entry(id.clone()).or_insert_with(|| Part {
            key,
            held: Held::default(),
            file: None,
            written: 0,
        });
        let before = part.held.bytes;
        part.held.push(rows);
        self.held_bytes += part.held.bytes - before;
        if part.held.bytes >= self.group_bytes {
            self.write_group(&id).await?;
        }
        while self.held_bytes >= HELD_BYTES {
            let heaviest = self.held.iter().max_by_key(|(_, part)| part.held.bytes);
            let Some(heaviest) = heaviest.map(|(id, _)| id.clone()) else { break };
            self.write_group(&heaviest).await?;
        }
        Ok(())
    }

    /// Writes what a partition holds; a file that is large enough then is closed.
    async fn write_group(&mut self, id: &Option<OwnedRow>) -> Result<()> {
        let Some(part) = self.held.get_mut(id) else { return Ok(()) };
        let held = std::mem::take(&mut part.held);
        self.held_bytes -= held.bytes;
        let Some(sample) = held.batches.first() else { return Ok(()) };
        self.groups += 1;
        part.written = self.groups;
        let mut file = match part.file.take() {
            Some(file) => file,
            None => self.maker.open(part.key.as_ref(), sample).await?,
        };
        file.write_group(&held.batches).await?;
        if file.bytes() >= self.target_file_size {
            self.files.push(file.close().await?);
        } else {
            part.file = Some(file);
            self.close_idle().await?;
        }
        Ok(())
    }

    async fn close_idle(&mut self) -> Result<()> {
        let open = |part: &&mut Part| part.file.is_some();
        if self.held.values_mut().filter(open).count() <= OPEN_FILES {
            return Ok(());
        }
        let idle = self.held.values_mut().filter(open).min_by_key(|part| part.written);
        if let Some(file) = idle.and_then(|part| part.file.take()) {
            self.files.push(file.close().await?);
        }
        Ok(())
    }

    /// Finishes all files, and names them.
    pub(super) async fn close(&mut self) -> Result<Vec<DataFile>> {
        self.split().await?;
        let ids: Vec<Option<OwnedRow>> = self.held.keys().cloned().collect();
        for id in ids {
            self.write_group(&id).await?;
            let file = self.held.get_mut(&id).and_then(|part| part.file.take());
            if let Some(file) = file {
                self.files.push(file.close().await?);
            }
        }
        self.held.clear();
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
        ordered.map_err(misfit)
    }
}

impl Held {
    fn push(&mut self, rows: RecordBatch) {
        self.bytes += weight(&rows);
        self.rows += rows.num_rows();
        self.batches.push(rows);
    }
}

/// What rows weigh in memory, without what else their buffers hold.
fn weight(rows: &RecordBatch) -> usize {
    let weigh = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or(0);
    rows.columns().iter().map(weigh).sum()
}

/// Tells the partitions of rows apart.
struct Splitter {
    table: Table,
    calculator: PartitionValueCalculator,
    converter: RowConverter,
}

type Split = (Option<OwnedRow>, Option<PartitionKey>, RecordBatch);

impl Splitter {
    fn new(table: &Table) -> Result<Splitter> {
        let metadata = table.metadata();
        let spec = metadata.default_partition_spec();
        let calculator = PartitionValueCalculator::try_new(spec, metadata.current_schema())?;
        let field = SortField::new(calculator.partition_arrow_type().clone());
        let converter = RowConverter::new(vec![field]).map_err(misfit)?;
        Ok(Splitter { table: table.clone(), calculator, converter })
    }

    /// The rows of each partition, in their order.
    fn split(&self, rows: &RecordBatch) -> Result<Vec<Split>> {
        let values = self.calculator.calculate(rows)?;
        let ids = self.converter.convert_columns(&[Arc::clone(&values)]).map_err(misfit)?;
        let mut places: HashMap<_, Vec<u32>> = HashMap::new();
        for (place, id) in (0u32..).zip(ids.iter()) {
            places.entry(id).or_default().push(place);
        }
        let one = places.len() == 1;
        let part = |(id, places): (arrow::row::Row<'_>, Vec<u32>)| {
            let value = values.slice(places[0] as usize, 1);
            let part = match one {
                true => rows.clone(),
                false => take_record_batch(rows, &UInt32Array::from(places)).map_err(misfit)?,
            };
            Ok((Some(id.owned()), Some(self.key(&value)?), part))
        };
        places.into_iter().map(part).collect()
    }

    fn key(&self, value: &ArrayRef) -> Result<PartitionKey> {
        let literals = arrow_struct_to_literal(value, self.calculator.partition_type())?;
        let data = match literals.into_iter().next().flatten() {
            Some(Literal::Struct(data)) => data,
            _ => Struct::empty(),
        };
        let metadata = self.table.metadata();
        let spec = metadata.default_partition_spec().as_ref().clone();
        Ok(PartitionKey::new(spec, Arc::clone(metadata.current_schema()), data))
    }
}

/// The columns for which the table asks for Bloom filters, in the words that all engines know.
fn looked_up(table: &Table) -> Vec<String> {
    let asked = |(key, value): (&String, &String)| {
        let column = key.strip_prefix(super::BLOOM_FILTER)?;
        (value == "true").then(|| column.to_owned())
    };
    table.metadata().properties().iter().filter_map(asked).collect()
}

fn misfit(error: ArrowError) -> iceberg::Error {
    iceberg::Error::new(iceberg::ErrorKind::DataInvalid, "rows do not fit the table")
        .with_source(error)
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

//! Records in Avro: the schema of a topic, and messages that are object-container files.

mod container;

use std::fmt;
use std::io::Cursor;
use std::sync::Arc;

use apache_avro::types::Value;
use apache_avro::{Codec, Schema, Writer, ZstandardSettings};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, SchemaRef};
use arrow::error::ArrowError;
use arrow_avro::reader::{Reader, ReaderBuilder};
use arrow_avro::schema::AvroSchema;

/// The schema of the records of a topic, in Avro and in arrow.
#[derive(Clone)]
pub struct RecordSchema {
    text: Arc<str>,
    avro: Arc<Schema>,
    arrow: SchemaRef,
}

/// Records that are decoded together: what a message promises may be a lie.
const MOST_AT_ONCE: usize = 64 << 10;

/// Why the bytes of a message are no records of the schema. Says where, never what was there.
#[derive(Debug, thiserror::Error)]
#[error("not an Avro container of this topic's records: {0}")]
pub struct Undecodable(String);

/// Refuses names that are none in Avro: its parser panics at some of them.
fn check_names(schema: &serde_json::Value) -> Result<(), String> {
    let part = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && part.bytes().next().is_some_and(|first| !first.is_ascii_digit())
    };
    match schema {
        serde_json::Value::Array(schemas) => schemas.iter().try_for_each(check_names),
        serde_json::Value::Object(members) => {
            for (key, value) in members {
                let name = value.as_str().filter(|_| key == "name" || key == "namespace");
                if let Some(name) = name
                    && !(key == "namespace" && name.is_empty())
                    && !name.split('.').all(part)
                {
                    return Err(format!(
                        "`{name}` is no name in Avro: use letters, digits and `_`, and no digit \
                         at the beginning"
                    ));
                }
                check_names(value)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

impl RecordSchema {
    /// Reads an Avro schema (`.avsc`); its records become the rows of a topic.
    pub fn parse(text: &str) -> Result<RecordSchema, String> {
        let json: serde_json::Value =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        check_names(&json)?;
        let avro = Schema::parse_str(text).map_err(|error| error.to_string())?;
        if !matches!(avro, Schema::Record(_)) {
            return Err("the schema of a topic must be a record".to_owned());
        }
        // An empty container tells which arrow types its reader will give.
        let empty = Writer::new(&avro, Vec::new()).into_inner().map_err(|e| e.to_string())?;
        let reader = ReaderBuilder::new()
            .build(Cursor::new(empty))
            .map_err(|error| format!("a type of it can't be read into columns: {error}"))?;
        let arrow = reader.schema();
        // Written out, nested records name the namespace that they inherit. The reader compares
        // names without inheriting it.
        let text = serde_json::to_string(&avro).map_err(|error| error.to_string())?;
        Ok(RecordSchema { text: text.into(), avro: Arc::new(avro), arrow })
    }

    pub fn avro(&self) -> &Schema {
        &self.avro
    }

    /// The columns that decoding gives.
    pub fn arrow(&self) -> &SchemaRef {
        &self.arrow
    }

    /// All records of one message; a message that is damaged anywhere gives none.
    pub fn decode(&self, message: &[u8]) -> Result<RecordBatch, Undecodable> {
        let undecodable = |error: ArrowError| Undecodable(one_line(&error.to_string()));
        let promised = container::promised(message)
            .ok_or_else(|| Undecodable("it is cut off or damaged".to_owned()))?;
        // All in one batch: what comes in several has to be copied together.
        let all = usize::try_from(promised).unwrap_or(usize::MAX).clamp(1, MOST_AT_ONCE);
        let resolved = ReaderBuilder::new()
            .with_batch_size(all)
            .with_reader_schema(AvroSchema::new(self.text.to_string()))
            .build(Cursor::new(message));
        let reader = resolved.or_else(|error| self.as_written(message, all).ok_or(error));
        let batches = reader.and_then(Iterator::collect::<Result<Vec<RecordBatch>, _>>);
        let rows = batches.and_then(|batches| concat_batches(&self.arrow, &batches));
        let rows = rows.map_err(undecodable)?;
        match rows.num_rows() as u64 == promised {
            true => Ok(rows),
            false => {
                let held = rows.num_rows();
                Err(Undecodable(format!("it promises {promised} records and holds {held}")))
            }
        }
    }

    /// A reader by the message's own schema, when that gives the very same columns: writers differ
    /// in how they spell inherited namespaces.
    fn as_written<'m>(&self, message: &'m [u8], all: usize) -> Option<Reader<Cursor<&'m [u8]>>> {
        let builder = ReaderBuilder::new().with_batch_size(all);
        let reader = builder.build(Cursor::new(message)).ok()?;
        let same = |(theirs, ours): (&Arc<Field>, &Arc<Field>)| {
            theirs.name() == ours.name() && theirs.data_type() == ours.data_type()
        };
        let schema = reader.schema();
        let (theirs, ours) = (schema.fields(), self.arrow.fields());
        let alike = theirs.len() == ours.len() && theirs.iter().zip(ours).all(same);
        alike.then_some(reader)
    }

    /// The records of a message, one by one.
    pub(crate) fn records(&self, message: &[u8]) -> Result<Vec<Value>, Undecodable> {
        let broken = |error: apache_avro::Error| Undecodable(one_line(&error.to_string()));
        let reader = apache_avro::Reader::with_schema(&self.avro, message).map_err(broken)?;
        reader.collect::<Result<_, _>>().map_err(broken)
    }

    /// A message with only this record; equal records give equal messages.
    pub(crate) fn message(&self, record: &Value) -> Result<Vec<u8>, Undecodable> {
        let record = apache_avro::to_avro_datum(&self.avro, record.clone())
            .map_err(|error| Undecodable(one_line(&error.to_string())))?;
        Ok(container::single(&self.text, &record))
    }
}

impl fmt::Debug for RecordSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordSchema").field("arrow", &self.arrow).finish_non_exhaustive()
    }
}

/// What a block of a container holds before compression: little blocks compress badly, and each
/// costs a reader a new decompressor.
const BLOCK_BYTES: usize = 1 << 20;

/// A container in memory, in the codec that is cheapest to read.
pub(crate) fn container(schema: &Schema) -> Writer<'_, Vec<u8>> {
    Writer::builder()
        .schema(schema)
        .writer(Vec::new())
        .codec(Codec::Zstandard(ZstandardSettings::new(1)))
        .block_size(BLOCK_BYTES)
        .build()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

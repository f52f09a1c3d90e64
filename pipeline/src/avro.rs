//! Records in Avro: the schema of a topic, and messages that are object-container files.

mod codec;
mod container;
mod layout;

use std::fmt;
use std::io::Cursor;
use std::sync::Arc;

use apache_avro::{Codec, Schema, Writer, ZstandardSettings};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{Field, SchemaRef};
use arrow::error::ArrowError;
use arrow_avro::errors::AvroError;
use arrow_avro::reader::{Decoder, ReaderBuilder};
use arrow_avro::schema::{AvroSchema, Fingerprint, FingerprintAlgorithm, SchemaStore};
use assay_core::surviving;

use self::container::Container;
use self::layout::Layout;

/// The schema of the records of a topic, in Avro and in arrow.
#[derive(Clone)]
pub struct RecordSchema {
    text: Arc<str>,
    avro: Arc<Schema>,
    arrow: SchemaRef,
}

/// What the decoder wants before each record: that it is of the one schema there is, number 0.
const BEGINNING: [u8; 5] = [0; 5];

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

    /// The schema as it is written into containers.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A container of so many records, which [`EventEncoder`](crate::EventEncoder) wrote one behind
    /// the other; any 16 bytes mark where its block ends.
    pub fn pack(&self, datums: Vec<u8>, count: usize, marker: [u8; 16]) -> Vec<u8> {
        container::packed(&self.text, marker, count, datums)
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
        decoded(|| self.decode_whole(message))
    }

    fn decode_whole(&self, message: &[u8]) -> Result<RecordBatch, Undecodable> {
        let container = Container::open(message).map_err(Undecodable)?;
        let layout = Layout::of(container.schema).map_err(Undecodable)?;
        let mut decoder = self.decoder(container.schema, container.records())?;
        container
            .each(&layout, |record| {
                let told = |error: AvroError| one_line(&error.to_string());
                decoder.decode(&BEGINNING).map_err(told)?;
                match decoder.decode(record).map_err(told)? == record.len() {
                    true => Ok(()),
                    false => Err("a record has other bytes than its schema says".to_owned()),
                }
            })
            .map_err(Undecodable)?;
        match decoder.flush().map_err(|error| undecodable(error.into()))? {
            Some(rows) => self.fitted(&rows).map_err(undecodable),
            None => Ok(RecordBatch::new_empty(Arc::clone(&self.arrow))),
        }
    }

    /// The same rows under our schema: a writer's may say other things of its fields, such as
    /// their defaults.
    fn fitted(&self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let fit = |(column, field): (&ArrayRef, &Arc<Field>)| {
            if column.data_type() == field.data_type() {
                return Ok(Arc::clone(column));
            }
            cast(column, field.data_type())
        };
        let columns = rows.columns().iter().zip(self.arrow.fields()).map(fit);
        RecordBatch::try_new(Arc::clone(&self.arrow), columns.collect::<Result<_, _>>()?)
    }

    /// Decodes what was written by that schema into our columns, all in one batch: what comes in
    /// several has to be copied together.
    fn decoder(&self, written: &[u8], records: usize) -> Result<Decoder, Undecodable> {
        let written = std::str::from_utf8(written)
            .map_err(|_| Undecodable("its schema is not UTF-8".to_owned()))?;
        let mut schemas = SchemaStore::new_with_type(FingerprintAlgorithm::Id);
        schemas
            .set(Fingerprint::Id(0), AvroSchema::new(written.to_owned()))
            .map_err(undecodable)?;
        let plain = || {
            ReaderBuilder::new()
                .with_batch_size(records.max(1))
                .with_writer_schema_store(schemas.clone())
                .with_active_fingerprint(Fingerprint::Id(0))
        };
        let ours = AvroSchema::new(self.text.to_string());
        let resolved = plain().with_reader_schema(ours).build_decoder();
        // Writers differ in how they spell inherited namespaces, which resolving takes for other
        // types. What their own schema decodes into the very same columns is as good.
        resolved.or_else(|error| {
            let decoder = plain().build_decoder().ok().filter(|decoder| self.gives(decoder));
            decoder.ok_or_else(|| undecodable(error))
        })
    }

    /// Whether it decodes into our columns.
    fn gives(&self, decoder: &Decoder) -> bool {
        let schema = decoder.schema();
        let (theirs, ours) = (schema.fields(), self.arrow.fields());
        let same = |(theirs, ours): (&Arc<Field>, &Arc<Field>)| {
            theirs.name() == ours.name() && theirs.data_type() == ours.data_type()
        };
        theirs.len() == ours.len() && theirs.iter().zip(ours).all(same)
    }
}

/// The records of one message, as their writer encoded them.
#[derive(Debug)]
pub(crate) struct Datums {
    schema: String,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Datums {
    /// Takes a message apart; nothing of a record is looked at but its length.
    pub(crate) fn of(message: &[u8]) -> Result<Datums, Undecodable> {
        let container = Container::open(message).map_err(Undecodable)?;
        let layout = Layout::of(container.schema).map_err(Undecodable)?;
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        container
            .each(&layout, |record| {
                bytes.extend_from_slice(record);
                ends.push(bytes.len());
                Ok(())
            })
            .map_err(Undecodable)?;
        let schema = String::from_utf8_lossy(container.schema).into_owned();
        Ok(Datums { schema, bytes, ends })
    }

    /// A message with only that record, under its writer's schema; of one writer, equal records
    /// give equal messages.
    pub(crate) fn alone(&self, index: usize) -> Option<Vec<u8>> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(container::single(&self.schema, &self.bytes[start..end]))
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

/// A decoder that panics has changed nothing, so its message is refused like any that is damaged:
/// it must not stop a stage again and again.
fn decoded<T>(decode: impl FnOnce() -> Result<T, Undecodable>) -> Result<T, Undecodable> {
    surviving(decode).unwrap_or_else(|_| Err(Undecodable("the decoder fails on it".to_owned())))
}

fn undecodable(error: ArrowError) -> Undecodable {
    Undecodable(one_line(&error.to_string()))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Undecodable, decoded};

    #[test]
    fn a_decoder_that_panics_refuses_its_message() {
        let refused = decoded(|| -> Result<(), Undecodable> { panic!("index out of bounds") });
        let said = refused.unwrap_err().to_string();
        assert_eq!(said, "not an Avro container of this topic's records: the decoder fails on it");
        assert!(matches!(decoded(|| Ok(7)), Ok(7)));
    }
}

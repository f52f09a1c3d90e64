//! Messages that are JSON: each is one object, and one row.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Int32Builder, Int64Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{Int32Type, Int64Type, SchemaRef};
use assay_dlq::{Origin, PayloadKind, Source as Place};
use assay_log::Record;
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::json;

use super::rows::origin_of;
use super::{Provenance, SourceError};
use crate::definition::TopicSpec;
use crate::stage::is_object;

/// The columns of such a message, as a schema of Avro, which topics are described by.
/// Each header is one.
pub(crate) fn schema(headers: &[String]) -> String {
    let text = |name: String| json!({"name": name, "type": ["null", "string"], "default": null});
    let mut fields = vec![json!({"name": "payload", "type": "string"}), text("_key".to_owned())];
    fields.extend(headers.iter().map(|name| text(format!("_header_{name}"))));
    json!({"type": "record", "name": "message", "fields": fields}).to_string()
}

/// Rows while they are gathered.
pub(super) struct JsonRows {
    payload: StringBuilder,
    key: StringBuilder,
    /// Names of headers, and their values.
    headers: Vec<(String, StringBuilder)>,
    partition: Int32Builder,
    offset: Int64Builder,
    timestamp: TimestampMicrosecondBuilder,
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

impl JsonRows {
    pub(super) fn new(rows: usize, bytes: usize, headers: &[String]) -> JsonRows {
        let header = |name: &String| (name.clone(), StringBuilder::with_capacity(rows, 0));
        JsonRows {
            headers: headers.iter().map(header).collect(),
            payload: StringBuilder::with_capacity(rows, bytes),
            key: StringBuilder::with_capacity(rows, 0),
            partition: Int32Builder::with_capacity(rows),
            offset: Int64Builder::with_capacity(rows),
            timestamp: TimestampMicrosecondBuilder::with_capacity(rows)
                .with_timezone(super::topic::UTC),
            rows: 0,
            bytes: 0,
        }
    }

    /// Takes a message in as a row, or says what is wrong with it and where.
    pub(super) fn push(&mut self, message: &Record) -> Result<(), String> {
        let Some(value) = &message.value else {
            return Err("a tombstone: the message has no value".to_owned());
        };
        let text = std::str::from_utf8(value).ok().filter(|text| is_object(text));
        let Some(text) = text.or_else(|| slow_object(value)) else { return Err(wrong(value)) };
        self.payload.append_value(text);
        match &message.key {
            Some(key) => self.key.append_value(String::from_utf8_lossy(key)),
            None => self.key.append_null(),
        }
        for (name, values) in &mut self.headers {
            values.append_option(message.header(name).map(|value| String::from_utf8_lossy(value)));
        }
        self.partition.append_value(i32::try_from(message.partition).unwrap_or(i32::MAX));
        self.offset.append_value(i64::try_from(message.offset).unwrap_or(i64::MAX));
        self.timestamp.append_value(message.timestamp.timestamp_micros());
        self.rows += 1;
        self.bytes += text.len();
        Ok(())
    }

    /// The rows, with where each stood.
    pub(super) fn finish(mut self, schema: &SchemaRef, topic: &TopicSpec) -> RecordBatch {
        let name = topic.dataset.name();
        let mut names = StringBuilder::with_capacity(self.rows, self.rows * name.len());
        (0..self.rows).for_each(|_| names.append_value(name));
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(self.payload.finish()), Arc::new(self.key.finish())];
        columns.extend(self.headers.into_iter().map(|(_, mut values)| {
            let values: ArrayRef = Arc::new(values.finish());
            values
        }));
        let places: [ArrayRef; 4] = [
            Arc::new(names.finish()),
            Arc::new(self.partition.finish()),
            Arc::new(self.offset.finish()),
            Arc::new(self.timestamp.finish()),
        ];
        columns.extend(places);
        RecordBatch::try_new(Arc::clone(schema), columns)
            .expect("the builders have the columns of the topic")
    }
}

/// The text of a message that is an object, by a whole parser: it takes escapes in keys too.
fn slow_object(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let object = text.trim_start_matches([' ', '\n', '\t', '\r']).starts_with('{');
    (object && serde_json::from_str::<IgnoredAny>(text).is_ok()).then_some(text)
}

/// What is wrong with a message that is no JSON object, and at which byte; never what is there.
pub(super) fn wrong(value: &[u8]) -> String {
    if value.is_empty() {
        return "the value is empty: not even JSON null".to_owned();
    }
    if let Err(error) = std::str::from_utf8(value) {
        return format!("no JSON: byte {} is not UTF-8", error.valid_up_to());
    }
    let mut values = serde_json::Deserializer::from_slice(value).into_iter::<IgnoredAny>();
    match values.next() {
        None => "no JSON: there is nothing but white space".to_owned(),
        Some(Err(error)) => {
            let at = byte_of(value, error.line(), error.column());
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or_default();
            format!("no JSON: {what} (byte {at})")
        }
        Some(Ok(_)) => {
            let end = values.byte_offset();
            let space = |byte: &&u8| byte.is_ascii_whitespace();
            let rest = &value[end..];
            let blank = rest.iter().take_while(space).count();
            match blank < rest.len() {
                true => format!(
                    "{} bytes behind the JSON value, from byte {} on: a message is one object",
                    rest.len() - blank,
                    end + blank
                ),
                false => format!("JSON, but {}: a message is one object", kind(value)),
            }
        }
    }
}

/// The place of a line and column, both counted from 1, in the whole text.
fn byte_of(value: &[u8], line: usize, column: usize) -> usize {
    let lines = value.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    before + column.saturating_sub(1)
}

fn kind(value: &[u8]) -> &'static str {
    match value.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => "a list",
        Some(b'"') => "a text",
        Some(b'n') => "null",
        Some(b't' | b'f') => "a boolean",
        _ => "a number",
    }
}

/// Rows each of which is a message.
pub(super) struct JsonMessages {
    pub(super) topic: Arc<TopicSpec>,
    pub(super) rows: RecordBatch,
}

impl Provenance for JsonMessages {
    fn origin(&self, row: usize) -> Result<Origin, SourceError> {
        origin_of(&self.rows, &self.topic.origin, row).map(Origin)
    }

    fn place(&self, row: usize) -> Option<Place> {
        let partition = self.rows.column_by_name("_partition")?.as_primitive::<Int32Type>();
        let offset = self.rows.column_by_name("_offset")?.as_primitive::<Int64Type>();
        Some(Place {
            topic: self.topic.dataset.name().to_owned(),
            partition: partition.value(row).cast_unsigned(),
            offset: offset.value(row).cast_unsigned(),
        })
    }

    fn payload(&self, row: usize) -> Result<(Bytes, PayloadKind), SourceError> {
        let text = self.rows.column(0).as_string::<i32>().value(row);
        Ok((Bytes::copy_from_slice(text.as_bytes()), PayloadKind::Json))
    }
}

#[cfg(test)]
mod tests;

//! From a JSON line to a record of the topic's Avro schema, field by field, nothing guessed.

use std::collections::HashMap;
use std::str::from_utf8;

use apache_avro::Schema;
use apache_avro::schema::{RecordSchema as AvroRecord, UnionSchema};
use apache_avro::types::Value;
use assay_dlq::Reason;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::lines::Line;
use crate::definition::IngestSpec;

/// Maps and lists that may be in each other.
pub(super) const DEEPEST: usize = 128;

/// Why a text is no event: what is wrong and where, never the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub reason: Reason,
    pub detail: String,
    /// The byte of the text at which it was noticed, where it is no JSON.
    pub at: Option<usize>,
}

impl Wrong {
    fn undecodable(detail: String, at: usize) -> Wrong {
        Wrong { reason: Reason::Undecodable, detail, at: Some(at) }
    }

    fn schema(detail: String) -> Wrong {
        Wrong { reason: Reason::Schema, detail, at: None }
    }
}

/// Makes records of one input.
pub(super) struct RecordEncoder<'a> {
    spec: &'a IngestSpec,
    /// Trace ids are made from this and the place of the line.
    space: Uuid,
}

type Fields<'a> = HashMap<std::borrow::Cow<'a, str>, &'a RawValue>;

impl<'a> RecordEncoder<'a> {
    pub(super) fn new(spec: &'a IngestSpec, hash: &str) -> RecordEncoder<'a> {
        RecordEncoder { spec, space: Uuid::new_v5(&Uuid::NAMESPACE_URL, hash.as_bytes()) }
    }

    /// The record of a line. The same line of the same input has the same trace id for ever.
    pub(super) fn encode(&self, line: &Line) -> Result<Value, Wrong> {
        let trace_id = Uuid::new_v5(&self.space, &line.offset.to_be_bytes()).to_string();
        record(self.spec, utf8(&line.bytes)?, &[], trace_id)
    }
}

/// The text of an event, which is UTF-8.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Wrong> {
    from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Wrong::undecodable(format!("not UTF-8 at column {}", at + 1), at)
    })
}

/// The record of an event. What the event lacks is taken from `beside`: names and JSON texts.
pub(super) fn record(
    spec: &IngestSpec,
    text: &str,
    beside: &[(&str, &str)],
    trace_id: String,
) -> Result<Value, Wrong> {
    let fields = object(text)?;
    let mut record = Vec::new();
    let mut trace_id = Some(trace_id);
    for field in &avro_record(spec).fields {
        let is_trace_id = spec.trace_id.as_ref() == Some(&field.name);
        let value = match trace_id.take_if(|_| is_trace_id) {
            Some(id) => wrap(&field.schema, Value::String(id)),
            None => {
                let own = fields.get(field.name.as_str()).map(|raw| raw.get());
                let other = || beside.iter().find(|(name, _)| *name == field.name);
                let raw = own.filter(|raw| *raw != "null").or_else(|| other().map(|(_, raw)| *raw));
                self::field(spec, &field.name, &field.schema, raw)?
            }
        };
        record.push((field.name.clone(), value));
    }
    Ok(Value::Record(record))
}

/// The record that the schema of a topic is.
pub(super) fn avro_record(spec: &IngestSpec) -> &AvroRecord {
    match spec.topic.schema.avro() {
        Schema::Record(record) => record,
        _ => unreachable!("the schema of a topic is a record: it was parsed as one"),
    }
}

fn field(
    spec: &IngestSpec,
    name: &str,
    schema: &Schema,
    raw: Option<&str>,
) -> Result<Value, Wrong> {
    match raw {
        None | Some("null") => absent(name, schema),
        Some(text) if spec.json_text.iter().any(|field| field == name) => {
            Ok(wrap(schema, Value::String(text.to_owned())))
        }
        Some(text) => value(name, schema, text),
    }
}

/// The members of a line that is one JSON object and nothing else.
fn object(text: &str) -> Result<Fields<'_>, Wrong> {
    let fields = serde_json::from_str(text).map_err(|error| {
        let column = error.column();
        let at = place(text, error.line(), column);
        let detail = match error.classify() {
            serde_json::error::Category::Eof => {
                format!("the JSON ends too early, at column {column}")
            }
            serde_json::error::Category::Data => "the line is JSON, but not one object".to_owned(),
            _ if error.to_string().starts_with("trailing characters") => {
                format!("something stands behind the JSON object, at column {column}")
            }
            _ if error.to_string().starts_with("recursion limit") => {
                format!("the JSON is nested too deeply, at column {column}")
            }
            _ => format!("not JSON at column {column}"),
        };
        Wrong::undecodable(detail, at)
    })?;
    match depth(text) > DEEPEST {
        true => Err(Wrong::schema(format!("its maps and lists are more than {DEEPEST} deep"))),
        false => Ok(fields),
    }
}

/// The byte of a text, by the parser's line and column, which count from 1.
fn place(text: &str, line: usize, column: usize) -> usize {
    let before = text.split_inclusive('\n').take(line.saturating_sub(1));
    let start: usize = before.map(str::len).sum();
    (start + column.saturating_sub(1)).min(text.len())
}

/// How many maps and lists of a JSON text are in each other.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The default of a field that is missing or null; only a nullable field has one.
fn absent(name: &str, schema: &Schema) -> Result<Value, Wrong> {
    let null = |union: &UnionSchema| {
        union.variants().iter().position(|variant| matches!(variant, Schema::Null))
    };
    match schema {
        Schema::Null => Ok(Value::Null),
        Schema::Union(union) if null(union).is_some() => {
            let place = null(union).and_then(|place| u32::try_from(place).ok()).unwrap_or(0);
            Ok(Value::Union(place, Box::new(Value::Null)))
        }
        _ => Err(Wrong::schema(format!("`{name}` is missing"))),
    }
}

/// `value` as the branch of a union that is not null.
fn wrap(schema: &Schema, value: Value) -> Value {
    match schema {
        Schema::Union(union) => {
            let place =
                union.variants().iter().position(|variant| !matches!(variant, Schema::Null));
            let place = place.and_then(|place| u32::try_from(place).ok()).unwrap_or(0);
            Value::Union(place, Box::new(value))
        }
        _ => value,
    }
}

fn value(name: &str, schema: &Schema, text: &str) -> Result<Value, Wrong> {
    if let Schema::Union(union) = schema {
        let inner = union.variants().iter().find(|variant| !matches!(variant, Schema::Null));
        let inner = inner.ok_or_else(|| Wrong::schema(format!("`{name}` can only be null")))?;
        return Ok(wrap(schema, value(name, inner, text)?));
    }
    let mistyped =
        |wanted: &str| Wrong::schema(format!("`{name}` is {}, not {wanted}", kind(text)));
    match schema {
        Schema::String => match serde_json::from_str(text) {
            Ok(text) => Ok(Value::String(text)),
            Err(_) => Err(mistyped("a text")),
        },
        Schema::Long => {
            Ok(Value::Long(serde_json::from_str(text).map_err(|_| mistyped("a whole number"))?))
        }
        Schema::Int => Ok(Value::Int(
            serde_json::from_str(text).map_err(|_| mistyped("a whole number of 32 bits"))?,
        )),
        Schema::Double => {
            Ok(Value::Double(serde_json::from_str(text).map_err(|_| mistyped("a number"))?))
        }
        Schema::Boolean => {
            Ok(Value::Boolean(serde_json::from_str(text).map_err(|_| mistyped("a boolean"))?))
        }
        Schema::Record(record) => {
            let members: Fields<'_> = serde_json::from_str(text).map_err(|_| mistyped("a map"))?;
            let mut fields = Vec::with_capacity(record.fields.len());
            for field in &record.fields {
                let name = format!("{name}.{}", field.name);
                let found = match members.get(field.name.as_str()).map(|raw| raw.get()) {
                    None | Some("null") => absent(&name, &field.schema)?,
                    Some(text) => value(&name, &field.schema, text)?,
                };
                fields.push((field.name.clone(), found));
            }
            Ok(Value::Record(fields))
        }
        _ => Err(Wrong::schema(format!("`{name}` has a type that JSON lines can't fill"))),
    }
}

/// What a JSON text is, by its first character.
fn kind(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'"') => "a text",
        Some(b'{') => "a map",
        Some(b'[') => "a list",
        Some(b't' | b'f') => "a boolean",
        _ => "a number",
    }
}

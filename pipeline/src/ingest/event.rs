//! From a JSON event to the bytes of its Avro record, without a tree in between.

use apache_avro::Schema;
use apache_avro::schema::RecordSchema as AvroRecord;

use super::encode::{DEEPEST, Wrong, avro_record, record, utf8};
use crate::definition::IngestSpec;
use crate::scan::Scanner;

/// Values of an event that the fast way can hold.
const SLOTS: usize = 64;

/// Makes the records of a topic from JSON events, as the bytes that stand in a container.
#[derive(Debug, Clone)]
pub struct EventEncoder {
    spec: IngestSpec,
    /// How the fields are written; none when the schema has types that only the slow way knows.
    plan: Option<Plan>,
}

#[derive(Debug, Clone)]
struct Plan {
    fields: Vec<Field>,
    slots: usize,
}

#[derive(Debug, Clone)]
struct Field {
    name: String,
    slot: usize,
    /// The bytes that say null, or a value, where it may be null.
    nullable: Option<(u8, u8)>,
    shape: Shape,
}

#[derive(Debug, Clone)]
enum Shape {
    TraceId,
    Json,
    Text,
    Whole,
    Boolean,
    Record(Vec<Field>),
}

/// Where in the event a value stands, if it does.
#[derive(Clone, Copy, Default)]
struct Found<'t> {
    text: Option<&'t str>,
    /// A text without escapes.
    plain: bool,
}

impl EventEncoder {
    pub fn new(spec: &IngestSpec) -> EventEncoder {
        let mut slots = 0;
        let fields = fields(avro_record(spec), &mut slots, Some(spec));
        let plan = fields.filter(|_| slots <= SLOTS).map(|fields| Plan { fields, slots });
        EventEncoder { spec: spec.clone(), plan }
    }

    /// Adds the record of an event to `to`; adds nothing when it is none.
    ///
    /// What the event lacks is taken from `beside`: names and JSON texts.
    pub fn encode(
        &self,
        event: &[u8],
        beside: &[(&str, &str)],
        trace_id: &str,
        to: &mut Vec<u8>,
    ) -> Result<(), Wrong> {
        let text = utf8(event)?;
        let start = to.len();
        let plan = self.plan.as_ref().filter(|_| beside.is_empty());
        if plan.and_then(|plan| plan.encode(text, trace_id, to)).is_some() {
            return Ok(());
        }
        to.truncate(start);
        let record = record(&self.spec, text, beside, trace_id.to_owned())?;
        let bytes = apache_avro::to_avro_datum(self.spec.topic.schema.avro(), record)
            .expect("a record made by a schema fits it");
        to.extend(bytes);
        Ok(())
    }
}

/// What the fast way does with the fields of a record; none when it can't.
fn fields(
    record: &AvroRecord,
    slots: &mut usize,
    outermost: Option<&IngestSpec>,
) -> Option<Vec<Field>> {
    let mut fields = vec![];
    for field in &record.fields {
        let (nullable, schema) = match &field.schema {
            Schema::Union(union) => match union.variants() {
                [Schema::Null, other] => (Some((0, 2)), other),
                [other, Schema::Null] => (Some((2, 0)), other),
                _ => return None,
            },
            other => (None, other),
        };
        let named = |names: &[String]| names.contains(&field.name);
        let slot = *slots;
        *slots += 1;
        let shape = match schema {
            Schema::String if outermost.is_some_and(|spec| named(spec.trace_id.as_slice())) => {
                Shape::TraceId
            }
            Schema::String if outermost.is_some_and(|spec| named(&spec.json_text)) => Shape::Json,
            Schema::String => Shape::Text,
            Schema::Long => Shape::Whole,
            Schema::Boolean => Shape::Boolean,
            Schema::Record(inner) => Shape::Record(self::fields(inner, slots, None)?),
            _ => return None,
        };
        fields.push(Field { name: field.name.clone(), slot, nullable, shape });
    }
    Some(fields)
}

impl Plan {
    /// The same bytes as the slow way gives, or none: then that one has to say what they are.
    fn encode(&self, text: &str, trace_id: &str, to: &mut Vec<u8>) -> Option<()> {
        let mut found = [Found::default(); SLOTS];
        let mut scanner = Scanner::new(text);
        scanner.space();
        if scanner.peek()? != b'{' {
            return None;
        }
        members(&mut scanner, &self.fields, &mut found[..self.slots])?;
        if !scanner.ended() || scanner.deepest() + 2 > DEEPEST {
            return None;
        }
        to.reserve(text.len() + 128);
        write(&self.fields, &found, trace_id, to)
    }
}

fn members<'t>(scanner: &mut Scanner<'t>, fields: &[Field], found: &mut [Found<'t>]) -> Option<()> {
    let mut more = scanner.open();
    while more {
        let key = scanner.key()?;
        scanner.space();
        match fields.iter().find(|field| field.name.as_bytes() == key) {
            // Of two members of one name the parser takes the last.
            Some(field) if found[field.slot].text.is_some() => return None,
            Some(field) => member(scanner, field, found)?,
            None => scanner.skip()?,
        }
        more = scanner.another()?;
    }
    Some(())
}

fn member<'t>(scanner: &mut Scanner<'t>, field: &Field, found: &mut [Found<'t>]) -> Option<()> {
    let start = scanner.at();
    let mut plain = false;
    match (&field.shape, scanner.peek()?) {
        (Shape::Record(fields), b'{') => members(scanner, fields, found)?,
        (Shape::TraceId | Shape::Json, _) => scanner.skip()?,
        (Shape::Text, b'"') => plain = scanner.string()?,
        (Shape::Whole, b'-' | b'0'..=b'9') => scanner.number()?,
        (Shape::Boolean, b't') => scanner.word(b"true")?,
        (Shape::Boolean, b'f') => scanner.word(b"false")?,
        (_, b'n') => scanner.word(b"null")?,
        _ => return None,
    }
    found[field.slot] = Found { text: Some(scanner.since(start)?), plain };
    Some(())
}

fn write(fields: &[Field], found: &[Found<'_>], trace_id: &str, to: &mut Vec<u8>) -> Option<()> {
    for field in fields {
        let Found { text, plain } = found[field.slot];
        let text = match &field.shape {
            Shape::TraceId => trace_id,
            _ => match text.filter(|text| *text != "null") {
                Some(text) => text,
                None => {
                    to.push(field.nullable?.0);
                    continue;
                }
            },
        };
        to.extend(field.nullable.map(|(_, value)| value));
        match &field.shape {
            Shape::Text if plain => put_text(to, text.get(1..text.len() - 1)?),
            Shape::Text => put_text(to, &serde_json::from_str::<String>(text).ok()?),
            Shape::TraceId | Shape::Json => put_text(to, text),
            // To the parser `-0` is no whole number.
            Shape::Whole => put_number(to, text.parse().ok().filter(|_| text != "-0")?),
            Shape::Boolean => to.push(u8::from(text == "true")),
            Shape::Record(inner) => write(inner, found, trace_id, to)?,
        }
    }
    Some(())
}

fn put_text(to: &mut Vec<u8>, text: &str) {
    put_number(to, i64::try_from(text.len()).unwrap_or(i64::MAX));
    to.extend_from_slice(text.as_bytes());
}

/// Small numbers of either sign in few bytes.
fn put_number(to: &mut Vec<u8>, number: i64) {
    let mut bits = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while bits >= 0x80 {
        to.push(bits as u8 | 0x80);
        bits >>= 7;
    }
    to.push(bits as u8);
}

#[cfg(test)]
mod tests;

//! How the bytes of records follow each other, as their writer's schema says.
//!
//! Decoders believe what a container says of itself: given a block that holds more than its
//! records, or an array of a quintillion nothings, they loop. So where each record ends is found
//! out here, before a decoder sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::container::Rest;

/// The layout of one type.
#[derive(Debug)]
pub(super) struct Layout {
    kind: Kind,
    /// Types in it, each as often as it is used.
    types: usize,
    depth: usize,
    /// Whether its values never take a byte.
    empty: bool,
}

#[derive(Debug)]
enum Kind {
    /// A number of bytes that is always the same.
    Fixed(usize),
    Number,
    Bytes,
    Record(Vec<Arc<Layout>>),
    Union(Vec<Arc<Layout>>),
    Array(Arc<Layout>),
    Map(Arc<Layout>),
}

/// A small schema can name the same type in exponentially many places.
const MOST_TYPES: usize = 10_000;

const DEEPEST: usize = 100;

impl Layout {
    /// Reads a writer's schema.
    pub(super) fn of(schema: &[u8]) -> Result<Arc<Layout>, String> {
        let schema: Value =
            serde_json::from_slice(schema).map_err(|_| "its schema is not JSON".to_owned())?;
        Named::default().layout(&schema, "")
    }

    /// How many of the bytes are the first value; none when they are no value at all.
    pub(super) fn length(&self, bytes: &[u8]) -> Option<usize> {
        let mut rest = Rest(bytes);
        self.skip(&mut rest)?;
        Some(bytes.len() - rest.0.len())
    }

    fn skip(&self, rest: &mut Rest<'_>) -> Option<()> {
        match &self.kind {
            Kind::Fixed(bytes) => rest.take(*bytes).map(drop),
            Kind::Number => rest.number().map(drop),
            Kind::Bytes => rest.bytes().map(drop),
            Kind::Record(fields) => fields.iter().try_for_each(|field| field.skip(rest)),
            Kind::Union(branches) => {
                let branch = usize::try_from(rest.number()?).ok()?;
                branches.get(branch)?.skip(rest)
            }
            Kind::Array(item) => rest.items(|rest| item.skip(rest)),
            Kind::Map(value) => rest.items(|rest| {
                rest.bytes()?;
                value.skip(rest)
            }),
        }
    }

    fn leaf(kind: Kind) -> Arc<Layout> {
        let empty = matches!(kind, Kind::Fixed(0));
        Arc::new(Layout { kind, types: 1, depth: 1, empty })
    }

    fn around(parts: &[Arc<Layout>], kind: Kind) -> Result<Arc<Layout>, String> {
        let types = 1 + parts.iter().map(|part| part.types).sum::<usize>();
        let depth = 1 + parts.iter().map(|part| part.depth).max().unwrap_or(0);
        if types > MOST_TYPES || depth > DEEPEST {
            return Err("its schema is too large".to_owned());
        }
        let empty = matches!(kind, Kind::Record(_)) && parts.iter().all(|part| part.empty);
        Ok(Arc::new(Layout { kind, types, depth, empty }))
    }
}

/// The types that have a name so far, by their full names.
#[derive(Default)]
struct Named(BTreeMap<String, Arc<Layout>>);

impl Named {
    fn layout(&mut self, schema: &Value, space: &str) -> Result<Arc<Layout>, String> {
        match schema {
            Value::String(name) => self.called(name, space),
            Value::Array(branches) => {
                let parts = self.all(branches.iter().map(Some), space)?;
                Layout::around(&parts, Kind::Union(parts.clone()))
            }
            Value::Object(members) => match members.get("type") {
                Some(Value::String(kind)) => self.complex(schema, kind, space),
                Some(inner) => self.layout(inner, space),
                None => Err(WITHOUT_TYPE.to_owned()),
            },
            _ => Err(WITHOUT_TYPE.to_owned()),
        }
    }

    fn complex(&mut self, schema: &Value, kind: &str, space: &str) -> Result<Arc<Layout>, String> {
        let member = |name: &str| {
            schema.get(name).ok_or_else(|| format!("its schema has an {kind} without {name}"))
        };
        match kind {
            "array" => {
                let item = self.layout(member("items")?, space)?;
                if item.empty {
                    // Any number of them would take no bytes, and time without end.
                    return Err("its schema has an array of what takes no bytes".to_owned());
                }
                Layout::around(&[Arc::clone(&item)], Kind::Array(item))
            }
            "map" => {
                let value = self.layout(member("values")?, space)?;
                Layout::around(&[Arc::clone(&value)], Kind::Map(value))
            }
            "record" | "error" | "enum" | "fixed" => {
                let name = full_name(member("name")?, schema.get("namespace"), space);
                let inner = name.rsplit_once('.').map_or("", |(inner, _)| inner).to_owned();
                let layout = match kind {
                    "enum" => Layout::leaf(Kind::Number),
                    "fixed" => {
                        let size = member("size")?.as_u64().and_then(|size| size.try_into().ok());
                        Layout::leaf(Kind::Fixed(size.ok_or("its schema has a fixed of no size")?))
                    }
                    _ => {
                        let fields = member("fields")?.as_array();
                        let fields = fields.ok_or("its schema has a record without fields")?;
                        let types = fields.iter().map(|field| field.get("type"));
                        let parts = self.all(types, &inner)?;
                        Layout::around(&parts, Kind::Record(parts.clone()))?
                    }
                };
                self.0.insert(name, Arc::clone(&layout));
                Ok(layout)
            }
            _ => self.called(kind, space),
        }
    }

    fn all<'s>(
        &mut self,
        schemas: impl Iterator<Item = Option<&'s Value>>,
        space: &str,
    ) -> Result<Vec<Arc<Layout>>, String> {
        schemas.map(|schema| self.layout(schema.ok_or(WITHOUT_TYPE)?, space)).collect()
    }

    /// A type by its name. One that is not known to its end yet holds itself, which no table can.
    fn called(&self, name: &str, space: &str) -> Result<Arc<Layout>, String> {
        let kind = match name {
            "null" => Kind::Fixed(0),
            "boolean" => Kind::Fixed(1),
            "float" => Kind::Fixed(4),
            "double" => Kind::Fixed(8),
            "int" | "long" => Kind::Number,
            "bytes" | "string" => Kind::Bytes,
            _ => {
                let known = self.0.get(&spelled_out(name, space)).or_else(|| self.0.get(name));
                return known.cloned().ok_or("its schema names a type that is none".to_owned());
            }
        };
        Ok(Layout::leaf(kind))
    }
}

const WITHOUT_TYPE: &str = "its schema has a part without a type";

fn full_name(name: &Value, own_space: Option<&Value>, space: &str) -> String {
    spelled_out(
        name.as_str().unwrap_or_default(),
        own_space.and_then(Value::as_str).unwrap_or(space),
    )
}

/// A name with the namespace that it inherits.
fn spelled_out(name: &str, space: &str) -> String {
    match name.contains('.') || space.is_empty() {
        true => name.to_owned(),
        false => format!("{space}.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use apache_avro::Schema;
    use apache_avro::to_avro_datum;
    use apache_avro::types::Value;
    use proptest::prelude::*;

    use super::Layout;

    const SCHEMA: &str = r#"{"type": "record", "name": "a.Outer", "fields": [
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["x", "y"]}},
        {"name": "inner", "type": ["null", {"type": "record", "name": "Inner", "fields": [
            {"name": "flag", "type": "boolean"}, {"name": "share", "type": "float"},
            {"name": "hash", "type": {"type": "fixed", "name": "b.Hash", "size": 3}}]}]},
        {"name": "again", "type": {"type": "array", "items": "Inner"}},
        {"name": "named", "type": {"type": "map", "values": ["string", "b.Hash", "a.Kind"]}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "size", "type": "double"}]}"#;

    fn inner() -> impl Strategy<Value = Value> {
        (any::<bool>(), any::<f32>(), any::<[u8; 3]>()).prop_map(|(flag, share, hash)| {
            let fields = [
                ("flag", Value::Boolean(flag)),
                ("share", Value::Float(share)),
                ("hash", Value::Fixed(3, hash.to_vec())),
            ];
            Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).to_vec())
        })
    }

    fn kind() -> impl Strategy<Value = Value> {
        (0u32..2).prop_map(|symbol| Value::Enum(symbol, ["x", "y"][symbol as usize].to_owned()))
    }

    fn record() -> impl Strategy<Value = Value> {
        let named = prop_oneof![
            ".{0,9}".prop_map(|text| Value::Union(0, Box::new(Value::String(text)))),
            any::<[u8; 3]>()
                .prop_map(|hash| Value::Union(1, Box::new(Value::Fixed(3, hash.to_vec())))),
            kind().prop_map(|kind| Value::Union(2, Box::new(kind))),
        ];
        let maybe = prop_oneof![
            Just(Value::Union(0, Box::new(Value::Null))),
            inner().prop_map(|inner| Value::Union(1, Box::new(inner))),
        ];
        let again = prop::collection::vec(inner(), 0..4).prop_map(Value::Array);
        let named = prop::collection::hash_map(".{0,5}", named, 0..4).prop_map(Value::Map);
        (kind(), maybe, again, named, any::<i64>(), any::<f64>()).prop_map(
            |(kind, maybe, again, named, at, size)| {
                let (at, size) = (Value::TimestampMicros(at), Value::Double(size));
                let names = ["kind", "inner", "again", "named", "at", "size"].map(str::to_owned);
                Value::Record(
                    names.into_iter().zip([kind, maybe, again, named, at, size]).collect(),
                )
            },
        )
    }

    proptest! {
        #[test]
        fn a_record_is_as_long_as_its_writer_made_it(
            record in record(),
            behind in prop::collection::vec(any::<u8>(), 0..20),
            cut in 1usize..10,
        ) {
            let bytes = to_avro_datum(&Schema::parse_str(SCHEMA).unwrap(), record).unwrap();
            let layout = Layout::of(SCHEMA.as_bytes()).unwrap();
            prop_assert_eq!(layout.length(&[&bytes[..], &behind].concat()), Some(bytes.len()));
            prop_assert_eq!(layout.length(&bytes[..bytes.len().saturating_sub(cut)]), None);
        }
    }

    #[test]
    fn what_would_take_no_bytes_and_no_end_is_refused() {
        let nothings =
            r#"{"type": "array", "items": {"type": "record", "name": "N", "fields": []}}"#;
        let endless = r#"{"type": "record", "name": "R", "fields": [{"name": "r", "type": "R"}]}"#;
        let mut doubling = r#"{"type": "record", "name": "R0", "fields": []}"#.to_owned();
        for level in 1..40 {
            let before = level - 1;
            doubling = format!(
                r#"{{"type": "record", "name": "R{level}", "fields": [
                    {{"name": "a", "type": {doubling}}}, {{"name": "b", "type": "R{before}"}}]}}"#
            );
        }
        for (schema, why) in [
            (nothings, "its schema has an array of what takes no bytes"),
            (endless, "its schema names a type that is none"),
            (&doubling, "its schema is too large"),
            ("[\"null\", 7]", "its schema has a part without a type"),
            ("{", "its schema is not JSON"),
        ] {
            assert_eq!(Layout::of(schema.as_bytes()).unwrap_err(), why, "{schema:.60}");
        }
    }
}

//! Turns what a JSON Schema validator says into what a person who wrote the file needs to hear.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use super::{Document, Mistake, escape};
use crate::spelling::distance;

/// Takes out of `value` the keys that `error` calls unknown, and says where they were.
pub(super) fn without_unknown_keys(value: &mut Value, error: &ValidationError<'_>) -> Vec<String> {
    let (Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected }) =
        error.kind()
    else {
        return vec![];
    };
    let at = error.instance_path().as_str();
    if let Some(map) = value.pointer_mut(at).and_then(Value::as_object_mut) {
        map.retain(|key, _| !unexpected.contains(key));
    }
    unexpected.iter().map(|key| format!("{at}/{}", escape(key))).collect()
}

/// Takes out of `value` what `error` says can't stand there, keys that are unknown too, and says
/// where that was. What is one of a list stays, since those behind it would have other places.
pub(super) fn without_value(value: &mut Value, error: &ValidationError<'_>) -> Vec<String> {
    match error.kind() {
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => {
            without_unknown_keys(value, error)
        }
        Kind::Required { .. } => vec![],
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            let inner = meant(context).into_iter().flatten();
            inner.flat_map(|inner| without_value(value, inner)).collect()
        }
        _ => without(value, error.instance_path().as_str()).into_iter().collect(),
    }
}

/// Takes out of `value` the nearest key around what `error` is about, and says where that was.
pub(super) fn without_around(value: &mut Value, error: &ValidationError<'_>) -> Vec<String> {
    if let Kind::AnyOf { context } | Kind::OneOfNotValid { context } = error.kind()
        && let Some(inner) = meant(context)
        && inner.iter().any(|inner| {
            inner.instance_path().as_str().len() > error.instance_path().as_str().len()
        })
    {
        return inner.iter().flat_map(|inner| without_around(value, inner)).collect();
    }
    let mut at = error.instance_path().as_str();
    loop {
        if let Some(gone) = without(value, at) {
            return vec![gone];
        }
        match at.rsplit_once('/') {
            Some((outer, _)) => at = outer,
            None => return vec![],
        }
    }
}

fn without(value: &mut Value, at: &str) -> Option<String> {
    let (outer, key) = at.rsplit_once('/')?;
    let key = key.replace("~1", "/").replace("~0", "~");
    value.pointer_mut(outer)?.as_object_mut()?.remove(&key).map(|_| at.to_owned())
}

/// The alternative that got furthest says best what was meant; that the value might also be left out
/// says nothing.
fn meant<'e, 'i>(context: &'e [Vec<ValidationError<'i>>]) -> Option<&'e Vec<ValidationError<'i>>> {
    context.iter().max_by_key(|errors| {
        let depth = errors.iter().map(|e| e.instance_path().as_str().len()).max();
        (depth.unwrap_or(0), !errors.iter().all(wants_nothing))
    })
}

pub(super) fn explain(
    document: &Document,
    schema: &Value,
    error: &ValidationError<'_>,
) -> Vec<Mistake> {
    let at = error.instance_path().as_str();
    let here = if at.is_empty() { "the file".to_owned() } else { format!("`{}`", name_of(at)) };
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let known = known_keys(schema, error.schema_path().as_str());
            let unknown = |key: &String| {
                let place = format!("{at}/{}", escape(key));
                document.mistake(&place, format!("unknown key `{key}`"), suggest(key, &known))
            };
            unexpected.iter().map(unknown).collect()
        }
        Kind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            vec![document.mistake(at, format!("{here} lacks `{key}`"), format!("add `{key}: …`"))]
        }
        Kind::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(kind) => kind.to_string(),
                TypeKind::Multiple(kinds) => {
                    let kinds = kinds.into_iter().map(|kind| kind.to_string());
                    kinds.filter(|kind| kind != "null").collect::<Vec<_>>().join(" or ")
                }
            };
            let found = kind_of(error.instance());
            vec![document.mistake(
                at,
                format!("{here} is {found}"),
                format!("write a value of type {wanted}"),
            )]
        }
        Kind::Enum { options } => {
            let known: Vec<String> = options.as_array().into_iter().flatten().map(word).collect();
            let found = word(error.instance());
            vec![document.mistake(
                at,
                format!("{here} can't be `{found}`"),
                format!("one of {}", known.join(", ")),
            )]
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            let errors = meant(context).into_iter().flatten();
            errors.flat_map(|inner| explain(document, schema, inner)).collect()
        }
        _ => vec![document.mistake(
            at,
            format!("{here}: {}", error.masked()),
            "see docs/ for what may stand here",
        )],
    }
}

/// Whether the only complaint is that the value is there at all.
fn wants_nothing(error: &ValidationError<'_>) -> bool {
    let Kind::Type { kind: TypeKind::Single(kind) } = error.kind() else { return false };
    kind.to_string() == "null"
}

/// The last part of a JSON pointer that is a name, with the index behind it.
fn name_of(pointer: &str) -> String {
    let parts: Vec<&str> = pointer.split('/').skip(1).collect();
    let name = parts.iter().rposition(|part| part.parse::<usize>().is_err()).unwrap_or(0);
    parts[name..].join("/").replace("~1", "/").replace("~0", "~")
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The keys that the schema knows where `additionalProperties` said no.
fn known_keys(schema: &Value, schema_path: &str) -> Vec<String> {
    let object = schema_path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let resolved = resolve(schema, object);
    let properties =
        resolved.and_then(|object| object.get("properties")).and_then(Value::as_object);
    properties.map(|keys| keys.keys().cloned().collect()).unwrap_or_default()
}

/// Follows a pointer through the schema, and every `$ref` on the way.
fn resolve<'a>(schema: &'a Value, pointer: &str) -> Option<&'a Value> {
    let mut here = schema;
    for part in pointer.split('/').skip(1) {
        if part == "$ref" {
            let target = here.get("$ref")?.as_str()?;
            here = schema.pointer(target.strip_prefix('#')?)?;
            continue;
        }
        let name = part.replace("~1", "/").replace("~0", "~");
        here = match here {
            Value::Array(items) => items.get(name.parse::<usize>().ok()?)?,
            _ => here.get(&name)?,
        };
    }
    Some(here)
}

fn suggest(key: &str, known: &[String]) -> String {
    let nearest = known.iter().map(|name| (distance(key, name), name)).min();
    match nearest {
        Some((distance, name)) if distance <= 1 + key.len() / 3 => {
            format!("did you mean `{name}`?")
        }
        _ if known.is_empty() => "remove it".to_owned(),
        _ => format!("remove it, or use one of {}", known.join(", ")),
    }
}

//! What is changed on the way back: a merge patch over JSON, or SQL over the columns.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use assay_dlq::{LetterId, LetterView, MASK, mask};
use chrono::{DateTime, Utc};
use datafusion::sql::sqlparser::ast::{AssignmentTarget, Statement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::super::rows::TableRows;
use super::SourceError;
use crate::source::Provenance;
use crate::stage::Expression;

/// A change to what letters hold. The letters themselves stay as they are.
pub(crate) enum Transform {
    /// As RFC 7386 says: members are replaced, and removed where the patch has null.
    Patch(Value),
    /// `column = expression` for some columns.
    Columns(Vec<(usize, Expression)>),
}

/// A letter before and after.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Diff {
    pub(crate) id: LetterId,
    pub(crate) before: Value,
    pub(crate) after: Value,
}

impl Transform {
    /// Reads a change: JSON is a merge patch, all else assignments in SQL.
    pub(crate) fn parse(
        text: &str,
        schema: &SchemaRef,
        at: DateTime<Utc>,
    ) -> Result<Transform, String> {
        if let Some(patch) = patch(text)? {
            return Ok(Transform::Patch(patch));
        }
        let shown = "write a JSON merge patch, or assignments such as `amount = abs(amount)`";
        let sql = format!("UPDATE letters SET {text}");
        let statements = Parser::parse_sql(&GenericDialect {}, &sql)
            .map_err(|error| format!("the transformation is no SQL ({error}): {shown}"))?;
        let [Statement::Update(update)] = &statements[..] else { return Err(shown.to_owned()) };
        if update.selection.is_some() {
            return Err("a transformation has no WHERE: choose letters with filters".to_owned());
        }
        let mut columns = Vec::new();
        for assignment in &update.assignments {
            let AssignmentTarget::ColumnName(name) = &assignment.target else {
                return Err(shown.to_owned());
            };
            let name = name.to_string();
            let name = name.trim_matches('"');
            let place = schema.index_of(name).map_err(|_| {
                let known: Vec<&str> =
                    schema.fields().iter().map(|field| field.name().as_str()).collect();
                format!("the rows have no column `{name}`; they have {}", known.join(", "))
            })?;
            let expression = Expression::compile(&assignment.value.to_string(), schema, at)
                .map_err(|error| format!("{name}: {}; {}", error.what, error.fix))?;
            columns.push((place, expression));
        }
        Ok(Transform::Columns(columns))
    }

    /// What stands for the letter's payload, where that is JSON that is patched.
    pub(super) fn payload(&self, letter: &LetterView) -> Result<Option<Vec<u8>>, String> {
        let Transform::Patch(patch) = self else { return Ok(None) };
        let payload = letter.payload.as_deref().unwrap_or_default();
        patched(payload, patch).map(Some)
    }

    pub(super) fn rows(&self, rows: RecordBatch) -> Result<RecordBatch, ArrowError> {
        let Transform::Columns(changes) = self else { return Ok(rows) };
        let schema = rows.schema();
        let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
        for (place, expression) in changes {
            let field = schema.field(*place);
            // What the engine says may quote a value.
            let wrong = || {
                let name = field.name();
                ArrowError::ComputeError(format!("the expression for `{name}` can't be computed"))
            };
            let values = expression.evaluate(&rows).map_err(|_| wrong())?;
            let options = CastOptions { safe: false, ..CastOptions::default() };
            let values = cast_with_options(&values, field.data_type(), &options);
            columns[*place] = values.map_err(|_| wrong())?;
        }
        RecordBatch::try_new(schema, columns)
    }

    /// How a letter looks before and after, by its first row.
    pub(super) fn diff(
        &self,
        letter: &LetterView,
        row: usize,
        (before, after): (&RecordBatch, &RecordBatch),
    ) -> Result<Option<Diff>, SourceError> {
        if row >= after.num_rows() {
            return Ok(None);
        }
        let json = |rows: &RecordBatch| -> Result<Value, SourceError> {
            let rows = TableRows { rows: rows.clone(), origin: Vec::new() };
            let (text, _) = rows.payload(row)?;
            Ok(serde_json::from_slice(&text).unwrap_or_default())
        };
        let (mut before, mut after) = match self {
            Transform::Columns(_) => {
                let (before, mut after) = (json(before)?, json(after)?);
                if !letter.sensitive.is_empty() {
                    veil(&before, &mut after);
                }
                (before, after)
            }
            Transform::Patch(patch) => {
                let payload = letter.payload.as_deref().unwrap_or_default();
                let before: Value = serde_json::from_slice(payload).unwrap_or_default();
                let mut after = before.clone();
                merge(&mut after, patch);
                (before, after)
            }
        };
        mask(&mut before, &letter.sensitive);
        mask(&mut after, &letter.sensitive);
        Ok(Some(Diff { id: letter.id, before, after }))
    }
}

/// What an expression made may be what the contract shows to few, under any name. What a patch makes
/// stands in the patch.
fn veil(before: &Value, after: &mut Value) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let changed =
                after.iter_mut().filter(|(name, value)| before.get(*name) != Some(&**value));
            changed.for_each(|(_, value)| *value = MASK.into());
        }
        (_, after) => *after = MASK.into(),
    }
}

/// The merge patch, if the text is meant as one.
pub(crate) fn patch(text: &str) -> Result<Option<Value>, String> {
    if !text.trim_start().starts_with('{') {
        return Ok(None);
    }
    let wrong = |error| format!("the transformation is no JSON: {error}");
    serde_json::from_str(text).map(Some).map_err(wrong)
}

/// A JSON payload with a patch merged into it.
pub(crate) fn patched(payload: &[u8], patch: &Value) -> Result<Vec<u8>, String> {
    let wrong = |_| "a merge patch needs a JSON payload, which this is not".to_owned();
    let text: &RawValue = serde_json::from_slice(payload).map_err(wrong)?;
    let Value::Object(patch) = patch else { return Ok(patch.to_string().into_bytes()) };
    Ok(merged(text.get(), patch).map_err(wrong)?.get().as_bytes().to_vec())
}

/// The text of an object with a patch merged into it. What the patch does not name keeps its text:
/// a number may have more digits than any of our types.
fn merged(text: &str, patch: &Map<String, Value>) -> serde_json::Result<Box<RawValue>> {
    // What is no object is replaced by one, as the standard says.
    let mut members: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(text).unwrap_or_default();
    for (name, change) in patch {
        let changed = match change {
            Value::Null => {
                members.remove(name);
                continue;
            }
            Value::Object(inner) => {
                merged(members.get(name).map_or("{}", |text| text.get()), inner)?
            }
            other => to_raw_value(other)?,
        };
        members.insert(name.clone(), changed);
    }
    to_raw_value(&members)
}

fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(members) = value else { return };
    for (name, change) in patch {
        match change {
            Value::Null => {
                members.shift_remove(name);
            }
            change => merge(members.entry(name.clone()).or_insert(Value::Null), change),
        }
    }
}

impl std::fmt::Debug for Transform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Transform::Patch(_) => f.write_str("Patch"),
            Transform::Columns(columns) => write!(f, "Columns({})", columns.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn rows() -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("amount", DataType::Int64, true),
            Field::new("city", DataType::Utf8, true),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![-3, 4])),
            Arc::new(StringArray::from(vec![None, Some("Rome")])),
        ];
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    fn parse(text: &str) -> Result<Transform, String> {
        Transform::parse(text, &rows().schema(), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn columns_are_computed_from_what_the_row_was() {
        let transform = parse("amount = abs(amount), city = coalesce(city, 'none')").unwrap();
        let rows = transform.rows(rows()).unwrap();
        assert_eq!(
            rows.column(0).as_ref(),
            &Int64Array::from(vec![3, 4]) as &dyn arrow::array::Array
        );
        assert_eq!(
            rows.column(1).as_ref(),
            &StringArray::from(vec!["none", "Rome"]) as &dyn arrow::array::Array
        );
        for (wrong, says) in [
            ("town = 'x'", "they have amount, city"),
            ("amount = nothing", "amount:"),
            ("amount", "no SQL"),
            ("amount = 1 WHERE city = 'x'", "no WHERE"),
            ("{\"a\": ", "no JSON"),
        ] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_an_expression_made_is_not_shown() {
        let before = serde_json::json!({"repo": "a", "login": "anna", "n": 1});
        let mut after = serde_json::json!({"repo": "anna", "login": "anna", "n": 1, "new": "anna"});
        veil(&before, &mut after);
        assert_eq!(
            after,
            serde_json::json!({"repo": "•••", "login": "anna", "n": 1, "new": "•••"})
        );
        let mut after = serde_json::json!("anna");
        veil(&before, &mut after);
        assert_eq!(after, serde_json::json!("•••"));
    }

    #[test]
    fn a_patch_replaces_adds_and_removes() {
        let patch = serde_json::json!({"a": {"b": 2, "c": null}, "d": [1]});
        let text = patched(br#"{"a":{"b":1,"c":3,"e":4}}"#, &patch).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), r#"{"a":{"b":2,"e":4},"d":[1]}"#);
        assert!(patched(b"no", &patch).is_err());
    }

    #[test]
    fn what_a_patch_does_not_name_stays_as_it_was_written() {
        let payload = br#"{"city":"Roma","amount":12345678901234.123456789,
            "in":{"big":123456789012345678901234567890,"gone":1}}"#;
        let patch =
            serde_json::json!({"city": "Rome", "in": {"gone": null, "new": {"a": null, "b": 1}}});
        let text = String::from_utf8(patched(payload, &patch).unwrap()).unwrap();
        let expected = r#"{"amount":12345678901234.123456789,"city":"Rome","in":{"big":123456789012345678901234567890,"new":{"b":1}}}"#;
        assert_eq!(text, expected);
        assert!(patched(b"no JSON", &patch).is_err());
    }
}

//! Writes a contract from what rows have in common, and judges them by it: what it promises holds.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use assay_core::contract::{ColumnType, ContractFile};
use assay_core::{Check, Outcome, TextFormat};
use datafusion::error::DataFusionError;
use futures::TryStreamExt;
use serde_json::{Value, json};

use super::compound::compound;
use super::judge::{Judgement, Look, judge};
use super::profile::{Column, Profile, column_type};
use super::yaml::Yaml;
use super::{InspectError, Subject};

/// Rows that are needed before few values are taken for a set.
const ROWS_OF_A_SET: u64 = 20;

/// Rows that are needed before a column is taken for a key that is not named as one.
const ROWS_OF_A_KEY: u64 = 1000;

const TIME: &str = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}";

/// A contract that its own data keeps.
#[derive(Debug, Clone)]
pub struct Inferred {
    pub text: String,
    pub rows: u64,
    /// What could not be put into a contract.
    pub notes: Vec<String>,
    /// What the rows are by it.
    pub judgement: Judgement,
}

/// Profiles all rows in one pass and writes a contract named `name`; a second pass judges them by
/// it, so that keys are sure and all that it says holds.
pub async fn infer(
    subject: &Subject,
    name: &str,
    look: &Look<'_>,
) -> Result<Inferred, InspectError> {
    let mut notes = Vec::new();
    let profile = profile(subject, look, &mut notes).await?;
    let rows = profile.columns.first().map_or(0, |column| column.rows);
    let candidates = profile.columns.iter().filter(|column| column.may_be_key());
    let mut keys: HashSet<String> = candidates.map(|column| column.name.clone()).collect();
    let mut pair = None;
    loop {
        let alone = primary(&profile, &keys).map(|column| vec![column.name.clone()]);
        let key = alone.or_else(|| pair.clone().map(Vec::from)).unwrap_or_default();
        let text = contract(subject, name, &profile, (&key, &keys));
        let file = ContractFile::parse(name, &text)?;
        let Some((_, promised)) = file.schema(None) else {
            return Err(InspectError::Unfit("a contract has one schema".to_owned()));
        };
        let judgement = judge(subject, promised, look).await?;
        let results = judgement.quality.rules.iter();
        let broken: HashSet<&str> = results
            .filter(|result| result.outcome != Outcome::Passed)
            .map(|result| result.rule.as_str())
            .collect();
        let repeated: Vec<String> = promised
            .rules
            .iter()
            .filter(|rule| broken.contains(rule.name.as_str()))
            .filter_map(|rule| match &rule.check {
                Check::Unique { columns } => columns.first().cloned(),
                _ => None,
            })
            .collect();
        if repeated.is_empty() {
            if keys.is_empty() && pair.is_none() {
                pair = compound(subject, &profile, promised, look).await?;
                if pair.is_some() {
                    continue;
                }
            }
            return Ok(Inferred { text, rows, notes, judgement });
        }
        keys.retain(|key| !repeated.contains(key));
    }
}

async fn profile(
    subject: &Subject,
    look: &Look<'_>,
    notes: &mut Vec<String>,
) -> Result<Profile, InspectError> {
    let schema = subject.schema();
    let mut columns = Vec::new();
    for field in schema.fields() {
        match column_type(field.data_type()) {
            Some(kind) => columns.push((field.name().clone(), kind)),
            None => notes.push(format!(
                "`{}` is left out: a contract has no columns of type {}",
                field.name(),
                field.data_type()
            )),
        }
    }
    if columns.is_empty() {
        let name = subject.name();
        return Err(InspectError::Unfit(format!("{name} has no column that a contract can have")));
    }
    let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
    let mut profile = Profile::new(columns);
    let wrong = |error: DataFusionError| InspectError::rows(subject.name(), &error);
    for mut part in subject.parts(&names).await? {
        while let Some(rows) = part.try_next().await.map_err(wrong)? {
            profile.take(&rows).map_err(|error| wrong(error.into()))?;
            look.seen.fetch_add(rows.num_rows() as u64, Ordering::Relaxed);
        }
    }
    Ok(profile)
}

/// The first of the keys whose name or form says so; in many rows also one that does not.
fn primary<'a>(profile: &'a Profile, keys: &HashSet<String>) -> Option<&'a Column> {
    let found = || profile.columns.iter().filter(|column| keys.contains(&column.name));
    let sure = found().find(|column| names_something(&column.name) || column.is_uuid());
    sure.or_else(|| found().find(|column| column.rows >= ROWS_OF_A_KEY))
}

/// Whether a column is named as one whose values name something: `id`, `order_id`, `orderId`.
pub(super) fn names_something(column: &str) -> bool {
    let whole = column.to_ascii_lowercase();
    let parts = ["id", "uuid", "guid", "key"];
    parts.contains(&whole.as_str())
        || parts.iter().any(|part| {
            whole.ends_with(&format!("_{part}")) || whole.ends_with(&format!("-{part}"))
        })
        || ["Id", "ID", "Uuid", "UUID", "Key"].iter().any(|part| column.ends_with(part))
}

fn contract(
    subject: &Subject,
    name: &str,
    profile: &Profile,
    (key, keys): (&[String], &HashSet<String>),
) -> String {
    let mut yaml = Yaml::default();
    let rows = profile.columns.first().map_or(0, |column| column.rows);
    yaml.comment(&format!(
        "Inferred by `assay contract infer` from {rows} rows: a beginning, to be"
    ));
    yaml.comment("corrected by someone who knows what the columns mean. Ranges are what was seen.");
    yaml.key("apiVersion", "v3.2.0");
    yaml.key("kind", "DataContract");
    yaml.key("id", name);
    yaml.key("version", "0.1.0");
    yaml.key("status", "draft");
    yaml.key("name", name);
    yaml.list("schema", [()], |yaml, ()| {
        yaml.key("name", name);
        if let Some(table) = subject.table() {
            yaml.key("physicalName", table);
        }
        yaml.key("logicalType", "object");
        yaml.key("physicalType", if subject.table().is_some() { "table" } else { "file" });
        yaml.list("properties", &profile.columns, |yaml, it| {
            yaml.key("name", it.name.as_str());
            yaml.key("logicalType", logical(it.kind));
            yaml.key("physicalType", it.kind.name());
            let part = key.iter().position(|name| *name == it.name);
            promises(yaml, it, part, keys.contains(&it.name));
        });
        if rows > 0 {
            yaml.list("quality", [()], |yaml, ()| {
                yaml.key("id", "some_rows");
                yaml.key("description", "A batch without a row is worth a look.");
                yaml.key("metric", "rowCount");
                yaml.key("mustBeGreaterOrEqualTo", 1);
                yaml.key("severity", "warning");
            });
        }
    });
    yaml.finish()
}

/// `part` is the place of the column in the primary key.
fn promises(yaml: &mut Yaml, column: &Column, part: Option<usize>, unique: bool) {
    if let Some(part) = part {
        yaml.key("primaryKey", true);
        yaml.key("primaryKeyPosition", part as u64 + 1);
    }
    if column.rows > 0 && column.nulls == 0 {
        yaml.key("required", true);
    }
    if unique && part.is_none() && sounds_unique(column) {
        yaml.key("unique", true);
    }
    let options = options(column);
    if !options.is_empty() {
        yaml.map("logicalTypeOptions", |yaml| {
            options.into_iter().for_each(|(name, value)| yaml.key(name, value));
        });
    }
    if let Some(values) = set(column) {
        yaml.list("enum", values, |yaml, value| yaml.key("value", value.as_str()));
    }
    if column.nulls > 0 && column.known() {
        // Half as much again as was seen.
        let allowed = (column.nulls * 150).div_ceil(column.rows).max(1);
        // Nothing could break it otherwise.
        if allowed < 100 {
            yaml.list("quality", [()], |yaml, ()| {
                yaml.key("metric", "nullValues");
                yaml.key("mustBeLessOrEqualTo", allowed);
                yaml.key("unit", "percent");
                yaml.key("severity", "info");
            });
        }
    }
}

/// A text or number that is never the same in a small file need not be a key for that.
fn sounds_unique(column: &Column) -> bool {
    let form = matches!(column.forms.format(), Some(TextFormat::Uuid | TextFormat::Email));
    (form && column.kind == ColumnType::Text) || names_something(&column.name)
}

fn options(column: &Column) -> Vec<(&'static str, Value)> {
    if !column.known() {
        return Vec::new();
    }
    match column.kind {
        ColumnType::Text => text_options(column),
        ColumnType::Int | ColumnType::Long => {
            let Some((least, greatest)) = column.whole else { return Vec::new() };
            // Numbers that name something have no range.
            if names_something(&column.name) {
                return Vec::new();
            }
            vec![("minimum", json!(least.min(0))), ("maximum", json!(greatest))]
        }
        ColumnType::Double => match column.number {
            Some((least, greatest)) if !column.odd_numbers => {
                vec![("minimum", json!(least.min(0.0))), ("maximum", json!(greatest))]
            }
            _ => Vec::new(),
        },
        // Others may not be numbers of JSON.
        ColumnType::Decimal { .. } => match column.number {
            Some((least, _)) if least >= 0.0 => vec![("minimum", json!(0))],
            _ => Vec::new(),
        },
        ColumnType::Boolean | ColumnType::Date | ColumnType::Timestamp => Vec::new(),
    }
}

fn text_options(column: &Column) -> Vec<(&'static str, Value)> {
    if let Some(format) = column.forms.format() {
        return vec![("format", json!(format.name()))];
    }
    if column.forms.time() {
        return vec![("pattern", json!(TIME))];
    }
    if set(column).is_some() {
        return Vec::new();
    }
    match column.length {
        Some((least, greatest)) if least == greatest && column.rows >= ROWS_OF_A_SET => {
            vec![("minLength", json!(least)), ("maxLength", json!(greatest))]
        }
        Some((least, _)) if least > 0 => vec![("minLength", json!(1))],
        _ => Vec::new(),
    }
}

/// The values of a column that come again and again.
fn set(column: &Column) -> Option<Vec<&String>> {
    let values = column.values.as_ref()?;
    let rows = column.rows - column.nulls;
    let few = !values.is_empty() && rows >= ROWS_OF_A_SET && values.len() as u64 * 5 <= rows;
    few.then(|| values.keys().collect())
}

fn logical(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Text => "string",
        ColumnType::Int | ColumnType::Long => "integer",
        ColumnType::Double | ColumnType::Decimal { .. } => "number",
        ColumnType::Boolean => "boolean",
        ColumnType::Date => "date",
        ColumnType::Timestamp => "timestamp",
    }
}

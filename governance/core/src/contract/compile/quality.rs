//! The rules under `quality`: the five metrics of the standard, and expressions of our own.

use serde_json::{Map, Value};

use super::super::extension::Extension;
use super::super::odcs::{QualityKind, Relationship};
use super::super::{DataQuality, Metric, SchemaObject};
use super::column::one_or_several;
use super::{Compiler, Manner};
use crate::{Check, Limit, Threshold};

impl Compiler<'_> {
    pub(super) fn table_rules(&mut self, at: &str, object: &SchemaObject) {
        for (place, quality) in object.quality.iter().enumerate() {
            self.quality(&format!("{at}/quality/{place}"), None, quality);
        }
        for (place, relationship) in object.relationships.iter().enumerate() {
            self.table_relationship(&format!("{at}/relationships/{place}"), relationship);
        }
    }

    fn table_relationship(&mut self, at: &str, relationship: &Relationship) {
        let from = relationship.from.as_ref().map(one_or_several).unwrap_or_default();
        let name = |from: &&str| from.rsplit('.').next().unwrap_or_default().to_owned();
        let columns: Vec<String> = from.iter().map(name).collect();
        if columns.is_empty() || columns.iter().any(String::is_empty) {
            let fix = "write table.column, or a list of them";
            return self.mistake(at, "a relationship needs the columns that it is `from`", fix);
        }
        self.relationship(at, columns, relationship, &Manner::default());
    }

    pub(super) fn quality(&mut self, at: &str, column: Option<&str>, quality: &DataQuality) {
        let Some(manner) = self.manner(at, quality) else {
            return;
        };
        match quality.kind.unwrap_or(QualityKind::Library) {
            // Prose for people; nothing to judge.
            QualityKind::Text => {}
            QualityKind::Library => self.library(at, column, quality, manner),
            QualityKind::Custom => self.custom(at, column, quality, manner),
            QualityKind::Sql => self.sql(at, column, quality, manner),
        }
    }

    fn manner(&mut self, at: &str, quality: &DataQuality) -> Option<Manner> {
        let before = self.mistakes.len();
        let mut ours = Extension::at(self.document, at, &quality.custom_properties);
        let on_fail = ours.take("onFail", "keep, quarantine or halt", &mut self.mistakes);
        let condition = self.condition(&mut ours);
        ours.finish("onFail or where", &mut self.mistakes);
        let severity = self.severity(at, quality.severity.as_deref());
        let dimension = self.dimension(at, quality.dimension.as_deref());
        let threshold = self.threshold(at, quality);
        (self.mistakes.len() == before).then(|| Manner {
            name: quality.id.clone(),
            severity,
            on_fail,
            threshold,
            dimension,
            condition,
        })
    }

    /// The one operator, with its unit.
    fn threshold(&mut self, at: &str, quality: &DataQuality) -> Option<Threshold> {
        let number = |value: &Option<Value>| value.as_ref().map(|v| v.as_f64().unwrap_or(f64::NAN));
        let limits: Vec<Limit> = [
            number(&quality.must_be).map(Limit::Be),
            number(&quality.must_not_be).map(Limit::NotBe),
            quality.must_be_greater_than.map(Limit::GreaterThan),
            quality.must_be_greater_or_equal_to.map(Limit::GreaterOrEqual),
            quality.must_be_less_than.map(Limit::LessThan),
            quality.must_be_less_or_equal_to.map(Limit::LessOrEqual),
            quality.must_be_between.map(|[low, high]| Limit::Between(low, high)),
            quality.must_not_be_between.map(|[low, high]| Limit::NotBetween(low, high)),
        ]
        .into_iter()
        .flatten()
        .collect();
        let percent = match quality.unit.as_deref() {
            None | Some("rows") => false,
            Some("percent") => true,
            Some(other) => {
                let at = format!("{at}/unit");
                self.mistake(&at, format!("unknown unit `{other}`"), "rows or percent");
                return None;
            }
        };
        match limits.as_slice() {
            [] => None,
            [Limit::Be(x) | Limit::NotBe(x)] if x.is_nan() => {
                self.mistake(at, "the operator needs a number", "for example `mustBe: 0`");
                None
            }
            [Limit::Between(low, high) | Limit::NotBetween(low, high)] if low >= high => {
                let what = format!("nothing is between {low} and {high}");
                self.mistake(at, what, "put the smaller number first");
                None
            }
            [limit] => Some(Threshold { limit: *limit, percent }),
            _ => {
                self.mistake(at, "a rule has several operators", "keep one `mustBe…`");
                None
            }
        }
    }

    fn library(&mut self, at: &str, column: Option<&str>, quality: &DataQuality, manner: Manner) {
        let Some(metric) = quality.metric else {
            self.mistake(
                at,
                "a library rule lacks its `metric`",
                "for example `metric: nullValues`",
            );
            return;
        };
        if manner.threshold.is_none() {
            self.mistake(at, "a rule lacks its operator", "for example `mustBe: 0`");
            return;
        }
        let mut arguments = quality.arguments.clone().unwrap_or_default();
        match (metric, column) {
            (Metric::RowCount, _) => self.add(at, "row_count".to_owned(), Check::RowCount, manner),
            (Metric::DuplicateValues, column) => {
                self.duplicates(at, column, &mut arguments, manner);
            }
            (Metric::NullValues, Some(column)) => {
                let check = Check::NotNull { column: column.to_owned() };
                self.add(at, format!("{column}.null_values"), check, manner);
            }
            (Metric::MissingValues, Some(column)) => {
                let missing = self.list(at, &mut arguments, "missingValues").unwrap_or_default();
                let check = Check::NotMissing { column: column.to_owned(), missing };
                self.add(at, format!("{column}.missing_values"), check, manner);
            }
            (Metric::InvalidValues, Some(column)) => {
                self.invalid(at, column, &mut arguments, manner);
            }
            _ => {
                self.mistake(at, "this metric is about one column", "put the rule under a property")
            }
        }
        if let Some((name, _)) = arguments.iter().next() {
            let place = format!("{at}/arguments/{name}");
            self.mistake(&place, format!("the metric has no argument `{name}`"), "remove it");
        }
    }

    fn duplicates(
        &mut self,
        at: &str,
        column: Option<&str>,
        arguments: &mut Map<String, Value>,
        manner: Manner,
    ) {
        let named = self.list(at, arguments, "properties").unwrap_or_default();
        let mut columns: Vec<String> =
            named.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        if let (true, Some(column)) = (columns.is_empty(), column) {
            columns.push(column.to_owned());
        }
        if columns.is_empty() {
            let fix = "name them: `arguments: {properties: [a, b]}`";
            self.mistake(at, "duplicateValues needs columns", fix);
            return;
        }
        let name = format!("{}.duplicate_values", columns.join("_"));
        self.add(at, name, Check::Unique { columns }, manner);
    }

    fn invalid(
        &mut self,
        at: &str,
        column: &str,
        arguments: &mut Map<String, Value>,
        manner: Manner,
    ) {
        let values = self.list(at, arguments, "validValues");
        let pattern = arguments.remove("pattern").and_then(|p| p.as_str().map(str::to_owned));
        let column = column.to_owned();
        let check = match (values, pattern) {
            (Some(values), Some(pattern)) => Check::Valid { column, values, pattern },
            (Some(values), None) => Check::OneOf { column, values },
            (None, Some(pattern)) => Check::Matches { column, pattern },
            (None, None) => {
                let fix = "give `arguments: {validValues: […]}`, `arguments: {pattern: …}` or both";
                return self.mistake(at, "invalidValues does not say what is valid", fix);
            }
        };
        let name = check.columns().join("_") + ".invalid_values";
        self.add(at, name, check, manner);
    }

    fn list(
        &mut self,
        at: &str,
        arguments: &mut Map<String, Value>,
        name: &str,
    ) -> Option<Vec<Value>> {
        match arguments.remove(name)? {
            Value::Array(values) => Some(values),
            _ => {
                let place = format!("{at}/arguments/{name}");
                self.mistake(&place, format!("`{name}` is not a list"), "write `[a, b]`");
                None
            }
        }
    }
}

//! Columns, and the rules that a column's own keys make: required, enum, pattern, range, unique.

use serde_json::Value;

use super::super::extension::Extension;
use super::super::odcs::{LogicalTypeOptions, Relationship};
use super::super::{ColumnType, ContractColumn, LogicalType, Property, SchemaObject};
use super::{Compiler, Manner};
use crate::{Bound, Check, DatasetName, OnFail, TextFormat};

impl Compiler<'_> {
    pub(super) fn columns(&mut self, at: &str, object: &SchemaObject) -> Vec<ContractColumn> {
        if object.properties.is_empty() {
            self.mistake(at, "the schema has no columns", "list them under `properties`");
        }
        let mut columns = Vec::new();
        for (place, property) in object.properties.iter().enumerate() {
            let at = format!("{at}/properties/{place}");
            if columns.iter().any(|column: &ContractColumn| column.name == property.name) {
                self.mistake(&at, format!("`{}` is there twice", property.name), "remove one");
            }
            if let Some(kind) = self.column_type(&at, property) {
                columns.push(ContractColumn {
                    name: property.name.clone(),
                    kind,
                    description: property.description.clone(),
                    sensitive: property.sensitive(),
                    line: self.document.line(&at).unwrap_or_default(),
                });
            }
            self.column_rules(&at, property);
        }
        self.primary_key(at, object);
        columns
    }

    /// `physicalType` decides; without it `logicalType` does.
    fn column_type(&mut self, at: &str, property: &Property) -> Option<ColumnType> {
        let name = &property.name;
        if let Some(text) = &property.physical_type {
            let found = physical(text);
            if found.is_none() {
                let what =
                    format!("`{name}` has the physicalType `{text}`, which no table of ours has");
                let fix = "string, int, bigint, double, decimal(p,s), boolean, date or timestamptz";
                self.mistake(&format!("{at}/physicalType"), what, fix);
            }
            return found;
        }
        let found = match property.logical_type {
            Some(LogicalType::String) => Some(ColumnType::Text),
            Some(LogicalType::Integer) => Some(ColumnType::Long),
            Some(LogicalType::Number) => Some(ColumnType::Double),
            Some(LogicalType::Boolean) => Some(ColumnType::Boolean),
            Some(LogicalType::Date) => Some(ColumnType::Date),
            Some(LogicalType::Timestamp) => Some(ColumnType::Timestamp),
            _ => None,
        };
        if found.is_none() {
            let what = format!("`{name}` has no type that a column can have");
            let fix = "give it a logicalType: string, integer, number, boolean, date or timestamp";
            self.mistake(at, what, fix);
        }
        found
    }

    fn column_rules(&mut self, at: &str, property: &Property) {
        let mut ours = Extension::at(self.document, at, &property.custom_properties);
        let severity =
            ours.take("severity", "info, warning, error or critical", &mut self.mistakes);
        let on_fail = ours.take("onFail", "keep, quarantine or halt", &mut self.mistakes);
        let condition = self.condition(&mut ours);
        let schema: Option<Value> =
            ours.take("jsonSchema", "write a JSON Schema as an object", &mut self.mistakes);
        ours.finish("severity, onFail, where or jsonSchema", &mut self.mistakes);
        let manner =
            || Manner { severity, on_fail, condition: condition.clone(), ..Manner::default() };
        let column = &property.name;

        if property.required {
            let check = Check::NotNull { column: column.clone() };
            self.add(&format!("{at}/required"), format!("{column}.not_null"), check, manner());
        }
        if !property.values.is_empty() {
            let values = property.values.iter().map(|value| value.value.clone()).collect();
            let check = Check::OneOf { column: column.clone(), values };
            self.add(&format!("{at}/enum"), format!("{column}.one_of"), check, manner());
        }
        if let Some(options) = &property.logical_type_options {
            self.options(&format!("{at}/logicalTypeOptions"), property, options, &manner());
        }
        if let Some(schema) = schema {
            let check = Check::Conforms { column: column.clone(), schema };
            self.add(
                &format!("{at}/customProperties"),
                format!("{column}.schema"),
                check,
                manner(),
            );
        }
        if property.unique && !property.primary_key {
            let check = Check::Unique { columns: vec![column.clone()] };
            // What a batch breaks can't be set aside row by row.
            let on_fail = on_fail.filter(|on_fail| *on_fail != OnFail::Quarantine);
            let batch = Manner { on_fail, ..manner() };
            self.add(&format!("{at}/unique"), format!("{column}.unique"), check, batch);
        }
        for (place, relationship) in property.relationships.iter().enumerate() {
            self.relationship(
                &format!("{at}/relationships/{place}"),
                vec![column.clone()],
                relationship,
                &manner(),
            );
        }
        for (place, quality) in property.quality.iter().enumerate() {
            self.quality(&format!("{at}/quality/{place}"), Some(column), quality);
        }
    }

    fn options(
        &mut self,
        at: &str,
        property: &Property,
        options: &LogicalTypeOptions,
        manner: &Manner,
    ) {
        let column = property.name.clone();
        if let Some(pattern) = &options.pattern {
            let check = Check::Matches { column: column.clone(), pattern: pattern.clone() };
            self.add(&format!("{at}/pattern"), format!("{column}.pattern"), check, manner.clone());
        }
        if options.min_length.is_some() || options.max_length.is_some() {
            let (min, max) = (options.min_length, options.max_length);
            if let (Some(min), Some(max)) = (min, max)
                && min > max
            {
                let what = format!("no text has {min} characters at least and {max} at most");
                self.mistake(&format!("{at}/minLength"), what, "let minLength be the smaller");
            }
            let check = Check::Length { column: column.clone(), min, max };
            self.add(at, format!("{column}.length"), check, manner.clone());
        }
        let bound = |open: &Option<Value>, closed: &Option<Value>| match (open, closed) {
            (Some(value), _) => Some(Bound { value: value.clone(), inclusive: false }),
            (None, Some(value)) => Some(Bound { value: value.clone(), inclusive: true }),
            (None, None) => None,
        };
        let min = bound(&options.exclusive_minimum, &options.minimum);
        let max = bound(&options.exclusive_maximum, &options.maximum);
        if min.is_some() || max.is_some() {
            let check = Check::Between { column: column.clone(), min, max };
            self.add(at, format!("{column}.range"), check, manner.clone());
        }
        if let Some(of) = options.multiple_of {
            let at = format!("{at}/multipleOf");
            match of > 0.0 {
                true => {
                    let check = Check::MultipleOf { column: column.clone(), of: of.into() };
                    self.add(&at, format!("{column}.multiple"), check, manner.clone());
                }
                false => self.mistake(
                    &at,
                    format!("nothing is a multiple of {of}"),
                    "write a positive number",
                ),
            }
        }
        let format = options.format.as_ref();
        if let (Some(LogicalType::String), Some(format)) = (property.logical_type, format) {
            self.format(&format!("{at}/format"), column, format, manner.clone());
        }
    }

    fn format(&mut self, at: &str, column: String, format: &str, manner: Manner) {
        match TextFormat::of(format) {
            Some(format) => {
                let name = format!("{column}.format");
                self.add(at, name, Check::Format { column, format }, manner);
            }
            // These say how a text is shown or carried, which leaves nothing to judge.
            None if ["password", "byte", "binary"].contains(&format) => {}
            None => {
                let known: Vec<&str> = TextFormat::ALL.into_iter().map(TextFormat::name).collect();
                let fix = format!("use {}, or write a `pattern`", known.join(", "));
                self.mistake(at, format!("unknown format `{format}`"), fix);
            }
        }
    }

    /// A foreign key of some columns, in the order of the columns that it leads to.
    pub(super) fn relationship(
        &mut self,
        at: &str,
        columns: Vec<String>,
        relationship: &Relationship,
        manner: &Manner,
    ) {
        let mut ours = Extension::at(self.document, at, &relationship.custom_properties);
        let severity =
            ours.take("severity", "info, warning, error or critical", &mut self.mistakes);
        let on_fail = ours.take("onFail", "keep, quarantine or halt", &mut self.mistakes);
        let condition = self.condition(&mut ours);
        ours.finish("severity, onFail or where", &mut self.mistakes);
        let manner = Manner {
            name: relationship.id.clone(),
            severity: severity.or(manner.severity),
            on_fail: on_fail.or(manner.on_fail),
            condition: condition.or_else(|| manner.condition.clone()),
            ..Manner::default()
        };
        let Some((dataset, targets)) = self.targets(&format!("{at}/to"), &relationship.to) else {
            return;
        };
        if targets.len() != columns.len() {
            let (from, to) = (columns.len(), targets.len());
            let what = format!("the relationship leads from {from} columns to {to}");
            self.mistake(at, what, "name as many columns in `to` as there are in `from`");
            return;
        }
        let name = format!("{}.references", columns.join("_"));
        self.add(at, name, Check::References { columns, dataset, targets }, manner);
    }

    /// The columns that a relationship leads to, which are all of one dataset.
    fn targets(&mut self, at: &str, to: &Value) -> Option<(DatasetName, Vec<String>)> {
        let (mut dataset, mut targets) = (None, Vec::new());
        for to in one_or_several(to) {
            let target = to.rsplit_once('.').and_then(|(dataset, target)| {
                Some((dataset.parse::<DatasetName>().ok()?, target.to_owned()))
            });
            let Some((found, target)) = target else {
                let what = format!("`{to}` is not a column of a dataset");
                self.mistake(at, what, "write layer.name.column");
                return None;
            };
            if let Some(known) = dataset.replace(found.clone()).filter(|known| *known != found) {
                let what = format!("it leads to two datasets, {known} and {found}");
                self.mistake(at, what, "write a relationship for each of them");
                return None;
            }
            targets.push(target);
        }
        let Some(dataset) = dataset else {
            self.mistake(at, "the relationship leads nowhere", "write layer.name.column");
            return None;
        };
        Some((dataset, targets))
    }

    /// A primary key is unique as a whole, and none of its columns is null.
    fn primary_key(&mut self, at: &str, object: &SchemaObject) {
        let keys = object.properties.iter().filter(|property| property.primary_key);
        let mut keys: Vec<&Property> = keys.collect();
        keys.sort_by_key(|property| property.primary_key_position.unwrap_or(i64::MAX));
        if keys.is_empty() {
            return;
        }
        let columns: Vec<String> = keys.iter().map(|property| property.name.clone()).collect();
        for property in keys.iter().filter(|property| !property.required) {
            let column = property.name.clone();
            let name = format!("{column}.not_null");
            self.add(at, name, Check::NotNull { column }, Manner::default());
        }
        let name = format!("{}.unique", columns.join("_"));
        self.add(at, name, Check::Unique { columns }, Manner::default());
    }
}

/// The texts of a value that is one, or a list of them; what is no text counts as an empty one.
pub(super) fn one_or_several(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => {
            values.iter().map(|value| value.as_str().unwrap_or_default()).collect()
        }
        value => vec![value.as_str().unwrap_or_default()],
    }
}

fn physical(text: &str) -> Option<ColumnType> {
    let text = text.trim().to_ascii_lowercase();
    let (name, arguments) = match text.split_once('(') {
        Some((name, rest)) => (name.trim(), rest.strip_suffix(')')?),
        None => (text.as_str(), ""),
    };
    Some(match name {
        "string" | "text" | "varchar" | "char" => ColumnType::Text,
        "int" | "integer" => ColumnType::Int,
        "bigint" | "long" => ColumnType::Long,
        "double" | "double precision" => ColumnType::Double,
        "boolean" | "bool" => ColumnType::Boolean,
        "date" => ColumnType::Date,
        "timestamp" | "timestamptz" | "timestamp with time zone" => ColumnType::Timestamp,
        "decimal" | "numeric" => {
            let (precision, scale) = arguments.split_once(',').unwrap_or((arguments, "0"));
            let precision = precision.trim().parse().ok().filter(|p| (1..=38).contains(p))?;
            let scale = scale.trim().parse().ok().filter(|s| (0..=38).contains(s))?;
            ColumnType::Decimal { precision, scale }
        }
        _ => return None,
    })
}

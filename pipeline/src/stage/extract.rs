//! Takes typed values out of a JSON column, all paths in one parse, and out of text columns.

mod decimal;
mod json;
mod scan;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanBuilder, Decimal128Builder, Float64Builder, Int64Builder, RecordBatch,
    StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::compute::cast;
use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use chrono::Utc;

use self::json::{Leaf, Paths};
use super::columns::UTC;
use crate::definition::ExtractType;
use crate::scan::Scanner;

/// One column to be made.
#[derive(Debug, Clone)]
pub(crate) struct ExtractColumn {
    pub(crate) name: String,
    pub(crate) from: String,
    /// Where in the JSON of `from`; without it, the text of `from` itself is converted.
    pub(crate) path: Option<String>,
    pub(crate) kind: ExtractType,
}

/// The extract step of a stage.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extract {
    columns: Vec<ExtractColumn>,
    /// Source column → the paths to find in it, each with the columns it fills.
    json: BTreeMap<String, Paths>,
}

/// What went wrong with a row: the step and the kinds of things, never the value.
pub(crate) type Complaint = (u32, String);

impl Extract {
    /// Refuses two paths of which one leads through the other.
    pub(crate) fn new(columns: Vec<ExtractColumn>) -> Result<Extract, String> {
        let mut json: BTreeMap<String, Paths> = BTreeMap::new();
        for (place, column) in columns.iter().enumerate() {
            if let Some(path) = &column.path {
                json.entry(column.from.clone()).or_default().add(path, place)?;
            }
        }
        Ok(Extract { columns, json })
    }

    /// Only the columns, for planning.
    pub(crate) fn columns_only(columns: Vec<ExtractColumn>) -> Extract {
        Extract { columns, json: BTreeMap::new() }
    }

    pub(crate) fn columns(&self) -> &[ExtractColumn] {
        &self.columns
    }

    /// `source` with the extracted columns behind it.
    pub(crate) fn schema(&self, source: &SchemaRef) -> SchemaRef {
        let mut fields: Vec<Arc<Field>> = source.fields().to_vec();
        for column in &self.columns {
            fields.push(Arc::new(Field::new(&column.name, arrow_type(column.kind), true)));
        }
        Arc::new(Schema::new(fields))
    }

    /// The rows with their extracted columns, and the rows in which a value is there but is not
    /// what it should be (their new columns are null).
    pub(crate) fn apply(
        &self,
        rows: &RecordBatch,
    ) -> Result<(RecordBatch, Vec<Complaint>), ArrowError> {
        if self.columns.is_empty() {
            return Ok((rows.clone(), Vec::new()));
        }
        let mut builders: Vec<Builder> =
            self.columns.iter().map(|column| Builder::new(column.kind, rows.num_rows())).collect();
        let mut complaints: BTreeMap<u32, String> = BTreeMap::new();
        for (from, paths) in &self.json {
            let texts = text_column(rows, from)?;
            for row in 0..rows.num_rows() {
                let text = texts.is_valid(row).then(|| texts.value(row));
                let found = text.map_or_else(|| Ok(paths.nothing()), |text| paths.find(text));
                let done = found.and_then(|leaves| self.fill(paths, &leaves, &mut builders));
                if let Err(why) = done {
                    complaints.entry(index(row)).or_insert_with(|| format!("`{from}`: {why}"));
                    paths.columns().for_each(|place| builders[place].pad(row + 1));
                }
            }
        }
        self.convert_texts(rows, &mut builders, &mut complaints)?;
        let mut columns = rows.columns().to_vec();
        columns.extend(builders.into_iter().map(Builder::finish));
        let extracted = RecordBatch::try_new(self.schema(&rows.schema()), columns)?;
        Ok((extracted, complaints.into_iter().collect()))
    }

    fn fill(
        &self,
        paths: &Paths,
        leaves: &[Leaf<'_>],
        builders: &mut [Builder],
    ) -> Result<(), String> {
        for (path, leaf) in paths.iter().zip(leaves) {
            for place in &path.columns {
                builders[*place].push(leaf).map_err(|what| format!("`{}` is {what}", path.name))?;
            }
        }
        Ok(())
    }

    fn convert_texts(
        &self,
        rows: &RecordBatch,
        builders: &mut [Builder],
        complaints: &mut BTreeMap<u32, String>,
    ) -> Result<(), ArrowError> {
        let plain = self.columns.iter().zip(builders).filter(|(column, _)| column.path.is_none());
        for (column, builder) in plain {
            let texts = text_column(rows, &column.from)?;
            for row in 0..rows.num_rows() {
                let text = texts.is_valid(row).then(|| texts.value(row));
                let leaf = text.map_or(Some(Leaf::Null), |text| read(text, column.kind));
                if leaf.is_none_or(|leaf| builder.push(&leaf).is_err()) {
                    let why = format!("`{}` is no {}", column.from, kind_name(column.kind));
                    complaints.entry(index(row)).or_insert(why);
                    builder.pad(row + 1);
                }
            }
        }
        Ok(())
    }
}

/// Whether a text is one JSON object and nothing else. One that is unusual (an escape in a key)
/// may be taken for none.
pub(crate) fn is_object(text: &str) -> bool {
    Scanner::new(text).object().is_some()
}

/// What a text says, read as a value of `kind`.
fn read(text: &str, kind: ExtractType) -> Option<Leaf<'_>> {
    match kind {
        ExtractType::String | ExtractType::Timestamp => Some(Leaf::Text(Cow::Borrowed(text))),
        ExtractType::Long => text.trim().parse().ok().map(Leaf::Whole),
        ExtractType::Double => {
            let number = text.trim().parse().ok()?;
            Some(Leaf::Number(number, text.trim()))
        }
        ExtractType::Decimal => {
            let number = text.trim().parse().ok()?;
            decimal::read(text.trim()).map(|_| Leaf::Number(number, text.trim()))
        }
        ExtractType::Boolean => text.trim().parse().ok().map(Leaf::Boolean),
    }
}

fn index(row: usize) -> u32 {
    u32::try_from(row).expect("a chunk has fewer than 2^32 rows")
}

fn text_column(rows: &RecordBatch, name: &str) -> Result<arrow::array::StringArray, ArrowError> {
    let column = rows
        .column_by_name(name)
        .ok_or_else(|| ArrowError::SchemaError(format!("there is no column `{name}`")))?;
    let text = cast(column, &DataType::Utf8)?;
    Ok(arrow::array::AsArray::as_string::<i32>(&text).clone())
}

pub(crate) fn arrow_type(kind: ExtractType) -> DataType {
    match kind {
        ExtractType::String => DataType::Utf8,
        ExtractType::Long => DataType::Int64,
        ExtractType::Double => DataType::Float64,
        ExtractType::Decimal => DataType::Decimal128(decimal::PRECISION, decimal::SCALE),
        ExtractType::Boolean => DataType::Boolean,
        ExtractType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
    }
}

fn kind_name(kind: ExtractType) -> &'static str {
    match kind {
        ExtractType::String => "text",
        ExtractType::Long => "whole number",
        ExtractType::Double | ExtractType::Decimal => "number",
        ExtractType::Boolean => "boolean",
        ExtractType::Timestamp => "time (ISO 8601)",
    }
}

/// A column under construction.
enum Builder {
    Text(StringBuilder),
    Long(Int64Builder),
    Double(Float64Builder),
    Decimal(Decimal128Builder),
    Boolean(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
}

impl Builder {
    fn new(kind: ExtractType, rows: usize) -> Builder {
        match kind {
            ExtractType::String => Builder::Text(StringBuilder::with_capacity(rows, 0)),
            ExtractType::Long => Builder::Long(Int64Builder::with_capacity(rows)),
            ExtractType::Double => Builder::Double(Float64Builder::with_capacity(rows)),
            ExtractType::Decimal => Builder::Decimal(
                Decimal128Builder::with_capacity(rows).with_data_type(arrow_type(kind)),
            ),
            ExtractType::Boolean => Builder::Boolean(BooleanBuilder::with_capacity(rows)),
            ExtractType::Timestamp => {
                Builder::Time(TimestampMicrosecondBuilder::with_capacity(rows).with_timezone(UTC))
            }
        }
    }

    /// Appends a value, or says what is there instead of what should be.
    fn push(&mut self, leaf: &Leaf<'_>) -> Result<(), String> {
        match (self, leaf) {
            (builder, Leaf::Null) => builder.push_null(),
            (Builder::Text(builder), Leaf::Text(text)) => builder.append_value(text),
            (Builder::Long(builder), Leaf::Whole(number)) => builder.append_value(*number),
            (Builder::Double(builder), Leaf::Number(number, _)) => builder.append_value(*number),
            #[allow(clippy::cast_precision_loss, reason = "what a double is for")]
            (Builder::Double(builder), Leaf::Whole(number)) => builder.append_value(*number as f64),
            (Builder::Decimal(builder), Leaf::Whole(number)) => {
                let number =
                    i128::from(*number) * 10_i128.pow(decimal::SCALE.unsigned_abs().into());
                builder.append_value(number);
            }
            (Builder::Decimal(builder), Leaf::Number(_, text)) => match decimal::read(text) {
                Some(number) => builder.append_value(number),
                None => return Err("a number of more than 20 digits before the point".to_owned()),
            },
            (Builder::Boolean(builder), Leaf::Boolean(value)) => builder.append_value(*value),
            (Builder::Time(builder), Leaf::Text(text)) => match string_to_datetime(&Utc, text) {
                Ok(time) => builder.append_value(time.timestamp_micros()),
                Err(_) => return Err("no time (ISO 8601)".to_owned()),
            },
            (builder, found) => {
                return Err(format!("{}, not a {}", found.kind(), builder.kind()));
            }
        }
        Ok(())
    }

    fn kind(&self) -> &'static str {
        match self {
            Builder::Text(_) => "text",
            Builder::Long(_) => "whole number",
            Builder::Double(_) | Builder::Decimal(_) => "number",
            Builder::Boolean(_) => "boolean",
            Builder::Time(_) => "time",
        }
    }

    fn push_null(&mut self) {
        match self {
            Builder::Text(builder) => builder.append_null(),
            Builder::Long(builder) => builder.append_null(),
            Builder::Double(builder) => builder.append_null(),
            Builder::Decimal(builder) => builder.append_null(),
            Builder::Boolean(builder) => builder.append_null(),
            Builder::Time(builder) => builder.append_null(),
        }
    }

    fn len(&self) -> usize {
        use arrow::array::ArrayBuilder;
        match self {
            Builder::Text(builder) => builder.len(),
            Builder::Long(builder) => builder.len(),
            Builder::Double(builder) => builder.len(),
            Builder::Decimal(builder) => builder.len(),
            Builder::Boolean(builder) => builder.len(),
            Builder::Time(builder) => builder.len(),
        }
    }

    /// Fills up with nulls to `rows` rows: the rest of a row that is broken.
    fn pad(&mut self, rows: usize) {
        while self.len() < rows {
            self.push_null();
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Builder::Text(mut builder) => Arc::new(builder.finish()),
            Builder::Long(mut builder) => Arc::new(builder.finish()),
            Builder::Double(mut builder) => Arc::new(builder.finish()),
            Builder::Decimal(mut builder) => Arc::new(builder.finish()),
            Builder::Boolean(mut builder) => Arc::new(builder.finish()),
            Builder::Time(mut builder) => Arc::new(builder.finish()),
        }
    }
}

#[cfg(test)]
mod tests;

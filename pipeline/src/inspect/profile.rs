//! What the values of columns have in common, found in one pass.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use assay_core::TextFormat;
use assay_core::contract::ColumnType;
use assay_core::profile::Distinct;

use super::forms::Forms;

/// Different values that a column may have and still be a set.
const MOST_VALUES: usize = 24;

/// Values of a set are codes, not prose.
const LONGEST_VALUE: usize = 64;

/// Hashes that are held to find out whether a column could be a key, of all columns together.
const MOST_KEYS: usize = 4 << 20;

/// Hashes of one column; beyond it only counting can tell.
const KEYS_OF_COLUMN: usize = 200_000;

/// What was seen of one column.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: ColumnType,
    pub(super) rows: u64,
    pub(super) nulls: u64,
    /// Least and greatest whole number.
    pub(super) whole: Option<(i64, i64)>,
    /// Least and greatest number that is one.
    pub(super) number: Option<(f64, f64)>,
    pub(super) odd_numbers: bool,
    pub(super) length: Option<(u64, u64)>,
    /// Value → rows; none once there are too many.
    pub(super) values: Option<BTreeMap<String, u64>>,
    pub(super) forms: Forms,
    pub(super) distinct: Distinct,
    /// None once a value came twice.
    seen: Option<HashSet<u64>>,
}

/// What was seen of all columns.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) columns: Vec<Column>,
    keys_held: usize,
}

impl Profile {
    pub(super) fn new(columns: impl IntoIterator<Item = (String, ColumnType)>) -> Profile {
        Profile { columns: columns.into_iter().map(Column::new).collect(), keys_held: 0 }
    }

    /// Takes in rows with the columns of the profile, in its order.
    pub(super) fn take(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        for (column, values) in self.columns.iter_mut().zip(rows.columns()) {
            let before = column.held();
            column.take(values)?;
            self.keys_held = self.keys_held + column.held() - before.min(self.keys_held);
            if column.held() > KEYS_OF_COLUMN || self.keys_held > MOST_KEYS {
                self.keys_held -= column.give_up();
            }
        }
        Ok(())
    }
}

impl Column {
    fn new((name, kind): (String, ColumnType)) -> Column {
        let key = matches!(kind, ColumnType::Text | ColumnType::Int | ColumnType::Long);
        Column {
            name,
            kind,
            rows: 0,
            nulls: 0,
            whole: None,
            number: None,
            odd_numbers: false,
            length: None,
            values: (kind == ColumnType::Text).then(BTreeMap::new),
            forms: Forms::default(),
            distinct: Distinct::default(),
            seen: key.then(HashSet::new),
        }
    }

    /// Whether each value came once, as far as was looked: only counting can be sure.
    pub(super) fn may_be_key(&self) -> bool {
        self.seen.is_some() && self.nulls == 0 && self.rows > 1
    }

    pub(super) fn is_uuid(&self) -> bool {
        let text = self.kind == ColumnType::Text && self.known();
        text && self.forms.format() == Some(TextFormat::Uuid)
    }

    /// Whether there is a value.
    pub(super) fn known(&self) -> bool {
        self.nulls < self.rows
    }

    fn held(&self) -> usize {
        self.seen.as_ref().map_or(0, HashSet::len)
    }

    /// Stops looking for values that come twice; what was held is free.
    fn give_up(&mut self) -> usize {
        self.seen.replace(HashSet::new()).map_or(0, |seen| seen.len())
    }

    fn take(&mut self, values: &ArrayRef) -> Result<(), ArrowError> {
        self.rows += values.len() as u64;
        self.nulls += values.logical_null_count() as u64;
        match self.kind {
            ColumnType::Text => {
                let texts = cast(values, &DataType::Utf8)?;
                for text in texts.as_string::<i32>().iter().flatten() {
                    self.text(text);
                }
            }
            ColumnType::Int | ColumnType::Long => {
                let numbers = cast(values, &DataType::Int64)?;
                for number in numbers.as_primitive::<Int64Type>().iter().flatten() {
                    let (least, greatest) = self.whole.unwrap_or((number, number));
                    self.whole = Some((least.min(number), greatest.max(number)));
                    self.key(&number);
                }
            }
            ColumnType::Double | ColumnType::Decimal { .. } => {
                let numbers = cast(values, &DataType::Float64)?;
                for number in numbers.as_primitive::<Float64Type>().iter().flatten() {
                    self.odd_numbers |= !number.is_finite();
                    let (least, greatest) = self.number.unwrap_or((number, number));
                    self.number = Some((least.min(number), greatest.max(number)));
                }
            }
            ColumnType::Date => {
                let days = cast(&cast(values, &DataType::Date32)?, &DataType::Int32)?;
                for day in days.as_primitive::<Int32Type>().iter().flatten() {
                    self.key(&day);
                }
            }
            ColumnType::Boolean | ColumnType::Timestamp => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        let length = text.chars().count() as u64;
        let (least, greatest) = self.length.unwrap_or((length, length));
        self.length = Some((least.min(length), greatest.max(length)));
        self.forms.see(text);
        self.key(&text);
        if let Some(values) = &mut self.values {
            let room = values.len() < MOST_VALUES;
            match values.get_mut(text) {
                Some(rows) => *rows += 1,
                None if room && text.len() <= LONGEST_VALUE => {
                    values.insert(text.to_owned(), 1);
                }
                None => self.values = None,
            }
        }
    }

    fn key(&mut self, value: &impl Hash) {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let hash = hasher.finish();
        self.distinct.add(hash);
        if self.seen.as_mut().is_some_and(|seen| !seen.insert(hash)) {
            self.seen = None;
        }
    }
}

/// The type that a column of a contract has for arrow's; none for what no table of ours has.
pub(super) fn column_type(kind: &DataType) -> Option<ColumnType> {
    Some(match kind {
        DataType::Dictionary(_, values) => return column_type(values),
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            ColumnType::Text
        }
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => {
            ColumnType::Int
        }
        DataType::Int64 | DataType::UInt32 => ColumnType::Long,
        DataType::UInt64 => ColumnType::Decimal { precision: 20, scale: 0 },
        DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnType::Double,
        DataType::Decimal128(precision, scale) if *scale >= 0 => {
            ColumnType::Decimal { precision: *precision, scale: *scale }
        }
        DataType::Boolean => ColumnType::Boolean,
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        DataType::Timestamp(
            TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond,
            _,
        ) => ColumnType::Timestamp,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => ColumnType::Timestamp,
        _ => return None,
    })
}

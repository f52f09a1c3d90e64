//! What the values of columns have in common, found in one pass.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use assay_core::contract::ColumnType;

use super::sniff;

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
    /// None once a value came twice.
    seen: Option<HashSet<u64>>,
}

/// Which forms all texts have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forms {
    pub(super) uuid: bool,
    pub(super) email: bool,
    pub(super) uri: bool,
    pub(super) time: bool,
    pub(super) date: bool,
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
        let forms = Forms { uuid: true, email: true, uri: true, time: true, date: true };
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
            forms,
            seen: key.then(HashSet::new),
        }
    }

    /// Whether each value came once, as far as was looked: only counting can be sure.
    pub(super) fn may_be_key(&self) -> bool {
        self.seen.is_some() && self.nulls == 0 && self.rows > 1
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
            ColumnType::Boolean | ColumnType::Date | ColumnType::Timestamp => {}
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
        let Some(seen) = &mut self.seen else { return };
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        if !seen.insert(hasher.finish()) {
            self.seen = None;
        }
    }
}

impl Forms {
    fn see(&mut self, text: &str) {
        self.uuid &= uuid(text);
        self.email &= email(text);
        self.uri &= uri(text);
        self.date &= sniff::date(text);
        self.time &= sniff::time(text);
    }
}

fn uuid(text: &str) -> bool {
    let dash = |place| [8, 13, 18, 23].contains(&place);
    let fits = |(place, byte): (usize, u8)| match dash(place) {
        true => byte == b'-',
        false => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

/// As the pattern that the contract then has.
fn email(text: &str) -> bool {
    let plain =
        |part: &str| !part.is_empty() && !part.contains(char::is_whitespace) && !part.contains('@');
    let parts = text.split_once('@');
    parts.is_some_and(|(who, place)| {
        plain(who)
            && plain(place)
            && place.rsplit_once('.').is_some_and(|(host, top)| !host.is_empty() && !top.is_empty())
    })
}

fn uri(text: &str) -> bool {
    let parts = text.split_once("://");
    parts.is_some_and(|(scheme, rest)| {
        let mut letters = scheme.bytes();
        let first = letters.next().is_some_and(|byte| byte.is_ascii_alphabetic());
        let others = |byte: u8| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte);
        first && letters.all(others) && !rest.is_empty() && !rest.contains(char::is_whitespace)
    })
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

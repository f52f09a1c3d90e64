//! Takes down what the rows look like that are written, in the pass that observes them.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, Schema};
use arrow::error::ArrowError;
use assay_core::profile::{
    ColumnProfile, Distinct, Frequent, HELD, Numbers, Profile, Values, rarest, scattered,
};
use assay_core::{Check, Contract};
use twox_hash::XxHash3_128;

/// Columns of a dataset that are profiled, but for those that a rule asks for.
const MOST_COLUMNS: usize = 256;

/// Rows of which each is looked at for quantiles and frequent values; of those behind them one in
/// eight, picked as if by chance, stands for eight.
const ALL_ROWS: u64 = 16_384;
const LEVEL: usize = 3;

/// Of longer texts only so many bytes at both ends and their length tell them apart.
const END: usize = 128;

/// A column to be profiled.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    place: usize,
    name: String,
    kind: String,
    of: Of,
}

/// How values of a column are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Whole numbers, dates and times.
    Whole,
    Numbers,
    Texts,
    Truths,
    /// Only NULL is counted.
    Hidden,
}

/// Takes rows in and gives their profile. Its memory does not grow with the rows.
#[derive(Debug)]
pub struct Profiler<'a> {
    watched: &'a [Watched],
    profile: Profile,
}

/// The columns of a contract that are profiled, as they lie in the rows.
pub(crate) fn watched(contract: &Contract, schema: &Schema) -> Vec<Watched> {
    let asked = |name: &str| {
        let drifts = |check: &Check| matches!(check, Check::Drift { column, .. } if column == name);
        contract.rules.iter().any(|rule| drifts(&rule.check))
    };
    let columns = contract.columns.iter().enumerate();
    let columns = columns.filter(|(place, it)| *place < MOST_COLUMNS || asked(&it.name));
    let watch = |(_, column): (usize, &assay_core::contract::ContractColumn)| {
        let (place, field) = schema.fields().find(&column.name)?;
        let of = if column.sensitive { Of::Hidden } else { Of::kind(field.data_type())? };
        Some(Watched { place, name: column.name.clone(), kind: column.kind.name(), of })
    };
    columns.filter_map(watch).collect()
}

impl Of {
    fn kind(kind: &DataType) -> Option<Of> {
        Some(match kind {
            DataType::Dictionary(_, values) => Of::kind(values)?,
            DataType::Boolean => Of::Truths,
            kind if kind.is_string() => Of::Texts,
            kind if kind.is_integer() => Of::Whole,
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Of::Whole,
            kind if kind.is_numeric() => Of::Numbers,
            _ => return None,
        })
    }
}

impl<'a> Profiler<'a> {
    pub(crate) fn new(watched: &'a [Watched]) -> Profiler<'a> {
        let column = |it: &Watched| ColumnProfile {
            name: it.name.clone(),
            kind: it.kind.clone(),
            rows: 0,
            nulls: 0,
            distinct: Distinct::default(),
            values: match it.of {
                Of::Whole | Of::Numbers => Values::Numbers(Numbers::default()),
                Of::Texts | Of::Truths => Values::Texts(Frequent::default()),
                Of::Hidden => Values::Hidden,
            },
        };
        Profiler {
            watched,
            profile: Profile { rows: 0, columns: watched.iter().map(column).collect() },
        }
    }

    /// Takes in rows that are written. A column that can't be read as its type is left as it is:
    /// rules say so where it matters.
    pub fn take(&mut self, rows: &RecordBatch) {
        let count = rows.num_rows();
        let sample = Sample::of(self.profile.rows, count);
        self.profile.rows += count as u64;
        for (watched, column) in self.watched.iter().zip(&mut self.profile.columns) {
            if let Some(values) = rows.columns().get(watched.place) {
                let _ = take(column, watched.of, values, &sample);
            }
        }
    }

    /// What the rows look like.
    pub fn finish(mut self) -> Profile {
        for column in &mut self.profile.columns {
            column.forget_names();
            if let Values::Texts(texts) = &mut column.values {
                texts.shrink();
            }
        }
        self.profile
    }
}

/// The rows of a chunk that stand for all of them.
struct Sample {
    rows: Vec<usize>,
    /// Each stands for 2^level rows.
    level: usize,
}

impl Sample {
    fn of(before: u64, count: usize) -> Sample {
        if before < ALL_ROWS {
            return Sample { rows: (0..count).collect(), level: 0 };
        }
        let stride = 1_usize << LEVEL;
        let pick =
            |start: usize| start + (scattered(before + start as u64) % stride as u64) as usize;
        let rows = (0..count).step_by(stride).map(pick).filter(|row| *row < count).collect();
        Sample { rows, level: LEVEL }
    }
}

fn take(
    column: &mut ColumnProfile,
    of: Of,
    values: &ArrayRef,
    sample: &Sample,
) -> Result<(), ArrowError> {
    let nulls = values.logical_null_count() as u64;
    let rows = values.len() as u64;
    let distinct = &mut column.distinct;
    match (&mut column.values, of) {
        (Values::Numbers(numbers), Of::Whole) => {
            let whole = whole(values)?;
            let whole = whole.as_primitive::<Int64Type>();
            whole.iter().flatten().for_each(|value| distinct.add(scattered(value.cast_unsigned())));
            numbers.add_all(whole.iter().flatten().map(|value| value as f64));
            for row in sample.rows.iter().filter(|row| whole.is_valid(**row)) {
                numbers.sample(whole.value(*row) as f64, sample.level);
            }
        }
        (Values::Numbers(numbers), _) => {
            let plain = cast(values, &DataType::Float64)?;
            let plain = plain.as_primitive::<Float64Type>();
            // −0.0 is 0.0.
            let bits = |value: f64| scattered((value + 0.0).to_bits());
            plain.iter().flatten().for_each(|value| distinct.add(bits(value)));
            numbers.add_all(plain.iter().flatten());
            for row in sample.rows.iter().filter(|row| plain.is_valid(**row)) {
                numbers.sample(plain.value(*row), sample.level);
            }
        }
        (Values::Texts(texts), _) => {
            let plain = cast(values, &DataType::Utf8)?;
            let plain = plain.as_string::<i32>();
            plain.iter().flatten().for_each(|text| distinct.add(hash(text)));
            let (rows, nulls) = (column.rows + rows, column.nulls + nulls);
            let naming = rows - nulls >= ALL_ROWS / 8 && distinct.count() * 2 > rows - nulls;
            if !naming {
                count(texts, plain, sample);
            }
        }
        (Values::Hidden, _) => {}
    }
    column.rows += rows;
    column.nulls += nulls;
    Ok(())
}

/// Whole numbers as they are; dates in days, times in microseconds.
fn whole(values: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    use arrow::datatypes::TimeUnit::Microsecond;
    let plain = match values.data_type() {
        DataType::Date32 => cast(values, &DataType::Int32)?,
        DataType::Date64 => return whole(&cast(values, &DataType::Date32)?),
        DataType::Timestamp(unit, zone) if *unit != Microsecond => {
            cast(values, &DataType::Timestamp(Microsecond, zone.clone()))?
        }
        _ => values.clone(),
    };
    cast(&plain, &DataType::Int64)
}

fn count(texts: &mut Frequent, values: &StringArray, sample: &Sample) {
    let mut times: HashMap<&str, u64> = HashMap::new();
    let mut counted = 0;
    for row in sample.rows.iter().filter(|row| values.is_valid(**row)) {
        *times.entry(values.value(*row)).or_default() += 1;
        counted += 1;
    }
    // Of very many the rare ones would only be forgotten again.
    let rare = rarest(times.values().copied(), HELD);
    let weight = 1 << sample.level;
    let kept = times.into_iter().filter(|(_, times)| *times > rare);
    texts.add(counted * weight, kept.map(|(value, times)| (value, (times - rare) * weight)));
    texts.short += rare * weight;
}

fn hash(text: &str) -> u64 {
    let bytes = text.as_bytes();
    if bytes.len() <= 2 * END {
        return XxHash3_128::oneshot(bytes) as u64;
    }
    let mut ends = [0; 2 * END + 8];
    ends[..END].copy_from_slice(&bytes[..END]);
    ends[END..2 * END].copy_from_slice(&bytes[bytes.len() - END..]);
    ends[2 * END..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
    XxHash3_128::oneshot(&ends) as u64
}

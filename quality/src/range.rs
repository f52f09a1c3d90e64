//! Numbers and times that lie outside of a range.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::buffer::{BooleanBuffer, Buffer};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use datafusion::common::ScalarValue;

/// The least and the greatest value that are within, of the type of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Range {
    Int(i32, i32),
    Long(i64, i64),
    Decimal(i128, i128),
    /// NaN is in no range.
    Double(f64, f64),
}

/// The value of a bound, and whether it is within itself.
type End = Option<(ScalarValue, bool)>;

impl Range {
    /// None for types and bounds that are compared in another way.
    pub(crate) fn new(kind: &DataType, least: End, most: End) -> Option<Range> {
        Some(match kind {
            DataType::Int32 | DataType::Date32 => {
                let whole = |value| match value {
                    ScalarValue::Int32(value) | ScalarValue::Date32(value) => value,
                    _ => None,
                };
                let least = end(least, i32::MIN, whole, |value| value.checked_add(1))?;
                Range::Int(least, end(most, i32::MAX, whole, |value| value.checked_sub(1))?)
            }
            DataType::Int64 | DataType::Timestamp(..) => {
                let whole = |value| match value {
                    ScalarValue::Int64(value)
                    | ScalarValue::TimestampSecond(value, _)
                    | ScalarValue::TimestampMillisecond(value, _)
                    | ScalarValue::TimestampMicrosecond(value, _)
                    | ScalarValue::TimestampNanosecond(value, _) => value,
                    _ => None,
                };
                let least = end(least, i64::MIN, whole, |value| value.checked_add(1))?;
                Range::Long(least, end(most, i64::MAX, whole, |value| value.checked_sub(1))?)
            }
            DataType::Decimal128(..) => {
                let whole = |value| match value {
                    ScalarValue::Decimal128(value, ..) => value,
                    _ => None,
                };
                let least = end(least, i128::MIN, whole, |value| value.checked_add(1))?;
                Range::Decimal(least, end(most, i128::MAX, whole, |value| value.checked_sub(1))?)
            }
            DataType::Float64 => {
                let number = |value| match value {
                    ScalarValue::Float64(value) => value.filter(|value| value.is_finite()),
                    _ => None,
                };
                let least = end(least, f64::NEG_INFINITY, number, |value| Some(value.next_up()))?;
                let most = end(most, f64::INFINITY, number, |value| Some(value.next_down()))?;
                Range::Double(least, most)
            }
            _ => return None,
        })
    }

    /// The rows whose value is not within; NULL is none.
    pub(crate) fn misses(&self, column: &ArrayRef) -> Result<BooleanBuffer, &'static str> {
        use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
        let found = match (*self, column.data_type()) {
            (Range::Int(least, most), DataType::Int32) => whole::<Int32Type>(column, least, most),
            (Range::Int(least, most), DataType::Date32) => whole::<Date32Type>(column, least, most),
            (Range::Long(least, most), DataType::Int64) => whole::<Int64Type>(column, least, most),
            (Range::Long(least, most), DataType::Timestamp(unit, _)) => match unit {
                Second => whole::<TimestampSecondType>(column, least, most),
                Millisecond => whole::<TimestampMillisecondType>(column, least, most),
                Microsecond => whole::<TimestampMicrosecondType>(column, least, most),
                Nanosecond => whole::<TimestampNanosecondType>(column, least, most),
            },
            (Range::Decimal(least, most), DataType::Decimal128(..)) => {
                whole::<Decimal128Type>(column, least, most)
            }
            (Range::Double(least, most), DataType::Float64) => {
                let values = column.as_primitive::<Float64Type>().values();
                marked(values, |value| !(value >= least && value <= most))
            }
            _ => return Err("its column has another type"),
        };
        Ok(match column.nulls() {
            Some(there) => &found & there.inner(),
            None => found,
        })
    }
}

/// The value itself, or the next one where it is not within.
fn end<T: Copy>(
    bound: End,
    open: T,
    value: impl Fn(ScalarValue) -> Option<T>,
    next: impl Fn(T) -> Option<T>,
) -> Option<T> {
    match bound {
        None => Some(open),
        Some((bound, true)) => value(bound),
        Some((bound, false)) => next(value(bound)?),
    }
}

fn whole<T>(column: &ArrayRef, least: T::Native, most: T::Native) -> BooleanBuffer
where
    T: ArrowPrimitiveType,
    T::Native: PartialOrd,
{
    marked(column.as_primitive::<T>().values(), |value| value < least || value > most)
}

/// A bit for each value, made a word at a time.
pub(crate) fn marked<T: Copy>(values: &[T], mark: impl Fn(T) -> bool) -> BooleanBuffer {
    let word = |values: &[T]| {
        let bits = values.iter().enumerate();
        bits.fold(0_u64, |word, (bit, value)| word | u64::from(mark(*value)) << bit)
    };
    let words: Vec<u64> = values.chunks(64).map(word).collect();
    BooleanBuffer::new(Buffer::from_vec(words), 0, values.len())
}

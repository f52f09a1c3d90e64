//! Which values a cast changed that gave one: a value that is judged and written is the one that
//! came.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::kernels::cmp::neq;
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, TimeUnit};
use arrow::error::ArrowError;

/// Digits enough for every decimal of ours, on both sides of the point.
const EXACT_DECIMAL: DataType = DataType::Decimal256(76, 38);

/// Where `fitted` says less than the text or number that it was made of: digits behind the point,
/// a time of day, a number that is too large; and what that is.
pub(super) fn changed(
    column: &ArrayRef,
    fitted: &ArrayRef,
) -> Result<Option<(BooleanArray, &'static str)>, ArrowError> {
    let from_text = is_text(column.data_type());
    match (column.data_type(), fitted.data_type()) {
        (DataType::Decimal128(_, there), DataType::Decimal128(_, here)) if there <= here => {
            Ok(None)
        }
        (from, DataType::Decimal128(..))
            if from_text || matches!(from, DataType::Decimal128(..)) =>
        {
            let digits = "has more digits behind the point than its decimal";
            Ok(Some((differs(column, fitted, &EXACT_DECIMAL)?, digits)))
        }
        (_, DataType::Date32) if from_text => {
            let exact = DataType::Timestamp(TimeUnit::Microsecond, None);
            Ok(Some((differs(column, fitted, &exact)?, "has a time of day and is a date")))
        }
        (_, DataType::Float64) if from_text => {
            let numbers = fitted.as_primitive::<Float64Type>();
            if !numbers.iter().flatten().any(f64::is_infinite) {
                return Ok(None);
            }
            let texts = cast(column, &DataType::Utf8)?;
            let said = |text: &str| text.to_ascii_lowercase().contains("inf");
            let of = numbers.iter().zip(texts.as_string::<i32>());
            let grown = of.map(|(number, text)| {
                Some(number.is_some_and(f64::is_infinite) && !text.is_some_and(said))
            });
            Ok(Some((grown.collect(), "is larger than any double")))
        }
        _ => Ok(None),
    }
}

/// Where both are values of the exact type, and not the same one.
fn differs(
    column: &ArrayRef,
    fitted: &ArrayRef,
    exact: &DataType,
) -> Result<BooleanArray, ArrowError> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let said = cast_with_options(column, exact, &options)?;
    neq(&said, &cast_with_options(fitted, exact, &options)?)
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => values.is_string(),
        other => other.is_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, StringArray};

    use super::*;

    fn lost(texts: &[&str], to: &DataType) -> Vec<bool> {
        let column: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        lost_of(&column, to)
    }

    fn lost_of(column: &ArrayRef, to: &DataType) -> Vec<bool> {
        let fitted = cast(column, to).unwrap();
        let found = changed(column, &fitted).unwrap();
        let none = || vec![false; column.len()];
        found.map_or_else(none, |(found, _)| found.iter().map(|one| one == Some(true)).collect())
    }

    #[test]
    fn a_value_that_a_cast_changes_is_told_and_one_that_it_spells_anew_is_not() {
        let money = DataType::Decimal128(5, 2);
        let texts = ["100.004", "-0.004", "1.10000", "1", "1e1", ".5", "x", "1234567"];
        let told = [true, true, false, false, false, false, false, false];
        assert_eq!(lost(&texts, &money), told);
        let wide = Decimal128Array::from(vec![Some(12_345), Some(12_340), None]);
        let wide: ArrayRef = Arc::new(wide.with_precision_and_scale(8, 3).unwrap());
        assert_eq!(lost_of(&wide, &money), [true, false, false]);
        let days = ["2024-01-01", "2024-01-01T23:00:00-05:00", "2024-01-01T00:00:00", "x"];
        assert_eq!(lost(&days, &DataType::Date32), [false, true, false, false]);
        let numbers = ["1e400", "inf", "-Infinity", "1e300", "nan"];
        assert_eq!(lost(&numbers, &DataType::Float64), [true, false, false, false, false]);
    }
}

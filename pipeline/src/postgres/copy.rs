//! Rows as the binary format of COPY has them.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};

use super::columns::{Wire, WireColumn};

/// What stands before the rows, and behind them.
pub(super) const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
pub(super) const TAIL: &[u8] = &[0xff, 0xff];

/// Between the first day of Unix and that of Postgres.
const DAYS: i32 = 10_957;
const MICROS: i64 = 946_684_800_000_000;

/// Appends the rows to `out`. The columns of `rows` are those of `columns`, in their order.
pub(super) fn encode(rows: &RecordBatch, columns: &[WireColumn], out: &mut Vec<u8>) {
    let count = i16::try_from(columns.len()).expect("a table has at most 1600 columns");
    for row in 0..rows.num_rows() {
        out.extend(count.to_be_bytes());
        for (array, column) in rows.columns().iter().zip(columns) {
            if array.is_null(row) {
                out.extend((-1i32).to_be_bytes());
                continue;
            }
            let start = out.len();
            out.extend([0; 4]);
            value(array.as_ref(), row, column.wire, out);
            let length = i32::try_from(out.len() - start - 4).expect("a value is below 2 GB");
            out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        }
    }
}

fn value(array: &dyn Array, row: usize, wire: Wire, out: &mut Vec<u8>) {
    match wire {
        Wire::Text => out.extend(array.as_string::<i32>().value(row).as_bytes()),
        Wire::Int4 => out.extend(array.as_primitive::<Int32Type>().value(row).to_be_bytes()),
        Wire::Int8 => {
            let number = match array.data_type() {
                DataType::Int32 => i64::from(array.as_primitive::<Int32Type>().value(row)),
                _ => array.as_primitive::<Int64Type>().value(row),
            };
            out.extend(number.to_be_bytes());
        }
        Wire::Float8 => out.extend(array.as_primitive::<Float64Type>().value(row).to_be_bytes()),
        Wire::Boolean => out.push(u8::from(array.as_boolean().value(row))),
        Wire::Date => {
            let days = array.as_primitive::<Date32Type>().value(row);
            out.extend(days.saturating_sub(DAYS).to_be_bytes());
        }
        Wire::Timestamp => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            out.extend(micros.saturating_sub(MICROS).to_be_bytes());
        }
        Wire::Numeric => {
            let scale = match array.data_type() {
                DataType::Decimal128(_, scale) => *scale,
                _ => 0,
            };
            numeric(array.as_primitive::<Decimal128Type>().value(row), scale, out);
        }
    }
}

/// A decimal in digits to the base of 10,000, the point between two of them.
fn numeric(number: i128, scale: i8, out: &mut Vec<u8>) {
    const BASE: u128 = 10_000;
    let scale = u32::try_from(scale).unwrap_or(0);
    // As many digits behind the point as make whole groups of four.
    let groups = scale.div_ceil(4);
    let mut rest = number.unsigned_abs().saturating_mul(10u128.pow(groups * 4 - scale));
    let mut digits: Vec<u16> = Vec::new();
    while rest > 0 {
        digits.push((rest % BASE) as u16);
        rest /= BASE;
    }
    let weight = digits.len() as i32 - groups as i32 - 1;
    digits.reverse();
    while digits.last() == Some(&0) {
        digits.pop();
    }
    let sign: u16 = if number < 0 { 0x4000 } else { 0 };
    let weight = if digits.is_empty() { 0 } else { weight };
    out.extend((digits.len() as u16).to_be_bytes());
    out.extend((weight as i16).to_be_bytes());
    out.extend(sign.to_be_bytes());
    out.extend((scale as u16).to_be_bytes());
    digits.iter().for_each(|digit| out.extend(digit.to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(number: i128, scale: i8) -> (i16, Vec<u16>) {
        let mut out = Vec::new();
        numeric(number, scale, &mut out);
        let words: Vec<u16> =
            out.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        assert_eq!(usize::from(words[0]), words.len() - 4);
        assert_eq!((words[2] == 0x4000, i128::from(words[3])), (number < 0, i128::from(scale)));
        (words[1] as i16, words[4..].to_vec())
    }

    #[test]
    fn a_decimal_is_the_sum_of_its_groups() {
        assert_eq!(groups(0, 2), (0, vec![]));
        assert_eq!(groups(1, 2), (-1, vec![100]));
        assert_eq!(groups(-12_345_678, 2), (1, vec![12, 3456, 7800]));
        assert_eq!(groups(1_000_000, 2), (1, vec![1]));
        assert_eq!(groups(42, 0), (0, vec![42]));
    }

    proptest::proptest! {
        #[test]
        fn no_digit_of_a_decimal_is_lost(number in -999_999_999_999_999_i128..=999_999_999_999_999) {
            let (weight, digits) = groups(number, 2);
            // In units of a ten-thousandth.
            let value: i128 = (0i32..).zip(&digits).map(|(place, digit)| {
                let power = u32::try_from(i32::from(weight) - place + 1).unwrap();
                i128::from(*digit) * 10_000_i128.pow(power)
            }).sum();
            proptest::prop_assert_eq!(value, number.abs() * 100);
        }
    }
}

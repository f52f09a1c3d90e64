use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array,
    Float64Array, Int32Array, Int64Array, LargeStringArray, StringArray, StringViewArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::Int32Type;
use serde_json::{Value, json};

use assay_core::{Bound, Check};

use super::{batch, rule, suite};
use crate::Facts;

/// The rows of a column that break a check.
fn breaks(check: Check, column: ArrayRef) -> Vec<u32> {
    let rows = batch(vec![("x", column)]);
    let suite = suite(vec![rule("it", check)], &rows);
    suite.judge(&rows, &Facts::default()).bad.iter().map(|bad| bad.row).collect()
}

fn x() -> String {
    "x".to_owned()
}

fn one_of(values: Value) -> Check {
    Check::OneOf { column: x(), values: values.as_array().unwrap().clone() }
}

fn not_missing(missing: Value) -> Check {
    Check::NotMissing { column: x(), missing: missing.as_array().unwrap().clone() }
}

fn matches(pattern: &str) -> Check {
    Check::Matches { column: x(), pattern: pattern.to_owned() }
}

fn length(min: Option<u64>, max: Option<u64>) -> Check {
    Check::Length { column: x(), min, max }
}

fn holds(expression: &str) -> Check {
    Check::Holds { expression: expression.to_owned() }
}

/// A range as mathematics writes it: `[` includes the end, `(` does not.
fn between(open: char, min: Value, max: Value, close: char) -> Check {
    let bound = |value: Value, inclusive| (!value.is_null()).then_some(Bound { value, inclusive });
    Check::Between { column: x(), min: bound(min, open == '['), max: bound(max, close == ']') }
}

/// The same texts in every layout that a text column can have.
fn texts(values: &[Option<&str>]) -> Vec<ArrayRef> {
    vec![
        Arc::new(StringArray::from(values.to_vec())),
        Arc::new(LargeStringArray::from(values.to_vec())),
        Arc::new(StringViewArray::from(values.to_vec())),
        Arc::new(values.iter().copied().collect::<DictionaryArray<Int32Type>>()),
    ]
}

fn decimals(values: Vec<Option<i128>>) -> ArrayRef {
    let column = Decimal128Array::from(values).with_precision_and_scale(15, 2).unwrap();
    Arc::new(column)
}

fn times(values: &[Option<&str>], zone: Option<&str>) -> ArrayRef {
    let micros = |text: &str| {
        format!("{text}Z").parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_micros()
    };
    let values: Vec<Option<i64>> = values.iter().map(|text| text.map(micros)).collect();
    let column = TimestampMicrosecondArray::from(values);
    Arc::new(column.with_timezone_opt(zone.map(str::to_owned)))
}

#[test]
fn checks_of_texts_hold_in_every_layout_and_null_breaks_only_presence() {
    let values = [Some("view"), Some("xViewx"), Some(""), None, Some("đường")];
    let cases: Vec<(Check, &[u32])> = vec![
        (Check::NotNull { column: x() }, &[3]),
        (not_missing(json!(["", "n/a"])), &[2, 3]),
        (not_missing(json!([])), &[3]),
        (one_of(json!(["view", "", null])), &[1, 4]),
        (one_of(json!(["xViewx\u{0}", "xViewx", "vie", "iew"])), &[0, 2, 4]),
        (one_of(json!(["đường", "more than eight bytes"])), &[0, 1, 2]),
        (matches("^(view|click)$"), &[1, 2, 4]),
        (matches("(?i)view"), &[2, 4]),
        (matches("^view"), &[1, 2, 4]),
        (matches(""), &[]),
        (length(Some(1), None), &[2]),
        // Five characters, although eight bytes.
        (length(None, Some(5)), &[1]),
        (length(Some(4), Some(5)), &[1, 2]),
        (between('[', json!("a"), json!("w"), ']'), &[1, 2, 4]),
        (holds("x <> 'view'"), &[0]),
        (holds("upper(x) = 'VIEW'"), &[1, 2, 4]),
    ];
    for (check, expected) in cases {
        for column in texts(&values) {
            let kind = column.data_type().clone();
            assert_eq!(breaks(check.clone(), column), expected, "{check:?} on {kind}");
        }
    }
}

#[test]
fn a_pattern_is_exact_about_the_end_of_a_text() {
    let column = || -> ArrayRef { Arc::new(StringArray::from(vec!["US", "US\n", "us", "USA"])) };
    assert_eq!(breaks(matches("^[A-Z]{2}$"), column()), [1, 2, 3]);
    assert_eq!(breaks(matches("^US$"), column()), [1, 2, 3]);
}

#[test]
fn ranges_of_numbers_know_open_and_closed_ends() {
    let column = || -> ArrayRef {
        Arc::new(Int64Array::from(vec![Some(0), Some(1), Some(9), Some(10), None]))
    };
    let cases: Vec<(Check, &[u32])> = vec![
        (between('[', json!(0), json!(10), ']'), &[]),
        (between('(', json!(0), json!(10), ')'), &[0, 3]),
        (between('[', json!(1), Value::Null, ']'), &[0]),
        (between('(', Value::Null, json!(9), ')'), &[2, 3]),
        (one_of(json!([0, 1])), &[2, 3]),
        (not_missing(json!([9])), &[2, 4]),
    ];
    for (check, expected) in cases {
        assert_eq!(breaks(check.clone(), column()), expected, "{check:?}");
    }
    let narrow: ArrayRef = Arc::new(Int32Array::from(vec![-1, 0]));
    assert_eq!(breaks(between('[', json!(0), Value::Null, ']'), narrow), [0]);
    let wide: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, u64::MAX - 1]));
    assert_eq!(breaks(one_of(json!([u64::MAX])), wide), [1]);
}

#[test]
fn a_float_that_is_no_number_is_in_no_range_and_minus_zero_is_zero() {
    let values = [Some(-0.0), Some(0.0), Some(f64::NAN), Some(-f64::NAN), Some(-0.1), None];
    let narrow = || -> ArrayRef {
        Arc::new(values.iter().map(|value| value.map(|it| it as f32)).collect::<Float32Array>())
    };
    let wide = || -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
    let cases: Vec<(Check, &[u32])> = vec![
        (between('[', json!(0), Value::Null, ']'), &[2, 3, 4]),
        (between('(', json!(0), Value::Null, ']'), &[0, 1, 2, 3, 4]),
        (between('[', Value::Null, json!(0), ']'), &[2, 3]),
        (between('[', Value::Null, json!(0), ')'), &[0, 1, 2, 3]),
        (one_of(json!([0, -0.1])), &[2, 3]),
        (not_missing(json!([0.0])), &[0, 1, 5]),
    ];
    for (check, expected) in cases {
        assert_eq!(breaks(check.clone(), wide()), expected, "{check:?}");
        assert_eq!(breaks(check.clone(), narrow()), expected, "{check:?}, narrow");
    }
}

#[test]
fn decimals_are_compared_exactly() {
    let column = || decimals(vec![Some(-1), Some(0), Some(1999), Some(2000), None]);
    assert_eq!(breaks(between('[', json!(0), json!(19.99), ']'), column()), [0, 3]);
    assert_eq!(breaks(between('[', json!("0.00"), json!("20"), ')'), column()), [0, 3]);
    assert_eq!(breaks(one_of(json!([0, 20])), column()), [0, 2]);
    assert_eq!(breaks(holds("x >= 0"), column()), [0]);
}

#[test]
fn dates_and_times_are_compared_with_texts_of_the_contract() {
    // 2026-02-11, 12, 13.
    let days = || -> ArrayRef {
        Arc::new(Date32Array::from(vec![Some(20495), Some(20496), Some(20497), None]))
    };
    let range = || between('[', json!("2026-02-12"), json!("2026-02-13"), ')');
    assert_eq!(breaks(range(), days()), [0, 2]);
    assert_eq!(breaks(one_of(json!(["2026-02-11"])), days()), [1, 2]);
    for zone in [None, Some("+00:00"), Some("UTC")] {
        let times = || {
            let values = [Some("2026-02-11T23:59:59"), Some("2026-02-12T00:00:00"), None];
            times(&values, zone)
        };
        assert_eq!(breaks(range(), times()), [0], "{zone:?}");
        let at = between('[', json!("2026-02-12T00:00:00Z"), Value::Null, ']');
        assert_eq!(breaks(at, times()), [0], "{zone:?}");
    }
}

#[test]
fn truth_values_can_be_listed() {
    let column: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]));
    assert_eq!(breaks(one_of(json!([true])), column), [1]);
}

#[test]
fn an_expression_that_is_null_breaks_nothing() {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(-1)]));
    assert_eq!(breaks(holds("x > 0"), column.clone()), [2]);
    assert_eq!(breaks(holds("x IS NOT NULL AND x > 0"), column.clone()), [1, 2]);
    assert_eq!(breaks(holds("true"), column.clone()), [0_u32; 0]);
    assert_eq!(breaks(holds("1 > 2"), column), [0, 1, 2]);
}

#[test]
fn a_column_that_promises_to_have_no_null_is_judged_all_the_same() {
    use arrow::datatypes::{DataType, Field, Schema};
    let column: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let rows = batch(vec![("x", column)]);
    let promised = Schema::new(vec![Field::new("x", DataType::Int64, false)]);
    let contract = super::contract(vec![rule("it", Check::NotNull { column: x() })]);
    let suite = crate::Suite::compile(&contract, &promised).unwrap();
    assert_eq!(suite.judge(&rows, &Facts::default()).bad[0].row, 1);
}

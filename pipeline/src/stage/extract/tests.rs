use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Decimal128Type, Int64Type};

use super::{Extract, ExtractColumn};
use crate::definition::ExtractType;

fn column(name: &str, from: &str, path: Option<&str>, kind: ExtractType) -> ExtractColumn {
    ExtractColumn { name: name.into(), from: from.into(), path: path.map(str::to_owned), kind }
}

fn apply(columns: Vec<ExtractColumn>, texts: &[Option<&str>]) -> (RecordBatch, Vec<(u32, String)>) {
    let texts = Arc::new(StringArray::from(texts.to_vec())) as arrow::array::ArrayRef;
    let rows = RecordBatch::try_from_iter_with_nullable([("json", texts, true)]).unwrap();
    Extract::new(columns).unwrap().apply(&rows).unwrap()
}

#[test]
fn values_are_found_by_path_and_what_is_not_there_is_null() {
    let (rows, complaints) = apply(
        vec![
            column("n", "json", Some("a.n"), ExtractType::Long),
            column("s", "json", Some("s"), ExtractType::String),
        ],
        &[Some(r#"{"a":{"n":7,"x":[1,2]},"s":"é\n"}"#), Some(r#"{"a":null}"#), None, Some("null")],
    );
    assert!(complaints.is_empty(), "{complaints:?}");
    let numbers = rows.column(1).as_primitive::<Int64Type>();
    assert_eq!(numbers.iter().collect::<Vec<_>>(), [Some(7), None, None, None]);
    assert_eq!(rows.column(2).as_string::<i32>().value(0), "é\n");
}

#[test]
fn a_value_of_another_type_names_path_and_kind_but_not_the_value() {
    let long = |path| column("n", "json", Some(path), ExtractType::Long);
    for (text, why) in [
        (r#"{"n":"three"}"#, "`json`: `n` is a text, not a whole number"),
        (
            r#"{"n":1.5}"#,
            "`json`: `n` is a number with a fraction or beyond 64 bits, not a whole number",
        ),
        (r#"{"n":[1]}"#, "`json`: `n` is a list, not a whole number"),
        (r#"{"n":1} x"#, "`json`: not JSON at column 9"),
        ("[1]", "`json`: the value is a list, not a map"),
    ] {
        let (rows, complaints) = apply(vec![long("n")], &[Some(r#"{"n":1}"#), Some(text)]);
        assert_eq!(complaints, [(1, why.to_owned())]);
        assert_eq!(rows.num_rows(), 2);
    }
    let (_, complaints) = apply(vec![long("a.n")], &[Some(r#"{"a":"x"}"#)]);
    assert_eq!(complaints, [(0, "`json`: a is a text, not a map".to_owned())]);
}

#[test]
fn a_broken_row_does_not_shift_the_others() {
    let columns = vec![
        column("a", "json", Some("a"), ExtractType::Long),
        column("b", "json", Some("b"), ExtractType::Long),
    ];
    let (rows, complaints) =
        apply(columns, &[Some(r#"{"a":1,"b":"x"}"#), Some(r#"{"a":2,"b":3}"#)]);
    assert_eq!(complaints.len(), 1);
    assert_eq!(rows.column(1).as_primitive::<Int64Type>().value(1), 2);
    assert_eq!(rows.column(2).as_primitive::<Int64Type>().value(1), 3);
}

#[test]
fn texts_become_times() {
    let (rows, complaints) = apply(
        vec![column("t", "json", None, ExtractType::Timestamp)],
        &[Some("2021-07-21T06:00:00Z"), Some("2021-07-21T08:00:00+02:00"), Some("soon"), None],
    );
    let times = rows.column(1).as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
    assert_eq!(times.value(0), 1_626_847_200_000_000);
    assert_eq!(times.value(1), times.value(0));
    assert_eq!(complaints, [(2, "`json` is no time (ISO 8601)".to_owned())]);
}

#[test]
fn texts_become_numbers_and_booleans() {
    let kinds = [
        (ExtractType::Long, "12", "1.5"),
        (ExtractType::Double, "1.5", "much"),
        (ExtractType::Boolean, "true", "yes"),
    ];
    for (kind, good, bad) in kinds {
        let (rows, complaints) =
            apply(vec![column("x", "json", None, kind)], &[Some(good), Some(bad), None]);
        assert!(rows.column(1).is_valid(0), "{kind:?}");
        assert_eq!(complaints.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [1], "{kind:?}");
    }
}

#[test]
fn a_path_through_another_path_is_refused() {
    let both = vec![
        column("a", "json", Some("a"), ExtractType::Long),
        column("b", "json", Some("a.b"), ExtractType::Long),
    ];
    assert!(Extract::new(both).is_err());
}

#[test]
fn a_decimal_is_what_is_written_and_no_double() {
    let decimal = |path| column("x", "json", path, ExtractType::Decimal);
    let values = |rows: &RecordBatch| {
        let column = rows.column(1).as_primitive::<Decimal128Type>();
        let one = 10_i128.pow(18);
        column.iter().map(|value| value.map(|value| (value / one, value % one))).collect::<Vec<_>>()
    };
    let part = |thousandths: i128| thousandths * 10_i128.pow(15);
    let (rows, complaints) = apply(
        vec![decimal(Some("x"))],
        &[
            Some(r#"{"x": 1.005 }"#),
            Some(r#"{"x":-4e-3}"#),
            Some(r#"{"x":7}"#),
            Some(r#"{"\u0078":12345678901234567890.5}"#),
            None,
            Some(r#"{"x":1e20}"#),
            Some(r#"{"x":1e999}"#),
            Some(r#"{"x":"1"}"#),
        ],
    );
    let good = [
        Some((1, part(5))),
        Some((0, part(-4))),
        Some((7, 0)),
        Some((12_345_678_901_234_567_890, part(500))),
    ];
    assert_eq!(values(&rows)[..4], good);
    assert_eq!(values(&rows)[4..], [None; 4]);
    let why = [
        "`json`: `x` is a number of more than 20 digits before the point",
        "`json`: x is too large",
        "`json`: `x` is a text, not a number",
    ];
    let told: Vec<&str> = complaints.iter().map(|(_, why)| why.as_str()).collect();
    assert_eq!(told, why);

    let (rows, complaints) =
        apply(vec![decimal(None)], &[Some(" 1.005"), Some("1,5"), Some("inf"), None]);
    assert_eq!(values(&rows), [Some((1, part(5))), None, None, None]);
    assert_eq!(complaints.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [1, 2]);
}

//! What people write by mistake, and what data holds that nobody thought of: a mistake with a line
//! and a fix, or a right judgement.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray,
    NullArray, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit};
use assay_core::{Bound, Check, Limit, Mistakes, Outcome, Rule, TextFormat};
use serde_json::json;

use super::{
    batch, contract, facts_of_batch, holds, numbers, report, row_count, rule, sql, suite, tally,
    unique,
};
use crate::{Facts, Suite, Tally};

fn x() -> String {
    "x".to_owned()
}

fn mistakes(rules: Vec<Rule>) -> Mistakes {
    let schema = Schema::new(vec![
        Field::new("id", DataType::Utf8, true),
        Field::new("size", DataType::Int64, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new(
            "point",
            DataType::Struct(vec![Field::new("lat", DataType::Float64, true)].into()),
            true,
        ),
    ]);
    let lines = (10..).zip(rules).map(|(line, rule)| Rule { line, ..rule });
    Suite::compile(&contract(lines.collect()), &schema).unwrap_err()
}

#[test]
fn queries_that_do_not_give_one_value_are_refused_with_a_way_out() {
    let found = mistakes(vec![
        sql("DELETE FROM orders"),
        sql("DROP TABLE orders"),
        sql("SELECT size FROM orders"),
        sql("SELECT COUNT(*), MAX(size) FROM orders"),
        sql("SELECT 1"),
        sql("SELECT COUNT(*) FROM orders GROUP BY id"),
        sql("SELECT COUNT(*) FROM orders HAVING COUNT(*) > 1"),
        sql("SELECT COUNT(*) FROM orders LIMIT 1"),
        sql("SELECT COUNT(*) FROM orders UNION ALL SELECT 1"),
        sql("SELECT COUNT(*) FROM users"),
        sql("SELECT COUNT(*) FROM orders a JOIN orders b ON a.id = b.id"),
        sql("SELECT COUNT(*) FROM (SELECT id FROM orders GROUP BY id HAVING COUNT(*) > 1) x"),
        sql("SELECT COUNT(*) FROM orders WHERE size > (SELECT AVG(size) FROM orders)"),
        sql("SELECT COUNT(DISTINCT id) FROM orders"),
        sql("SELECT MEDIAN(size) FROM orders"),
        sql("SELECT MAX(id) FROM orders"),
        sql("SELECT COUNT(*) FROM orders WHERE at < now()"),
        sql("SELECT COUNT(*) FROM orders WHERE nowhere > 1"),
        sql("SELECT COUNT(*) FROM orders WHERE"),
        sql("SELECT COUNT(*) FROM orders; SELECT 1"),
        sql(""),
        sql("SELECT ROW_NUMBER() OVER () FROM orders"),
        sql("SELECT COUNT(*) FROM {object}"),
    ]);
    insta::assert_snapshot!(found.to_string());
}

#[test]
fn other_rules_that_fit_no_row_are_refused_with_a_way_out() {
    let when = |condition: &str| Rule {
        condition: Some(condition.to_owned()),
        ..rule("when", Check::NotNull { column: "id".to_owned() })
    };
    let schema = |schema| Check::Conforms { column: "id".to_owned(), schema };
    let multiple = |column: &str, of| Check::MultipleOf { column: column.to_owned(), of };
    let format =
        |column: &str| Check::Format { column: column.to_owned(), format: TextFormat::Uuid };
    let found = mistakes(vec![
        when("nowhere = 1"),
        when("size + 1"),
        when("size > max(size)"),
        rule("schema", schema(json!({"type": "objekt"}))),
        rule("schema", schema(json!({"$ref": "https://example.com/a.json"}))),
        rule("schema", schema(json!({"pattern": "("}))),
        rule("schema", schema(json!("object"))),
        rule("multiple", multiple("id", json!(2))),
        rule("multiple", multiple("size", json!(0.5))),
        rule("format", format("size")),
        rule("format", format("nowhere")),
        rule("nested", Check::NotNull { column: "point.lat".to_owned() }),
        rule("retained", Check::Retained { column: "size".to_owned(), seconds: 1.0 }),
    ]);
    insta::assert_snapshot!(found.to_string());
}

#[test]
fn sql_that_is_too_deep_for_a_stack_is_refused() {
    let deep = format!("size > 0{}", " + 1".repeat(100_000));
    let brackets = format!("{}size > 0{}", "(".repeat(10_000), ")".repeat(10_000));
    let query = format!("SELECT COUNT(*){} FROM orders", " + 1".repeat(100_000));
    let many = vec![holds("deep", &deep), holds("brackets", &brackets), sql(&query)];
    assert_eq!(mistakes(many).0.len(), 3);
}

/// A rule of each kind that looks at a column of numbers.
fn of_numbers() -> Vec<Rule> {
    let bound = |value: i64| Some(Bound { value: json!(value), inclusive: true });
    vec![
        rule("not_null", Check::NotNull { column: x() }),
        rule("not_missing", Check::NotMissing { column: x(), missing: vec![json!(9)] }),
        rule("one_of", Check::OneOf { column: x(), values: vec![json!(1), json!(2)] }),
        rule("between", Check::Between { column: x(), min: bound(0), max: bound(5) }),
        rule("multiple", Check::MultipleOf { column: x(), of: json!(1) }),
        holds("holds", "x > 0"),
        unique("unique", &["x"]),
        sql("SELECT SUM(x) FROM orders"),
        row_count(Limit::GreaterThan(0.0)),
    ]
}

fn outcomes(rules: Vec<Rule>, column: ArrayRef) -> Vec<(String, u64, bool)> {
    let rows = batch(vec![("x", column)]);
    let rules = rules.into_iter().map(|rule| Rule { on_fail: assay_core::OnFail::Keep, ..rule });
    let quality = report(&suite(rules.collect(), &rows), &rows);
    let judged = |outcome: &Outcome| !matches!(outcome, Outcome::NotEvaluated { .. });
    let each = quality.rules.into_iter().filter(|result| result.rule != "readable");
    each.map(|it| (it.rule, it.failed, judged(&it.outcome))).collect()
}

#[test]
fn a_column_without_any_value_breaks_only_the_rules_that_ask_for_one() {
    let nothing = || Int64Array::from(vec![None, None, None]);
    let found = outcomes(of_numbers(), Arc::new(nothing()));
    for (rule, failed, judged) in found {
        let asks = ["not_null", "not_missing"].contains(&rule.as_str());
        assert_eq!(failed, if asks { 3 } else { 0 }, "{rule}");
        assert_eq!(judged, rule != "sql", "{rule}: a sum of nothing is NULL");
    }
}

#[test]
fn a_column_of_the_type_null_can_be_judged() {
    let rules = vec![rule("not_null", Check::NotNull { column: x() }), unique("unique", &["x"])];
    let found = outcomes(rules, Arc::new(NullArray::new(2)));
    assert_eq!(found, [("not_null".to_owned(), 2, true), ("unique".to_owned(), 0, true)]);
}

#[test]
fn without_rows_nothing_is_broken_and_there_is_no_score() {
    let rows = batch(vec![("x", Arc::new(Int64Array::from(Vec::<i64>::new())) as ArrayRef)]);
    let suite = suite(of_numbers(), &rows);
    for tally in [tally(&suite, &rows), Tally::default()] {
        let quality = suite.report(&tally, &facts_of_batch()).unwrap();
        assert_eq!((quality.score, quality.because.len()), (None, 0), "{quality:?}");
        assert!(quality.rules.iter().all(|rule| rule.failed == 0 && rule.lost == 0.0));
        assert!(quality.dimensions.iter().all(|found| found.score.is_none()));
    }
}

#[test]
fn what_is_no_number_and_what_is_without_end_is_told_apart() {
    let column = || -> ArrayRef {
        let values = [1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0];
        Arc::new(Float64Array::from(values.to_vec()))
    };
    let found = outcomes(of_numbers(), column());
    let failed: Vec<(&str, u64, bool)> =
        found.iter().map(|(rule, failed, judged)| (rule.as_str(), *failed, *judged)).collect();
    assert_eq!(
        failed,
        [
            ("not_null", 0, true),
            ("not_missing", 0, true),
            ("one_of", 3, true),
            ("between", 3, true),
            ("multiple", 3, true),
            // As in SQL, NaN is greater than any number.
            ("holds", 1, true),
            ("unique", 1, true),
            ("sql", 0, false),
            ("row_count", 0, true),
        ]
    );
    let rows = batch(vec![("x", column())]);
    let largest = suite(vec![sql("SELECT MAX(x) FROM orders WHERE NOT isnan(x)")], &rows);
    assert_eq!(report(&largest, &rows).rules[0].observed, Some(f64::INFINITY));
}

#[test]
fn two_thousand_columns_are_judged_like_one() {
    let names: Vec<String> = (0..2000).map(|place| format!("c{place}")).collect();
    let column = |name: &str| -> ArrayRef {
        let value = if name == "c1234" { None } else { Some(1) };
        Arc::new(Int64Array::from(vec![value, Some(1)]))
    };
    let rows = batch(names.iter().map(|name| (name.as_str(), column(name))).collect());
    let rules = names.iter().map(|name| {
        let check = Check::NotNull { column: name.clone() };
        Rule { name: name.clone(), ..rule("", check) }
    });
    let suite = suite(rules.collect(), &rows);
    let judged = suite.judge(&rows, &Facts::default());
    assert_eq!(suite.names(&judged.bad[0].mask), ["c1234"]);
    let quality = suite.report(&judged.tally, &facts_of_batch()).unwrap();
    assert_eq!((quality.rules.len(), quality.score), (2001, Some(50.0)));
    let unknown = contract(vec![holds("it", "nowhere > 1")]);
    let message = Suite::compile(&unknown, rows.schema_ref()).unwrap_err().to_string();
    assert!(message.contains("c19 and 1980 more") && message.len() < 400, "{message}");
}

#[test]
fn paths_into_structs_and_lists_are_expressions() {
    let lat = Arc::new(Float64Array::from(vec![Some(10.0), Some(95.0), None])) as ArrayRef;
    let point =
        StructArray::from(vec![(Arc::new(Field::new("lat", DataType::Float64, true)), lat)]);
    let lists = vec![Some(vec![Some(1)]), Some(vec![]), Some(vec![Some(-1), Some(2)])];
    let sizes = ListArray::from_iter_primitive::<Int64Type, _, _>(lists);
    let rows = batch(vec![
        ("point", Arc::new(point) as ArrayRef),
        ("sizes", Arc::new(sizes)),
        ("n", Arc::new(Int64Array::from(vec![1, 2, 3]))),
    ]);
    let broken = |it: Rule| {
        let suite = suite(vec![it], &rows);
        suite.judge(&rows, &Facts::default()).bad.iter().map(|bad| bad.row).collect::<Vec<_>>()
    };
    assert_eq!(broken(holds("lat", "point['lat'] BETWEEN -90 AND 90")), [1]);
    assert_eq!(broken(holds("lat", "point.lat IS NOT NULL")), [2]);
    assert_eq!(broken(holds("first", "sizes[1] > 0")), [2]);
    assert_eq!(broken(holds("some", "array_length(sizes) > 0 AND sizes[1] IS NOT NULL")), [1]);
    assert_eq!(broken(rule("whole", Check::NotNull { column: "point".to_owned() })), [0_u32; 0]);
    let result = report(&suite(vec![unique("u", &["point"])], &rows), &rows);
    assert_eq!(result.rules[0].failed, 0);
}

#[test]
fn a_time_is_the_same_moment_in_every_zone() {
    // 2026-02-12T00:30:00+07:00 is the day before in UTC.
    let moment = "2026-02-12T00:30:00+07:00".parse::<chrono::DateTime<chrono::FixedOffset>>();
    let micros = moment.unwrap().timestamp_micros();
    for zone in ["UTC", "+00:00", "+07:00"] {
        let column = || -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone(zone))
        };
        let between = |min: &str| {
            let min = Some(Bound { value: json!(min), inclusive: true });
            rule("from", Check::Between { column: x(), min, max: None })
        };
        let failed = |rule: Rule| outcomes(vec![rule], column())[0].1;
        assert_eq!(failed(between("2026-02-12T00:30:00+07:00")), 0, "{zone}");
        assert_eq!(failed(between("2026-02-11T17:30:00Z")), 0, "{zone}");
        assert_eq!(failed(between("2026-02-12T00:30:00.000001+07:00")), 1, "{zone}");
        assert_eq!(failed(holds("it", "x = '2026-02-11T17:30:00Z'")), 0, "{zone}");
    }
}

#[test]
fn decimals_of_all_digits_and_other_types_are_judged_exactly() {
    let most = 10_i128.pow(38) - 1;
    let column = || -> ArrayRef {
        let column = Decimal128Array::from(vec![Some(most), Some(most - 1), Some(-most), None]);
        Arc::new(column.with_precision_and_scale(38, 10).unwrap())
    };
    let failed = |rule: Rule| outcomes(vec![rule], column())[0].1;
    let less =
        Some(Bound { value: json!("9999999999999999999999999999.9999999999"), inclusive: false });
    assert_eq!(failed(rule("it", Check::Between { column: x(), min: None, max: less })), 1);
    assert_eq!(failed(holds("it", "x > 0")), 1);
    assert_eq!(failed(unique("it", &["x"])), 0);
    assert_eq!(failed(rule("it", Check::MultipleOf { column: x(), of: json!(1) })), 3);
    // A sum that grows too large is said to, rather than wrong.
    let rows = batch(vec![("x", column())]);
    let found = report(&suite(vec![sql("SELECT SUM(x) * 10 FROM orders")], &rows), &rows);
    assert_eq!(found.rules[0].observed.is_some(), found.rules[0].outcome == Outcome::Failed);
    for other in [
        Arc::new(BooleanArray::from(vec![true, false])) as ArrayRef,
        Arc::new(Date32Array::from(vec![0, 20_000])),
        Arc::new(StringArray::from(vec!["", "đ"])),
    ] {
        assert_eq!(outcomes(vec![unique("it", &["x"])], other)[0].1, 0);
    }
}

#[test]
fn an_overflow_in_an_expression_is_said_and_condemns_no_other_row() {
    let rows =
        numbers(&[(Some(i64::MAX), Some(2)), (Some(1), Some(2)), (Some(i64::MIN), Some(-1))]);
    let quality = report(&suite(vec![holds("product", "a * b < 100")], &rows), &rows);
    let why = "a number grows too large in it (2 of 3 rows)".to_owned();
    assert_eq!(quality.rules[0].outcome, Outcome::NotEvaluated { why });
    assert_eq!(quality.rules[0].failed, 2);
}

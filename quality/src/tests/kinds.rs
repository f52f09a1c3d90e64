//! The kinds of rules beyond checks of one value: conditions, queries, columns, history.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use assay_core::contract::{ColumnType, ContractColumn};
use assay_core::{
    Check, Limit, Outcome, Rule, RuleResult, Season, TextFormat, Threshold, Verdict, Volume,
};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{
    batch, close, contract, facts_of_batch, holds, ids, noon, numbers, report, row_count, rule,
    sql, suite, tally, unique,
};
use crate::{Facts, History, Past, Suite};

fn when(condition: &str, rule: Rule) -> Rule {
    Rule { condition: Some(condition.to_owned()), ..rule }
}

fn bad(rule: Rule, column: ArrayRef) -> Vec<u32> {
    let rows = batch(vec![("x", column)]);
    let suite = suite(vec![rule], &rows);
    suite.judge(&rows, &Facts::default()).bad.iter().map(|bad| bad.row).collect()
}

/// What a single rule finds in rows that are all kept.
fn found(it: Rule, rows: &arrow::array::RecordBatch) -> RuleResult {
    let suite = suite(vec![it], rows);
    report(&suite, rows).rules.swap_remove(0)
}

#[test]
fn formats_are_judged_in_every_layout_of_a_text() {
    let check = || Check::Format { column: "x".to_owned(), format: TextFormat::Email };
    let values = vec![Some("a@b.vn"), Some("a@b"), None, Some("")];
    let texts = StringArray::from(values);
    for kind in [
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
    ] {
        let column = arrow::compute::cast(&texts, &kind).unwrap();
        assert_eq!(bad(rule("it", check()), column), [1, 3], "{kind}");
    }
}

#[test]
fn multiples_are_exact_for_whole_numbers_and_decimals_and_near_for_floats() {
    let multiple = |of: Value| rule("it", Check::MultipleOf { column: "x".to_owned(), of });
    let whole: ArrayRef =
        Arc::new(Int64Array::from(vec![Some(0), Some(5), Some(-10), None, Some(7)]));
    assert_eq!(bad(multiple(json!(5)), whole), [4]);
    let money = Decimal128Array::from(vec![Some(25), Some(10), None, Some(-1)]);
    let money: ArrayRef = Arc::new(money.with_precision_and_scale(15, 2).unwrap());
    assert_eq!(bad(multiple(json!(0.05)), money), [3]);
    let floats = vec![0.3, 1e15 + 0.1, 0.35, f64::NAN, f64::INFINITY, 0.0, -0.7];
    let floats: ArrayRef = Arc::new(Float64Array::from(floats));
    assert_eq!(bad(multiple(json!(0.1)), floats), [2, 3, 4]);
}

#[test]
fn a_payload_is_held_against_its_json_schema() {
    let schema = json!({
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "integer"}, "tags": {"items": {"type": "string"}}},
    });
    let payloads = vec![
        Some(r#"{"id": 1, "tags": ["a"]}"#),
        Some(r#"{"id": "1"}"#),
        Some(r#"{"tags": []}"#),
        Some(r#"{"id": 1, "tags": [1]}"#),
        Some("{\"id\": 1"),
        None,
        Some(""),
    ];
    let check = Check::Conforms { column: "x".to_owned(), schema };
    assert_eq!(bad(rule("it", check), Arc::new(StringArray::from(payloads))), [1, 2, 3, 4, 6]);
}

#[test]
fn a_condition_says_which_rows_a_rule_looks_at() {
    let rows = numbers(&[
        (Some(1), Some(-1)),
        (Some(1), Some(1)),
        (Some(2), Some(-1)),
        (None, Some(-1)),
        (Some(1), Some(-1)),
    ]);
    let percent = Threshold { limit: Limit::LessThan(60.0), percent: true };
    let rule = Rule { threshold: percent, ..when("a = 1", holds("b_positive", "b > 0")) };
    let suite = suite(vec![rule], &rows);
    let judged = suite.judge(&rows, &Facts::default());
    let bad: Vec<u32> = judged.bad.iter().map(|bad| bad.row).collect();
    assert_eq!(bad, [0, 4]);
    let quality = suite.report(&judged.tally, &facts_of_batch()).unwrap();
    // Two of the three rows that it looks at, and two of five rows are lost.
    assert_eq!((&quality.rules[0].outcome, quality.rules[0].failed), (&Outcome::Failed, 2));
    assert!(close(quality.score.unwrap(), 60.0), "{quality:?}");
    let why = "`b_positive`: 2 of 3 rows that it looks at broke it (expected < 60 % of rows)";
    assert_eq!(quality.because, [why]);
}

#[test]
fn a_condition_guards_a_rule_and_one_that_fails_counts_as_broken() {
    let rows = numbers(&[(Some(6), Some(2)), (Some(6), Some(0)), (Some(1), Some(2))]);
    let guarded = found(when("b <> 0", holds("ratio", "a / b >= 3")), &rows);
    assert_eq!((guarded.outcome, guarded.failed), (Outcome::Failed, 1));
    let result = found(when("a / b >= 3", holds("a_positive", "a > 0")), &rows);
    let why = "it divides by zero (1 of 2 rows)".to_owned();
    assert_eq!((result.outcome, result.failed), (Outcome::NotEvaluated { why }, 1));
}

#[test]
fn conditions_reach_rules_about_the_batch() {
    let rows = numbers(&[
        (Some(1), Some(7)),
        (Some(1), Some(7)),
        (Some(2), Some(7)),
        (Some(2), Some(7)),
        (Some(3), None),
    ]);
    assert_eq!(found(unique("u", &["a"]), &rows).failed, 2);
    assert_eq!(found(when("a = 1", unique("u", &["a"])), &rows).failed, 1);
    assert_eq!(found(when("a = 1", row_count(Limit::Be(2.0))), &rows).outcome, Outcome::Passed);
    assert_eq!(found(when("b IS NULL", row_count(Limit::Be(0.0))), &rows).observed, Some(1.0));
}

#[test]
fn a_condition_spares_rows_that_a_reference_does_not_know() {
    let rows = numbers(&[(Some(1), Some(1)), (Some(2), Some(1)), (Some(3), Some(0))]);
    let check = Check::References {
        columns: vec!["a".to_owned()],
        dataset: "silver.users".parse().unwrap(),
        targets: vec!["id".to_owned()],
    };
    let suite = suite(vec![when("b = 1", rule("known", check))], &rows);
    let facts = Facts { known: vec![BooleanArray::from(vec![true, false, false])] };
    let judged = suite.judge(&rows, &facts);
    assert_eq!(judged.bad.len(), 1);
    let quality = suite.report(&judged.tally, &facts_of_batch()).unwrap();
    assert_eq!(quality.rules[0].cost.as_deref(), Some("2 values looked up in silver.users.id"));
}

#[test]
fn a_key_of_two_columns_is_known_together_and_needs_both() {
    let rows = numbers(&[(Some(1), Some(1)), (Some(2), Some(1)), (None, Some(1)), (Some(9), None)]);
    let check = Check::References {
        columns: vec!["b".to_owned(), "a".to_owned()],
        dataset: "silver.users".parse().unwrap(),
        targets: vec!["shop".to_owned(), "id".to_owned()],
    };
    let suite = suite(vec![rule("known", check)], &rows);
    assert_eq!(
        (&suite.references()[0].places, &suite.references()[0].columns[0]),
        (&vec![1, 0], &"b".to_owned())
    );
    let facts = Facts { known: vec![BooleanArray::from(vec![true, false, false, false])] };
    let judged = suite.judge(&rows, &facts);
    assert_eq!(judged.bad.iter().map(|bad| bad.row).collect::<Vec<_>>(), [1]);
    let quality = suite.report(&judged.tally, &facts_of_batch()).unwrap();
    let cost = "4 keys looked up in silver.users (shop, id)";
    assert_eq!(quality.rules[0].cost.as_deref(), Some(cost));
}

#[test]
fn a_valid_text_is_one_of_the_values_and_matches() {
    let rows = ids(&[Some("VN-1"), Some("VN-2"), Some("TH-1"), Some("VN-9"), None, Some("x")]);
    let valid = |values: &[&str], pattern: &str| Check::Valid {
        column: "id".to_owned(),
        values: values.iter().map(|value| (*value).into()).collect(),
        pattern: pattern.to_owned(),
    };
    let few = valid(&["VN-1", "VN-2", "TH-1"], "^VN-");
    assert_eq!(found(rule("valid", few), &rows).failed, 3, "TH-1, VN-9 and x");
    let many: Vec<String> = (0..40).map(|number| format!("VN-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).chain(["TH-1"]).collect();
    assert_eq!(found(rule("valid", valid(&many, "^VN-")), &rows).failed, 2, "TH-1 and x");
    for (check, says) in [
        (valid(&["VN-1"], "^TH-"), "none of the validValues matches the pattern"),
        (valid(&["VN-1"], "("), "is no regular expression"),
    ] {
        let mistakes = Suite::compile(&contract(vec![rule("valid", check)]), rows.schema_ref());
        let text = mistakes.unwrap_err().to_string();
        assert!(text.contains(says), "{text}");
    }
}

#[test]
fn a_sum_of_whole_numbers_is_exact_or_loudly_none() {
    let most = i64::MAX;
    // On the way it is beyond 64 bits; in the end it fits again.
    let on_the_way = [Some(most), Some(most), Some(-most), Some(-5), Some(5), Some(-5)];
    let rows = numbers(&on_the_way.map(|number| (number, None)));
    let sum = |rows: &arrow::array::RecordBatch, query: &str| {
        let found = found(sql(query), rows);
        (found.outcome, found.observed)
    };
    let query = "SELECT SUM(a) - 9223372036854775807 FROM orders";
    assert_eq!(sum(&rows, query), (Outcome::Failed, Some(-5.0)));
    let whole = "SELECT SUM(a) / 2 FROM orders WHERE a = 5";
    assert_eq!(sum(&rows, whole).1, Some(2.0), "whole numbers are divided as before");
    let (outcome, _) = sum(&rows, "SELECT SUM(a) FROM orders WHERE a > 0");
    let why = "a number grows too large in it".to_owned();
    assert_eq!(outcome, Outcome::NotEvaluated { why });
    assert_eq!(
        sum(&numbers(&[(None, None)]), "SELECT COALESCE(SUM(a), 7) FROM orders").1,
        Some(7.0)
    );
}

#[test]
fn a_query_gives_one_number_of_all_rows() {
    let rows =
        numbers(&[(Some(1), Some(10)), (Some(2), Some(20)), (None, Some(30)), (Some(-3), None)]);
    let cases = [
        ("SELECT COUNT(*) FROM orders", Some(4.0)),
        ("SELECT COUNT(a) FROM silver.orders", Some(3.0)),
        ("SELECT COUNT(*) FROM \"silver\".\"orders\" WHERE a IS NULL", Some(1.0)),
        ("select sum(a) from orders o where o.a > 0", Some(3.0)),
        (
            "SELECT 100.0 * SUM(CASE WHEN a > 0 THEN 1 ELSE 0 END) / COUNT(*) FROM orders",
            Some(50.0),
        ),
        ("SELECT MAX(b) - MIN(b) AS span FROM orders", Some(20.0)),
        ("SELECT AVG(b) FROM orders", Some(20.0)),
        ("SELECT COUNT(*) FILTER (WHERE b > 10) FROM orders", Some(2.0)),
        ("SELECT STDDEV_POP(a + 0.0) * 0 FROM orders", Some(0.0)),
        ("SELECT MIN(a) > 0 FROM orders", Some(0.0)),
        ("SELECT SUM(a) FROM orders WHERE a > 100", None),
        ("SELECT 1 / COUNT(*) FROM orders WHERE a > 100", None),
        ("SELECT COUNT(*) FROM orders WHERE a / 0 > 1", None),
        ("SELECT SUM(0.0 / (b - b)) FROM orders", None),
    ];
    for (query, expected) in cases {
        let result = found(sql(query), &rows);
        assert_eq!(result.observed, expected, "{query}: {result:?}");
        let judged = !matches!(result.outcome, Outcome::NotEvaluated { .. });
        assert_eq!(judged, expected.is_some(), "{query}: {result:?}");
    }
    let result = found(sql("SELECT COUNT(*) FROM orders WHERE a IS NULL"), &rows);
    assert_eq!((result.outcome, result.expected.as_str()), (Outcome::Failed, "= 0"));
    assert_eq!(result.columns, ["a"]);
}

#[test]
fn a_query_that_cannot_be_computed_halts_like_any_other_rule() {
    let rows = numbers(&[(Some(1), Some(0))]);
    let halts = Rule { on_fail: assay_core::OnFail::Halt, ..sql("SELECT SUM(a / b) FROM orders") };
    let suite = suite(vec![halts], &rows);
    let quality = report(&suite, &rows);
    assert_eq!((quality.verdict, quality.score), (Verdict::Halt, Some(50.0)));
    assert_eq!(quality.because, ["`sql`: not evaluated, it divides by zero: halts the batch"]);
}

#[test]
fn rows_older_than_what_is_kept_are_told() {
    let check = || Check::Retained { column: "at".to_owned(), seconds: 86_400.0 };
    let at = |hours: i64| (noon() - TimeDelta::hours(hours)).timestamp_millis();
    let rows = |hours: Vec<Option<i64>>| {
        let times = hours.into_iter().map(|hours| hours.map(at));
        batch(vec![("at", Arc::new(times.collect::<TimestampMillisecondArray>()) as ArrayRef)])
    };
    let judged = |hours| found(rule("at.retained", check()), &rows(hours)).outcome;
    assert_eq!(judged(vec![Some(1), None, Some(24)]), Outcome::Passed);
    assert_eq!(judged(vec![Some(25), Some(0)]), Outcome::Failed);
    assert!(matches!(judged(vec![None]), Outcome::NotEvaluated { .. }));
}

/// The promise of two columns, held against rows that have others.
fn promised(exact: bool, rules: Vec<Rule>) -> assay_core::Contract {
    let column = |name: &str, kind| ContractColumn {
        name: name.to_owned(),
        kind,
        description: None,
        sensitive: false,
        line: 1,
    };
    let mut contract = contract(rules);
    contract.rules.push(rule("columns", Check::Columns { exact }));
    contract.columns = vec![column("id", ColumnType::Text), column("size", ColumnType::Long)];
    contract
}

#[test]
fn missing_changed_and_other_columns_break_the_rule_about_columns() {
    let field = |name: &str, kind| Field::new(name, kind, true);
    let cases = [
        (vec![field("size", DataType::Int32), field("id", DataType::Utf8View)], false, ""),
        (vec![field("id", DataType::Utf8)], false, "`size` is missing"),
        (
            vec![field("id", DataType::Utf8), field("size", DataType::Utf8)],
            false,
            "`size` is Utf8 and not bigint",
        ),
        (
            vec![
                field("id", DataType::Utf8),
                field("size", DataType::Int64),
                field("more", DataType::Int64),
            ],
            true,
            "`more` is not in the contract",
        ),
    ];
    for (fields, exact, told) in cases {
        let contract = promised(exact, vec![]);
        let suite = Suite::compile(&contract, &Schema::new(fields)).unwrap();
        let quality = suite.report(&crate::Tally::default(), &facts_of_batch()).unwrap();
        let expected = if told.is_empty() { vec![] } else { vec![format!("`columns`: {told}")] };
        assert_eq!(quality.because, expected);
    }
}

#[test]
fn with_a_rule_about_columns_rules_about_missing_ones_are_loudly_not_judged() {
    let rows = batch(vec![("id", Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef)]);
    let not_null = |column: &str| rule(column, Check::NotNull { column: column.to_owned() });
    let rules = || {
        vec![not_null("id"), not_null("size"), holds("small", "size < 9"), unique("u", &["size"])]
    };
    let suite = Suite::compile(&promised(false, rules()), rows.schema_ref()).unwrap();
    let quality = suite.report(&tally(&suite, &rows), &facts_of_batch()).unwrap();
    let outcome = |place: usize| &quality.rules[place].outcome;
    assert_eq!(outcome(0), &Outcome::Passed);
    for place in [1, 2, 3] {
        assert!(matches!(outcome(place), Outcome::NotEvaluated { .. }), "{quality:?}");
    }
    assert_eq!(quality.score, Some(0.0));
    // Without that rule it is a mistake of the contract.
    assert_eq!(Suite::compile(&contract(rules()), rows.schema_ref()).unwrap_err().0.len(), 3);
}

#[test]
fn a_volume_learns_before_it_judges_and_says_so() {
    let rows = numbers(&[(Some(1), None); 10]);
    let judge = |season, history: &[(i64, u64)]| {
        let volume = Volume { within_percent: 50.0, at_least_batches: 3, season };
        let suite = suite(vec![rule("volume", Check::Volume(volume))], &rows);
        assert!(suite.asks().volumes);
        let past = |(hours, rows): &(i64, u64)| Past {
            at: noon() - TimeDelta::hours(*hours),
            rows: *rows,
        };
        let batches: Vec<Past> = history.iter().map(past).collect();
        let (history, profile) = (History { batches, ..History::default() }, Default::default());
        suite.report_among(&tally(&suite, &rows), &facts_of_batch(), &history, &profile).unwrap()
    };
    let quality = judge(Season::None, &[(1, 10), (2, 10)]);
    let why = "it learns, 2 of 3 batches seen".to_owned();
    assert_eq!(quality.rules[0].outcome, Outcome::NotEvaluated { why });
    assert_eq!((quality.verdict, quality.score), (Verdict::Pass, Some(100.0)));

    let quality = judge(Season::None, &[(1, 12), (2, 9), (3, 100)]);
    assert_eq!(quality.rules[0].outcome, Outcome::Passed);
    assert_eq!(quality.rules[0].cost.as_deref(), Some("3 earlier reports read"));

    let quality = judge(Season::None, &[(1, 40), (2, 39), (3, 41), (4, 40)]);
    assert_eq!((quality.verdict, quality.score), (Verdict::Warn, Some(50.0)));
    let why = "`volume`: 10 rows, the median of 4 batches is 40 (within 50 % of the median of \
               earlier batches)";
    assert_eq!(quality.because, [why]);

    // Other hours and weekdays have other volumes.
    let week = 7 * 24;
    let history = [(week, 10), (2 * week, 11), (3 * week, 9), (1, 900), (25, 900), (3 * 24, 900)];
    assert_eq!(judge(Season::WeekdayHour, &history).verdict, Verdict::Pass);
    assert_eq!(judge(Season::None, &history).verdict, Verdict::Warn);
    let quality = judge(Season::Weekday, &[(week, 10), (1, 10), (24, 10)]);
    let why = "it learns, 2 of 3 batches of this weekday seen".to_owned();
    assert_eq!(quality.rules[0].outcome, Outcome::NotEvaluated { why });
}

#[test]
fn what_uniqueness_took_is_told() {
    let rows = numbers(&[(Some(1), None), (Some(1), None)]);
    let cost = found(unique("u", &["a"]), &rows).cost;
    assert_eq!(cost.as_deref(), Some("2 keys of 16 bytes compared, 0 of them on disk"));
    assert_eq!(found(holds("a", "a > 0"), &rows).cost, None);
}

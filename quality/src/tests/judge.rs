use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, StringArray};
use arrow::datatypes::Int64Type;

use assay_core::{Check, OnFail, Outcome, Rule, Severity, Verdict};

use super::{batch, facts_of_batch, holds, numbers, report, rule, suite, tally};
use crate::{BadRow, Facts, Mask, Reference};

fn references(column: &str) -> Rule {
    let dataset = "silver.users".parse().unwrap();
    let (columns, targets) = (vec![column.to_owned()], vec!["user_id".to_owned()]);
    rule("known", Check::References { columns, dataset, targets })
}

#[test]
fn bad_rows_leave_with_all_their_reasons_and_the_rest_goes_on_in_order() {
    let rows = numbers(&[
        (Some(1), Some(1)),
        (Some(-1), Some(1)),
        (Some(-2), Some(-2)),
        (Some(3), Some(-3)),
    ]);
    let kept = Rule { on_fail: OnFail::Keep, ..holds("b_positive", "b > 0") };
    let suite = suite(vec![holds("a_positive", "a > 0"), kept], &rows);
    let judged = suite.judge(&rows, &Facts::default());
    assert_eq!(judged.bad, [bad(1, &[0]), bad(2, &[0, 1])]);
    assert_eq!(suite.names(&Mask::of([0, 1])), ["a_positive", "b_positive"]);
    assert_eq!(judged.good_rows, [0, 3]);
    assert_eq!(judged.good.column(0).as_primitive::<Int64Type>().values(), &[1, 3]);
    let masks: Vec<(Mask, u64)> =
        judged.tally.masks().map(|(mask, rows)| (mask.clone(), rows)).collect();
    let all = [&[] as &[usize], &[0], &[1], &[0, 1]].map(|bits| (Mask::of(bits.to_vec()), 1));
    assert_eq!(masks, all);
    assert_eq!(suite.rejected_by(&judged.tally), [("a_positive".to_owned(), 2)].into());
}

#[test]
fn two_hundred_rules_and_more_have_a_bit_of_their_own() {
    let rows = numbers(&[(Some(-1), None), (Some(1), None), (Some(-6), None)]);
    for count in [64, 65, 128, 200, 1000] {
        let mut rules: Vec<Rule> = (1..count).map(|n| holds(&format!("r{n}"), "a > -5")).collect();
        rules.push(holds("last", "a > 0"));
        let suite = suite(rules, &rows);
        let judged = suite.judge(&rows, &Facts::default());
        let all: Vec<usize> = (0..count).collect();
        assert_eq!(judged.bad, [bad(0, &[count - 1]), bad(2, &all)]);
        assert_eq!(suite.names(&judged.bad[0].mask), ["last"]);
        assert_eq!(suite.rejected_by(&judged.tally).len(), count);
        let quality = suite.report(&judged.tally, &facts_of_batch()).unwrap();
        assert!((quality.score.unwrap() - 100.0 / 3.0).abs() < 1e-9, "{:?}", quality.score);
    }
}

fn bad(row: u32, bits: &[usize]) -> BadRow {
    BadRow { row, mask: Mask::of(bits.to_vec()) }
}

#[test]
fn a_halting_rule_leaves_the_row_in_and_halts_the_batch() {
    let rows = numbers(&[(Some(1), None), (Some(-1), None)]);
    let halts = Rule { on_fail: OnFail::Halt, ..holds("a_positive", "a > 0") };
    let suite = suite(vec![halts], &rows);
    assert_eq!(suite.judge(&rows, &Facts::default()).good.num_rows(), 2);
    assert_eq!(report(&suite, &rows).verdict, Verdict::Halt);
}

#[test]
fn references_ask_for_facts_and_null_needs_none() {
    let rows =
        numbers(&[(Some(1), Some(1)), (Some(2), Some(1)), (Some(3), None), (Some(4), Some(1))]);
    let suite = suite(vec![holds("a_small", "a < 4"), references("b")], &rows);
    let expected = Reference {
        rule: "known".to_owned(),
        columns: vec!["b".to_owned()],
        places: vec![1],
        dataset: "silver.users".parse().unwrap(),
        targets: vec!["user_id".to_owned()],
    };
    assert_eq!(suite.references(), [expected]);
    let known = vec![Some(true), Some(false), Some(false), None];
    let facts = Facts { known: vec![BooleanArray::from(known)] };
    let judged = suite.judge(&rows, &facts);
    assert_eq!(judged.bad, [bad(1, &[1]), bad(3, &[0, 1])]);
}

#[test]
fn without_facts_a_reference_is_not_evaluated_and_broken_by_all_rows() {
    let rows = numbers(&[(Some(1), Some(1)), (Some(2), Some(1))]);
    let suite = suite(vec![references("b")], &rows);
    let short = Facts { known: vec![BooleanArray::from(vec![true])] };
    for facts in [Facts::default(), short] {
        let judged = suite.judge(&rows, &facts);
        assert_eq!(judged.bad.len(), 2);
        let quality = suite.report(&judged.tally, &facts_of_batch()).unwrap();
        let why = "the other dataset was not asked (2 of 2 rows)".to_owned();
        assert_eq!(quality.rules[0].outcome, Outcome::NotEvaluated { why });
        assert_eq!(quality.score, Some(0.0));
    }
}

#[test]
fn a_row_that_an_expression_fails_on_counts_as_broken_and_condemns_no_other() {
    let rows = numbers(&[
        (Some(6), Some(2)),
        (Some(6), Some(0)),
        (Some(1), Some(2)),
        (None, Some(0)),
        (Some(8), Some(2)),
    ]);
    let suite = suite(vec![holds("ratio", "a / b >= 3")], &rows);
    let judged = suite.judge(&rows, &Facts::default());
    let bad: Vec<u32> = judged.bad.iter().map(|bad| bad.row).collect();
    assert_eq!(bad, [1, 2]);
    let quality = suite.report(&judged.tally, &facts_of_batch()).unwrap();
    let why = "it divides by zero (1 of 5 rows)".to_owned();
    assert_eq!(quality.rules[0].outcome, Outcome::NotEvaluated { why });
    assert_eq!(quality.rules[0].failed, 2);
    assert_eq!(quality.score, Some(60.0));
    assert_eq!(quality.verdict, Verdict::Warn);
}

#[test]
fn a_guard_in_an_expression_protects_its_row() {
    let rows = numbers(&[(Some(6), Some(2)), (Some(6), Some(0)), (Some(1), Some(2))]);
    let suite = suite(vec![holds("ratio", "b = 0 OR a / b >= 3")], &rows);
    let judged = suite.judge(&rows, &Facts::default());
    let bad: Vec<u32> = judged.bad.iter().map(|bad| bad.row).collect();
    assert_eq!(bad, [2]);
}

#[test]
fn the_reason_of_a_failure_quotes_no_cell() {
    let column: ArrayRef = Arc::new(StringArray::from(vec!["1", "secret", "3"]));
    let rows = batch(vec![("x", column)]);
    let suite = suite(vec![holds("number", "CAST(x AS BIGINT) > 0")], &rows);
    let quality = report(&suite, &rows);
    let why = "a value does not convert to the type that it asks for (1 of 3 rows)".to_owned();
    assert_eq!(quality.rules[0].outcome, Outcome::NotEvaluated { why });
    assert!(!format!("{quality:?}").contains("secret"));
}

#[test]
fn an_unevaluated_rule_that_threshold_would_forgive_still_fails() {
    let rows = numbers(&[(Some(6), Some(2)), (Some(6), Some(0))]);
    let mut halts = Rule { on_fail: OnFail::Halt, ..holds("ratio", "a / b >= 3") };
    halts.threshold.limit = assay_core::Limit::LessThan(100.0);
    halts.severity = Severity::Info;
    let suite = suite(vec![halts], &rows);
    assert_eq!(report(&suite, &rows).verdict, Verdict::Halt);
}

#[test]
fn rows_of_another_shape_are_judged_by_no_rule_and_it_is_said() {
    let rows = numbers(&[(Some(1), Some(1))]);
    let suite = suite(vec![holds("a", "a > 0"), super::unique("u", &["a"])], &rows);
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 1]));
    let foreign = batch(vec![("a", column)]);
    let judged = suite.judge(&foreign, &Facts::default());
    assert_eq!((judged.good.num_rows(), judged.bad.len()), (0, 2));
    let mut tally = judged.tally;
    suite.observe(&foreign, &mut tally).unwrap();
    let quality = suite.report(&tally, &facts_of_batch()).unwrap();
    for result in quality.rules.iter().filter(|result| result.rule != "readable") {
        assert!(matches!(result.outcome, Outcome::NotEvaluated { .. }), "{result:?}");
    }
}

#[test]
fn rows_that_could_not_be_read_cost_points_like_any_other() {
    let rows = numbers(&[(Some(1), None), (Some(1), None), (Some(1), None)]);
    let suite = suite(vec![holds("a_positive", "a > 0")], &rows);
    let mut tally = suite.judge(&rows, &Facts::default()).tally;
    tally.merge(suite.unreadable(1)).unwrap();
    let quality = suite.report(&tally, &facts_of_batch()).unwrap();
    assert_eq!((quality.rows, quality.score), (4, Some(75.0)));
    let readable = quality.rules.iter().find(|rule| rule.rule == "readable").unwrap();
    assert_eq!((readable.failed, readable.lost), (1, 25.0));
}

#[test]
fn a_chunk_without_rows_gives_an_empty_tally() {
    let rows = numbers(&[]);
    let suite = suite(vec![holds("ratio", "a / b > 0"), references("a")], &rows);
    assert_eq!(tally(&suite, &rows), crate::Tally::default());
}

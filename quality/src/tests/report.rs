use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, RecordBatch, TimestampMillisecondArray};
use chrono::TimeDelta;

use assay_core::contract::ScoreThresholds;
use assay_core::{Check, Limit, OnFail, Outcome, Quality, Rule, Severity, Threshold, Verdict};

use super::{
    batch, close, contract, facts_of_batch, holds, ids, noon, numbers, report, row_count, rule,
    sql, suite, tally, unique,
};
use crate::{BatchFacts, Breaker, Suite, Tally};

/// Rows of which `bad` of `all` break `a > 0`.
fn positive(bad: usize, all: usize) -> RecordBatch {
    let rows: Vec<_> = (0..all).map(|n| (Some(if n < bad { -1 } else { 1 }), None)).collect();
    numbers(&rows)
}

fn kept(severity: Severity) -> Rule {
    Rule { severity, on_fail: OnFail::Keep, ..holds("a_positive", "a > 0") }
}

fn fresh(warn_hours: f64, error_hours: f64) -> Rule {
    let check = Check::Fresh {
        column: "at".to_owned(),
        warn_after_seconds: warn_hours * 3600.0,
        error_after_seconds: error_hours * 3600.0,
    };
    rule("at.fresh", check)
}

/// One row as old as told, and an older one.
fn aged(minutes: i64) -> RecordBatch {
    let at = (noon() - TimeDelta::minutes(minutes)).timestamp_millis();
    let column = TimestampMillisecondArray::from(vec![Some(at - 86_400_000), Some(at), None]);
    batch(vec![("at", Arc::new(column) as ArrayRef)])
}

fn lost(quality: &Quality) -> f64 {
    quality.rules.iter().map(|rule| rule.lost).sum()
}

#[test]
fn the_score_is_the_share_of_usable_rows_by_severity() {
    let cases = [
        (Severity::Critical, 90.0, Verdict::Warn),
        (Severity::Error, 90.0, Verdict::Warn),
        (Severity::Warning, 97.5, Verdict::Warn),
        (Severity::Info, 100.0, Verdict::Pass),
    ];
    for (severity, score, verdict) in cases {
        let rows = positive(40, 400);
        let quality = report(&suite(vec![kept(severity)], &rows), &rows);
        assert!(close(quality.score.unwrap(), score), "{severity}: {quality:?}");
        assert_eq!(quality.verdict, verdict, "{severity}");
        assert_eq!(quality.rules[0].outcome, Outcome::Failed);
        assert_eq!(quality.rules[0].failed, 40);
        assert!(close(lost(&quality), 100.0 - score));
    }
}

#[test]
fn a_threshold_changes_the_verdict_and_never_the_score() {
    let rows = positive(4, 400);
    let thresholds = [
        (Limit::Be(0.0), false, Outcome::Failed),
        (Limit::LessOrEqual(4.0), false, Outcome::Passed),
        (Limit::LessThan(4.0), false, Outcome::Failed),
        (Limit::LessOrEqual(1.0), true, Outcome::Passed),
        (Limit::LessThan(1.0), true, Outcome::Failed),
    ];
    for (limit, percent, outcome) in thresholds {
        let rule = Rule { threshold: Threshold { limit, percent }, ..kept(Severity::Error) };
        let quality = report(&suite(vec![rule], &rows), &rows);
        assert_eq!(quality.rules[0].outcome, outcome, "{limit}");
        assert_eq!(quality.score, Some(99.0), "{limit}");
        let passed = outcome == Outcome::Passed;
        assert_eq!(quality.verdict == Verdict::Pass, passed, "{limit}");
        assert_eq!(quality.because.is_empty(), passed);
    }
}

#[test]
fn the_reasons_of_a_verdict_are_sentences() {
    let mut contract = contract(vec![
        kept(Severity::Error),
        Rule { on_fail: OnFail::Halt, ..row_count(Limit::GreaterThan(500.0)) },
        unique("a.unique", &["a"]),
    ]);
    contract.thresholds = ScoreThresholds { warn_below: Some(99.0), halt_below: Some(90.5) };
    let rows = positive(12, 400);
    let suite = Suite::compile(&contract, rows.schema_ref()).unwrap();
    let facts = BatchFacts {
        read: 1000,
        rejected: 600,
        breaker: Some(Breaker::default()),
        ..facts_of_batch()
    };
    let quality = suite.report(&tally(&suite, &rows), &facts).unwrap();
    assert_eq!(quality.verdict, Verdict::Halt);
    insta::assert_snapshot!(quality.because.join("\n"), @r"
    `a_positive`: 12 of 400 rows broke it (expected = 0 rows)
    `row_count`: 400 rows were written (expected > 500 rows): halts the batch
    `a.unique`: 398 of 400 rows repeat a key (expected = 0 rows)
    the score 24.37 is below 90.5: halts the batch
    `batch_breaker`: 600 of 1000 rows were rejected (expected ≤ 50 % of rows, when there are at least 100): halts the batch
    ");
}

#[test]
fn a_low_score_warns_or_halts() {
    let rows = positive(12, 400);
    let verdict = |warn_below, halt_below| {
        let mut contract = contract(vec![Rule {
            threshold: Threshold { limit: Limit::LessThan(50.0), percent: true },
            ..kept(Severity::Error)
        }]);
        contract.thresholds = ScoreThresholds { warn_below, halt_below };
        let suite = Suite::compile(&contract, rows.schema_ref()).unwrap();
        report(&suite, &rows).verdict
    };
    assert_eq!(verdict(None, None), Verdict::Pass);
    assert_eq!(verdict(Some(97.0), Some(97.0)), Verdict::Pass);
    assert_eq!(verdict(Some(97.1), None), Verdict::Warn);
    assert_eq!(verdict(Some(99.0), Some(97.1)), Verdict::Halt);
}

#[test]
fn freshness_falls_from_the_warning_to_the_error() {
    // Minutes old, outcome, verdict, score with a rule that may take half of it.
    let cases = [
        (-30, Outcome::Passed, Verdict::Pass, 100.0),
        (60, Outcome::Passed, Verdict::Pass, 100.0),
        (120, Outcome::Passed, Verdict::Pass, 100.0),
        (240, Outcome::Passed, Verdict::Warn, 75.0),
        (360, Outcome::Passed, Verdict::Warn, 50.0),
        (361, Outcome::Failed, Verdict::Warn, 50.0),
    ];
    for (minutes, outcome, verdict, score) in cases {
        let rows = aged(minutes);
        let quality = report(&suite(vec![fresh(2.0, 6.0)], &rows), &rows);
        assert_eq!(quality.rules[0].outcome, outcome, "{minutes}");
        assert_eq!(quality.verdict, verdict, "{minutes}");
        assert!(close(quality.score.unwrap(), score), "{minutes}: {quality:?}");
        assert_eq!(quality.rules[0].observed, Some(minutes as f64 * 60.0));
    }
    let rows = aged(240);
    let quality = report(&suite(vec![fresh(2.0, 6.0)], &rows), &rows);
    insta::assert_snapshot!(quality.because.join("\n"), @"`at.fresh`: the newest row is 4 h old (expected at most 2 h)");
}

#[test]
fn a_date_is_as_old_as_its_first_moment() {
    let column: ArrayRef = Arc::new(Date32Array::from(vec![20496]));
    let rows = batch(vec![("at", column)]);
    let quality = report(&suite(vec![fresh(2.0, 6.0)], &rows), &rows);
    assert_eq!(quality.rules[0].observed, Some(12.0 * 3600.0));
}

#[test]
fn freshness_of_no_rows_is_not_evaluated_and_nobodys_fault() {
    let rows = aged(0);
    let rules = vec![Rule { on_fail: OnFail::Halt, ..fresh(2.0, 6.0) }];
    let suite = suite(rules, &rows);
    let quality = suite.report(&Tally::default(), &facts_of_batch()).unwrap();
    assert_eq!(quality.rules[0].outcome, Outcome::NotEvaluated { why: "no rows".to_owned() });
    assert_eq!((quality.verdict, quality.score), (Verdict::Pass, None));
}

#[test]
fn freshness_of_a_column_without_a_value_counts_as_failed() {
    let column = TimestampMillisecondArray::from(vec![None, None]);
    let rows = batch(vec![("at", Arc::new(column) as ArrayRef)]);
    let rules = vec![Rule { on_fail: OnFail::Halt, ..fresh(2.0, 6.0) }];
    let quality = report(&suite(rules, &rows), &rows);
    assert!(matches!(quality.rules[0].outcome, Outcome::NotEvaluated { .. }));
    assert_eq!((quality.verdict, quality.score), (Verdict::Halt, Some(50.0)));
}

#[test]
fn uniqueness_counts_copies_beyond_the_first_of_what_is_written() {
    let rows = ids(&[Some("a"), Some("a"), Some("a"), Some("b"), None, None, Some("c"), Some("d")]);
    let suite = suite(vec![unique("id.unique", &["id"])], &rows);
    let tally = tally(&suite, &rows);
    let quality = suite.report(&tally, &facts_of_batch()).unwrap();
    assert_eq!((quality.rules[0].failed, quality.rules[0].observed), (2, Some(2.0)));
    assert_eq!(quality.rules[0].outcome, Outcome::Failed);
    // A quarter of the rows is too much, of the half that the rule may take.
    assert!(close(quality.score.unwrap(), 87.5), "{quality:?}");
}

#[test]
fn row_count_is_judged_of_what_is_written() {
    let rows = positive(3, 4);
    let rules = || vec![holds("a_positive", "a > 0"), row_count(Limit::GreaterOrEqual(2.0))];
    let quality = report(&suite(rules(), &rows), &rows);
    assert_eq!(quality.rules[1].outcome, Outcome::Failed);
    assert_eq!(quality.rules[1].observed, Some(1.0));
    assert!(close(quality.score.unwrap(), 12.5), "{quality:?}");
    assert!(close(quality.rules[0].lost, 75.0) && close(quality.rules[1].lost, 12.5));
}

#[test]
fn without_rows_there_is_no_score_and_row_rules_hold() {
    let rows = numbers(&[]);
    let rules =
        vec![holds("a_positive", "a > 0"), row_count(Limit::GreaterThan(0.0)), unique("u", &["a"])];
    let quality = report(&suite(rules, &rows), &rows);
    assert_eq!((quality.score, quality.rows), (None, 0));
    let outcomes: Vec<_> = quality.rules.iter().map(|rule| rule.outcome.clone()).collect();
    let idle = Outcome::NotEvaluated { why: "no rows to judge".to_owned() };
    assert_eq!(outcomes, [Outcome::Passed, idle, Outcome::Passed, Outcome::Passed]);
    assert_eq!(quality.verdict, Verdict::Pass);
    assert_eq!(lost(&quality), 0.0);
}

#[test]
fn where_nothing_was_there_to_read_rows_that_have_to_be_are_missed() {
    let rows = numbers(&[]);
    let of_count = |rule: Rule, outcome: Outcome| {
        let suite = suite(vec![rule], &rows);
        let empty = BatchFacts { empty: true, ..facts_of_batch() };
        let quality = suite.report(&tally(&suite, &rows), &empty).unwrap();
        assert_eq!((&quality.rules[0].outcome, quality.score), (&outcome, None), "{quality:?}");
    };
    of_count(row_count(Limit::GreaterThan(0.0)), Outcome::Failed);
    of_count(row_count(Limit::Be(0.0)), Outcome::Passed);
    let threshold = Threshold { limit: Limit::GreaterThan(0.0), percent: false };
    let query = |text: &str| Rule { threshold, ..sql(text) };
    of_count(query("SELECT COUNT(*) FROM orders"), Outcome::Failed);
    let idle = Outcome::NotEvaluated { why: "no rows to judge".to_owned() };
    of_count(query("SELECT SUM(a) FROM orders"), idle);
}

#[test]
fn without_rules_there_is_nothing_to_score() {
    let rows = positive(1, 2);
    let quality = report(&suite(vec![], &rows), &rows);
    assert_eq!((quality.score, quality.verdict, quality.rows), (None, Verdict::Pass, 2));
}

#[test]
fn the_breaker_trips_on_more_than_its_share_of_enough_rows_and_costs_no_points() {
    let breaker = Breaker::default();
    let cases =
        [(50, 100, false), (51, 100, true), (99, 99, false), (0, 0, false), (200, 300, true)];
    for (rejected, read, trips) in cases {
        let rows = positive(0, 1);
        let suite = suite(vec![kept(Severity::Error)], &rows);
        let facts = BatchFacts { read, rejected, breaker: Some(breaker), ..facts_of_batch() };
        let quality = suite.report(&tally(&suite, &rows), &facts).unwrap();
        let result = quality.rules.last().unwrap();
        assert_eq!(result.rule, Breaker::NAME);
        assert_eq!(result.outcome == Outcome::Failed, trips, "{rejected} of {read}");
        assert_eq!(quality.verdict == Verdict::Halt, trips);
        assert_eq!(quality.score, Some(100.0));
    }
}

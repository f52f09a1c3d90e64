mod bad_input;
mod checks;
mod compile;
mod history;
mod judge;
mod keys;
mod kinds;
mod laws;
mod report;
mod twins;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use chrono::{DateTime, Utc};

use assay_core::contract::ScoreThresholds;
use assay_core::{Check, Contract, Limit, OnFail, Quality, Rule, Severity, Threshold};

use crate::{BatchFacts, Facts, Suite, Tally};

fn rule(name: &str, check: Check) -> Rule {
    let on_fail = if check.of_rows() { OnFail::Quarantine } else { OnFail::Keep };
    Rule {
        name: name.to_owned(),
        check,
        condition: None,
        severity: Severity::Error,
        on_fail,
        threshold: Threshold::NONE,
        dimension: "conformity".to_owned(),
        line: 1,
    }
}

fn holds(name: &str, expression: &str) -> Rule {
    rule(name, Check::Holds { expression: expression.to_owned() })
}

fn unique(name: &str, columns: &[&str]) -> Rule {
    let columns = columns.iter().map(|&column| column.to_owned()).collect();
    rule(name, Check::Unique { columns })
}

/// One number over all rows, which is to be 0.
fn sql(query: &str) -> Rule {
    let check = Check::Sql { query: query.to_owned(), table: "orders".to_owned() };
    rule("sql", check)
}

fn row_count(limit: Limit) -> Rule {
    let threshold = Threshold { limit, percent: false };
    Rule { threshold, ..rule("row_count", Check::RowCount) }
}

fn contract(rules: Vec<Rule>) -> Contract {
    Contract {
        id: "orders".to_owned(),
        version: "1.0.0".to_owned(),
        dataset: "silver.orders".parse().unwrap(),
        columns: Vec::new(),
        rules,
        thresholds: ScoreThresholds::default(),
        file: "orders.odcs.yaml".to_owned(),
    }
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

/// Rows of two numbers, NULL included.
fn numbers(rows: &[(Option<i64>, Option<i64>)]) -> RecordBatch {
    let (a, b): (Vec<_>, Vec<_>) = rows.iter().copied().unzip();
    batch(vec![
        ("a", Arc::new(Int64Array::from(a)) as ArrayRef),
        ("b", Arc::new(Int64Array::from(b))),
    ])
}

fn ids(ids: &[Option<&str>]) -> RecordBatch {
    batch(vec![("id", Arc::new(StringArray::from(ids.to_vec())) as ArrayRef)])
}

fn suite(rules: Vec<Rule>, rows: &RecordBatch) -> Suite {
    Suite::compile(&contract(rules), rows.schema_ref()).unwrap()
}

fn noon() -> DateTime<Utc> {
    "2026-02-12T12:00:00Z".parse().unwrap()
}

fn facts_of_batch() -> BatchFacts {
    BatchFacts { now: noon(), empty: false, read: 0, rejected: 0, breaker: None }
}

/// Judges, takes the good rows down as written, and sums up.
fn tally(suite: &Suite, rows: &RecordBatch) -> Tally {
    let judged = suite.judge(rows, &Facts::default());
    let mut tally = judged.tally;
    suite.observe(&judged.good, &mut tally).unwrap();
    tally
}

fn report(suite: &Suite, rows: &RecordBatch) -> Quality {
    suite.report(&tally(suite, rows), &facts_of_batch()).unwrap()
}

/// All but the last digits of sums are the same.
fn close(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

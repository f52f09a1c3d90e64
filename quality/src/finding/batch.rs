//! What the rules about a whole batch found.

use std::sync::Arc;

use assay_core::{Outcome, Rule};

use super::{Finding, outcome};
use crate::measure::{Measure, Measured};
use crate::score::ramp;
use crate::tally::KeysWritten;
use crate::wording::Span;
use crate::{SpoolError, Tally};

pub(super) fn fresh(lag: Option<f64>, warn: f64, error: f64, rows: u64) -> Finding {
    let expected = format!("at most {} old", Span(error));
    let Some(lag) = lag else { return without_value(rows, expected) };
    let outcome = outcome(lag <= error);
    let warns = outcome == Outcome::Passed && lag > warn;
    let limit = if warns { warn } else { error };
    Finding {
        observed: Some(lag),
        quality: ramp(lag, warn, error),
        warns,
        sentence: format!("the newest row is {} old (expected at most {})", Span(lag), Span(limit)),
        ..Finding::new(outcome, expected)
    }
}

pub(super) fn retained(age: Option<f64>, most: f64, rows: u64) -> Finding {
    let expected = format!("no row older than {}", Span(most));
    let Some(age) = age else { return without_value(rows, expected) };
    Finding {
        observed: Some(age),
        sentence: format!("the oldest row is {} old (expected at most {})", Span(age), Span(most)),
        ..Finding::new(outcome(age <= most), expected)
    }
}

/// A column of times in which there is none.
pub(super) fn without_value(rows: u64, expected: String) -> Finding {
    match rows {
        0 => Finding::idle("no rows", expected),
        _ => {
            let why = "the column has no value";
            let outcome = Outcome::NotEvaluated { why: why.to_owned() };
            Finding { sentence: format!("not evaluated, {why}"), ..Finding::new(outcome, expected) }
        }
    }
}

pub(super) fn unique(
    rule: &Rule,
    place: usize,
    rows: u64,
    tally: &Tally,
) -> Result<Finding, SpoolError> {
    let expected = rule.threshold.to_string();
    let keys = tally.keys.get(&place);
    let extra = keys.map_or(Ok(0), KeysWritten::extra)?;
    let quality = if rows == 0 { 1.0 } else { 1.0 - extra as f64 / rows as f64 };
    Ok(Finding {
        broken: extra,
        observed: Some(extra as f64),
        quality,
        sentence: format!("{extra} of {rows} rows repeat a key (expected {expected})"),
        cost: keys.map(KeysWritten::cost),
        ..Finding::new(outcome(rule.threshold.holds(extra, rows)), expected)
    })
}

pub(super) fn row_count(rule: &Rule, rows: u64, tally: &Tally, empty: bool) -> Finding {
    let expected = rule.threshold.to_string();
    // Rows that came a second time are not judged; a batch of only those lacks nothing.
    if tally.rows == 0 && !empty {
        return Finding::idle("no rows to judge", expected);
    }
    Finding {
        observed: Some(rows as f64),
        sentence: format!("{rows} rows were written (expected {expected})"),
        ..Finding::new(outcome(rule.threshold.holds(rows, rows)), expected)
    }
}

pub(super) fn sql(
    rule: &Rule,
    place: usize,
    tally: &Tally,
    (measure, empty): (&Arc<Measure>, bool),
) -> Finding {
    let expected = rule.threshold.limit.to_string();
    let value = match tally.measured.get(&place) {
        Some(measured) => measured.value(),
        None => Measured::new(measure).value(),
    };
    // Of no rows their number is known, and little else.
    if tally.rows == 0 && !(empty && matches!(value, Ok(Some(_)))) {
        return Finding::idle("no rows to judge", expected);
    }
    match value {
        Ok(Some(value)) if !value.is_nan() => Finding {
            observed: Some(value),
            sentence: format!("the query gives {value} (expected {expected})"),
            ..Finding::new(outcome(rule.threshold.limit.holds(value)), expected)
        },
        other => {
            let why = match other {
                Ok(Some(_)) => "the query gives what is no number (NaN)",
                Ok(None) => "the query gives NULL",
                Err(why) => why,
            };
            let outcome = Outcome::NotEvaluated { why: why.to_owned() };
            Finding { sentence: format!("not evaluated, {why}"), ..Finding::new(outcome, expected) }
        }
    }
}

pub(super) fn unjudged(why: &str) -> Finding {
    let outcome = Outcome::NotEvaluated { why: why.to_owned() };
    let expected = "rows of other columns".to_owned();
    Finding { sentence: format!("not evaluated, {why}"), ..Finding::new(outcome, expected) }
}

pub(super) fn columns(problems: &[String]) -> Finding {
    Finding {
        observed: Some(problems.len() as f64),
        sentence: problems.join(", "),
        ..Finding::new(outcome(problems.is_empty()), "the columns of the contract".to_owned())
    }
}

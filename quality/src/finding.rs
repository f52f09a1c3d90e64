//! What one rule found in a whole batch.

use chrono::{DateTime, Utc};

use assay_core::{Outcome, Rule, RuleResult, Severity};

use crate::score::ramp;
use crate::suite::{Compiled, Test};
use crate::tally::KeysWritten;
use crate::wording::Span;
use crate::{Breaker, SpoolError, Tally};

#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) outcome: Outcome,
    /// Rows that broke the rule.
    pub(crate) broken: u64,
    pub(crate) observed: Option<f64>,
    pub(crate) expected: String,
    /// How well a rule about the batch is met, 0–1.
    pub(crate) quality: f64,
    /// It has not failed, but somebody should know.
    pub(crate) warns: bool,
    /// What to say when it failed or warns.
    pub(crate) sentence: String,
    /// There was nothing that it could have looked at, which is nobody's fault.
    idle: bool,
}

impl Finding {
    pub(crate) fn of_rows(rule: &Rule, place: usize, broken: u64, tally: &Tally) -> Finding {
        let (rows, expected) = (tally.rows, rule.threshold.to_string());
        let sentence = format!("{broken} of {rows} rows broke it (expected {expected})");
        let outcome = outcome(rule.threshold.holds(broken, rows));
        let finding = Finding { broken, sentence, ..Finding::new(outcome, expected) };
        finding.unless_unevaluated(place, tally, rows)
    }

    pub(crate) fn of_batch(
        compiled: &Compiled,
        place: usize,
        tally: &Tally,
        now: DateTime<Utc>,
    ) -> Result<Finding, SpoolError> {
        let finding = match &compiled.test {
            Test::Fresh { warn_after_seconds: warn, error_after_seconds: error, .. } => {
                let newest = tally.newest.get(&place);
                fresh(newest.map(|newest| lag(now, *newest)), *warn, *error, tally.written)
            }
            Test::Unique(_) => unique(&compiled.rule, place, tally)?,
            Test::RowCount | Test::Breaks(_) | Test::Known { .. } | Test::Readable => {
                row_count(&compiled.rule, tally)
            }
        };
        Ok(finding.unless_unevaluated(place, tally, tally.written))
    }

    /// Whether it counts as failed, for which it need not have been evaluated.
    pub(crate) fn failed(&self) -> bool {
        self.outcome != Outcome::Passed && !self.idle
    }

    fn new(outcome: Outcome, expected: String) -> Finding {
        let quality = if outcome == Outcome::Passed { 1.0 } else { 0.0 };
        Finding {
            outcome,
            broken: 0,
            observed: None,
            expected,
            quality,
            warns: false,
            sentence: String::new(),
            idle: false,
        }
    }

    fn unless_unevaluated(self, place: usize, tally: &Tally, rows: u64) -> Finding {
        let Some(unevaluated) = tally.unevaluated.get(&place) else {
            return self;
        };
        let why = format!("{} ({} of {rows} rows)", unevaluated.why, unevaluated.rows);
        let sentence = format!("not evaluated, {why}");
        let outcome = Outcome::NotEvaluated { why };
        Finding { outcome, quality: 0.0, warns: false, sentence, idle: false, ..self }
    }
}

/// The breaker, listed like a rule. It takes no points: what was rejected costs them already.
pub(crate) fn breaker(limits: Breaker, rejected: u64, read: u64) -> RuleResult {
    RuleResult {
        rule: Breaker::NAME.to_owned(),
        columns: Vec::new(),
        dimension: "conformity".to_owned(),
        severity: Severity::Critical,
        outcome: outcome(!limits.trips(rejected, read)),
        failed: rejected,
        observed: Some(rejected as f64),
        expected: format!(
            "≤ {} % of rows, when there are at least {}",
            limits.percent, limits.at_least_rows
        ),
        lost: 0.0,
    }
}

fn fresh(lag: Option<f64>, warn: f64, error: f64, written: u64) -> Finding {
    let expected = format!("at most {} old", Span(error));
    let Some(lag) = lag else {
        let idle = written == 0;
        let why = if idle { "no rows" } else { "the column has no value" };
        let sentence = format!("not evaluated, {why}");
        let outcome = Outcome::NotEvaluated { why: why.to_owned() };
        let quality = if idle { 1.0 } else { 0.0 };
        return Finding { sentence, quality, idle, ..Finding::new(outcome, expected) };
    };
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

fn unique(rule: &Rule, place: usize, tally: &Tally) -> Result<Finding, SpoolError> {
    let (rows, expected) = (tally.written, rule.threshold.to_string());
    let extra = tally.keys.get(&place).map_or(Ok(0), KeysWritten::extra)?;
    let quality = if rows == 0 { 1.0 } else { 1.0 - extra as f64 / rows as f64 };
    Ok(Finding {
        broken: extra,
        observed: Some(extra as f64),
        quality,
        sentence: format!("{extra} of {rows} rows repeat a key (expected {expected})"),
        ..Finding::new(outcome(rule.threshold.holds(extra, rows)), expected)
    })
}

fn row_count(rule: &Rule, tally: &Tally) -> Finding {
    let expected = rule.threshold.to_string();
    // Rows that came a second time are not judged; a batch of only those lacks nothing.
    if tally.rows == 0 {
        let outcome = Outcome::NotEvaluated { why: "no rows to judge".to_owned() };
        return Finding { quality: 1.0, idle: true, ..Finding::new(outcome, expected) };
    }
    let written = tally.written;
    Finding {
        observed: Some(written as f64),
        sentence: format!("{written} rows were written (expected {expected})"),
        ..Finding::new(outcome(rule.threshold.holds(written, written)), expected)
    }
}

fn outcome(fine: bool) -> Outcome {
    if fine { Outcome::Passed } else { Outcome::Failed }
}

fn lag(now: DateTime<Utc>, newest_micros: i64) -> f64 {
    now.timestamp_micros().saturating_sub(newest_micros) as f64 / 1e6
}

//! What one rule found in a whole batch.

mod batch;
mod history;

use assay_core::{Check, Outcome, RuleResult, Severity};

use crate::report::Known;
use crate::suite::{Compiled, Test};
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
    /// What judging it took beyond the pass over the rows.
    pub(crate) cost: Option<String>,
    /// There was nothing that it could have looked at, which is nobody's fault.
    idle: bool,
}

impl Finding {
    pub(crate) fn of_rows(
        compiled: &Compiled,
        place: usize,
        broken: u64,
        tally: &Tally,
    ) -> Finding {
        let rule = &compiled.rule;
        let (rows, those) = match compiled.condition {
            Some(_) => {
                (tally.applied.get(&place).copied().unwrap_or_default(), " that it looks at")
            }
            None => (tally.rows, ""),
        };
        let expected = rule.threshold.to_string();
        let sentence = format!("{broken} of {rows} rows{those} broke it (expected {expected})");
        let outcome = outcome(rule.threshold.holds(broken, rows));
        let finding = Finding { broken, sentence, ..Finding::new(outcome, expected) };
        let finding = finding.unless_unevaluated(place, tally, rows);
        let asked = !matches!(finding.outcome, Outcome::NotEvaluated { .. });
        let cost = match &rule.check {
            Check::References { dataset, targets, .. } if asked => match &targets[..] {
                [target] => Some(format!("{rows} values looked up in {dataset}.{target}")),
                several => {
                    let targets = several.join(", ");
                    Some(format!("{rows} keys looked up in {dataset} ({targets})"))
                }
            },
            _ => None,
        };
        Finding { cost, ..finding }
    }

    pub(crate) fn of_batch(
        compiled: &Compiled,
        place: usize,
        tally: &Tally,
        known: &Known<'_>,
    ) -> Result<Finding, SpoolError> {
        let rows = match compiled.condition {
            Some(_) => tally.applied.get(&place).copied().unwrap_or_default(),
            None => tally.written,
        };
        let rule = &compiled.rule;
        let finding = match &compiled.test {
            Test::Fresh { warn_after_seconds: warn, error_after_seconds: error, .. } => {
                let newest = tally.newest.get(&place).map(|newest| known.seconds_since(*newest));
                batch::fresh(newest, *warn, *error, rows)
            }
            Test::Retained { seconds, .. } => {
                let oldest = tally.oldest.get(&place).map(|oldest| known.seconds_since(*oldest));
                batch::retained(oldest, *seconds, rows)
            }
            Test::Unique(_) => batch::unique(rule, place, rows, tally)?,
            Test::Sql(measure) => batch::sql(rule, place, tally, (measure, known.empty)),
            Test::Columns(problems) => batch::columns(problems),
            Test::Unjudged { why, .. } => return Ok(batch::unjudged(why)),
            Test::Volume(volume) => history::volume(*volume, tally, known),
            Test::Lag { lag, .. } => {
                let newest = tally.newest.get(&place).map(|newest| known.seconds_since(*newest));
                history::lag(*lag, newest, (rule, rows), known)
            }
            Test::Drift { column, drift } => history::drift(drift, column, known),
            _ => batch::row_count(rule, rows, tally, known.empty),
        };
        Ok(finding.unless_unevaluated(place, tally, rows))
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
            cost: None,
            idle: false,
        }
    }

    /// Nothing was there to be looked at; it blames nobody.
    fn idle(why: &str, expected: String) -> Finding {
        let outcome = Outcome::NotEvaluated { why: why.to_owned() };
        let sentence = format!("not evaluated, {why}");
        Finding { sentence, quality: 1.0, idle: true, ..Finding::new(outcome, expected) }
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
        cost: None,
    }
}

fn outcome(fine: bool) -> Outcome {
    if fine { Outcome::Passed } else { Outcome::Failed }
}

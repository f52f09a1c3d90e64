use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use assay_core::{
    Dimension, DimensionScore, OnFail, Outcome, Profile, Quality, Rule, RuleResult, Season,
    Severity, Verdict,
};

use crate::SpoolError;
use crate::finding::{Finding, breaker};
use crate::score::{BatchPart, Score, batch_weight, row_weight, score};
use crate::suite::Compiled;
use crate::wording::Points;
use crate::{Breaker, Suite, Tally};

/// What the runner knows of a batch beside its tally.
#[derive(Debug, Clone, Copy)]
pub struct BatchFacts {
    pub now: DateTime<Utc>,
    /// Whether there was nothing to read at all.
    pub empty: bool,
    /// Rows read, and those that left as dead letters for whatever reason. What was late is in
    /// neither: no rule was broken by it.
    pub read: u64,
    pub rejected: u64,
    pub breaker: Option<Breaker>,
}

/// An earlier batch of the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    pub at: DateTime<Utc>,
    /// Rows that it wrote.
    pub rows: u64,
}

/// How old the newest row of an earlier batch was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PastLag {
    pub at: DateTime<Utc>,
    pub seconds: f64,
}

/// What came before a batch, as far as its suite asks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    pub batches: Vec<Past>,
    /// By the rule that asks.
    pub lags: BTreeMap<String, Vec<PastLag>>,
    /// What the rows of earlier runs look like that are like the one of now, the newest first.
    pub runs: BTreeMap<Season, Vec<Profile>>,
}

/// What rules about the batch may know beside its rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) now: DateTime<Utc>,
    /// Whether there was nothing to read at all.
    pub(crate) empty: bool,
    /// None where no history is kept.
    pub(crate) history: Option<&'a History>,
    pub(crate) profile: &'a Profile,
}

/// The verdict so far, and what led to it.
#[derive(Debug)]
struct Judgement {
    verdict: Verdict,
    because: Vec<String>,
}

impl Suite {
    /// Sums a batch up of which no history is kept. The score is absent when no row was judged, or
    /// by no rule.
    pub fn report(&self, tally: &Tally, batch: &BatchFacts) -> Result<Quality, SpoolError> {
        let profile = Profile::default();
        self.sum_up(tally, &Known::of(batch, None, &profile), batch)
    }

    /// Sums a batch up that looks like `profile` and has others before it.
    pub fn report_among(
        &self,
        tally: &Tally,
        batch: &BatchFacts,
        history: &History,
        profile: &Profile,
    ) -> Result<Quality, SpoolError> {
        self.sum_up(tally, &Known::of(batch, Some(history), profile), batch)
    }

    fn sum_up(
        &self,
        tally: &Tally,
        known: &Known<'_>,
        batch: &BatchFacts,
    ) -> Result<Quality, SpoolError> {
        let findings = self.findings(tally, known)?;
        let score = weighed(tally, &findings, None);
        let (mut by_rows, mut by_batch) = score
            .as_ref()
            .map(|score| (score.lost_by_row_rules.iter(), score.lost_by_batch_rules.iter()))
            .unwrap_or_default();
        let mut judgement = Judgement { verdict: Verdict::Pass, because: Vec::new() };
        let mut rules = Vec::with_capacity(findings.len() + 1);
        for (compiled, finding) in &findings {
            let lost = if compiled.test.of_rows() { by_rows.next() } else { by_batch.next() };
            judgement.hear(&compiled.rule, finding);
            rules.push(result(compiled, finding, lost.copied().unwrap_or_default()));
        }
        let points = score.map(|score| score.points);
        self.weigh(points, &mut judgement);
        rules.extend(batch.breaker.map(|limits| {
            let result = breaker(limits, batch.rejected, batch.read);
            if result.outcome == Outcome::Failed {
                let (rejected, read) = (batch.rejected, batch.read);
                let expected = &result.expected;
                let why = format!("{rejected} of {read} rows were rejected (expected {expected})");
                judgement.reason(Verdict::Halt, format!("`{}`: {why}", Breaker::NAME));
            }
            result
        }));
        let Judgement { verdict, because } = judgement;
        let dimensions = dimensions(tally, &findings, &rules);
        Ok(Quality { score: points, verdict, because, rows: tally.rows, rules, dimensions })
    }

    fn findings(
        &self,
        tally: &Tally,
        known: &Known<'_>,
    ) -> Result<Vec<(&Compiled, Finding)>, SpoolError> {
        let mut bits = 0..;
        let find = |(place, compiled)| {
            let compiled: &Compiled = compiled;
            let bit = if compiled.test.of_rows() { bits.next() } else { None };
            let finding = match bit {
                Some(bit) => Finding::of_rows(compiled, place, tally.broken(bit), tally),
                None => Finding::of_batch(compiled, place, tally, known)?,
            };
            Ok((compiled, finding))
        };
        self.rules().map(find).collect()
    }

    fn weigh(&self, points: Option<f64>, judgement: &mut Judgement) {
        let below = |limit: Option<f64>| points.zip(limit).filter(|(points, limit)| points < limit);
        let sentence = |(points, limit)| format!("the score {} is below {limit}", Points(points));
        if let Some(found) = below(self.thresholds.halt_below) {
            judgement.reason(Verdict::Halt, sentence(found));
        } else if let Some(found) = below(self.thresholds.warn_below) {
            judgement.reason(Verdict::Warn, sentence(found));
        }
    }
}

impl<'a> Known<'a> {
    fn of(batch: &BatchFacts, history: Option<&'a History>, profile: &'a Profile) -> Known<'a> {
        Known { now: batch.now, empty: batch.empty, history, profile }
    }
    pub(crate) fn seconds_since(&self, micros: i64) -> f64 {
        self.now.timestamp_micros().saturating_sub(micros) as f64 / 1e6
    }
}

/// The score by all rules, or by those of one dimension: rows need not be looked at again.
fn weighed(
    tally: &Tally,
    findings: &[(&Compiled, Finding)],
    only: Option<Dimension>,
) -> Option<Score> {
    let counts = |rule: &Rule| only.is_none_or(|only| Dimension::of(&rule.dimension) == Some(only));
    let mut weights = Vec::new();
    let mut parts = Vec::new();
    for (compiled, finding) in findings {
        let (rule, counts) = (&compiled.rule, counts(&compiled.rule));
        match compiled.test.of_rows() {
            true => weights.push(if counts { row_weight(rule.severity) } else { 0.0 }),
            false => parts.push(BatchPart {
                weight: if counts { batch_weight(rule.severity) } else { 0.0 },
                quality: finding.quality,
            }),
        }
    }
    let score = score(tally.rows, &tally.masks, &weights, &parts);
    score.filter(|_| !findings.is_empty())
}

/// How the batch does in each dimension that has rules.
fn dimensions(
    tally: &Tally,
    findings: &[(&Compiled, Finding)],
    rules: &[RuleResult],
) -> Vec<DimensionScore> {
    let of = |dimension: Dimension| {
        // The breaker, which stands last, is no rule of the contract.
        let rules = rules.iter().take(findings.len());
        let rules = rules.filter(|rule| Dimension::of(&rule.dimension) == Some(dimension));
        let lost: Vec<f64> = rules.map(|rule| rule.lost).collect();
        (!lost.is_empty()).then(|| DimensionScore {
            dimension,
            score: weighed(tally, findings, Some(dimension)).map(|score| score.points),
            lost: lost.iter().sum(),
            rules: lost.len(),
        })
    };
    Dimension::ALL.into_iter().filter_map(of).collect()
}

impl Judgement {
    fn hear(&mut self, rule: &Rule, finding: &Finding) {
        let verdict = match (finding.failed(), finding.warns) {
            (true, _) if rule.on_fail == OnFail::Halt => Verdict::Halt,
            (false, false) => return,
            _ if rule.severity >= Severity::Warning => Verdict::Warn,
            _ => return,
        };
        self.reason(verdict, format!("`{}`: {}", rule.name, finding.sentence));
    }

    fn reason(&mut self, verdict: Verdict, sentence: String) {
        self.verdict = self.verdict.max(verdict);
        self.because.push(match verdict {
            Verdict::Halt => format!("{sentence}: halts the batch"),
            Verdict::Warn | Verdict::Pass => sentence,
        });
    }
}

fn result(compiled: &Compiled, finding: &Finding, lost: f64) -> RuleResult {
    RuleResult {
        rule: compiled.rule.name.clone(),
        columns: compiled.columns.clone(),
        dimension: compiled.rule.dimension.clone(),
        severity: compiled.rule.severity,
        outcome: finding.outcome.clone(),
        failed: finding.broken,
        observed: finding.observed,
        expected: finding.expected.clone(),
        lost,
        cost: finding.cost.clone(),
    }
}

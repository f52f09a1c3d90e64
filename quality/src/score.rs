//! The score: the share of usable rows, less what the batch as a whole lacks.
//!
//! Each row costs as much as its worst broken rule, so rules that always hold can't dilute it, and
//! the points lost add up to what is missing from 100.

use std::collections::BTreeMap;

use assay_core::Severity;

use crate::Mask;

/// What a row rule takes from a row, and a batch rule from the batch.
pub(crate) fn row_weight(severity: Severity) -> f64 {
    match severity {
        Severity::Critical | Severity::Error => 1.0,
        Severity::Warning => 0.25,
        Severity::Info => 0.0,
    }
}

pub(crate) fn batch_weight(severity: Severity) -> f64 {
    match severity {
        Severity::Critical => 1.0,
        Severity::Error => 0.5,
        Severity::Warning => 0.1,
        Severity::Info => 0.0,
    }
}

/// A rule about the batch: how much it may take, and how well it is met, 0–1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchPart {
    pub(crate) weight: f64,
    pub(crate) quality: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Score {
    pub(crate) points: f64,
    /// Points lost by the bit of each row rule, and by each batch rule.
    pub(crate) lost_by_row_rules: Vec<f64>,
    pub(crate) lost_by_batch_rules: Vec<f64>,
}

/// The score of `rows` rows; none without a row.
pub(crate) fn score(
    rows: u64,
    masks: &BTreeMap<Mask, u64>,
    weights: &[f64],
    batch: &[BatchPart],
) -> Option<Score> {
    if rows == 0 {
        return None;
    }
    let mut lost_by_row_rules = vec![0.0; weights.len()];
    for (mask, count) in masks {
        let worst = mask.bits().map(|bit| weights[bit]).fold(0.0, f64::max);
        let to_blame: Vec<usize> = mask.bits().filter(|bit| weights[*bit] == worst).collect();
        let points = 100.0 * worst * *count as f64 / rows as f64;
        for bit in &to_blame {
            lost_by_row_rules[*bit] += points / to_blame.len() as f64;
        }
    }
    let mut points = 100.0 - lost_by_row_rules.iter().sum::<f64>();
    let mut lost_by_batch_rules = Vec::with_capacity(batch.len());
    for part in batch {
        let lost = points * part.weight * (1.0 - part.quality);
        lost_by_batch_rules.push(lost);
        points -= lost;
    }
    // Sums of many shares end a hair beside the ends of the scale.
    let points = points.clamp(0.0, 100.0);
    Some(Score { points, lost_by_row_rules, lost_by_batch_rules })
}

/// How well a measure is met that is fine up to `target` and worth nothing from `limit` on.
pub(crate) fn ramp(measure: f64, target: f64, limit: f64) -> f64 {
    if measure <= target {
        1.0
    } else if measure >= limit {
        0.0
    } else {
        (limit - measure) / (limit - target)
    }
}

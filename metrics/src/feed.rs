use std::collections::BTreeMap;

use assay_core::{Evaluated, Outcome, Report, Severity, StageId};
use assay_store::{Increment, RunEnd};

use crate::names::{
    BOUND, DURATION_BUCKET, DURATION_BUCKETS, DURATION_COUNT, DURATION_SUM, QUALITY_CHECKS,
    QUALITY_CHECKS_FAILED, RECORDS_FAILED, RECORDS_PROCESSED,
};

/// What a committed batch adds to the totals; nothing when its run was not asked for metrics.
pub fn of_batch(report: &Report) -> Vec<Increment> {
    if !report.run.governed.metrics {
        return vec![];
    }
    let labels = stage(&report.run.stage);
    let mut increments = vec![
        add(RECORDS_PROCESSED.name, &labels, report.counts.written),
        add(RECORDS_FAILED.name, &labels, report.counts.rejected),
    ];
    increments.extend(checks(report));
    increments
}

/// What a halted batch adds to the totals: its rules were judged, but no row went anywhere.
pub fn of_halt(report: &Report) -> Vec<Increment> {
    if report.run.governed.metrics { checks(report) } else { vec![] }
}

/// What a finished run adds to the totals: one observation of its duration.
pub fn of_run(end: &RunEnd) -> Vec<Increment> {
    if !end.run.governed.metrics {
        return vec![];
    }
    let seconds = (end.ended_at - end.run.started_at).as_seconds_f64().max(0.0);
    let mut labels = stage(&end.run.stage);
    labels.insert("status".to_owned(), end.status.name().to_owned());
    let mut increments = vec![
        add(DURATION_COUNT, &labels, 1),
        Increment { name: DURATION_SUM, labels: labels.clone(), by: seconds },
    ];
    for bound in DURATION_BUCKETS.into_iter().filter(|bound| seconds <= *bound) {
        let mut labels = labels.clone();
        labels.insert(BOUND.to_owned(), bound.to_string());
        increments.push(add(DURATION_BUCKET, &labels, 1));
    }
    increments
}

/// Rules judged and broken, by severity. A severity that has rules also gets its zero, since a
/// counter that appears with its first failure hides that failure from `increase()`.
fn checks(report: &Report) -> Vec<Increment> {
    let Evaluated::Judged(quality) = &report.quality else { return vec![] };
    let mut of_severity: BTreeMap<Severity, (u64, u64)> = BTreeMap::new();
    for rule in &quality.rules {
        let (judged, broken) = of_severity.entry(rule.severity).or_default();
        *judged += 1;
        *broken += u64::from(rule.outcome != Outcome::Passed);
    }
    let mut increments = vec![];
    for (severity, (judged, broken)) in of_severity {
        let labels = BTreeMap::from([
            ("pipeline".to_owned(), report.run.stage.pipeline.clone()),
            ("dataset".to_owned(), report.output.to_string()),
            ("severity".to_owned(), severity.name().to_owned()),
        ]);
        increments.push(add(QUALITY_CHECKS.name, &labels, judged));
        increments.push(add(QUALITY_CHECKS_FAILED.name, &labels, broken));
    }
    increments
}

fn stage(stage: &StageId) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("pipeline".to_owned(), stage.pipeline.clone()),
        ("stage".to_owned(), stage.stage.clone()),
    ])
}

#[allow(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
fn add(name: &'static str, labels: &BTreeMap<String, String>, by: u64) -> Increment {
    Increment { name, labels: labels.clone(), by: by as f64 }
}

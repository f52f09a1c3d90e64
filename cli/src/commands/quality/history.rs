use anyhow::Result;
use assay_core::{DatasetName, Report};
use assay_store::ReportRecord;
use serde_json::json;

use crate::app::App;
use crate::output::{Grid, json, line, number, score, time};

const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(super) async fn history(
    app: &App,
    dataset: &DatasetName,
    limit: u32,
    as_json: bool,
) -> Result<()> {
    let mut reports = app.store.reports(Some(dataset), limit).await?;
    if reports.is_empty() {
        return Err(super::unknown(app, dataset).await?.into());
    }
    // Time goes from left to right and from top to bottom.
    reports.reverse();
    if as_json {
        let batches: Vec<_> = reports.iter().map(batch).collect();
        return json(&json!({"dataset": dataset, "batches": batches}));
    }
    let fresh = reports.iter().filter(|record| !record.report.upto.is_replay());
    let scores: Vec<Option<f64>> = fresh.map(|record| record.report.score()).collect();
    line(format!(
        "{dataset}, {}, the newest on the right",
        match reports.len() {
            1 => "1 batch".to_owned(),
            many => format!("{many} batches"),
        }
    ))?;
    let (least, greatest) = ends(&scores);
    if let (Some(least), Some(greatest)) = (least, greatest) {
        line(format!("score {} from {least:.2} to {greatest:.2}", sparkline(&scores)))?;
    }
    let rows: Vec<Option<f64>> =
        reports.iter().map(|it| Some(precise(it.report.counts.read))).collect();
    let (fewest, most) =
        (reports.iter().map(read).min().unwrap_or(0), reports.iter().map(read).max().unwrap_or(0));
    line(format!("rows  {} from {} to {}", sparkline(&rows), number(fewest), number(most)))?;
    let mut grid = Grid::new(&["judged", "score#", "verdict", "rows#", "rejected#", "batch"]);
    for record in &reports {
        let report = &record.report;
        grid.row([
            time(report.judged_at),
            score(report.score()),
            verdict(report),
            number(report.counts.read),
            number(report.counts.rejected),
            report.draft.to_string(),
        ]);
    }
    grid.print()
}

/// Letters that came back say nothing of how good new rows are.
fn verdict(report: &Report) -> String {
    let replay = if report.upto.is_replay() { ", sent back" } else { "" };
    format!("{}{replay}", report.verdict_name())
}

fn read(record: &ReportRecord) -> u64 {
    record.report.counts.read
}

fn batch(record: &ReportRecord) -> serde_json::Value {
    let report = &record.report;
    json!({
        "batch": report.draft,
        "run": report.run.id,
        "judged_at": report.judged_at,
        "score": report.score(),
        "verdict": report.verdict(),
        "sent_back": report.upto.is_replay(),
        "counts": report.counts,
        "snapshot": record.commit.map(|commit| commit.snapshot),
    })
}

#[allow(clippy::cast_precision_loss, reason = "drawn in eight steps")]
fn precise(count: u64) -> f64 {
    count as f64
}

pub(super) fn ends(values: &[Option<f64>]) -> (Option<f64>, Option<f64>) {
    let known = || values.iter().flatten().copied();
    (known().reduce(f64::min), known().reduce(f64::max))
}

/// A bar for each value between the least and the greatest; a gap where there is none.
pub(super) fn sparkline(values: &[Option<f64>]) -> String {
    let (Some(least), Some(greatest)) = ends(values) else { return String::new() };
    let span = greatest - least;
    let bar = |value: &Option<f64>| match value {
        None => ' ',
        // All are the same.
        Some(_) if span <= f64::EPSILON => STEPS[STEPS.len() - 1],
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 7")]
        Some(value) => STEPS[((value - least) / span * 7.0).round() as usize],
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::sparkline;

    #[test]
    fn a_sparkline_goes_from_the_least_to_the_greatest() {
        assert_eq!(sparkline(&[Some(0.0), Some(50.0), None, Some(100.0)]), "▁▅ █");
        assert_eq!(sparkline(&[Some(99.0), Some(99.0)]), "██");
        assert_eq!(sparkline(&[None]), "");
        assert_eq!(sparkline(&[]), "");
    }
}

//! What computing a day anew changes: its rows, and how it was judged before and is now.

use std::collections::BTreeMap;

use anyhow::Result;
use assay_core::{DatasetName, DraftId, Report, RunId, Verdict};
use assay_pipeline::{Pipeline, RunSummary, day_of_table};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use crate::app::App;
use crate::args::RunArgs;
use crate::output::{number, score};

/// A day of one table, and the judgements of the batches that brought it.
#[derive(Debug, Clone, Default)]
pub(crate) struct DayOf {
    rows: u64,
    commits: usize,
    batches: Vec<Judgement>,
}

/// How a batch was judged. It may have had rows of other days, too.
#[derive(Debug, Clone, Serialize)]
struct Judgement {
    batch: DraftId,
    judged_at: DateTime<Utc>,
    score: Option<f64>,
    verdict: &'static str,
    #[serde(skip)]
    severity: Option<Verdict>,
}

/// What became of a day of one table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Change {
    #[serde(skip)]
    pub(crate) run: RunId,
    dataset: DatasetName,
    date: NaiveDate,
    rows: u64,
    rows_before: u64,
    rejected: u64,
    letters_closed: u64,
    now: Judgement,
    before: Vec<Judgement>,
    /// Commits that brought the day whose reports are not kept here.
    before_unknown: usize,
}

/// The day to be computed anew, in each table; empty when none is to be.
pub(crate) async fn days(
    app: &App,
    pipeline: &Pipeline,
    what: &RunArgs,
) -> Result<BTreeMap<DatasetName, DayOf>> {
    let mut days = BTreeMap::new();
    let Some(date) = what.date else { return Ok(days) };
    for stage in pipeline.stages_of(what.stages) {
        let dataset = &stage.writes.dataset;
        if let Some(day) = day_of_table(&app.lake, &stage, date).await? {
            let reports = app.store.reports_at(dataset, &day.commits).await?;
            let batches = reports.iter().map(|record| Judgement::of(&record.report)).collect();
            let commits = day.commits.len();
            days.insert(dataset.clone(), DayOf { rows: day.rows, commits, batches });
        }
    }
    Ok(days)
}

/// What the runs have changed of the days that were there `before`.
pub(crate) fn changes(
    before: &BTreeMap<DatasetName, DayOf>,
    after: &BTreeMap<DatasetName, DayOf>,
    summaries: &[RunSummary],
) -> Vec<Change> {
    let reports = summaries.iter().flat_map(|summary| &summary.batches);
    let change = |report: &Report| {
        let date = report.recomputed?;
        let of = |days: &BTreeMap<DatasetName, DayOf>| days.get(&report.output).cloned();
        let DayOf { rows: rows_before, commits, batches } = of(before).unwrap_or_default();
        Some(Change {
            run: report.run.id,
            dataset: report.output.clone(),
            date,
            rows: of(after).unwrap_or_default().rows,
            rows_before,
            rejected: report.counts.rejected,
            letters_closed: report.closed.values().sum(),
            now: Judgement::of(report),
            before_unknown: commits.saturating_sub(batches.len()),
            before: batches,
        })
    };
    reports.filter_map(change).collect()
}

impl Judgement {
    fn of(report: &Report) -> Judgement {
        Judgement {
            batch: report.draft,
            judged_at: report.judged_at,
            score: report.score(),
            verdict: report.verdict_name(),
            severity: report.verdict(),
        }
    }

    fn told(&self) -> String {
        format!("{} ({})", score(self.score), self.verdict)
    }
}

impl Change {
    /// In two lines, for people.
    pub(crate) fn told(&self) -> String {
        format!(
            "  {} of {}: {} rows, before {}; {} rejected, {} letters closed\n    score {}, {}",
            self.dataset,
            self.date,
            number(self.rows),
            number(self.rows_before),
            number(self.rejected),
            number(self.letters_closed),
            self.now.told(),
            self.score_before(),
        )
    }

    /// A batch has one score for all its rows, so that of a day is known as far as those of its
    /// batches are.
    fn score_before(&self) -> String {
        let unknown = match self.before_unknown {
            0 => String::new(),
            unknown => format!("; {} more are not kept", number(unknown as u64)),
        };
        match self.before.as_slice() {
            [] if self.rows_before == 0 => "none before: the day had no rows".to_owned(),
            [] => "none before: no report of the day is kept here".to_owned(),
            [one] => format!("before {}{unknown}", one.told()),
            all => {
                let scores = || all.iter().filter_map(|one| one.score);
                let (least, most) = (scores().reduce(f64::min), scores().reduce(f64::max));
                let worst = all.iter().max_by_key(|one| one.severity);
                let worst = worst.map_or("", |worst| worst.verdict);
                format!(
                    "before {} to {} ({worst}) in {} batches{unknown}",
                    score(least),
                    score(most),
                    number(all.len() as u64),
                )
            }
        }
    }
}

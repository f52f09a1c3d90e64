//! Which runs fed the rows that a run wrote, and how good those were.

use std::collections::BTreeSet;

use assay_core::RunId;
use assay_store::{Direction, Event, LineageRun, Store, StoreError};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::{Names, Standing, Summary};

/// Runs that one answer looks at.
const MOST: usize = 500;
/// Runs of one dataset that may have fed one run, and tests of what a run wrote.
const FED_BY: u32 = 100;

/// The run that is asked about, and those behind it, the nearest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Blame {
    pub dataset: String,
    pub accused: Finding,
    pub behind: Vec<Finding>,
    /// There are more runs behind it than are shown.
    pub cut: bool,
}

/// What is known of how a run wrote a dataset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Steps upstream of the dataset that is asked about.
    pub distance: u32,
    pub dataset: String,
    #[serde(flatten)]
    pub run: Standing,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// Rules that its rows broke: by its own judgement, or by tests that ran behind it.
    pub failed: Vec<Failed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Failed {
    pub rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
}

impl Finding {
    /// Whether something is wrong with what it wrote.
    pub fn suspicious(&self) -> bool {
        let ended_badly = matches!(self.run.status.as_str(), "failed" | "aborted" | "lost");
        ended_badly || !self.failed.is_empty() || self.score.is_some_and(|score| score < 100.0)
    }
}

impl Blame {
    /// The runs that may be at fault: those furthest upstream first, since what is wrong there
    /// comes down.
    pub fn suspects(&self) -> Vec<&Finding> {
        let all = self.behind.iter().chain([&self.accused]);
        let mut found: Vec<&Finding> = all.filter(|finding| finding.suspicious()).collect();
        found.sort_by_key(|finding| std::cmp::Reverse(finding.distance));
        found
    }
}

/// Looks behind the run that wrote `dataset`, or the last one that did. None when no run did, or
/// not that one.
pub async fn blame(
    store: &Store,
    names: &Names,
    dataset: &str,
    run: Option<RunId>,
    now: DateTime<Utc>,
) -> Result<Option<Blame>, StoreError> {
    let first = match run {
        None => store.runs_that_wrote(&names.all(dataset), None, 1).await?.pop(),
        Some(id) => store.lineage_run(id).await?,
    };
    let Some(first) = first else { return Ok(None) };
    let wrote = store.touched(first.id, Direction::Downstream).await?;
    if !wrote.iter().any(|output| names.best(output) == dataset) {
        return Ok(None);
    }
    let accused = finding(store, names, dataset, &first, 0, now).await?;
    let mut seen = BTreeSet::from([(dataset.to_owned(), first.id)]);
    let (mut open, mut behind, mut distance) = (vec![first], vec![], 0);
    let mut cut = false;
    while !open.is_empty() && !cut {
        distance += 1;
        let mut next = vec![];
        for run in open {
            for (input, feeder) in feeders(store, names, &run).await? {
                if !seen.insert((input.clone(), feeder.id)) {
                    continue;
                }
                cut |= behind.len() >= MOST;
                if !cut {
                    behind.push(finding(store, names, &input, &feeder, distance, now).await?);
                    next.push(feeder);
                }
            }
        }
        open = next;
    }
    Ok(Some(Blame { dataset: dataset.to_owned(), accused, behind, cut }))
}

/// The runs that wrote what a run read: all since the run of the same job before it, since those
/// rows are new to it; if there are none the last one.
async fn feeders(
    store: &Store,
    names: &Names,
    run: &LineageRun,
) -> Result<Vec<(String, LineageRun)>, StoreError> {
    let before = store.run_before(run).await?;
    let inputs: BTreeSet<String> = store
        .touched(run.id, Direction::Upstream)
        .await?
        .iter()
        .map(|input| names.best(input).to_owned())
        .collect();
    let mut all = vec![];
    for input in inputs {
        let wrote = store.runs_that_wrote(&names.all(&input), Some(run.last_at), FED_BY).await?;
        let others = wrote.into_iter().filter(|other| other.id != run.id);
        let since = before.as_ref().map(|before| before.started_at);
        let new = |other: &LineageRun| since.is_none_or(|since| other.last_at > since);
        for (place, other) in others.enumerate() {
            if place > 0 && (since.is_none() || !new(&other)) {
                break;
            }
            all.push((input.clone(), other));
        }
    }
    Ok(all)
}

/// What a run's own events say of a dataset, and the tests that read it behind the run.
async fn finding(
    store: &Store,
    names: &Names,
    dataset: &str,
    run: &LineageRun,
    distance: u32,
    now: DateTime<Utc>,
) -> Result<Finding, StoreError> {
    let mut found = Finding {
        distance,
        dataset: dataset.to_owned(),
        run: Standing::of(run.clone(), now),
        score: None,
        verdict: None,
        failed: vec![],
        rows_in: None,
        rows_out: None,
        error: None,
    };
    let mut failed = BTreeSet::new();
    let each = |event: Event| {
        let summary = Summary::of(&event);
        found.error = summary.error.or(found.error.take());
        found.rows_in = summary.rows_in.or(found.rows_in);
        found.rows_out = summary.rows_out.or(found.rows_out);
        let outputs = event.body["outputs"].as_array().map_or(&[][..], Vec::as_slice);
        for (label, output) in event.outputs.iter().zip(outputs) {
            if names.best(label) == dataset {
                let quality = &output["outputFacets"]["assay_quality"];
                // Of several batches the worst counts.
                let scores = [quality["score"].as_f64(), found.score];
                found.score = scores.into_iter().flatten().reduce(f64::min);
                let verdict = quality["verdict"].as_str().map(str::to_owned);
                found.verdict = verdict.or(found.verdict.take());
                failed.extend(broken(&output["facets"]));
            }
        }
    };
    store.each_event_of(run.id, each).await?;
    let datasets = names.all(dataset);
    for test in store.tests_after(&datasets, run).await? {
        let each = |event: Event| {
            let inputs = event.body["inputs"].as_array().map_or(&[][..], Vec::as_slice);
            for (label, input) in event.inputs.iter().zip(inputs) {
                if names.best(label) == dataset {
                    failed.extend(broken(&input["facets"]));
                    failed.extend(broken(&input["inputFacets"]));
                }
            }
        };
        store.each_event_of(test, each).await?;
    }
    found.failed = failed.into_iter().collect();
    Ok(found)
}

/// The assertions of a dataset's facets that did not hold.
fn broken(facets: &Value) -> Vec<Failed> {
    let all = facets["dataQualityAssertions"]["assertions"].as_array();
    // In an event a rule that learns, or had nothing to look at, is one that did not hold. Those that
    // could not be evaluated on rows say on how many.
    let looked = |one: &Value| {
        let actual = one["actual"].as_str().unwrap_or_default();
        !actual.starts_with("not evaluated") || actual.ends_with(" rows)")
    };
    let failed = all.into_iter().flatten().filter(|one| one["success"] == false && looked(one));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    failed
        .map(|one| Failed {
            rule: text(&one["name"]).or_else(|| text(&one["assertion"])).unwrap_or_default(),
            column: text(&one["column"]),
            actual: text(&one["actual"]),
        })
        .collect()
}

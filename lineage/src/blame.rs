//! Which runs fed the rows that a run wrote, and how good those were.

use std::collections::BTreeSet;

use assay_core::RunId;
use assay_store::{Direction, Event, LineageRun, Store, StoreError};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::assertion::{NOT_EVALUATED, actual};
use crate::{Names, Standing, Summary};

/// Runs that one answer looks at.
const MOST: usize = 500;
/// Runs of one dataset that may have fed one run.
const FED_BY: u32 = 500;
/// Runs that began after the last one that ended, in an answer.
const GOING: u32 = 20;

/// The run that is asked about, and those behind it, the nearest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Blame {
    pub dataset: String,
    pub accused: Finding,
    pub behind: Vec<Finding>,
    /// Where to look first: what is known against them is furthest upstream, and comes down.
    pub first: Vec<Suspect>,
    /// Runs that began to write the dataset later and of which no end is known; of these nobody
    /// knows whether they wrote anything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub going: Vec<Standing>,
    /// There are more runs behind it than are shown.
    pub cut: bool,
}

/// A run that may be at fault, and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suspect {
    pub dataset: String,
    pub run: RunId,
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
    /// The findings against the runs to look at first.
    pub fn suspects(&self) -> Vec<&Finding> {
        let all = || self.behind.iter().chain([&self.accused]);
        let of = |one: &Suspect| {
            let mut all = all();
            all.find(|finding| finding.dataset == one.dataset && finding.run.run == one.run)
        };
        self.first.iter().filter_map(of).collect()
    }
}

/// Of the runs against which something is known, those furthest upstream.
fn first<'f>(all: impl Iterator<Item = &'f Finding> + Clone) -> Vec<Suspect> {
    let all = all.filter(|finding| finding.suspicious());
    let far = all.clone().map(|finding| finding.distance).max();
    let all = all.filter(|finding| Some(finding.distance) == far);
    all.map(|one| Suspect { dataset: one.dataset.clone(), run: one.run.run }).collect()
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
    let (accused, going) = match run {
        None => last(store, names, dataset, now).await?,
        Some(id) => (store.lineage_run(id).await?, vec![]),
    };
    let Some(accused) = accused else { return Ok(None) };
    let wrote = store.touched(accused.id, Direction::Downstream).await?;
    if !wrote.iter().any(|output| names.best(output) == dataset) {
        return Ok(None);
    }
    let mut seen = BTreeSet::from([(dataset.to_owned(), accused.id)]);
    let (mut behind, mut distance, mut cut) = (vec![], 0, false);
    let mut open = vec![accused.clone()];
    let accused = finding(store, names, dataset, &accused, 0, now).await?;
    while !open.is_empty() && behind.len() < MOST {
        distance += 1;
        let mut next = vec![];
        for run in open {
            let (feeders, more) = feeders(store, names, &run).await?;
            cut |= more;
            for (input, feeder) in feeders {
                if !seen.insert((input.clone(), feeder.id)) {
                    continue;
                }
                if behind.len() < MOST {
                    behind.push(finding(store, names, &input, &feeder, distance, now).await?);
                    next.push(feeder);
                } else {
                    cut = true;
                }
            }
        }
        open = next;
    }
    cut |= !open.is_empty();
    let first = first(behind.iter().chain([&accused]));
    Ok(Some(Blame { dataset: dataset.to_owned(), accused, behind, first, going, cut }))
}

/// The last run that wrote a dataset and has ended, and those that began later. Where none has ended,
/// the last one.
async fn last(
    store: &Store,
    names: &Names,
    dataset: &str,
    now: DateTime<Utc>,
) -> Result<(Option<LineageRun>, Vec<Standing>), StoreError> {
    let mut going = store.runs_that_wrote(&names.all(dataset), None, GOING).await?;
    let mut ended = going.iter().position(|run| run.ended_at.is_some());
    if ended.is_none() && going.len() == GOING as usize {
        going = store.runs_that_wrote(&names.all(dataset), None, FED_BY).await?;
        ended = going.iter().position(|run| run.ended_at.is_some());
    }
    let accused = ended.or((!going.is_empty()).then_some(0)).map(|place| going.remove(place));
    going.truncate(ended.unwrap_or(0));
    Ok((accused, going.into_iter().map(|run| Standing::of(run, now)).collect()))
}

/// The runs that wrote what a run read: all since the run of the same job before it, since those
/// rows are new to it; and back to the last one that completed, whose rows are there. True when there
/// are more.
async fn feeders(
    store: &Store,
    names: &Names,
    run: &LineageRun,
) -> Result<(Vec<(String, LineageRun)>, bool), StoreError> {
    let before = store.run_before(run).await?;
    let inputs: BTreeSet<String> = store
        .touched(run.id, Direction::Upstream)
        .await?
        .iter()
        .map(|input| names.best(input).to_owned())
        .collect();
    let since = before.as_ref().map(|before| before.started_at);
    let new = |other: &LineageRun| since.is_some_and(|since| other.last_at > since);
    let (mut all, mut more) = (vec![], false);
    for input in inputs {
        let wrote = store.runs_that_wrote(&names.all(&input), Some(run.last_at), FED_BY).await?;
        let full = wrote.len() == FED_BY as usize;
        let (mut whole, mut all_new) = (false, true);
        for other in wrote.into_iter().filter(|other| other.id != run.id) {
            if whole && !new(&other) {
                all_new = false;
                break;
            }
            whole |= matches!(other.status.as_str(), "complete" | "stated");
            all.push((input.clone(), other));
        }
        more |= full && all_new;
    }
    Ok((all, more))
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
        let actual = actual(one).unwrap_or_default();
        !actual.starts_with(NOT_EVALUATED) || actual.ends_with(" rows)")
    };
    let failed = all.into_iter().flatten().filter(|one| one["success"] == false && looked(one));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    failed
        .map(|one| Failed {
            rule: text(&one["name"]).or_else(|| text(&one["assertion"])).unwrap_or_default(),
            column: text(&one["column"]),
            actual: actual(one),
        })
        .collect()
}

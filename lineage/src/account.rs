//! A run as all its events together tell of it, in whatever order they came.

use std::collections::BTreeMap;

use assay_core::{RunId, StageId};
use assay_store::{Event, LineageRun, Store, StoreError};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Place;
use crate::receive::replace;

/// A run that began, and was silent for so long, is lost: nobody will say how it ended.
const LOST: TimeDelta = TimeDelta::hours(24);

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    pub run: RunId,
    pub job: StageId,
    /// running, lost, complete, failed, aborted; stated when a job was described and nothing ran.
    pub status: String,
    pub started_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    pub last_event_at: DateTime<Utc>,
    /// The run that it is a part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// All that is known of a run: facets of the same name replace each other, the later one counts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Account {
    #[serde(flatten)]
    pub standing: Standing,
    pub events: usize,
    pub facets: Map<String, Value>,
    pub job_facets: Map<String, Value>,
    pub inputs: BTreeMap<String, Named>,
    pub outputs: BTreeMap<String, Named>,
}

/// What a run said of a dataset.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Named {
    pub facets: Map<String, Value>,
    /// Of the dataset as this run used it: `inputFacets` or `outputFacets`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub own: Map<String, Value>,
}

/// A page of runs by their last event, the newest first, and where the next one begins.
pub async fn latest(
    store: &Store,
    after: Option<Place>,
    limit: u32,
    now: DateTime<Utc>,
) -> Result<(Vec<Standing>, Option<Place>), StoreError> {
    let after = after.map(|place| (place.at, RunId(place.id)));
    let mut runs = store.lineage_runs(after, limit.saturating_add(1)).await?;
    let more = runs.len() > limit as usize;
    runs.truncate(limit as usize);
    let last = runs.last().map(|run| Place { at: run.last_at, id: run.id.0 });
    let standing = runs.into_iter().map(|run| Standing::of(run, now)).collect();
    Ok((standing, last.filter(|_| more)))
}

/// What is known of a run; nothing when no event told of it.
pub async fn account(
    store: &Store,
    run: RunId,
    now: DateTime<Utc>,
) -> Result<Option<Account>, StoreError> {
    let Some(known) = store.lineage_run(run).await? else { return Ok(None) };
    let mut account = Account::new(Standing::of(known, now));
    // Those of one time, which their ids do not put in order.
    let mut together: Vec<Event> = vec![];
    let each = |event: Event| {
        if together.last().is_some_and(|last| last.at != event.at) {
            account.take(std::mem::take(&mut together));
        }
        together.push(event);
    };
    store.each_event_of(run, each).await?;
    account.take(together);
    Ok(Some(account))
}

impl Standing {
    pub fn of(run: LineageRun, now: DateTime<Utc>) -> Standing {
        let lost = run.ended_at.is_none() && now - run.last_at > LOST;
        Standing {
            run: run.id,
            job: run.job,
            status: if lost { "lost".to_owned() } else { run.status },
            started_at: run.started_at,
            ended_at: run.ended_at,
            last_event_at: run.last_at,
            parent: run.parent,
        }
    }
}

impl Account {
    fn new(standing: Standing) -> Account {
        Account {
            standing,
            events: 0,
            facets: Map::new(),
            job_facets: Map::new(),
            inputs: BTreeMap::new(),
            outputs: BTreeMap::new(),
        }
    }

    /// Takes in events of one time, behind all of the times before.
    fn take(&mut self, mut events: Vec<Event>) {
        events.sort_by_key(|event| (order(&event.body), event.id));
        for event in &events {
            self.events += 1;
            let body = &event.body;
            replace(&mut self.facets, &body["run"]["facets"]);
            replace(&mut self.job_facets, &body["job"]["facets"]);
            let inputs = body["inputs"].as_array().map_or(&[][..], Vec::as_slice);
            for (label, dataset) in event.inputs.iter().zip(inputs) {
                let named = self.inputs.entry(label.clone()).or_default();
                replace(&mut named.facets, &dataset["facets"]);
                replace(&mut named.own, &dataset["inputFacets"]);
            }
            let outputs = body["outputs"].as_array().map_or(&[][..], Vec::as_slice);
            for (label, dataset) in event.outputs.iter().zip(outputs) {
                let named = self.outputs.entry(label.clone()).or_default();
                replace(&mut named.facets, &dataset["facets"]);
                replace(&mut named.own, &dataset["outputFacets"]);
            }
        }
    }
}

/// Events of one time: a start comes first, an end last.
fn order(body: &Value) -> u8 {
    match body["eventType"].as_str() {
        Some("START") => 0,
        Some("COMPLETE" | "FAIL" | "ABORT") => 2,
        _ => 1,
    }
}

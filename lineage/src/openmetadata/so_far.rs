//! What a run of others has told so far. Many tell what they read when they begin and what they wrote
//! at their end, and only all of it together is a way.

use std::collections::BTreeMap;

use assay_core::RunId;
use assay_store::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::told::place_of;
use crate::receive::{replace, run_id, taken_back, time};
use crate::telling::JOBS;

/// Runs in memory at once; what is known of another one is read again.
const RUNS: usize = 64;
/// Datasets of each side of a run; more are no lineage that anybody looks at there.
const DATASETS: usize = 1_000;

/// What is shown of a run, a job and a dataset. A judgement is not among it: it counts once, at the
/// time of its event.
const OF_RUN: &[&str] = &["parent"];
const OF_JOB: &[&str] = &["sql", "lineage"];
const OF_DATASET: &[&str] =
    &["schema", "documentation", "columnLineage", "lineage", "symlinks", "datasetType"];

#[derive(Debug, Default)]
pub(super) struct Runs {
    known: BTreeMap<RunId, SoFar>,
}

#[derive(Debug, Default)]
struct SoFar {
    /// Of the last of the events, which may have come before the others.
    last: Option<DateTime<Utc>>,
    run: Map<String, Value>,
    job: Map<String, Value>,
    inputs: Side,
    outputs: Side,
}

/// Facets of datasets by namespace and name.
type Side = BTreeMap<(String, String), Map<String, Value>>;

impl Runs {
    /// The event with all that others of its run have told. Ours tell it whole with each batch.
    pub(super) async fn whole(
        &mut self,
        event: &Value,
        store: &Store,
    ) -> Result<Option<Value>, StoreError> {
        let Some(run) = event["run"]["runId"].as_str().map(run_id) else { return Ok(None) };
        if event["job"]["namespace"] == JOBS {
            return Ok(None);
        }
        if !self.known.contains_key(&run) {
            if self.known.len() >= RUNS {
                self.known.clear();
            }
            let mut so_far = SoFar::default();
            store
                .each_event_of(run, |event| {
                    let _ = so_far.take(&event.body);
                })
                .await?;
            self.known.insert(run, so_far);
        }
        let so_far = self.known.entry(run).or_default();
        let late = so_far.take(event);
        let whole = so_far.with(event, late);
        // After its end a run says little more, and that is read again then.
        if ["COMPLETE", "FAIL", "ABORT"].iter().any(|end| event["eventType"] == *end) {
            self.known.remove(&run);
        }
        Ok(Some(whole))
    }
}

impl SoFar {
    /// Takes in what an event says; true when a later one was taken in before it.
    fn take(&mut self, event: &Value) -> bool {
        let at = event["eventTime"].as_str().and_then(time);
        let late = at < self.last;
        self.last = self.last.max(at);
        merge(&mut self.run, &event["run"]["facets"], OF_RUN, late);
        merge(&mut self.job, &event["job"]["facets"], OF_JOB, late);
        for (side, key) in [(&mut self.inputs, "inputs"), (&mut self.outputs, "outputs")] {
            for dataset in event[key].as_array().into_iter().flatten() {
                let Some(place) = place_of(dataset) else { continue };
                if side.len() < DATASETS || side.contains_key(&place) {
                    merge(side.entry(place).or_default(), &dataset["facets"], OF_DATASET, late);
                }
            }
        }
        late
    }

    fn with(&self, event: &Value, late: bool) -> Value {
        let mut event = event.clone();
        event["run"]["facets"] = Value::Object(self.run.clone());
        event["job"]["facets"] = Value::Object(self.job.clone());
        for (side, key) in [(&self.inputs, "inputs"), (&self.outputs, "outputs")] {
            let mut all = event[key].as_array_mut().map(std::mem::take).unwrap_or_default();
            let mut rest: BTreeMap<_, _> = side.iter().collect();
            for dataset in &mut all {
                let Some(known) = place_of(dataset).and_then(|place| rest.remove(&place)) else {
                    continue;
                };
                let own = &dataset["facets"];
                let mut facets = if late { Map::new() } else { known.clone() };
                replace(&mut facets, own);
                if late {
                    replace(&mut facets, &Value::Object(known.clone()));
                }
                dataset["facets"] = Value::Object(facets);
            }
            all.extend(rest.into_iter().map(|((namespace, name), facets)| {
                json!({"namespace": namespace, "name": name, "facets": facets})
            }));
            event[key] = Value::Array(all);
        }
        event
    }
}

/// Takes in facets of these names; those of an event that is late only where there are none.
fn merge(known: &mut Map<String, Value>, said: &Value, names: &[&str], late: bool) {
    for name in names {
        let Some(facet) = said.get(*name) else { continue };
        if taken_back(facet) {
            known.remove(*name);
        } else if !late || !known.contains_key(*name) {
            known.insert((*name).to_owned(), facet.clone());
        }
    }
}

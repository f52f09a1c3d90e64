//! What a run of others has told so far. Many tell what they read when they begin and what they wrote
//! at their end, and only all of it together is a way.

use std::collections::BTreeMap;

use assay_core::RunId;
use assay_store::{Store, StoreError};
use serde_json::{Map, Value, json};

use crate::receive::{replace, run_id};
use crate::telling::JOBS;

/// Runs in memory at once; what is known of another one is read again.
const RUNS: usize = 256;
/// Datasets of each side of a run; more are no lineage that anybody looks at there.
const DATASETS: usize = 1_000;

/// Facets of a judgement, which count once: at the time of their event.
const JUDGED: [&str; 2] = ["dataQualityAssertions", "dataQualityMetrics"];

#[derive(Debug, Default)]
pub(super) struct Runs {
    known: BTreeMap<RunId, SoFar>,
}

#[derive(Debug, Default)]
struct SoFar {
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
            store.each_event_of(run, |event| so_far.take(&event.body)).await?;
            self.known.insert(run, so_far);
        }
        let so_far = self.known.entry(run).or_default();
        so_far.take(event);
        Ok(Some(so_far.with(event)))
    }
}

impl SoFar {
    fn take(&mut self, event: &Value) {
        replace(&mut self.run, &event["run"]["facets"]);
        replace(&mut self.job, &event["job"]["facets"]);
        for (side, key) in [(&mut self.inputs, "inputs"), (&mut self.outputs, "outputs")] {
            for dataset in event[key].as_array().into_iter().flatten() {
                let Some(place) = place_of(dataset) else { continue };
                if side.len() < DATASETS || side.contains_key(&place) {
                    let facets = side.entry(place).or_default();
                    replace(facets, &dataset["facets"]);
                    facets.retain(|name, _| !JUDGED.contains(&name.as_str()));
                }
            }
        }
    }

    fn with(&self, event: &Value) -> Value {
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
                let mut facets = known.clone();
                replace(&mut facets, &dataset["facets"]);
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

fn place_of(dataset: &Value) -> Option<(String, String)> {
    Some((dataset["namespace"].as_str()?.to_owned(), dataset["name"].as_str()?.to_owned()))
}

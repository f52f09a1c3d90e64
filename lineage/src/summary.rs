//! What one event says in figures, whoever sent it.

use assay_core::{RunId, StageId};
use assay_store::{Event, EventKind, Store, StoreError};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::Place;

/// One event in figures. What an event does not say is not made up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    pub id: Uuid,
    pub kind: &'static str,
    pub at: DateTime<Utc>,
    pub run: RunId,
    pub job: StageId,
    /// running, complete, failed, aborted, or halted of a run of ours.
    pub status: String,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_out: Option<u64>,
    /// The share of the rows read that was neither written nor left out on purpose. Of foreign
    /// jobs it is not known, since they don't say what they filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_loss_percent: Option<f64>,
    /// Of ends: since the run's first event, where the event does not say itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A page of events, the newest first, and where the next one begins.
pub async fn newest(
    store: &Store,
    kind: Option<EventKind>,
    after: Option<Place>,
    limit: u32,
) -> Result<(Vec<Summary>, Option<Place>), StoreError> {
    let after = after.map(|place| (place.at, place.id));
    let mut all = vec![];
    let each = |event: Event| all.push(Summary::of(&event));
    store.each_event_before(kind, after, limit.saturating_add(1), each).await?;
    let more = all.len() > limit as usize;
    all.truncate(limit as usize);
    let last = all.last().map(|event| Place { at: event.at, id: event.id });
    let ends = all.iter_mut().filter(|one| one.kind == EventKind::JobEnd.name());
    for summary in ends.filter(|one| one.duration_seconds.is_none()) {
        let run = store.lineage_run(summary.run).await?;
        let since = run.map(|run| (summary.at - run.started_at).as_seconds_f64());
        summary.duration_seconds = since.filter(|seconds| *seconds > 0.0);
    }
    Ok((all, last.filter(|_| more)))
}

impl Summary {
    pub fn of(event: &Event) -> Summary {
        let body = &event.body;
        let ours = &body["run"]["facets"]["assay_run"];
        let quality = first(&body["outputs"], "outputFacets", "assay_quality");
        let counts = [&ours["counts"], &quality["counts"]];
        let count = |name: &str| counts.iter().find_map(|counts| counts[name].as_u64());
        let said = match body["eventType"].as_str() {
            Some("COMPLETE") => "complete",
            Some("FAIL") => "failed",
            Some("ABORT") => "aborted",
            _ => "running",
        };
        let text = |key: &str| body["job"][key].as_str().unwrap_or_default();
        // Spark has a facet of its own.
        let facets = &body["run"]["facets"];
        let errors =
            ["errorMessage", "spark.exception"].map(|name| facets[name]["message"].as_str());
        let loss = ours["dataLossPercent"].as_f64().or(quality["dataLossPercent"].as_f64());
        Summary {
            id: event.id,
            kind: event.kind.name(),
            at: event.at,
            run: event.run,
            job: assay_store::job(text("namespace"), text("name")),
            status: ours["status"].as_str().unwrap_or(said).to_owned(),
            inputs: event.inputs.clone(),
            outputs: event.outputs.clone(),
            rows_in: rows(&body["inputs"], "inputFacets", "inputStatistics").or(count("read")),
            rows_out: rows(&body["outputs"], "outputFacets", "outputStatistics")
                .or(count("written")),
            data_loss_percent: loss,
            duration_seconds: ours["durationSeconds"].as_f64(),
            error: errors.into_iter().flatten().next().map(str::to_owned),
        }
    }
}

/// The first facet of that name that a dataset has.
fn first<'v>(datasets: &'v Value, own: &str, facet: &str) -> &'v Value {
    let all = datasets.as_array().map_or(&[][..], Vec::as_slice);
    let found = all.iter().map(|dataset| &dataset[own][facet]).find(|facet| !facet.is_null());
    found.unwrap_or(&Value::Null)
}

/// The sum over the datasets that say how many rows they had.
fn rows(datasets: &Value, own: &str, facet: &str) -> Option<u64> {
    let all = datasets.as_array().map_or(&[][..], Vec::as_slice);
    let counts = all.iter().filter_map(|dataset| dataset[own][facet]["rowCount"].as_u64());
    counts.fold(None, |sum, rows| Some(sum.unwrap_or(0).saturating_add(rows)))
}

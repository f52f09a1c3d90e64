//! Tells of requests to a service of ours: how many came, how long they took, what became of the
//! events in them. Not one by one: as many would come as events, and say less.

use assay_core::{Counts, Governed, Run, RunId, StageId};
use assay_store::{Event, EventKind, Received};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::event::{self, EventType, RunEvent};
use crate::facet::{AssayRun, ErrorMessage};
use crate::receive::id_of;
use crate::telling::{JOBS, data_loss_percent};

/// Requests of one time that went to one address and were answered alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Requests {
    /// Method and address: `POST /api/v1/lineage`.
    pub endpoint: String,
    pub status: u16,
    pub count: u64,
    /// Events that came in them, and those that were kept.
    pub received: u64,
    pub kept: u64,
    /// How long all of them took together.
    pub seconds: f64,
}

/// The event that tells of requests up to a time; `instance` tells services apart.
pub fn api_requests(requests: &Requests, instance: &str, at: DateTime<Utc>) -> Received {
    let Requests { endpoint, status, count, received, kept, seconds } = requests;
    let failed = *status >= 400;
    let rejected = received.saturating_sub(*kept);
    let counts = Counts { read: *received, written: *kept, rejected, ..Counts::default() };
    let run = id_of(format!("{instance} {endpoint} {status} {at}").as_bytes());
    let facets = event::RunFacets {
        error_message: failed.then(|| {
            let message = format!("answered with {status}");
            ErrorMessage { message, programming_language: "RUST".to_owned() }.into()
        }),
        assay_run: Some(
            AssayRun {
                status: if failed { "failed" } else { "complete" }.to_owned(),
                duration_seconds: *seconds,
                batches: *count,
                counts,
                data_loss_percent: data_loss_percent(&counts),
            }
            .into(),
        ),
        ..event::RunFacets::default()
    };
    let event = RunEvent {
        event_type: EventType::Other,
        event_time: at,
        producer: event::PRODUCER.to_owned(),
        schema_url: event::SCHEMA_URL.to_owned(),
        run: event::Run { run_id: run, facets },
        job: event::Job {
            namespace: JOBS.to_owned(),
            name: format!("sidecar.{endpoint}"),
            facets: event::JobFacets::default(),
        },
        inputs: vec![],
        outputs: vec![],
    };
    let body: Value = serde_json::to_value(&event).expect("an event has only text as keys");
    let stage = StageId { pipeline: "sidecar".to_owned(), stage: endpoint.clone() };
    let text = body.to_string();
    let (id, kind) = (id_of(text.as_bytes()), EventKind::ApiRequest);
    let governed = Governed::default();
    let run = Run { id: RunId(run), stage, started_at: at, governed, following: false };
    Received {
        event: Event { id, run: run.id, kind, at, body, inputs: vec![], outputs: vec![] },
        run,
        text: Some(text),
    }
}

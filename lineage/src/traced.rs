//! Which trace an event is part of: said in the event, so that whoever delivers it goes on from there.

use assay_core::TraceContext;
use assay_store::Received;
use serde_json::Value;

use crate::facet::{AssayTrace, Facet};

const FACET: &str = "assay_trace";

/// Says of received events which request they came with. What an event says itself stays.
pub fn part_of(events: &mut [Received], trace: &TraceContext) {
    let facet = Facet::from(AssayTrace { context: trace.clone() });
    let Ok(facet) = serde_json::to_value(&facet) else { return };
    for received in events {
        // What is said of a job or a dataset alone is of no run.
        let Some(run) = received.event.body.get_mut("run").and_then(Value::as_object_mut) else {
            continue;
        };
        let facets = run.entry("facets").or_insert_with(|| Value::Object(Default::default()));
        received.text = None;
        if let Some(facets) = facets.as_object_mut() {
            facets.entry(FACET).or_insert_with(|| facet.clone());
        }
    }
}

/// What an event says that it is part of.
pub(crate) fn said(event: &Value) -> Option<TraceContext> {
    let facet = event.get("run")?.get("facets")?.get(FACET)?;
    TraceContext::read(|name| facet.get(name)?.as_str().map(str::as_bytes))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::receive::read;

    #[test]
    fn an_event_says_its_trace_without_becoming_another_event() {
        let event = json!({
            "eventType": "START", "eventTime": "2026-11-21T13:31:23Z", "producer": "p",
            "schemaURL": "s", "run": {"runId": "r"}, "job": {"namespace": "n", "name": "j"},
        });
        let alone = json!({
            "eventTime": "2026-11-21T13:31:23Z", "producer": "p", "schemaURL": "s",
            "job": {"namespace": "n", "name": "j"},
        });
        let body = json!([event, alone]).to_string();
        let untouched = read(body.as_bytes()).unwrap().events;
        let mut events = untouched.clone();
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let header = |name: &str| (name == "traceparent").then_some(parent.as_bytes());
        let trace = TraceContext::read(header).unwrap();
        part_of(&mut events, &trace);
        assert_eq!(said(&events[0].event.body), Some(trace));
        assert_eq!(events[0].event.id, untouched[0].event.id);
        assert_eq!(events[1], untouched[1]);
        assert_eq!(said(&untouched[0].event.body), None);
        let odd = json!({"run": {"facets": {"assay_trace": {"traceparent": "SECRET"}}}});
        assert_eq!(said(&odd), None);
    }
}

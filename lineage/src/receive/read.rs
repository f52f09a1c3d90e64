//! From a body to events that can be kept.

use assay_core::{Governed, Layer, Run, RunId};
use assay_store::{Event, EventKind, Received, job, label};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid, Version};

use super::check::{Fault, check};
use crate::DatasetKind;

/// The events of a body.
#[derive(Debug, Default)]
pub struct Body {
    /// Those that are as the standard says, in their order.
    pub events: Vec<Received>,
    pub faults: Vec<Fault>,
}

/// How far a producer's clock may go ahead of ours. A way that ended ahead of time would hide those
/// that are gone meanwhile.
const AHEAD: TimeDelta = TimeDelta::minutes(1);

impl Body {
    /// What claims to be of later counts as of `now`: it would stay the newest of its run, its job and
    /// all lists until that time has come. Its text stays as it is.
    pub fn hold_back(&mut self, now: DateTime<Utc>) {
        for Received { run, event, .. } in &mut self.events {
            if event.at > now + AHEAD {
                (event.at, run.started_at) = (now, now);
            }
        }
    }
}

/// The body is no JSON: where, and not what stood there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is no JSON: the mistake is in line {line}, column {column}")]
pub struct Unreadable {
    pub line: usize,
    pub column: usize,
}

/// One event, a list of events, or an object that has such a list as `events`.
pub fn read(body: &[u8]) -> Result<Body, Unreadable> {
    let all: Vec<Result<Value, Fault>> = match serde_json::from_slice(body) {
        Ok(whole) => listed(whole).into_iter().map(Ok).collect(),
        Err(_) => split(body)
            .map_err(|error| Unreadable { line: error.line(), column: error.column() })?
            .into_iter()
            .enumerate()
            .map(|(index, event)| parsed(event, index))
            .collect(),
    };
    let (mut body, mut ways) = (Body::default(), 0);
    for (index, event) in all.into_iter().enumerate() {
        let checked = event.and_then(|event| check(&event, index, &mut ways).map(|at| (event, at)));
        match checked {
            Ok((event, at)) => body.events.push(received(event, at)),
            Err(fault) => body.faults.push(fault),
        }
    }
    Ok(body)
}

fn listed(whole: Value) -> Vec<Value> {
    match whole {
        Value::Array(all) => all,
        Value::Object(mut object) if !object.contains_key("eventTime") => {
            match object.remove("events") {
                Some(Value::Array(all)) => all,
                _ => vec![Value::Object(object)],
            }
        }
        other => vec![other],
    }
}

/// The same of a body that can't be read as a whole: the events as they stand there, so that one that
/// can't be kept takes no other with it.
fn split(body: &[u8]) -> Result<Vec<&RawValue>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Wrapped<'a> {
        #[serde(borrow, rename = "eventTime")]
        event_time: Option<&'a RawValue>,
        #[serde(borrow)]
        events: Option<&'a RawValue>,
    }
    let whole: &RawValue = serde_json::from_slice(body)?;
    let list = |all: &RawValue| all.get().starts_with('[');
    if list(whole) {
        return serde_json::from_str(whole.get());
    }
    match serde_json::from_str(whole.get()) {
        Ok(Wrapped { event_time: None, events: Some(all) }) if list(all) => {
            serde_json::from_str(all.get())
        }
        _ => Ok(vec![whole]),
    }
}

/// It is JSON, and may still be none that can be kept.
fn parsed(event: &RawValue, index: usize) -> Result<Value, Fault> {
    serde_json::from_str(event.get()).map_err(|error| {
        // The library has no other way to tell them apart.
        let why = error.to_string();
        let rule = if why.starts_with("recursion limit") {
            "is not nested deeper than 127 levels"
        } else if why.starts_with("number out of range") {
            "its numbers are not larger than a double takes"
        } else {
            "its texts are Unicode, without halves of surrogate pairs"
        };
        Fault { index, path: "$".to_owned(), rule: rule.to_owned() }
    })
}

/// What queries need of an event. Its id is made from what it says, so that the same event sent
/// again is the same event.
fn received(body: Value, at: DateTime<Utc>) -> Received {
    let (inputs, outputs) = (labels(&body, "inputs"), labels(&body, "outputs"));
    let text = body.to_string();
    let id = id_of(text.as_bytes());
    // What is said of a job or a dataset is of no run, and stands alone.
    let run = body["run"]["runId"].as_str().map_or(RunId(id), run_id);
    let named = |key: &str| body["job"][key].as_str().unwrap_or_default();
    let stage = job(named("namespace"), named("name"));
    let kind = kind(&body, &inputs, &outputs);
    let run =
        Run { id: run, stage, started_at: at, governed: Governed::default(), following: false };
    let event = Event { id, run: run.id, kind, at, body, inputs, outputs };
    Received { run, event, text: Some(text) }
}

/// The run that is called so; some producers have run ids that are no UUIDs.
pub fn run_id(said: &str) -> RunId {
    RunId(said.parse().unwrap_or_else(|_| id_of(said.as_bytes())))
}

fn labels(body: &Value, key: &str) -> Vec<String> {
    let by_us = body["job"]["namespace"] == crate::CATALOG;
    let name = |dataset: &Value| {
        let text = |key: &str| dataset[key].as_str().unwrap_or_default();
        // So is a topic of ours, whose stages say so on another machine.
        if by_us && dataset["facets"]["datasetType"]["datasetType"] == DatasetKind::Topic.name() {
            return format!("{}.{}", Layer::Log.name(), text("name"));
        }
        // A table of ours is known by its name in the catalog, wherever it is kept.
        let links = dataset["facets"]["symlinks"]["identifiers"].as_array();
        let ours = links.into_iter().flatten().find(|link| link["namespace"] == crate::CATALOG);
        let ours = ours.and_then(|link| link["name"].as_str()).map(str::to_owned);
        ours.unwrap_or_else(|| label(text("namespace"), text("name")))
    };
    body[key].as_array().into_iter().flatten().map(name).collect()
}

/// What an event tells of, in the five words that events are counted by.
fn kind(body: &Value, inputs: &[String], outputs: &[String]) -> EventKind {
    let landed = |label: &String| label.starts_with("log.") || label.starts_with("bronze.");
    match body["eventType"].as_str() {
        Some("START") => EventKind::JobStart,
        Some("COMPLETE" | "FAIL" | "ABORT") => EventKind::JobEnd,
        _ if inputs.is_empty() || outputs.iter().any(landed) => EventKind::Ingestion,
        _ => EventKind::Transformation,
    }
}

pub(crate) fn id_of(bytes: &[u8]) -> Uuid {
    let mut id = [0; 16];
    id.copy_from_slice(&Sha256::digest(bytes)[..16]);
    Builder::from_bytes(id).with_version(Version::Custom).into_uuid()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> Value {
        json!({
            "eventType": "START", "eventTime": "2026-11-21T13:31:23Z", "producer": "p",
            "schemaURL": "s", "run": {"runId": "run_id"}, "job": {"namespace": "n", "name": "j"},
            "inputs": [{"namespace": "postgresql://db", "name": "a.b"}], "outputs": [],
        })
    }

    fn faults(body: &Value) -> Vec<String> {
        let body = read(body.to_string().as_bytes()).unwrap();
        body.faults.iter().map(|f| format!("{} {}: {}", f.index, f.path, f.rule)).collect()
    }

    #[test]
    fn an_event_sent_twice_is_one_and_a_run_without_a_uuid_has_one_id() {
        let one = read(event().to_string().as_bytes()).unwrap().events;
        let list = json!([event(), event()]);
        let two = read(list.to_string().as_bytes()).unwrap().events;
        let wrapped = read(json!({"events": [event()]}).to_string().as_bytes()).unwrap().events;
        assert_eq!((&two[0], &two[1], &wrapped[0]), (&one[0], &one[0], &one[0]));
        assert_eq!(one[0].event.inputs, ["postgres://db a.b"]);
        let mut later = event();
        later["eventType"] = json!("COMPLETE");
        let later = read(later.to_string().as_bytes()).unwrap().events;
        assert_ne!(later[0].event.id, one[0].event.id);
        assert_eq!(later[0].run.id, one[0].run.id);
    }

    #[test]
    fn what_is_wrong_is_named_by_path_and_rule_and_never_by_value() {
        let with = |path: &str, value: Value| {
            let mut event = event();
            *event.pointer_mut(path).unwrap() = value;
            event
        };
        let list = json!([
            event(),
            with("/eventType", json!("SECRET")),
            with("/eventTime", json!("SECRET")),
            with("/inputs/0/namespace", json!("")),
            with("/outputs", json!("SECRET")),
            with("/run", json!({"runId": "x", "facets": {"parent": "SECRET"}})),
            {"eventTime": "2026-11-21T13:31:23Z", "producer": "p", "schemaURL": "s"},
            "SECRET",
        ]);
        let faults = faults(&list).join("\n");
        insta::assert_snapshot!(faults, @r"
        1 $.eventType: is one of START, RUNNING, COMPLETE, ABORT, FAIL, OTHER
        2 $.eventTime: is a time, as 2026-11-21T13:31:23.772Z
        3 $.inputs[0].namespace: is required, and is a text that is not empty
        4 $.outputs: is a list of datasets
        5 $.run.facets.parent: a facet is an object
        6 $: an event has `run` and `job`, or `job`, or `dataset`
        7 $: an event is a JSON object
        ");
        let broken = read(b"{\"a\":\n SECRET}").unwrap_err();
        assert_eq!(broken, Unreadable { line: 2, column: 2 });
    }

    #[test]
    fn a_job_and_a_dataset_may_stand_alone() {
        for alone in ["job", "dataset"] {
            let body = json!({
                "eventTime": "2026-11-21T13:31:23", "producer": "p", "schemaURL": "s",
                alone: {"namespace": "n", "name": "j"},
            });
            assert_eq!(faults(&body), Vec::<String>::new());
        }
    }

    #[test]
    fn a_time_that_could_not_be_kept_in_order_is_no_time() {
        for odd in ["+12345-06-07T00:00:00", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00Z"] {
            let mut event = event();
            event["eventTime"] = json!(odd);
            let body = read(event.to_string().as_bytes()).unwrap();
            assert_eq!(body.faults[0].path, "$.eventTime", "{odd}");
        }
    }

    #[test]
    fn an_event_that_can_not_be_kept_takes_no_other_with_it() {
        let deep = format!("{}1{}", "[".repeat(140), "]".repeat(140));
        let with = |facet: &str| {
            let mut event = event();
            event["run"]["facets"] = json!({"odd": {"x": 1}});
            event.to_string().replace("{\"x\":1}", &format!("{{\"x\":{facet}}}"))
        };
        let all = [&deep, r#""\ud800""#, "1e999", "2"].map(with).join(",");
        for body in [format!("[{all}]"), format!(r#"{{"events": [{all}]}}"#)] {
            let body = read(body.as_bytes()).unwrap();
            let told: Vec<String> =
                body.faults.iter().map(|f| format!("{} {} {}", f.index, f.path, f.rule)).collect();
            insta::allow_duplicates! {
                insta::assert_snapshot!(told.join("\n"), @r"
                0 $ is not nested deeper than 127 levels
                1 $ its texts are Unicode, without halves of surrogate pairs
                2 $ its numbers are not larger than a double takes
                ");
            }
            assert_eq!(body.events.len(), 1);
        }
    }

    #[test]
    fn a_time_that_is_far_ahead_is_no_time() {
        let now: DateTime<Utc> = "2026-11-21T13:31:23Z".parse().unwrap();
        let [mut soon, mut far] = [event(), event()];
        soon["eventTime"] = json!("2026-11-21T13:32:23Z");
        far["eventTime"] = json!("9999-12-31T23:59:59Z");
        let mut body = read(json!([soon, far]).to_string().as_bytes()).unwrap();
        body.hold_back(now);
        let [soon, far] = &body.events[..] else { panic!("{body:?}") };
        assert_eq!(soon.event.at, now + AHEAD);
        assert_eq!((far.event.at, far.run.started_at), (now, now));
        assert_eq!(far.event.body["eventTime"], "9999-12-31T23:59:59Z");
    }
}

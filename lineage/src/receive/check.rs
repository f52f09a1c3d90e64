//! What an event must have by the schema of OpenLineage 2-0-2, and nothing more: producers differ
//! in the rest, and an event that is refused is lineage that nobody has.

use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

/// Where an event is not as the standard says, and what it should be. What stood there is not
/// repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Which of several events, counted from 0.
    pub index: usize,
    /// As JSON path: `$.inputs[0].namespace`.
    pub path: String,
    pub rule: String,
}

const TYPES: [&str; 6] = ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"];

/// Longer names than any system has; they would make the graph unusable.
const LONGEST_NAME: usize = 2000;
/// Ways that one event may say, and all of a body together: each input to each output. They are
/// kept in one transaction, for which everybody else waits.
const MOST_WAYS: usize = 100_000;

/// What is wrong with one part of an event.
struct Wrong(String, String);

/// The time of an event, when it is as the standard says. `ways` are those of the events before it
/// in the same body, and then its own with them.
pub(super) fn check(event: &Value, index: usize, ways: &mut usize) -> Result<DateTime<Utc>, Fault> {
    checked(event, ways).map_err(|Wrong(path, rule)| Fault { index, path, rule })
}

fn checked(event: &Value, ways: &mut usize) -> Result<DateTime<Utc>, Wrong> {
    let Some(object) = event.as_object() else {
        return Err(wrong("$", "an event is a JSON object"));
    };
    let at = event_time(object)?;
    text(object, "$", "producer", usize::MAX)?;
    text(object, "$", "schemaURL", usize::MAX)?;
    match (object.get("run"), object.get("job"), object.get("dataset")) {
        (Some(run), _, _) => {
            let run = part(run, "$.run")?;
            text(run, "$.run", "runId", LONGEST_NAME)?;
            facets(run, "$.run", "facets")?;
            named(object.get("job").unwrap_or(&Value::Null), "$.job")?;
        }
        // What began or ended is a run; what only says what a job or a dataset is has no such type.
        (None, ..) if object.get("eventType").is_some_and(|kind| !kind.is_null()) => {
            return Err(wrong("$.run", "is there where an event has an `eventType`"));
        }
        (None, Some(job), _) => named(job, "$.job")?,
        (None, None, Some(dataset)) => named(dataset, "$.dataset")?,
        (None, None, None) => {
            let rule = "an event has `run` and `job`, or `job`, or `dataset`";
            return Err(wrong("$", rule));
        }
    }
    if let Some(kind) = object.get("eventType").filter(|kind| !kind.is_null())
        && !kind.as_str().is_some_and(|kind| TYPES.contains(&kind))
    {
        let rule = format!("is one of {}", TYPES.join(", "));
        return Err(wrong("$.eventType", &rule));
    }
    let inputs = datasets(object, "inputs", "inputFacets")?;
    let outputs = datasets(object, "outputs", "outputFacets")?;
    let own = inputs.saturating_mul(outputs);
    if own.saturating_add(*ways) > MOST_WAYS {
        let rule = format!("inputs times outputs of a body's events are at most {MOST_WAYS}");
        return Err(wrong("$.inputs", &rule));
    }
    *ways += own;
    Ok(at)
}

fn event_time(event: &Map<String, Value>) -> Result<DateTime<Utc>, Wrong> {
    let said = event.get("eventTime").and_then(Value::as_str).unwrap_or_default();
    time(said).ok_or_else(|| wrong("$.eventTime", "is a time, as 2026-11-21T13:31:23.772Z"))
}

/// A time as events have it, of a year with four digits: others could not be kept in order.
pub(crate) fn time(said: &str) -> Option<DateTime<Utc>> {
    let with_zone = DateTime::parse_from_rfc3339(said).map(|at| at.with_timezone(&Utc));
    // Some producers leave the zone away, and mean UTC.
    let plain = || said.parse::<NaiveDateTime>().map(|at| at.and_utc());
    with_zone.or_else(|_| plain()).ok().filter(|at| (1000..=9999).contains(&at.year()))
}

/// The datasets of one side; how many they are.
fn datasets(event: &Map<String, Value>, key: &str, own: &str) -> Result<usize, Wrong> {
    let path = format!("$.{key}");
    let all = match event.get(key) {
        None | Some(Value::Null) => return Ok(0),
        Some(Value::Array(all)) => all,
        Some(_) => return Err(wrong(&path, "is a list of datasets")),
    };
    for (at, dataset) in all.iter().enumerate() {
        let path = format!("{path}[{at}]");
        named(dataset, &path)?;
        facets(part(dataset, &path)?, &path, own)?;
    }
    Ok(all.len())
}

/// A job or a dataset: namespace, name and facets.
fn named(value: &Value, path: &str) -> Result<(), Wrong> {
    let object = part(value, path)?;
    text(object, path, "namespace", LONGEST_NAME)?;
    text(object, path, "name", LONGEST_NAME)?;
    facets(object, path, "facets")
}

fn facets(object: &Map<String, Value>, path: &str, key: &str) -> Result<(), Wrong> {
    let all = match object.get(key) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(all)) => all,
        Some(_) => return Err(wrong(&format!("{path}.{key}"), "is an object of facets")),
    };
    match all.iter().find(|(_, facet)| !facet.is_object() && !facet.is_null()) {
        Some((name, _)) => Err(wrong(&format!("{path}.{key}.{name}"), "a facet is an object")),
        None => Ok(()),
    }
}

fn part<'v>(value: &'v Value, path: &str) -> Result<&'v Map<String, Value>, Wrong> {
    value.as_object().ok_or_else(|| wrong(path, "is required, and is an object"))
}

fn text(object: &Map<String, Value>, path: &str, key: &str, longest: usize) -> Result<(), Wrong> {
    let path = format!("{path}.{key}");
    match object.get(key).and_then(Value::as_str) {
        Some("") | None => Err(wrong(&path, "is required, and is a text that is not empty")),
        Some(said) if said.len() > longest => {
            Err(wrong(&path, &format!("has at most {longest} bytes")))
        }
        Some(_) => Ok(()),
    }
}

fn wrong(path: &str, rule: &str) -> Wrong {
    Wrong(path.to_owned(), rule.to_owned())
}

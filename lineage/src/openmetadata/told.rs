//! What an OpenLineage event tells, as far as OpenMetadata can show it. Nothing is demanded: what is
//! not said is not shown.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::body::Column;
use super::column::column;
use super::name::clean;
use super::place::{Naming, Place, Service};
use crate::assertion::actual;
use crate::receive;
use crate::receive::taken_back;
use crate::telling::JOBS;

/// What a run came to, as far as it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    Started,
    Goes,
    Succeeded,
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) pipeline: String,
    pub(super) task: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    /// None of what is said of a dataset alone.
    pub(super) job: Option<Job>,
    pub(super) stands: Stands,
    pub(super) at: i64,
    /// When the run began, where its id says so.
    pub(super) began: Option<i64>,
    pub(super) sql: Option<String>,
    /// Whether rows went from the inputs to the outputs.
    pub(super) moved_rows: bool,
    pub(super) inputs: Vec<Dataset>,
    pub(super) outputs: Vec<Dataset>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dataset {
    pub(super) place: Place,
    pub(super) service: Service,
    pub(super) columns: Vec<Column>,
    pub(super) description: Option<String>,
    pub(super) assertions: Vec<Assertion>,
    pub(super) score: Option<Score>,
    pub(super) derivations: Vec<Derivation>,
}

/// How one rule fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assertion {
    pub(super) name: String,
    pub(super) column: Option<String>,
    pub(super) success: bool,
    pub(super) expected: Option<String>,
    pub(super) actual: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Score {
    pub(super) score: Option<f64>,
    pub(super) verdict: String,
}

/// From which columns one is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Derivation {
    pub(super) to: String,
    pub(super) from: Vec<(Place, String)>,
    pub(super) how: Option<String>,
}

impl Dataset {
    /// Whether any of its columns has values of that one.
    pub(super) fn is_made_of(&self, place: &Place) -> bool {
        self.derivations.iter().flat_map(|one| &one.from).any(|(from, _)| from == place)
    }
}

impl Told {
    pub(super) fn of(event: &Value, naming: &Naming) -> Told {
        let text = |path: &str| event.pointer(path).and_then(Value::as_str);
        let stands = match text("/eventType") {
            Some("START") => Stands::Started,
            Some("COMPLETE") => Stands::Succeeded,
            Some("FAIL" | "ABORT") => Stands::Failed,
            _ => Stands::Goes,
        };
        let at = text("/eventTime").and_then(receive::time);
        let at = at.map(|at| at.timestamp_millis()).unwrap_or_default();
        let run = text("/run/runId").and_then(|id| id.parse::<Uuid>().ok());
        let all = |key: &str| event[key].as_array().map_or(&[][..], Vec::as_slice);
        let written = written(event);
        // What is derived names its sources by their places alone; links stand with the inputs.
        let linked = |one: &Value| Some((place_of(one)?, naming.place(one)?.0));
        let links: Links = all("inputs").iter().chain(&written).filter_map(linked).collect();
        let read = |one: &Value| dataset(one, naming, &links);
        let outputs: Vec<Dataset> = written.iter().filter_map(read).collect();
        let mut inputs: Vec<Dataset> = all("inputs").iter().filter_map(read).collect();
        // Some name what they read by its columns alone, as dbt does.
        for source in written.iter().flat_map(sources) {
            let named = place_of(source).is_some_and(|place| links.contains_key(&place));
            let Some(source) = read(source).filter(|_| !named) else { continue };
            if !inputs.iter().chain(&outputs).any(|known| known.place == source.place) {
                inputs.push(source);
            }
        }
        // The batches of our own runs tell what moved; others tell it whenever they know it.
        let ours = text("/job/namespace") == Some(JOBS);
        let moved_rows = match stands {
            Stands::Failed => false,
            Stands::Goes => true,
            Stands::Started | Stands::Succeeded => !ours,
        };
        Told {
            job: event.get("job").map(|_| job(event, text)),
            stands,
            at,
            began: run.and_then(began),
            sql: text("/job/facets/sql/query").map(str::to_owned),
            moved_rows,
            inputs,
            outputs,
        }
    }
}

/// A job `pipeline.stage` is a task of its pipeline; one that names its parent is a task of it.
fn job<'v>(event: &Value, text: impl Fn(&str) -> Option<&'v str>) -> Job {
    let name = text("/job/name").unwrap_or("unnamed");
    let parent = ["/run/facets/parent/root/job/name", "/run/facets/parent/job/name"];
    let parent = parent.iter().find_map(|path| event.pointer(path)?.as_str());
    let (pipeline, task) = match (parent, name.rsplit_once('.')) {
        (Some(parent), _) => {
            let within = name.strip_prefix(parent).map(|rest| rest.trim_start_matches('.'));
            (parent, within.filter(|rest| !rest.is_empty()).unwrap_or(name))
        }
        (None, Some((pipeline, task))) if !pipeline.is_empty() && !task.is_empty() => {
            (pipeline, task)
        }
        _ => (name, name),
    };
    Job { pipeline: clean(pipeline), task: clean(task) }
}

/// When a run began: ids of the seventh kind know it.
fn began(run: Uuid) -> Option<i64> {
    let at = run.get_timestamp().filter(|_| run.get_version_num() == 7)?;
    let (seconds, nanos) = at.to_unix();
    Some(i64::try_from(seconds).ok()? * 1000 + i64::from(nanos / 1_000_000))
}

/// Datasets by namespace and name.
type Links = BTreeMap<(String, String), Place>;

/// Namespace and name, where both are said.
pub(super) fn place_of(value: &Value) -> Option<(String, String)> {
    Some((value["namespace"].as_str()?.to_owned(), value["name"].as_str()?.to_owned()))
}

fn dataset(value: &Value, naming: &Naming, links: &Links) -> Option<Dataset> {
    let (place, service) = naming.place(value)?;
    let facets = &value["facets"];
    let fields = facets["schema"]["fields"].as_array();
    let mut columns: Vec<Column> = vec![];
    for (index, field) in fields.into_iter().flatten().enumerate() {
        let Some(name) = field["name"].as_str() else { continue };
        let mut column = column(name, field["type"].as_str().unwrap_or_default(), index + 1);
        column.description = field["description"].as_str().map(str::to_owned);
        // The server refuses a name that comes twice.
        if columns.iter().all(|known| known.name != column.name) {
            columns.push(column);
        }
    }
    let said = &facets["dataQualityAssertions"];
    let said = if said.is_null() { &value["inputFacets"]["dataQualityAssertions"] } else { said };
    let assertions = said["assertions"].as_array();
    let quality = &value["outputFacets"]["assay_quality"];
    let score = quality["verdict"]
        .as_str()
        .map(|verdict| Score { score: quality["score"].as_f64(), verdict: verdict.to_owned() });
    let documented = &facets["documentation"]["description"];
    Some(Dataset {
        place,
        service,
        columns,
        description: documented.as_str().map(str::to_owned),
        assertions: assertions.into_iter().flatten().filter_map(assertion).collect(),
        score,
        derivations: derivations(facets, naming, links),
    })
}

fn assertion(value: &Value) -> Option<Assertion> {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let column = text("column");
    let kind = text("assertion");
    let name = text("name").or_else(|| match (&kind, &column) {
        (Some(kind), Some(column)) => Some(format!("{column} {kind}")),
        _ => kind.clone(),
    })?;
    let success = value["success"].as_bool()?;
    let (expected, actual) = (text("expected"), actual(value));
    Some(Assertion { name, column, success, expected, actual })
}

/// The outputs. The facet `lineage` of a job may name more of them, and how they are made.
fn written(event: &Value) -> Vec<Value> {
    let mut outputs = event["outputs"].as_array().cloned().unwrap_or_default();
    outputs.extend(event.get("dataset").filter(|_| event.get("job").is_none()).cloned());
    let entries = event["job"]["facets"]["lineage"]["entries"].as_array();
    for entry in entries.into_iter().flatten().filter(|entry| entry["type"] == "DATASET") {
        let Some(place) = place_of(entry) else { continue };
        match outputs.iter_mut().find(|known| place_of(known).as_ref() == Some(&place)) {
            Some(known) if made(&known["facets"]).is_none() => {
                if !known["facets"].is_object() {
                    known["facets"] = json!({});
                }
                known["facets"]["lineage"] = entry.clone();
            }
            Some(_) => {}
            None => {
                let (namespace, name) = place;
                let facets = json!({"lineage": entry});
                outputs.push(json!({"namespace": namespace, "name": name, "facets": facets}));
            }
        }
    }
    outputs
}

/// What is said of how columns are made, and the name of the list of inputs in it.
fn made(facets: &Value) -> Option<(&Value, &'static str)> {
    let facet = |name: &str| Some(&facets[name]).filter(|facet| !taken_back(facet));
    let older = facet("columnLineage").filter(|facet| facet["fields"].is_object());
    let newer = || facet("lineage").filter(|facet| facet["fields"].is_object());
    older.map(|facet| (facet, "inputFields")).or_else(|| Some((newer()?, "inputs")))
}

/// All inputs that an output's columns and rows are said to be made of.
fn sources(output: &Value) -> impl Iterator<Item = &Value> {
    let facets = &output["facets"];
    let of_fields = made(facets).into_iter().flat_map(|(facet, key)| {
        let fields = facet["fields"].as_object().into_iter().flatten();
        fields.filter_map(move |(_, field)| field[key].as_array())
    });
    let of_rows = [&facets["columnLineage"]["dataset"], &facets["lineage"]["inputs"]];
    let of_rows = of_rows.into_iter().filter_map(Value::as_array);
    // Jobs may be inputs as well, which have no rows.
    of_fields.chain(of_rows).flatten().filter(|input| input["type"] != "JOB")
}

/// What is said of each column: where its values come from, not what they depend on.
fn derivations(facets: &Value, naming: &Naming, links: &Links) -> Vec<Derivation> {
    let mut derivations = vec![];
    let Some((facet, inputs)) = made(facets) else { return derivations };
    for (to, of) in facet["fields"].as_object().into_iter().flatten() {
        let mut from = vec![];
        let mut how = said(of, "transformationDescription");
        for input in of[inputs].as_array().into_iter().flatten() {
            let ways: Vec<&Value> =
                input["transformations"].as_array().into_iter().flatten().collect();
            let direct: Vec<&&Value> =
                ways.iter().filter(|way| way["type"] != "INDIRECT").collect();
            if !ways.is_empty() && direct.is_empty() {
                continue;
            }
            how = how.or_else(|| direct.iter().find_map(|way| said(way, "description")));
            let place = place_of(input).and_then(|name| links.get(&name).cloned());
            let place = place.or_else(|| naming.place(input).map(|(place, _)| place));
            let source = place.zip(input["field"].as_str().map(str::to_owned));
            from.extend(source.filter(|source| !from.contains(source)));
        }
        if !from.is_empty() {
            derivations.push(Derivation { to: to.clone(), from, how });
        }
    }
    derivations
}

fn said(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

//! What an event says of its run, its datasets and their columns.

use std::collections::{BTreeMap, BTreeSet};

use assay_core::StageId;
use serde_json::Value;

use crate::{Event, EventKind};

/// The namespace of our own jobs, and of the names that our tables have in the catalog.
const OURS: &str = "assay";

/// Another spelling of a scheme that producers do not agree on.
const SPELLINGS: [(&str, &str); 2] = [("postgresql://", "postgres://"), ("s3a://", "s3://")];

/// Where files are.
const STORES: [&str; 10] =
    ["file", "s3", "gs", "gcs", "abfs", "abfss", "wasb", "wasbs", "hdfs", "dbfs"];

/// Ends of names that files have and tables have not.
const FILES: [&str; 13] = [
    "parquet", "csv", "tsv", "json", "jsonl", "ndjson", "avro", "orc", "gz", "zst", "txt", "xml",
    "xlsx",
];

/// The catalog that each session of Flink has in its memory: to another job its names mean others.
const OF_A_SESSION: &str = "default_catalog.default_database.";

/// What one event says, in the words that the graph knows datasets by.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) status: &'static str,
    pub(crate) ended: bool,
    pub(crate) parent: Option<String>,
    /// `in`, `out`, or `mid` of what the run writes and makes others of; the dataset, and 1 when it is
    /// a file.
    pub(crate) datasets: BTreeSet<(&'static str, String, u8)>,
    /// Other names of datasets, each with the one it is known by.
    pub(crate) aliases: BTreeSet<(String, String)>,
    /// Of each output.
    pub(crate) columns: BTreeMap<String, Vec<ColumnSaid>>,
}

/// One column of an output, and one that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnSaid {
    pub(crate) column: String,
    pub(crate) input: String,
    pub(crate) input_column: String,
    pub(crate) direct: bool,
    pub(crate) how: String,
}

/// The name that the graph knows a dataset by, from its namespace and name in an event.
pub fn label(namespace: &str, name: &str) -> String {
    if namespace == OURS {
        return name.to_owned();
    }
    let respelt = SPELLINGS.iter().find_map(|(from, to)| {
        namespace.strip_prefix(from).map(|rest| format!("{to}{}", rest.trim_end_matches('/')))
    });
    let namespace = respelt.as_deref().unwrap_or(namespace.trim_end_matches('/'));
    format!("{namespace} {name}")
}

/// The job as the graph knows it: ours is a stage of a pipeline.
pub fn job(namespace: &str, name: &str) -> StageId {
    let ours = (namespace == OURS).then(|| name.split_once('.')).flatten();
    let (pipeline, stage) = ours.unwrap_or((namespace, name));
    StageId { pipeline: pipeline.to_owned(), stage: stage.to_owned() }
}

impl Said {
    /// None of an event that tells of no run.
    pub(crate) fn of(event: &Event) -> Option<Said> {
        if event.kind == EventKind::ApiRequest {
            return None;
        }
        let body = &event.body;
        let (status, ended) = match (body["eventType"].as_str(), body.get("run")) {
            (Some("COMPLETE"), _) => ("complete", true),
            (Some("FAIL"), _) => ("failed", true),
            (Some("ABORT"), _) => ("aborted", true),
            (_, None) => ("stated", true),
            _ => ("running", false),
        };
        let parent = &body["run"]["facets"]["parent"]["run"]["runId"];
        let mut said = Said { status, ended, ..Said::default() };
        said.parent = parent.as_str().map(str::to_owned);
        let places = said.places(event);
        // Ours say before they begin what they mean to do; others may never say anything else.
        let meant = body["job"]["namespace"] == OURS && !event.kind.moves_rows();
        if meant {
            said.datasets.clear();
        } else {
            let outputs = body["outputs"].as_array().map_or(&[][..], Vec::as_slice);
            for (output, label) in outputs.iter().zip(&event.outputs) {
                said.columns_of(&output["facets"], label, &places);
            }
            // The newer facet may stand with the job, and name what it writes itself.
            let entries = self::said(&body["job"]["facets"]["lineage"])["entries"].as_array();
            for entry in entries.into_iter().flatten().filter(|entry| entry["type"] == "DATASET") {
                let Some(target) = place(entry) else { continue };
                let target = places.get(&target).cloned().unwrap_or(target);
                said.touches("out", &target);
                said.explicit(entry, &target, &places);
            }
            // Some name what they read by its columns alone.
            for column in said.columns.values().flatten() {
                let written = said
                    .datasets
                    .iter()
                    .any(|(side, name, _)| *side == "out" && *name == column.input);
                touch(&mut said.datasets, if written { "mid" } else { "in" }, &column.input);
            }
        }
        Some(said)
    }

    /// Takes in the datasets of both sides; returns what each place is known as.
    fn places(&mut self, event: &Event) -> BTreeMap<String, String> {
        let mut places = BTreeMap::new();
        let sides = [("in", "inputs", &event.inputs), ("out", "outputs", &event.outputs)];
        for (side, key, labels) in sides {
            let bodies = event.body[key].as_array().map_or(&[][..], Vec::as_slice);
            for (at, known) in labels.iter().enumerate() {
                let body = bodies.get(at).unwrap_or(&Value::Null);
                self.datasets.insert((side, known.clone(), is_file(body, known).into()));
                let names = place(body).into_iter().chain(symlinks(body));
                for name in names.filter(|name| name != known) {
                    places.insert(name.clone(), known.clone());
                    self.aliases.insert((name, known.clone()));
                }
            }
        }
        if let Some(alone) = event.body.get("dataset")
            && let Some(known) = place(alone)
        {
            let others = symlinks(alone).filter(|name| *name != known);
            self.aliases.extend(others.map(|name| (name, known.clone())));
        }
        places
    }

    /// By the newer facet where there is one, which says the same and more.
    fn columns_of(&mut self, facets: &Value, label: &str, places: &BTreeMap<String, String>) {
        let explicit = said(&facets["lineage"]);
        if explicit["fields"].is_object() || explicit["inputs"].is_array() {
            return self.explicit(explicit, label, places);
        }
        let facet = said(&facets["columnLineage"]);
        let fields = facet["fields"].as_object().into_iter().flatten();
        let of_fields = fields.map(|(column, field)| (column.as_str(), &field["inputFields"]));
        // What all rows depend on stands beside the fields.
        for (column, inputs) in of_fields.chain([("*", &facet["dataset"])]) {
            for input in inputs.as_array().into_iter().flatten() {
                self.column(label, column, input, places);
            }
        }
    }

    /// Takes in the facet `lineage`, of a dataset or of a job's entry for it.
    fn explicit(&mut self, said: &Value, label: &str, places: &BTreeMap<String, String>) {
        let fields = said["fields"].as_object().into_iter().flatten();
        let of_fields = fields.map(|(column, field)| (column.as_str(), &field["inputs"]));
        for (column, inputs) in of_fields.chain([("*", &said["inputs"])]) {
            let inputs = inputs.as_array().into_iter().flatten();
            // Jobs may be inputs as well, which have no rows.
            for input in inputs.filter(|input| input["type"] != "JOB") {
                self.column(label, column, input, places);
            }
        }
    }

    /// One column's input; one that names no field is a dataset that was read.
    fn column(
        &mut self,
        label: &str,
        column: &str,
        input: &Value,
        places: &BTreeMap<String, String>,
    ) {
        let Some(from) = place(input) else { return };
        let from = places.get(&from).cloned().unwrap_or(from);
        let Some(field) = input["field"].as_str() else { return self.touches("in", &from) };
        let (direct, how) = transformation(input);
        let said = ColumnSaid {
            column: column.to_owned(),
            input: from,
            input_column: field.to_owned(),
            direct: direct && column != "*",
            how,
        };
        match self.columns.get_mut(label) {
            Some(all) => all.push(said),
            None => drop(self.columns.insert(label.to_owned(), vec![said])),
        }
    }

    fn touches(&mut self, side: &'static str, dataset: &str) {
        touch(&mut self.datasets, side, dataset);
    }
}

/// Adds a dataset that is known by its name alone.
fn touch(datasets: &mut BTreeSet<(&'static str, String, u8)>, side: &'static str, dataset: &str) {
    let known = [1, 0].map(|file| (side, dataset.to_owned(), file));
    if !known.iter().any(|known| datasets.contains(known)) {
        datasets.insert((side, dataset.to_owned(), is_file(&Value::Null, dataset).into()));
    }
}

/// A facet, which is nothing when it takes back what it said before.
fn said(facet: &Value) -> &Value {
    if facet["_deleted"] == true { &Value::Null } else { facet }
}

fn place(dataset: &Value) -> Option<String> {
    Some(label(dataset["namespace"].as_str()?, dataset["name"].as_str()?))
}

fn symlinks(dataset: &Value) -> impl Iterator<Item = String> {
    let links = said(&dataset["facets"]["symlinks"])["identifiers"].as_array();
    let lasts = |link: &&Value| !link["name"].as_str().unwrap_or("").starts_with(OF_A_SESSION);
    links.into_iter().flatten().filter(lasts).filter_map(place)
}

fn is_file(dataset: &Value, label: &str) -> bool {
    if let Some(kind) = dataset["facets"]["datasetType"]["datasetType"].as_str() {
        return kind.eq_ignore_ascii_case("file");
    }
    // A table of a database has dots as well, so only what is kept in files is asked.
    let Some((namespace, name)) = label.split_once(' ') else { return false };
    let end = name.rsplit_once('.').filter(|_| STORES.contains(&scheme(namespace)));
    end.is_some_and(|(_, end)| FILES.contains(&end.to_ascii_lowercase().as_str()))
}

fn scheme(namespace: &str) -> &str {
    namespace.split_once(':').map_or(namespace, |(scheme, _)| scheme)
}

/// Whether values come from the column, and how; the older facet does not say, and means values.
fn transformation(input: &Value) -> (bool, String) {
    let all = input["transformations"].as_array().map_or(&[][..], Vec::as_slice);
    let direct = all.is_empty() || all.iter().any(|one| one["type"] == "DIRECT");
    let mut how: Vec<String> =
        all.iter().filter_map(|one| one["subtype"].as_str()).map(str::to_lowercase).collect();
    how.sort();
    how.dedup();
    (direct, how.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_place_are_one_name() {
        assert_eq!(label("postgresql://db:5432", "a.b.c"), "postgres://db:5432 a.b.c");
        assert_eq!(label("postgres://db:5432/", "a.b.c"), "postgres://db:5432 a.b.c");
        assert_eq!(label("s3a://lake", "x"), label("s3://lake", "x"));
        assert_eq!(label("assay", "silver.orders"), "silver.orders");
        let ours = StageId { pipeline: "shop".to_owned(), stage: "parse".to_owned() };
        assert_eq!(job("assay", "shop.parse"), ours);
        assert_eq!(job("airflow", "dag.task").stage, "dag.task");
    }

    #[test]
    fn a_file_is_told_from_a_table() {
        for (known, file) in [
            ("s3://landing orders/2026-01-02.parquet", true),
            ("file /in/a.json.gz", true),
            ("postgres://db:5432 lab.public.orders", false),
            ("file /lake/silver/orders", false),
            ("duckdb://lab.duckdb lab.main.csv", false),
        ] {
            assert_eq!(is_file(&Value::Null, known), file, "{known}");
        }
    }
}

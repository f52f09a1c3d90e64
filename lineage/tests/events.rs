//! The events as they are sent: what they look like, and that the standard takes them.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use assay_core::{
    Column, ContractRef, Counts, DatasetName, DraftId, Evaluated, Governed, Outcome, Position,
    Quality, Report, RuleResult, Run, RunId, RunStatus, Severity, StageId, Verdict,
};
use assay_lineage::event::RunEvent;
use assay_lineage::{
    ColumnLineage, DatasetRef, Direct, Indirect, InputColumn, OutputColumn, batch,
    data_loss_percent, ended, started,
};
use assay_store::{CommitRef, Event, EventKind, RunEnd};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

fn at(seconds: u32) -> DateTime<Utc> {
    format!("2026-11-21T12:00:{seconds:02}.500Z").parse().unwrap()
}

fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(0x018f_2c0a_7b1e_7c33, 0x9a52_0000_0000_0000 + number)
}

fn dataset(name: &str) -> DatasetName {
    name.parse().unwrap()
}

fn column(name: &str, kind: &str) -> Column {
    Column { name: name.into(), kind: kind.into() }
}

fn run() -> Run {
    Run {
        id: RunId(id(1)),
        stage: StageId { pipeline: "github_events".into(), stage: "parse".into() },
        started_at: at(0),
        governed: Governed::ALL,
        following: false,
    }
}

fn bronze() -> DatasetRef {
    DatasetRef::table(&dataset("bronze.github_events"), "/lake/bronze/github_events", "lake")
        .with_columns(vec![column("id", "string"), column("payload", "string")])
}

fn silver() -> DatasetRef {
    DatasetRef::table(&dataset("silver.github_events"), "/lake/silver/github_events", "lake")
}

fn rule(name: &str, columns: &[&str], outcome: Outcome, failed: u64) -> RuleResult {
    RuleResult {
        rule: name.into(),
        columns: columns.iter().map(ToString::to_string).collect(),
        dimension: "completeness".into(),
        severity: Severity::Error,
        outcome,
        failed,
        observed: None,
        expected: "no failed rows".into(),
        lost: 0.0,
        cost: None,
    }
}

fn report(verdict: Verdict) -> Report {
    let why = "the column is not there".to_owned();
    let mut fresh = rule("fresh", &["created_at"], Outcome::Passed, 0);
    fresh.observed = Some(12.5);
    Report {
        run: run(),
        draft: DraftId(id(2)),
        judged_at: at(5),
        inputs: vec![dataset("bronze.github_events")],
        output: dataset("silver.github_events"),
        columns: vec![column("event_id", "string"), column("created_at", "timestamptz")],
        contract: Some(ContractRef { id: "github-events".into(), version: "1.2.0".into() }),
        counts: Counts { read: 400, written: 380, rejected: 4, filtered: 10, duplicates: 6 },
        rows_out: None,
        rejected_by: BTreeMap::from([("event_id_not_null".into(), 4)]),
        letters: BTreeMap::new(),
        quality: Evaluated::Judged(Quality {
            score: Some(98.75),
            verdict,
            because: vec![],
            rows: 384,
            rules: vec![
                rule("event_id_not_null", &["event_id"], Outcome::Failed, 4),
                rule("known_pair", &["actor_id", "repo_id"], Outcome::NotEvaluated { why }, 384),
                fresh,
            ],
            dimensions: vec![],
        }),
        from: Position::default(),
        upto: Position::default(),
        accepted_at: None,
        recomputed: None,
        closed: Default::default(),
        remembered: None,
        trace: None,
        windows: Vec::new(),
    }
}

fn end(status: RunStatus, message: Option<&str>) -> RunEnd {
    RunEnd {
        run: run(),
        status,
        ended_at: at(42),
        counts: report(Verdict::Warn).counts,
        batches: 1,
        message: message.map(str::to_owned),
    }
}

fn start_event() -> Event {
    let day = "2026-11-20T00:00:00Z".parse().unwrap();
    started(&run(), Some(day), &[bronze()], &[silver()], id(3), at(0))
}

fn batch_event() -> Event {
    let commit = CommitRef { sequence: 7, snapshot: 6_204_810_927_103_884_123 };
    batch(&report(Verdict::Warn), &[bronze()], (&silver(), &[]), Some(commit), id(4), at(6))
}

fn ingest_event() -> Event {
    let mut report = report(Verdict::Pass);
    report.output = dataset("log.raw_metrics_avro");
    report.quality = Evaluated::NotEvaluated;
    report.columns = vec![];
    let topic = DatasetRef::topic(&report.output, "kafka://k1:9092");
    let files = [DatasetRef::file("/in/a.json.gz"), DatasetRef::file("/in/b.json.gz")];
    batch(&report, &files, (&topic, &[]), None, id(5), at(7))
}

fn end_event(status: RunStatus, message: Option<&str>) -> Event {
    ended(&end(status, message), None, &[bronze()], &[silver()], id(6))
}

fn halt_event() -> Event {
    let halt = report(Verdict::Halt);
    let end = end(RunStatus::Halted, Some("event_id_not_null: 4 failed rows, at most 0 allowed"));
    ended(&end, Some(&halt), &[bronze()], &[silver()], id(7))
}

fn input(dataset: &str, column: &str, direct: Option<Direct>) -> InputColumn {
    InputColumn {
        dataset: dataset.parse().unwrap(),
        column: column.into(),
        direct,
        indirect: BTreeSet::new(),
        masked: false,
    }
}

/// A batch whose columns are made in every way.
fn columns_event() -> Event {
    let column = |name: &str, inputs: Vec<InputColumn>, expression: Option<&str>| OutputColumn {
        column: name.into(),
        known: name != "mystery",
        inputs,
        expression: expression.map(str::to_owned),
    };
    let payload = || input("bronze.github_events", "payload", Some(Direct::Transformation));
    let deciding = BTreeSet::from([Indirect::Filter, Indirect::Conditional]);
    let lineage = ColumnLineage {
        columns: vec![
            column(
                "event_id",
                vec![input("bronze.github_events", "id", Some(Direct::Identity))],
                None,
            ),
            column("hash", vec![InputColumn { masked: true, ..payload() }], Some("md5(payload)")),
            column(
                "sum",
                vec![input("silver.github_events", "sum", Some(Direct::Aggregation))],
                Some("sum(sum)"),
            ),
            column("at", vec![], Some("now()")),
            column("mystery", vec![payload()], None),
        ],
        rows: vec![InputColumn { indirect: deciding, ..input("bronze.github_events", "id", None) }],
        unknown: vec!["what a step `Shuffle` does is not known".into()],
    };
    let to = silver().made_as(&lineage, &[bronze()]);
    batch(&report(Verdict::Pass), &[bronze()], (&to, &[]), None, id(8), at(6))
}

fn all() -> Vec<Event> {
    let mut events = vec![start_event(), batch_event(), ingest_event(), halt_event()];
    events.push(columns_event());
    for status in [RunStatus::Complete, RunStatus::Failed, RunStatus::Aborted] {
        events.push(end_event(status, None));
    }
    events
}

fn picture(event: &Event) -> String {
    let text = serde_json::to_string_pretty(&event.body).unwrap();
    text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn a_start_names_what_will_be_read_and_written() {
    assert_eq!(start_event().kind, EventKind::JobStart);
    insta::assert_snapshot!(picture(&start_event()));
}

#[test]
fn a_batch_carries_its_quality_and_its_commit() {
    let event = batch_event();
    assert_eq!(event.kind, EventKind::Transformation);
    assert_eq!(event.inputs, ["bronze.github_events"]);
    assert_eq!(event.outputs, ["silver.github_events"]);
    insta::assert_snapshot!(picture(&event));
}

#[test]
fn an_ingested_batch_names_its_files() {
    let event = ingest_event();
    assert_eq!(event.kind, EventKind::Ingestion);
    assert_eq!(event.inputs, ["file /in/a.json.gz", "file /in/b.json.gz"]);
    insta::assert_snapshot!(picture(&event));
}

#[test]
fn a_batch_says_how_its_columns_were_made() {
    let body = columns_event().body;
    let facets = &body["outputs"][0]["facets"];
    let columns = &facets["columnLineage"];
    let names: Vec<&String> = columns["fields"].as_object().unwrap().keys().collect();
    // Of one that is not known nothing is said; of one that has no inputs, that it has none.
    assert_eq!(names, ["at", "event_id", "hash", "sum"]);
    assert_eq!(columns["fields"]["at"]["inputFields"], json!([]));
    let hash = json!([{
        "namespace": "file", "name": "/lake/bronze/github_events", "field": "payload",
        "transformations": [{
            "type": "DIRECT", "subtype": "TRANSFORMATION", "description": "md5(payload)",
            "masking": true,
        }],
    }]);
    assert_eq!(columns["fields"]["hash"]["inputFields"], hash);
    let own = &columns["fields"]["sum"]["inputFields"][0];
    assert_eq!(own["name"], "/lake/silver/github_events", "from its own earlier rows");
    let subtypes: Vec<_> = columns["dataset"][0]["transformations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|how| (how["type"].as_str().unwrap(), how["subtype"].as_str().unwrap()))
        .collect();
    assert_eq!(subtypes, [("INDIRECT", "FILTER"), ("INDIRECT", "CONDITIONAL")]);
    assert_eq!(columns["assay_unknown"], json!(["what a step `Shuffle` does is not known"]));
    assert_eq!(facets["lineage"]["assay_unknown"], columns["assay_unknown"]);
    assert_eq!(facets["lineage"]["fields"]["hash"]["inputs"][0]["type"], "DATASET");
}

#[test]
fn a_halt_is_a_failure_that_says_why_and_what_was_judged() {
    assert_eq!(halt_event().kind, EventKind::JobEnd);
    insta::assert_snapshot!(picture(&halt_event()));
}

#[test]
fn the_end_of_a_run_says_how_long_it_took_and_where_its_rows_went() {
    let told = |status, message| end_event(status, message).body;
    let complete = told(RunStatus::Complete, Some("all is well"));
    assert_eq!(complete["eventType"], "COMPLETE");
    assert_eq!(complete["run"]["facets"]["errorMessage"], Value::Null);
    let sums = &complete["run"]["facets"]["assay_run"];
    assert_eq!(sums["durationSeconds"], 42.0);
    assert_eq!(sums["counts"]["written"], 380);
    assert_eq!(sums["dataLossPercent"], 1.0);

    let failed = told(RunStatus::Failed, Some("the disk is full"));
    assert_eq!(failed["eventType"], "FAIL");
    assert_eq!(failed["run"]["facets"]["errorMessage"]["message"], "the disk is full");
    assert_eq!(told(RunStatus::Aborted, None)["eventType"], "ABORT");
}

#[test]
fn data_loss_counts_only_what_was_not_left_out_on_purpose() {
    let counts = |read, written, filtered| Counts { read, written, filtered, ..Counts::default() };
    assert_eq!(data_loss_percent(&counts(200, 150, 0)), 25.0);
    assert_eq!(data_loss_percent(&counts(200, 150, 50)), 0.0);
    assert_eq!(data_loss_percent(&Counts::default()), 0.0);
}

#[test]
fn our_own_types_read_what_they_wrote() {
    for event in all() {
        let read: RunEvent = serde_json::from_value(event.body.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), event.body);
    }
}

#[test]
fn the_standard_takes_every_event_and_every_facet() {
    let standard = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference/openlineage");
    if !standard.is_dir() {
        println!("skipped: the schemas of OpenLineage are not in {}", standard.display());
        return;
    }
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("facets/1-0-0");
    let mut registry = jsonschema::Registry::new();
    for file in schemas(&[standard.clone(), standard.join("facets"), ours]) {
        let schema: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let id = schema["$id"].as_str().unwrap().to_owned();
        registry = registry.add(id, schema).unwrap();
    }
    let registry = registry.prepare().unwrap();
    let check = |url: &str, value: &Value| {
        let validator = jsonschema::options()
            .with_registry(&registry)
            .should_validate_formats(true)
            .offline()
            .build(&json!({"$ref": url}))
            .unwrap();
        let errors: Vec<_> = validator.iter_errors(value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{url}: {errors:#?}");
    };
    let mut facets = 0;
    for event in all() {
        check(event.body["schemaURL"].as_str().unwrap(), &event.body);
        walk(&event.body, &mut |facet| {
            check(facet["_schemaURL"].as_str().unwrap(), facet);
            facets += 1;
        });
    }
    assert!(facets > 50, "only {facets} facets were checked");
}

fn schemas(folders: &[PathBuf]) -> Vec<PathBuf> {
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let files = files.map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|end| end == "json")).collect()
}

/// Calls `found` for each facet in `value`.
fn walk(value: &Value, found: &mut dyn FnMut(&Value)) {
    match value {
        Value::Object(map) => {
            if map.contains_key("_schemaURL") {
                found(value);
            }
            map.values().for_each(|value| walk(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| walk(value, found)),
        _ => {}
    }
}

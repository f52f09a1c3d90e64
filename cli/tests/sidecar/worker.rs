//! Stages of ours on another machine, whose events come over HTTP by configuration.

use serde_json::Value;

use crate::office::{Office, Running};

/// Settings of a worker that tells `sidecar`, and somebody who is never there.
fn settings(worker: &Office, sidecar: &Running) {
    let text = format!(
        "openlineage:\n  - {{name: central, url: \"http://{}\", api_key_file: key}}\n  \
         - {{name: nowhere, url: \"http://127.0.0.1:1\"}}\noutbox: {{grace_seconds: 0}}\n",
        sidecar.address()
    );
    worker.write("assay.yaml", &text);
}

/// What events say in figures, in an order that does not depend on their ids.
fn events(office: &Office) -> Vec<String> {
    let listed = office.assay(&["lineage", "events", "--limit", "1000", "-o", "json"]);
    let all: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let said = |event: &Value| {
        let keys =
            ["at", "kind", "run", "job", "status", "inputs", "outputs", "rows_in", "rows_out"];
        let all: Vec<String> = keys.iter().map(|key| event[*key].to_string()).collect();
        all.join(" ")
    };
    let mut all: Vec<String> =
        all.iter().filter(|event| event["kind"] != "api_request").map(said).collect();
    all.sort();
    all
}

#[test]
fn a_worker_elsewhere_tells_a_sidecar_all_it_does_also_what_the_sidecar_missed() {
    let (central, worker) = (Office::new(), Office::new());
    let made = central.assay(&["keys", "create", "worker", "-o", "json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    worker.write("key", made["key"].as_str().unwrap());
    let mut sidecar = central.sidecar(&[]);
    settings(&worker, &sidecar);
    worker.assay(&["generate", "github-events", "--count", "300", "--out", "events.jsonl"]);
    worker.assay(&["ingest", "github_events", "--file", "events.jsonl"]);
    // With the sidecar gone the run does all the same.
    sidecar.kill();
    worker.assay(&["run", "all", "--pipeline", "github_events", "--governed"]);
    let sidecar = central.sidecar(&[]);
    settings(&worker, &sidecar);
    worker.assay(&["outbox", "deliver", "--target", "central"]);
    sidecar.stop();

    let told = events(&worker);
    assert!(told.len() > 8, "{told:?}");
    assert_eq!(told, events(&central));
    for question in [
        &["lineage", "show", "gold.user_activity"][..],
        &["lineage", "show", "gold.user_activity", "--column", "total_commits"],
        &["lineage", "impact", "bronze.github_events.payload"],
        &["lineage", "blame", "gold.user_activity"],
    ] {
        assert_eq!(worker.assay(question), central.assay(question), "{question:?}");
    }
    let (code, told) = central.refused(&["lineage", "impact", "bronze.github_events.paylod"]);
    assert!(code == 2 && told.contains("did you mean payload?"), "{code} {told}");
    let show = ["lineage", "show", "gold.user_activity", "--column", "nothing_like_it"];
    let (code, told) = central.refused(&show);
    assert!(code == 2 && told.contains("there is "), "{code} {told}");
}

#[test]
fn a_target_that_is_not_known_is_a_mistake_and_one_that_was_given_up_is_not_shown() {
    let (central, worker) = (Office::new(), Office::new());
    let sidecar = central.sidecar(&[]);
    worker.write("key", "any");
    settings(&worker, &sidecar);
    worker.assay(&["generate", "github-events", "--count", "10", "--out", "events.jsonl"]);
    worker.assay(&["ingest", "github_events", "--file", "events.jsonl"]);
    for command in ["list", "retry"] {
        let (code, told) = worker.refused(&["outbox", command, "--target", "centrall"]);
        assert!(code == 2 && told.contains("there is central, nowhere"), "{code} {told}");
    }
    let waits = worker.assay(&["outbox", "list", "--target", "nowhere"]);
    assert!(waits.contains("github_events.ingest"), "{waits}");
    worker.write("assay.yaml", "outbox: {grace_seconds: 0}\n");
    let shown = worker.assay(&["outbox", "list"]);
    assert!(shown.contains("nowhere (not configured)"), "{shown}");
    worker.assay(&["outbox", "discard", "--target", "nowhere", "--reason", "it is gone"]);
    let shown = worker.assay(&["outbox", "list"]);
    assert!(!shown.contains("nowhere"), "{shown}");
}

//! What stays away is told to a receiver by the real Prometheus and Alertmanager, and told to be
//! over when it is put right: a stage that nobody runs, a catalog that is down, a log that takes
//! nothing until the collector is full.

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use crate::alertmanager;
use crate::calls::Catalog;
use crate::double::Double;
use crate::hook::Hook;
use crate::office::Office;
use crate::servers::{Server, free_port, programs};
use crate::web::{post, wait};
use crate::whole::{Running, prometheus};

/// So long an alert may take, on a machine that has other things to do.
const LIMIT: u64 = 90;

const LAND: [&str; 5] = ["run", "kafka-to-bronze", "--pipeline", "github_events", "--governed"];

#[test]
fn what_stays_away_is_told_until_it_is_back() {
    let Some(programs) = programs() else { return };
    let (hook, folder) = (Hook::open(), TempDir::new().unwrap());
    let gateway = Server::pushgateway(programs);
    let alertmanager = alertmanager::start(programs, &hook, folder.path());
    let (catalog, marquez, takes) = (free_port(), free_port(), free_port());
    let batch = Office::open(&format!(
        "pushgateway: {{url: \"http://127.0.0.1:{}\", env: test}}\n\
         openmetadata: {{url: \"http://127.0.0.1:{catalog}/api\", token_file: token}}\n\
         openlineage: [{{name: marquez, url: \"http://127.0.0.1:{marquez}\"}}]\n",
        gateway.port
    ));
    fs::write(batch.folder.path().join("token"), "bot").unwrap();
    let small = "collector: {backlog_mb: 8, queue_capacity: 5, linger_seconds: 1}\n";
    let full = Office::open(&format!("log: kafka://127.0.0.1:{}\n{small}", free_port()));
    let collect = ["collect", "github_events", "--listen", &takes.to_string()];
    let collector = Running::start(full.command(&collect), "listening on");
    let rules = folder.path().join("rules");
    fs::create_dir(&rules).unwrap();
    let jobs = [("pushgateway", gateway.port), ("assay-collector", takes)];
    let _prometheus = prometheus(programs, &rules, alertmanager.port, &jobs);

    // Rows come and go once; then nobody runs the stage, and nobody takes what is told of it. The
    // log of the collector is away.
    batch.ingest(50, 1, "0%");
    batch.fine(&LAND);
    let event = json!({"id": "1", "type": "PushEvent", "payload": {"x": "y".repeat(700_000)}});
    let event = event.to_string();
    wait("collector that is full", LIMIT, || {
        post(takes, "/collect", &event).is_none().then_some(())
    });
    let told = |receiver, alert, state, label| {
        wait(&format!("{alert} {state}"), LIMIT, || {
            // Ages are as old as the last push.
            batch.fine(&["metrics", "--push"]);
            // More is refused, for as long as it takes to be seen.
            let _ = post(takes, "/collect", &event);
            hook.heard_of(receiver, alert, state, label)
        })
    };
    let (land, collector_label) = (("stage", "land"), ("severity", "critical"));
    told("pager", "AssayCollectorSpilling", "firing", collector_label);
    told("pager", "AssayCollectorBacklogNearlyFull", "firing", collector_label);
    told("pager", "AssayCollectorRefuses", "firing", ("reason", "backlog_full"));
    told("tickets", "AssayLineageNotDelivered", "firing", ("target", "marquez"));
    let late = told("tickets", "AssayLineageNotDelivered", "firing", ("target", "openmetadata"));
    let says = late["annotations"]["description"].as_str().unwrap();
    assert!(says.contains("`assay outbox list`"), "{says}");
    told("tickets", "AssayJobStale", "firing", land);

    // One after the other is put right.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let taken = runtime.block_on(Double::start(marquez, None));
    batch.fine(&["outbox", "deliver", "--target", "marquez"]);
    told("tickets", "AssayLineageNotDelivered", "resolved", ("target", "marquez"));
    assert!(!taken.with(|inner| inner.events.is_empty()));
    let shown = runtime.block_on(Double::start(catalog, Some(Catalog::default())));
    batch.fine(&["outbox", "deliver", "--target", "openmetadata"]);
    told("tickets", "AssayLineageNotDelivered", "resolved", ("target", "openmetadata"));
    assert!(!shown.mutations().is_empty());
    batch.fine(&LAND);
    told("tickets", "AssayJobStale", "resolved", land);
    drop(collector);
    full.settle(small);
    let _collector = Running::start(full.command(&collect), "listening on");
    let over = |alert: &str| {
        wait(&format!("end of {alert}"), LIMIT, || {
            hook.heard_of("pager", alert, "resolved", collector_label)
        });
    };
    over("AssayCollectorSpilling");
    over("AssayCollectorBacklogNearlyFull");
    assert!(post(takes, "/collect", &event).is_some(), "there is room again");
}

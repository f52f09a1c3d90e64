//! Lineage that is sent while the command is killed, and while its target does not answer.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use assay_store::Store;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

type Taken = Arc<Mutex<Vec<Value>>>;

/// An endpoint that takes everything.
async fn endpoint() -> (SocketAddr, Taken) {
    let taken = Taken::default();
    let take = |State(taken): State<Taken>, body: String| async move {
        taken.lock().unwrap().push(serde_json::from_str(&body).unwrap());
        StatusCode::CREATED
    };
    let routes = Router::new().route("/api/v1/lineage", post(take)).with_state(Arc::clone(&taken));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (address, taken)
}

/// A data folder whose settings send to `address`.
fn folder(address: SocketAddr) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        format!("data_dir: data\nopenlineage: [{{name: there, url: \"http://{address}\"}}]\n");
    std::fs::write(folder.path().join("assay.yaml"), settings).unwrap();
    folder
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.current_dir(folder).args(arguments);
    command.env_remove("ASSAY_DATA_DIR").env_remove("ASSAY_CONFIG");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn assay(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn fine(folder: &Path, arguments: &[&str]) -> String {
    let output = assay(folder, arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

/// Events with defects, some of which are no text.
fn generate(folder: &Path, count: &str) {
    let made = assay(folder, &["generate", "github-events", "--count", count]);
    std::fs::write(folder.join("events.jsonl"), made.stdout).unwrap();
}

const RUN: [&str; 5] = ["run", "all", "--pipeline", "github_events", "--governed"];

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_the_command_loses_no_event() {
    let (address, taken) = endpoint().await;
    let folder = folder(address);
    let path = folder.path();
    generate(path, "300");
    fine(path, &["ingest", "github_events", "--file", "events.jsonl"]);
    for wait in [300, 450, 550, 650, 800] {
        let mut running = command(path, &RUN).spawn().unwrap();
        sleep(Duration::from_millis(wait));
        // With -9: it can say nothing more.
        let _ = running.kill();
        running.wait().unwrap();
    }
    fine(path, &RUN);
    // Who was killed may have the right to send for 15 seconds; one that waits gets it then.
    let give_up = Instant::now() + Duration::from_secs(25);
    while !assay(path, &["outbox", "deliver"]).status.success() {
        assert!(Instant::now() < give_up, "the outbox is not empty yet");
        sleep(Duration::from_millis(300));
    }
    let store = Store::open(&path.join("data/store.db")).await.unwrap();
    let kept = store.events(None, 1000).await.unwrap();
    assert!(kept.len() >= 15, "only {} events", kept.len());
    let taken = taken.lock().unwrap();
    for event in &kept {
        assert!(taken.contains(&event.body), "this one never arrived: {}", event.body);
    }
    let listed: Value =
        serde_json::from_str(&fine(path, &["outbox", "list", "-o", "json"])).unwrap();
    assert_eq!(listed["deliveries"], Value::Array(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_target_that_is_away_a_run_does_the_same_and_says_what_waits() {
    // Nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let folder = folder(free);
    let path = folder.path();
    generate(path, "200");
    fine(path, &["ingest", "github_events", "--file", "events.jsonl"]);
    let said = fine(path, &RUN);
    assert!(said.contains("user_activity"), "{said}");
    let listed: Value =
        serde_json::from_str(&fine(path, &["outbox", "list", "-o", "json"])).unwrap();
    let target = &listed["targets"][0];
    assert_eq!((&target["target"], &target["waiting"]), (&"there".into(), &15.into()));
    assert!(target["reason"].as_str().unwrap().contains("can't be reached"), "{target}");
    let first = &listed["deliveries"][0];
    assert_eq!((&first["attempts"], &first["kind"]), (&0.into(), &"job_start".into()));

    let delivered = assay(path, &["outbox", "deliver"]);
    assert_eq!(delivered.status.code(), Some(1));
    let number = first["sequence"].to_string();
    assert!(fine(path, &["outbox", "show", &number]).contains("\"eventType\": \"START\""));
    assert_eq!(assay(path, &["outbox", "discard", "--reason", "x"]).status.code(), Some(2));
    fine(path, &["outbox", "discard", &number, "--reason", "not theirs"]);
    assert!(fine(path, &["audit"]).contains("not theirs"));
    assert_eq!(assay(path, &["outbox", "show", &number]).status.code(), Some(2));
    let metrics = fine(path, &["metrics"]);
    assert!(
        metrics.contains("assay_outbox_depth{target=\"there\",state=\"waiting\"} 14"),
        "{metrics}"
    );
}

#[test]
fn without_a_server_the_commands_say_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [["openmetadata", "check"], ["openmetadata", "sync"]] {
        let mut arguments = arguments.to_vec();
        if arguments[1] == "sync" {
            arguments.push("github_events");
        }
        let output = assay(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("openmetadata: {url: http://HOST:8585/api"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_of_the_sync_says_what_the_shipped_pipeline_would_show() {
    let nothing = || async {
        let told = r#"{"code": 404, "message": "table instance for it not found"}"#;
        (StatusCode::NOT_FOUND, [("content-type", "application/json")], told)
    };
    let routes = Router::new().fallback(nothing);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("data_dir: data\nopenmetadata: {{url: \"http://{address}/api\"}}\n");
    std::fs::write(folder.path().join("assay.yaml"), settings).unwrap();
    let said = fine(folder.path(), &["openmetadata", "sync", "github_events", "--dry-run"]);
    for part in [
        "assay.lake.gold.user_activity",
        "assay.raw_metrics_avro",
        "assay.github_events",
        "assay.lake.bronze.github_events → assay.lake.silver.github_events_parsed",
        "would be changed",
    ] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
}

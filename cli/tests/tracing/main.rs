//! Traces and metrics as a receiver of OTLP sees them, of the real command; and what the command
//! does when there is no such receiver, or a bad one.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod receiver;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use opentelemetry_proto::tonic::metrics::v1::metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::Value;
use tempfile::TempDir;

use receiver::{Receiver, hex, said, total};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const RUN: [&str; 5] = ["run", "all", "--pipeline", "github_events", "--governed"];

fn folder(settings: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("data_dir: data\n{settings}");
    std::fs::write(folder.path().join("assay.yaml"), settings).unwrap();
    folder
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.current_dir(folder).args(arguments);
    command.env_remove("ASSAY_DATA_DIR").env_remove("ASSAY_CONFIG");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn fine(mut command: Command) -> (String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let told = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "{command:?}: {told}");
    (String::from_utf8(stdout).unwrap(), told)
}

fn assay(folder: &Path, arguments: &[&str]) -> String {
    fine(command(folder, arguments)).0
}

fn event() -> String {
    let event = r#"{"id":"one","type":"PushEvent","created_at":"2026-02-12T10:00:00Z",
        "actor":{"id":1,"login":"SECRET-LOGIN"},"repo":{"id":2,"name":"a/b"},
        "payload":{"size":1},"public":true}"#;
    event.replace('\n', "")
}

/// Sends one event to a service, in a trace, and returns the status of the answer.
fn post(address: SocketAddr, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {}\r\ntraceparent: 00-{TRACE}-{CALLER}-01\r\n\
         tracestate: vendor=value\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// Starts a service, posts to it, and asks it to stop.
fn serve(folder: &Path, arguments: &[&str], path: &str, body: &str) {
    let mut process = command(folder, arguments).spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    let address = first.strip_prefix("listening on ").unwrap_or_else(|| panic!("{first}"));
    let address = address.trim().split(',').next().unwrap().parse().unwrap();
    let answer = post(address, path, body);
    assert!(answer.contains(" 20"), "{answer}");
    let id = process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let mut told = String::new();
    lines.read_to_string(&mut told).unwrap();
    assert!(process.wait().unwrap().success(), "{told}");
}

/// The spans of that name which go on from `parent`.
fn under<'s>(spans: &'s [Span], name: &str, parent: &str) -> Vec<&'s Span> {
    let part = |span: &&Span| span.name == name && hex(&span.parent_span_id) == parent;
    spans.iter().filter(part).collect()
}

fn only<'s>(spans: &'s [Span], name: &str, parent: &str) -> &'s Span {
    let found = under(spans, name, parent);
    assert_eq!(found.len(), 1, "`{name}` under {parent} in {spans:#?}");
    found[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_one_trace_from_the_request_to_the_delivery() {
    let receiver = Receiver::start().await;
    let address = receiver.address;
    let folder = folder(&format!(
        "otlp: {{endpoint: \"http://{address}\", service_name: testing}}\n\
         openlineage: [{{name: there, url: \"http://{address}\"}}]\n"
    ));
    let path = folder.path();
    let collect = ["collect", "github_events", "--listen", "127.0.0.1:0"];
    serve(path, &collect, "/collect", &event());
    assay(path, &RUN);

    receiver.kept(|kept| {
        let spans: Vec<Span> =
            kept.spans.iter().filter(|span| hex(&span.trace_id) == TRACE).cloned().collect();
        let request = only(&spans, "collect", CALLER);
        let sent = only(&spans, "send", &hex(&request.span_id));
        let bronze = only(&spans, "batch", &hex(&sent.span_id));
        assert_eq!(said(&bronze.attributes, "assay.dataset.written"), Some("bronze.github_events"));
        let commit = only(&spans, "commit", &hex(&bronze.span_id));
        // What reads the table goes on from the commit, and so does the delivery that tells it.
        let silver = only(&spans, "batch", &hex(&commit.span_id));
        let next = only(&spans, "commit", &hex(&silver.span_id));
        assert!(
            !under(&spans, "batch", &hex(&next.span_id)).is_empty(),
            "the stage behind it is in it too"
        );
        let deliver = only(&spans, "deliver", &hex(&commit.span_id));
        assert_eq!(said(&deliver.attributes, "assay.target"), Some("there"));
        let header = format!("00-{TRACE}-{}-01", hex(&deliver.span_id));
        let delivered = kept.events.iter().find(|(trace, _)| trace.as_ref() == Some(&header));
        let (_, event) = delivered.expect("the delivery carries its trace");
        let said_by = &event["run"]["facets"]["assay_trace"];
        let commit_is = format!("00-{TRACE}-{}-01", hex(&commit.span_id));
        assert_eq!(said_by["traceparent"], Value::from(commit_is));
        assert!(spans.iter().all(|span| span.trace_state == "vendor=value"), "{spans:#?}");

        let named = |of: &Vec<_>| said(of, "service.name") == Some("testing");
        assert!(!kept.resources.is_empty() && kept.resources.iter().all(named));
        assert!(!format!("{:?}{:?}", kept.spans, kept.metrics).contains("SECRET"));
    });

    // The metrics are those that Prometheus would see, bucket by bucket.
    let text = assay(path, &["metrics"]);
    receiver.kept(|kept| {
        let lines = || text.lines().filter(|line| !line.starts_with('#'));
        let of = |name: &str| -> f64 {
            let prefix = format!("{name}{{");
            let values = lines().filter(|line| line.starts_with(&prefix));
            values.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
        };
        let written = total(&kept.metrics, "records_processed_total");
        assert!(written > 0.0);
        assert_eq!(written, of("records_processed_total"));
        let durations = kept.metrics.iter().rfind(|metric| metric.name == "job_duration_seconds");
        let Some(metric::Data::Histogram(durations)) = &durations.unwrap().data else { panic!() };
        let count: u64 = durations.data_points.iter().map(|point| point.count).sum();
        assert_eq!(count as f64, of("job_duration_seconds_count"));
        assert!(
            count > 0
                && durations.data_points.iter().all(|point| {
                    point.bucket_counts.iter().sum::<u64>() == point.count
                        && point.bucket_counts.len() == point.explicit_bounds.len() + 1
                })
        );
        // What the collector counted came over the same way.
        assert_eq!(total(&kept.metrics, "api_requests_total"), 1.0);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_another_tool_is_delivered_in_the_trace_of_its_request() {
    let receiver = Receiver::start().await;
    let address = receiver.address;
    let folder = folder(&format!("openlineage: [{{name: there, url: \"http://{address}\"}}]\n"));
    let path = folder.path();
    let event = r#"{"eventType":"START","eventTime":"2026-11-21T13:31:23Z","producer":"p",
        "schemaURL":"s","run":{"runId":"0193a3a0-0000-7000-8000-000000000001"},
        "job":{"namespace":"n","name":"j"},"inputs":[],"outputs":[]}"#;
    // Nothing is exported, and the trace goes through as it came.
    let sidecar = ["sidecar", "--listen", "127.0.0.1:0"];
    serve(path, &sidecar, "/api/v1/lineage", event);
    assay(path, &["outbox", "deliver"]);
    receiver.kept(|kept| {
        let found = kept.events.iter().find(|(_, event)| event["job"]["name"] == "j");
        let (trace, _) = found.expect("it is delivered");
        assert_eq!(trace.as_deref(), Some(&*format!("00-{TRACE}-{CALLER}-01")));
        assert!(kept.spans.is_empty() && kept.metrics.is_empty());
    });
}

#[test]
fn a_receiver_that_is_away_or_silent_fails_nothing_and_is_told_once() {
    // One nobody listens at, and one that takes connections and never says a word.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for (address, timeout) in [(free, "10000"), (silent.local_addr().unwrap(), "200")] {
        let folder = folder("");
        let path = folder.path();
        let made = assay(path, &["generate", "github-events", "--count", "50"]);
        std::fs::write(path.join("events.jsonl"), made).unwrap();
        let exported = |arguments: &[&str]| {
            let mut command = command(path, arguments);
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"));
            command.env("OTEL_EXPORTER_OTLP_TIMEOUT", timeout);
            fine(command)
        };
        exported(&["ingest", "github_events", "--file", "events.jsonl"]);
        let (done, told) = exported(&RUN);
        assert!(done.contains("user_activity"), "{done}");
        // On a slow machine the end of the process may come before the last try.
        let warnings =
            ["not exported over OTLP, and lost", "metrics were not exported", "last spans"];
        let counts = warnings.map(|warning| told.matches(warning).count());
        assert!(counts.iter().all(|count| *count <= 1), "{told}");
        assert!(counts.iter().sum::<usize>() >= 1, "{told}");
    }
}

#[test]
fn lines_of_a_run_name_it() {
    let folder = folder("");
    let path = folder.path();
    let made = assay(path, &["generate", "github-events", "--count", "50"]);
    std::fs::write(path.join("events.jsonl"), made).unwrap();
    assay(path, &["ingest", "github_events", "--file", "events.jsonl"]);
    let mut run = command(path, &["run", "kafka-to-bronze", "--pipeline", "github_events"]);
    run.env("ASSAY_LOG", "debug");
    let (_, told) = fine(run);
    let runs: Value = serde_json::from_str(&assay(path, &["runs", "-o", "json"])).unwrap();
    let known = runs.to_string();
    let named: Vec<String> = told
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|line| Some(line["spans"][0]["run"].as_str()?.to_owned()))
        .collect();
    assert!(!named.is_empty(), "{told}");
    assert!(named.iter().all(|run| known.contains(run.as_str())), "{named:?} in {known}");
}

//! What clients are answered.

use std::io::Write;

use assay_collect::{Durability, Quota};
use assay_metrics::names;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::desk::Desk;

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";

/// An answer with its ids made alike.
fn shown(mut answer: Value) -> String {
    fn blank(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match name == "event_id" {
                        true => *value = "<id>".into(),
                        false => blank(value),
                    }
                }
            }
            Value::Array(all) => all.iter_mut().for_each(blank),
            _ => {}
        }
    }
    blank(&mut answer);
    serde_json::to_string(&answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_answered_for_event_by_event() {
    let desk = Desk::new().await;
    let open = desk.open().await;
    let one = r#"{"id":"1","type":"PushEvent"}"#;
    let cloud = r#"{"specversion":"1.0","id":"5","source":"/x","type":"PushEvent","data":{}}"#;
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(one.replace('1', "7").as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let gzip = [("Content-Type", JSON), ("Content-Encoding", "gzip")];
    let batch = format!("[{}]", cloud.replace('5', "6"));
    let mut told = vec![];
    for answer in [
        open.post(JSON, one.as_bytes()).await,
        open.post(JSON, format!("[{}]", one.replace('1', "2")).as_bytes()).await,
        open.post(
            LINES,
            format!("{}\n{{\n{}", one.replace('1', "3"), one.replace('1', "4")).as_bytes(),
        )
        .await,
        open.post("application/cloudevents+json; charset=utf-8", cloud.as_bytes()).await,
        open.post("application/cloudevents-batch+json", batch.as_bytes()).await,
        open.send("POST /collect", &gzip, &packed).await,
        open.post(JSON, br#"{"type":"PushEvent"}"#).await,
        open.post(JSON, b"[]").await,
    ] {
        told.push(format!("{} {}", answer.status, shown(answer.json())));
    }
    insta::assert_snapshot!(told.join("\n"));
    assert_eq!(desk.wait_for(7).await, ["1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(open.close().await.kept, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_taken_is_refused_with_what_to_do() {
    let mut desk = Desk::new().await;
    desk.settings.body_mb = 1;
    let open = desk.open().await;
    let large = vec![b' '; (1 << 20) + 1];
    let event = format!(r#"{{"id":"1","type":"{}"}}"#, "x".repeat(901_000));
    let gzip = [("Content-Type", JSON), ("Content-Encoding", "gzip")];
    let mut bomb = GzEncoder::new(Vec::new(), Compression::default());
    bomb.write_all(&large).unwrap();
    let bomb = bomb.finish().unwrap();
    let mut told = vec![];
    for answer in [
        open.post(JSON, b"{\"id\":\"1\",\n\"type\": PushEvent}").await,
        open.post(JSON, b"{\"id\":\"1\",\"type\":\"a\"}\n{\"id\":\"2\",\"type\":\"a\"}").await,
        open.post(JSON, b"").await,
        open.post(JSON, b"[{}").await,
        open.post(JSON, event.as_bytes()).await,
        open.post(JSON, &large).await,
        open.send("POST /collect", &gzip, &bomb).await,
        open.send("POST /collect", &gzip, b"no gzip").await,
        open.post("text/csv", b"a,b").await,
        open.send("POST /collect", &[("Content-Encoding", "br")], b"{}").await,
        open.send("POST /collect", &[("ce-specversion", "1.0")], b"{}").await,
        open.get("/collect").await,
        open.get("/nothing").await,
    ] {
        told.push(format!("{} {}", answer.status, shown(answer.json())));
    }
    insta::assert_snapshot!(told.join("\n"));
    assert_eq!(open.close().await.sent, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_beyond_its_quota_waits() {
    let mut desk = Desk::new().await;
    desk.settings.quota = Some(Quota { events_per_second: 0.5, burst: 2.0 });
    let open = desk.open().await;
    assert_eq!(open.event("1").await.status, 202);
    assert_eq!(open.event("2").await.status, 202);
    let refused = open.event("3").await;
    assert_eq!(refused.status, 429);
    assert!(refused.head.contains("retry-after: 2"), "{}", refused.head);
    assert_eq!(desk.wait_for(2).await, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_says_how_safe_the_event_is() {
    let mut desk = Desk::new().await;
    for (durability, name) in [(Durability::Power, "power"), (Durability::Process, "process")] {
        desk.settings.durability = durability;
        let open = desk.open().await;
        assert_eq!(open.event("1").await.json()["durability"], name);
        assert_eq!(open.get("/health").await.json()["durability"], name);
        open.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_the_collector_is_shown_and_no_other() {
    let desk = Desk::new().await;
    let open = desk.open().await;
    open.event("1").await;
    open.post(JSON, b"{}").await;
    desk.wait_for(1).await;
    let text = open.get("/metrics").await.text;
    let shown: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let mut declared: Vec<String> = names::COLLECTOR
        .iter()
        .chain([&names::BUILD_INFO])
        .map(|metric| format!("{} {}", metric.name, format!("{:?}", metric.kind).to_lowercase()))
        .collect();
    declared.sort();
    assert_eq!(shown, declared);
    for line in [
        "api_requests_total{endpoint=\"/collect\",status=\"202\"} 1",
        "api_requests_total{endpoint=\"/collect\",status=\"400\"} 1",
        "metrics_received_total 2",
        "metrics_rejected_total{reason=\"schema\"} 1",
        "kafka_batch_size_sum 1",
        "kafka_worker_active 1",
        "metric_queue_capacity 100000",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
    open.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_every_route_and_every_status() {
    let desk = Desk::new().await;
    let open = desk.open().await;
    let document = open.get("/openapi.json").await.json();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/collect", "/health", "/metrics", "/openapi.json"]);
    for path in &paths[1..] {
        assert_eq!(open.get(path).await.status, 200, "{path}");
    }
    let statuses: Vec<&String> =
        document["paths"]["/collect"]["post"]["responses"].as_object().unwrap().keys().collect();
    assert_eq!(statuses, ["202", "207", "400", "401", "408", "413", "415", "429", "503"]);
    let health = open.get("/health").await.json();
    let declared = &document["components"]["schemas"]["Health"]["properties"];
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&health), names(declared));
}

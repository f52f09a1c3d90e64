//! Dead letters whose topics are in Kafka: sent back into their stage, and to a topic.

use assay_log::NewRecord;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::broker::Broker;
use crate::office::Office;
use crate::topic::Topic;

/// As much as no topic takes unless it was made for it.
const LARGE: usize = 20 << 20;

const REALLY: [&str; 3] = ["--reason", "mended", "--yes"];

fn letters(office: &Office, arguments: &[&str]) -> Vec<Value> {
    let listed = office.json(&[&["dlq", "list", "--limit", "0"], arguments].concat());
    listed.as_array().unwrap_or_else(|| panic!("{listed}")).clone()
}

#[test]
fn letters_in_kafka_come_home_once_the_contract_is_mended() {
    let Some(broker) = Broker::start() else { return };
    let office = Office::open(&broker.log());
    let contract = "contracts/silver.github_events_parsed.odcs.yaml";
    let watch = "          - value: WatchEvent\n";
    let own = office.copy_of("github_events", "own");
    let edit = |from: &str, to: &str| {
        let text = std::fs::read_to_string(own.join(contract)).unwrap();
        assert!(text.contains(from), "{from} is not in the contract");
        std::fs::write(own.join(contract), text.replace(from, to)).unwrap();
    };
    edit(watch, "");
    let out = office.folder.path().join("events.jsonl");
    let out = out.to_str().unwrap();
    let wanted = ["--count", "2000", "--defects", "0%", "--out", out];
    office.fine(&[&["generate", "github-events"], &wanted[..]].concat());
    office.fine(&["ingest", "own", "--file", out]);
    office.fine(&["run", "all", "--pipeline", "own", "--governed"]);
    let open = letters(&office, &["--stage", "github_events/parse"]);
    let many = open.len();
    assert!(many > 50, "{many}");

    let fork = "          - value: ForkEvent\n";
    edit(fork, &format!("{fork}{watch}"));
    edit("version: 1.0.0", "version: 1.1.0");
    let replay = ["dlq", "replay", "--pipeline", "own"];
    let dry = office.json(&[&replay[..], &["--dry-run"]].concat());
    assert_eq!(dry["outcome"], json!({"landed": many}), "{dry}");
    let done = office.json(&[&replay[..], &REALLY[..], &["--batch", "30"]].concat());
    assert_eq!(done["outcome"], json!({"landed": many}), "{done}");
    assert!(letters(&office, &[]).is_empty());
    let counted = "SELECT COUNT(*) AS n, COUNT(DISTINCT event_id) AS ids \
                   FROM silver.github_events_parsed";
    let counted = office.json(&["query", counted]);
    assert_eq!((&counted[0]["n"], &counted[0]["ids"]), (&json!(2000), &json!(2000)));
    let traced = office.fine(&["dlq", "trace", open[0]["id"].as_str().unwrap()]);
    assert!(traced.contains("landed: silver.github_events_parsed, snapshot "), "{traced}");
    // The topics alone say the same.
    office.fine(&["dlq", "reindex"]);
    assert!(letters(&office, &[]).is_empty());
    assert_eq!(letters(&office, &["--all"]).len(), many);
}

#[test]
fn letters_are_sent_to_a_topic_of_kafka_but_for_what_it_does_not_take() {
    let Some(broker) = Broker::start() else { return };
    let office = Office::open(&broker.log());
    let dead = Topic::open(&broker, "orders.dlq", 2);
    // As others make them: for messages of a megabyte.
    broker.topics(&["--create", "--topic", "orders", "--partitions", "3"]);
    broker.topics(&[
        "--create",
        "--topic",
        "wide",
        "--partitions",
        "1",
        "--config",
        "max.message.bytes=67108864",
    ]);
    let record = |key: u32, value: Vec<u8>| NewRecord {
        key: Some(key.to_string().into()),
        value: Some(value.into()),
        headers: vec![("kafka_dlt-original-topic".to_owned(), Bytes::from_static(b"orders"))],
        ..NewRecord::default()
    };
    let large: Vec<u8> = (0..LARGE as u64)
        .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56).to_le_bytes()[0])
        .collect();
    let small = (0..400).map(|n| record(n % 7, format!("{{\"order\": {n}}}").into_bytes()));
    dead.append(small.chain([record(7, large)]).collect());

    let from = ["dlq", "replay", "--topic", "orders.dlq"];
    let done = office.json(&[&from[..], &["--to", "orders"], &REALLY[..]].concat());
    assert_eq!(done["outcome"], json!({"sent": 400, "refused": 1}), "{done}");
    let told = done["samples"][0]["detail"].as_str().unwrap();
    assert!(told.contains("more than the topic takes"), "{told}");
    let left = letters(&office, &["--topic", "orders.dlq"]);
    assert_eq!((left.len(), &left[0]["payload_bytes"]), (1, &json!(LARGE)));
    let id = left[0]["id"].as_str().unwrap();
    let shown = office.json(&["dlq", "show", id, "--reveal"]);
    assert_eq!(shown["letter"]["payload_bytes"], LARGE, "it is shown whole");
    let done = office.json(&[&["dlq", "replay", id, "--to", "wide"], &REALLY[..]].concat());
    assert_eq!(done["outcome"], json!({"sent": 1}), "{done}");
    let traced = office.fine(&["dlq", "trace", id]);
    let sent_to = traced.lines().last().unwrap();
    assert!(
        sent_to.contains("sent: topic wide, partition ") && sent_to.ends_with("offset 0"),
        "{traced}"
    );
    assert!(letters(&office, &["--topic", "orders.dlq"]).is_empty());
    let sent = |topic: &str| -> u64 {
        let told = broker.tool("org.apache.kafka.tools.GetOffsetShell", &["--topic", topic]);
        told.lines().filter_map(|line| line.rsplit(':').next()?.parse::<u64>().ok()).sum()
    };
    assert_eq!((sent("orders"), sent("wide")), (400, 1));
}

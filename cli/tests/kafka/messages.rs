//! Messages that are no events: each is a dead letter with its place, and those beside it land.

use std::collections::BTreeMap;

use apache_avro::types::Record;
use apache_avro::{Schema, Writer};
use assay_log::NewRecord;
use serde_json::Value;

use crate::broker::Broker;
use crate::clicks::{CLICKS, Clicks, rows};
use crate::office::Office;
use crate::topic::Topic;

/// As much as 20 MB of nothing that can be packed.
const LARGE: usize = 20 << 20;

fn message(value: impl Into<Vec<u8>>) -> NewRecord {
    NewRecord { partition: Some(1), value: Some(value.into().into()), ..NewRecord::default() }
}

fn noise(first: &[u8]) -> Vec<u8> {
    let random = (0..LARGE as u64 / 4).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24);
    first.iter().copied().chain(random.flat_map(|n| n.to_le_bytes().into_iter().take(4))).collect()
}

/// A container of events by a schema of somebody else.
fn other_schema() -> Vec<u8> {
    let fields = r#"[{"name": "order", "type": "long"}]"#;
    let schema = format!(r#"{{"type": "record", "name": "Order", "fields": {fields}}}"#);
    let schema = Schema::parse_str(&schema).unwrap();
    let mut writer = Writer::new(&schema, vec![]);
    let mut record = Record::new(&schema).unwrap();
    record.put("order", 1i64);
    writer.append(record).unwrap();
    writer.into_inner().unwrap()
}

/// A container of one event by the topic's own schema.
fn large_event() -> Vec<u8> {
    let schema = include_str!("../../../pipelines/github_events/schemas/github_event.avsc");
    let schema = Schema::parse_str(schema).unwrap();
    let payload = format!("{{\"x\":\"{}\"}}", "x".repeat(LARGE));
    let event = serde_json::json!({
        "id": "large", "type": "PushEvent", "trace_id": "large", "payload": payload,
    });
    let mut writer = Writer::new(&schema, vec![]);
    writer.append(apache_avro::types::Value::from(event).resolve(&schema).unwrap()).unwrap();
    writer.into_inner().unwrap()
}

/// The detail and the bytes of each dead letter, by where its message stands.
fn letters(office: &Office, stage: &str) -> BTreeMap<(u32, u64), (String, u64)> {
    let listed = office.json(&["dlq", "list", "--stage", stage, "--limit", "0"]);
    let letter = |letter: &Value| {
        let source = &letter["source"];
        assert_eq!(letter["at"]["topic"], "dlq_schema_validation_errors", "{letter}");
        let place = (source["partition"].as_u64().unwrap(), source["offset"].as_u64().unwrap());
        let text = format!("{} {}: {}", source["topic"], letter["reason"], letter["detail"]);
        let bytes = letter["payload_bytes"].as_u64().unwrap();
        ((u32::try_from(place.0).unwrap(), place.1), (text, bytes))
    };
    listed.as_array().unwrap().iter().map(letter).collect()
}

/// Each letter is where its message was, and says what that was; there are no others.
fn must_be(
    letters: &BTreeMap<(u32, u64), (String, u64)>,
    places: &[(u32, u64)],
    said: &[(&str, usize)],
) {
    assert_eq!(letters.len(), places.len(), "{letters:?}");
    for (place, (wanted, length)) in places.iter().zip(said) {
        let (text, bytes) = letters.get(place).unwrap_or_else(|| panic!("{place:?}: {letters:?}"));
        assert!(text.contains(wanted), "{wanted} is not in {text}");
        assert_eq!(*bytes, *length as u64, "{text}");
    }
}

#[test]
fn what_is_no_event_is_a_dead_letter_with_its_place_and_the_events_beside_it_land() {
    let Some(broker) = Broker::start() else { return };
    let office = Office::open(&broker.log());
    let take = |seed: &str| {
        let file = office.folder.path().join(seed);
        let out = ["--count", "2500", "--defects", "0", "--out", file.to_str().unwrap()];
        office.fine(&[&["generate", "github-events", "--seed", seed], &out[..]].concat());
        office.fine(&["ingest", "github_events", "--file", file.to_str().unwrap()]);
    };
    take("1");
    let topic = Topic::open(&broker, "raw_metrics_avro", 3);
    let other = other_schema();
    let bad = vec![
        message("no avro at all"),
        message(other.clone()),
        message(noise(b"")),
        message(""),
        NewRecord { partition: Some(1), ..NewRecord::default() },
        message(noise(b"Obj\x01")),
    ];
    let places = topic.append(bad);
    // An event is an event, however large.
    topic.append(vec![message(large_event())]);
    take("2");
    office.run();
    let said = [
        ("raw_metrics_avro", 14),
        ("Order", other.len()),
        ("raw_metrics_avro", LARGE),
        ("empty", 0),
        ("tombstone", 0),
        ("raw_metrics_avro", LARGE + 4),
    ];
    must_be(&letters(&office, "github_events/land"), &places, &said);
    let sql = "SELECT COUNT(*) AS n, COUNT(DISTINCT trace_id) AS ids FROM bronze.github_events";
    let counted = office.json(&["query", sql]);
    assert_eq!((&counted[0]["n"], &counted[0]["ids"]), (&5_001.into(), &5_001.into()));
}

#[test]
fn what_is_no_json_object_is_a_dead_letter_with_its_place_and_the_objects_beside_it_land() {
    let Some(broker) = Broker::start() else { return };
    let office = Office::open(&broker.log());
    let mut clicks = Clicks::open(&broker);
    clicks.write(100);
    let bad = vec![
        message("no json at all"),
        message(""),
        NewRecord { partition: Some(1), ..NewRecord::default() },
        message(noise(b"")),
    ];
    let places = clicks.topic.append(bad);
    // An object is an object, however large.
    let long = "x".repeat(LARGE);
    let large =
        format!(r#"{{"anonymous_id":"anon_large","event":"click","user_id":1,"x":"{long}"}}"#);
    clicks.topic.append(vec![message(large)]);
    clicks.write(100);
    office.fine(&["run", "kafka-to-bronze", "--pipeline", CLICKS, "--governed"]);
    let said = [("byte", 14), ("empty", 0), ("tombstone", 0), ("UTF-8", LARGE)];
    must_be(&letters(&office, "clicks/land"), &places, &said);
    assert_eq!(rows(&office), (201, 201));
}

use std::path::Path;

use serde_json::Value;

use super::*;
use crate::LetterView;

fn record(headers: &[(&str, &[u8])], value: Option<&[u8]>) -> Record {
    Record {
        partition: 2,
        offset: 7,
        timestamp: DateTime::UNIX_EPOCH,
        key: None,
        value: value.map(Bytes::copy_from_slice),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Bytes::copy_from_slice(value)))
            .collect(),
    }
}

fn place(topic: &str, partition: u32, offset: u64) -> Option<Source> {
    Some(Source { topic: topic.to_owned(), partition, offset })
}

#[test]
fn springs_numbers_are_bytes() {
    let letter = record(
        &[
            ("kafka_dlt-original-topic", b"orders"),
            ("kafka_dlt-original-partition", &3_i32.to_be_bytes()),
            ("kafka_dlt-original-offset", &4_294_967_301_i64.to_be_bytes()),
            ("kafka_dlt-original-consumer-group", b"billing"),
            ("kafka_dlt-exception-fqcn", b"org.springframework.kafka.ListenerExecutionFailed"),
            ("kafka_dlt-exception-cause-fqcn", b"java.lang.IllegalStateException"),
            ("kafka_dlt-exception-message", b"no such account\n\tat billing.Main"),
            ("kafka_deliveryAttempt", &3_i32.to_be_bytes()),
        ],
        Some(b"{}"),
    );
    assert_eq!(Dialect::of(&letter), Dialect::Spring);
    let told = told(&letter);
    assert_eq!(told.source, place("orders", 3, 4_294_967_301));
    assert_eq!(told.class.as_deref(), Some("java.lang.IllegalStateException"));
    assert_eq!(told.detail.as_deref(), Some("no such account"));
    assert_eq!(told.wrote.as_deref(), Some("billing"));
    assert_eq!(told.attempt, Some(3));
    assert_eq!(told.reason, None);
}

#[test]
fn streams_and_share_groups_are_read_in_the_same_words() {
    let streams = record(
        &[
            (
                "__streams.errors.exception",
                b"org.apache.kafka.common.errors.SerializationException",
            ),
            ("__streams.errors.message", b"Size of data received by LongDeserializer is not 8"),
            ("__streams.errors.topic", b"clicks"),
            ("__streams.errors.partition", b"1"),
            ("__streams.errors.offset", b"42"),
        ],
        Some(b"x"),
    );
    assert_eq!(Dialect::of(&streams), Dialect::KafkaStreams);
    assert_eq!(told(&streams).source, place("clicks", 1, 42));
    assert_eq!(told(&streams).reason, Some(Reason::Undecodable));

    let shared = record(
        &[
            ("__dlq.errors.topic", b"jobs"),
            ("__dlq.errors.partition", b"0"),
            ("__dlq.errors.offset", b"9"),
            ("__dlq.errors.group", b"workers"),
            ("__dlq.errors.delivery.count", b"5"),
            ("__dlq.errors.message", b"released too often"),
        ],
        None,
    );
    assert_eq!(Dialect::of(&shared), Dialect::ShareGroup);
    let told = told(&shared);
    assert_eq!((told.source, told.attempt), (place("jobs", 0, 9), Some(5)));
    assert_eq!(told.wrote.as_deref(), Some("workers"));
}

#[test]
fn headers_that_are_broken_are_as_if_they_were_not_there() {
    let letter = record(
        &[
            ("kafka_dlt-original-topic", &[0xff, 0xfe]),
            ("kafka_dlt-original-partition", b"three"),
            ("kafka_dlt-original-offset", &[1, 2, 3]),
            ("kafka_deliveryAttempt", &(-1_i32).to_be_bytes()),
        ],
        Some(b"{}"),
    );
    assert_eq!(told(&letter).source, None);
    assert_eq!(told(&letter).attempt, None);
    assert_eq!(Dialect::of(&record(&[], Some(b"{}"))), Dialect::Unknown);
    assert_eq!(told(&record(&[("source", b"shop")], None)), Told::default());
}

#[test]
fn real_letters_of_kafka_connect_say_what_failed_and_where() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/dlq/connect_dlq.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: there are no letters of Kafka Connect beside the clone");
        return;
    };
    let mut seen = 0;
    for line in text.lines() {
        let letter: Value = serde_json::from_str(line).unwrap();
        let headers: Vec<(String, Bytes)> = letter["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| {
                // What is no text stands there in another form, which no header of Connect's is.
                let text = |at: usize| match &pair[at] {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                (text(0), Bytes::from(text(1)))
            })
            .collect();
        let record = Record {
            partition: 0,
            offset: letter["offset"].as_u64().unwrap(),
            timestamp: DateTime::UNIX_EPOCH,
            key: None,
            value: letter["value"].as_str().map(|text| Bytes::from(text.to_owned())),
            headers,
        };
        let view = LetterView::of("orders.dlq", &record, 100);
        assert_eq!(view.dialect, Dialect::KafkaConnect);
        let source = view.source.unwrap();
        assert_eq!(source.topic, "orders");
        assert!(view.class.unwrap().contains("Exception"));
        assert_eq!(view.wrote.as_deref(), Some("file-sink"));
        let detail = view.detail.unwrap();
        assert!(!detail.contains('\n') && !detail.is_empty(), "{detail}");
        assert!(view.reason.is_some());
        seen += 1;
    }
    assert!(seen >= 10, "{seen}");
}

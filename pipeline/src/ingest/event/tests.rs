use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::avro::RecordSchema;
use crate::definition::{MessageFormat, TopicSpec};

const SCHEMA: &str = r#"{"type": "record", "name": "Sale", "fields": [
    {"name": "id", "type": "string"},
    {"name": "n", "type": ["null", "long"]},
    {"name": "by", "type": [{"type": "record", "name": "By", "fields": [
        {"name": "id", "type": ["null", "long"]}, {"name": "name", "type": ["null", "string"]}
    ]}, "null"]},
    {"name": "payload", "type": ["null", "string"]},
    {"name": "open", "type": ["null", "boolean"]},
    {"name": "trace_id", "type": ["null", "string"]}
]}"#;

fn encoder() -> EventEncoder {
    let topic = TopicSpec {
        dataset: "log.sales".parse().unwrap(),
        format: MessageFormat::Avro,
        schema: RecordSchema::parse(SCHEMA).unwrap(),
        partitions: 1,
        retention_hours: None,
        origin: vec![],
        headers: vec![],
    };
    EventEncoder::new(&IngestSpec {
        topic: Arc::new(topic),
        json_text: vec!["payload".to_owned()],
        trace_id: Some("trace_id".to_owned()),
        max_event_bytes: 1000,
        events_per_message: 10,
        message_bytes: 1000,
    })
}

fn fast(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![];
    encoder().plan.unwrap().encode(text, "t", &mut bytes).map(|()| bytes)
}

fn slow(text: &str) -> Result<Vec<u8>, Wrong> {
    let encoder = encoder();
    let value = record(&encoder.spec, text, &[], "t".to_owned())?;
    Ok(apache_avro::to_avro_datum(encoder.spec.topic.schema.avro(), value).unwrap())
}

fn event() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "id", "n", "by", "payload", "open", "trace_id", "other", "name", "\\u0069d", "",
    ]);
    let plain = prop::sample::select(vec![
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-7",
        "9223372036854775807",
        "9223372036854775808",
        "1.5",
        "1e3",
        "\"\"",
        "\"text\"",
        "\"a\\\"b\\\\\"",
        "\"\\u00e9 \\ud83d\"",
        "\"đăng nhập\"",
        "[]",
        "{}",
        " [ 1 , {} ] ",
        "01",
        "nul",
    ]);
    let leaf = plain.prop_map(str::to_owned);
    let value = leaf.prop_recursive(3, 20, 4, move |inner| {
        let member = (name.clone(), inner).prop_map(|(k, v)| format!("\"{k}\" :{v}"));
        prop::collection::vec(member, 0..6).prop_map(|all| format!("{{{}}}", all.join(", ")))
    });
    value.prop_map(|value| format!(" {value}"))
}

proptest! {
    #[test]
    fn the_fast_way_gives_the_bytes_of_the_slow_one(text in event()) {
        if let Some(bytes) = fast(&text) {
            prop_assert_eq!(Ok(bytes), slow(&text));
        }
    }

    #[test]
    fn any_bytes_are_answered_and_leave_nothing_when_they_are_wrong(
        bytes in prop::collection::vec(any::<u8>(), 0..60)
    ) {
        let mut to = vec![1];
        if encoder().encode(&bytes, &[], "t", &mut to).is_err() {
            prop_assert_eq!(to, [1]);
        }
    }
}

#[test]
fn what_events_are_usually_like_goes_the_fast_way() {
    for text in [
        r#"{"id":"7","n":-12,"by":{"id":3,"name":"ann \"x\""},"payload":{"a":[1]},"open":true,"z":0}"#,
        r#" {"id" : "7", "by" : null , "trace_id": "theirs"} "#,
    ] {
        assert_eq!(Ok(fast(text).unwrap()), slow(text));
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let wrong = |text: &str| {
        let wrong = encoder().encode(text.as_bytes(), &[], "t", &mut vec![]).unwrap_err();
        format!("{} {:?} {}", wrong.reason, wrong.at, wrong.detail)
    };
    let deep = format!("{{\"id\":\"7\",\"x\":{}{}}}", "[".repeat(128), "]".repeat(128));
    let told = [
        r#"{"id":"7" "n":1}"#,
        "{\"id\":\"7\",\n \"n\": x}",
        r#"{"n":1}"#,
        r#"{"id":7}"#,
        r#"{"id":"7","by":{"id":"three"}}"#,
        "[1]",
        &deep,
    ]
    .map(wrong)
    .join("\n");
    insta::assert_snapshot!(told);
}

#[test]
fn what_an_event_lacks_is_taken_from_beside_it() {
    let mut bytes = vec![];
    let beside = [("id", "\"9\""), ("n", "4"), ("unknown", "1")];
    encoder().encode(br#"{"n":5,"open":true}"#, &beside, "t", &mut bytes).unwrap();
    assert_eq!(bytes, slow(r#"{"id":"9","n":5,"open":true}"#).unwrap());
}

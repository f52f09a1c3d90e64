use assay_log::Record;
use bytes::Bytes;
use chrono::DateTime;
use proptest::prelude::*;

use super::{JsonRows, wrong};

fn message(value: Option<&[u8]>) -> Record {
    Record {
        partition: 0,
        offset: 7,
        timestamp: DateTime::UNIX_EPOCH,
        key: None,
        value: value.map(Bytes::copy_from_slice),
        headers: vec![],
    }
}

fn taken(value: &[u8]) -> Result<(), String> {
    JsonRows::new(1, 0, &[]).push(&message(Some(value)))
}

#[test]
fn what_is_no_object_says_what_it_is_and_where() {
    let cases: [(&[u8], &str); 13] = [
        (b"", "the value is empty: not even JSON null"),
        (b" \n", "no JSON: there is nothing but white space"),
        (b"null", "JSON, but null: a message is one object"),
        (b"[1]", "JSON, but a list: a message is one object"),
        (b"7", "JSON, but a number: a message is one object"),
        (b"true", "JSON, but a boolean: a message is one object"),
        (b"\"secret\"", "JSON, but a text: a message is one object"),
        (
            b"{\"id\":1}{\"id\":2}",
            "8 bytes behind the JSON value, from byte 8 on: a message is one object",
        ),
        (
            b"{\"id\":1} secret\n",
            "7 bytes behind the JSON value, from byte 9 on: a message is one object",
        ),
        (b"{\"id\":1,}", "no JSON: key must be a string (byte 8)"),
        (b"{\n \"id\": secret}", "no JSON: expected value (byte 9)"),
        (b"{\"id\":", "no JSON: EOF while parsing a value (byte 5)"),
        (b"{\"id\":\"\xff\"}", "no JSON: byte 7 is not UTF-8"),
    ];
    for (value, expected) in cases {
        assert_eq!(taken(value).unwrap_err(), expected);
    }
    let tombstone = JsonRows::new(1, 0, &[]).push(&message(None)).unwrap_err();
    assert_eq!(tombstone, "a tombstone: the message has no value");
}

#[test]
fn an_object_is_taken_as_it_stands() {
    for value in ["{}", " {\"a\": [1, {\"b\": null}]}\n", "{\"\\u0061\": \"\\ud83d\\ude80\"}"] {
        taken(value.as_bytes()).unwrap();
    }
}

proptest! {
    #[test]
    fn nothing_is_taken_that_a_parser_does_not_take_whole(value in "[{}\\[\\]\",:a1 \\\\\n]{0,12}") {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&value);
        let object = parsed.is_ok_and(|value| value.is_object());
        prop_assert_eq!(taken(value.as_bytes()).is_ok(), object);
        if !object {
            prop_assert!(!wrong(value.as_bytes()).is_empty());
        }
    }
}

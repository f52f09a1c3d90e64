use proptest::prelude::*;

use super::*;
use crate::DeadLetter;
use crate::letter::example;

fn arrived(letter: DeadLetter, draft: Option<DraftId>) -> LetterView {
    let record = headers::record(letter, draft, 3);
    LetterView::of("dlq_processing_errors", &kept(record), usize::MAX)
}

fn kept(new: assay_log::NewRecord) -> Record {
    Record {
        partition: new.partition.unwrap_or(0),
        offset: 5,
        timestamp: DateTime::UNIX_EPOCH,
        key: new.key,
        value: new.value,
        headers: new.headers,
    }
}

/// The letter that a view shows.
fn letter(view: LetterView) -> Option<DeadLetter> {
    Some(DeadLetter {
        id: view.id,
        attempt: view.attempt,
        stage: view.stage?,
        dataset: view.dataset?,
        source: view.source,
        origin: view.origin?,
        run: view.run?,
        reason: view.reason?,
        rules: view.rules,
        detail: view.detail?,
        contract: view.contract,
        payload: view.payload.unwrap_or_default(),
        payload_kind: view.payload_kind?,
        key: view.key,
        failed_at: view.failed_at,
        first_failed_at: view.first_failed_at,
        count: view.count,
        sensitive: view.sensitive,
    })
}

proptest! {
    #[test]
    fn a_letter_comes_back_from_its_headers_as_it_was(
        origin in ".*", detail in "[^\r\n]*", rules in prop::collection::vec(".*", 0..4),
        contract in prop::option::of("[0-9.]{1,9}"), key in prop::option::of(".*"), payload in ".*",
        source in prop::option::of(("[a-z_]{1,9}", any::<u32>(), 0..=i64::MAX as u64)),
        sensitive in prop::collection::vec(".*", 0..3), reason in prop::sample::select(Reason::ALL.to_vec()), attempt in 1..9u32, count in 1..9u64,
        micros in 0..4_000_000_000_000_000i64, draft in prop::option::of(any::<u128>()),
    ) {
        let source = source.map(|(topic, partition, offset)| Source { topic, partition, offset });
        let sent = DeadLetter {
            source, rules, detail, contract, key: key.map(Bytes::from), reason, attempt, count, sensitive,
            failed_at: DateTime::from_timestamp_micros(micros).unwrap(),
            ..example(&origin, &payload)
        };
        let draft = draft.map(|id| DraftId(Uuid::from_u128(id)));
        let view = arrived(sent.clone(), draft);
        prop_assert_eq!(view.draft, draft);
        prop_assert_eq!(letter(view), Some(sent));
    }

    #[test]
    fn a_preview_is_a_beginning_and_cuts_no_character(text in ".*", keep in 0usize..40) {
        let all = Bytes::from(text.clone());
        let cut = beginning(&all, keep);
        prop_assert!(cut.len() <= keep && all.starts_with(&cut));
        prop_assert!(std::str::from_utf8(&cut).is_ok());
        prop_assert!(text.len() <= keep || cut.len() + 4 > keep);
    }
}

#[test]
fn what_headers_count_and_when_is_bounded() {
    let letter = DeadLetter { count: u64::MAX, attempt: u32::MAX, ..example("o", "p") };
    let view = arrived(letter, None);
    assert_eq!((view.count, view.attempt), (1 << 40, 1 << 20));
    let source = Source { topic: "t".to_owned(), partition: 0, offset: u64::MAX };
    let view = arrived(DeadLetter { source: Some(source), ..example("o", "p") }, None);
    assert_eq!(view.source, None);
}

#[test]
fn the_headers_of_a_letter_are_those_of_kafka_connect_and_ours() {
    let source = Source { topic: "topic_app_events".to_owned(), partition: 1, offset: 42 };
    let letter = DeadLetter { source: Some(source), ..example("trace-1", "{}") };
    let record = headers::record(letter, Some(DraftId(Uuid::from_u128(9))), 3);
    let picture: String = record
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value)))
        .collect();
    insta::assert_snapshot!(picture, @r#"
    assay.id: c1ccf5de-4ba4-57be-ba75-90a5f58d885e
    assay.attempt: 1
    assay.run: 00000000-0000-0000-0000-000000000007
    assay.stage: app_events/clean
    assay.dataset: silver.app_events_cleaned
    assay.reason: rule-broken
    assay.rules: ["amount_positive"]
    assay.origin: trace-1
    assay.failed_at: 2024-10-04T00:00:00Z
    assay.first_failed_at: 2024-10-04T00:00:00Z
    assay.payload: json
    assay.count: 1
    __connect.errors.stage: TRANSFORMATION
    __connect.errors.class.name: assay.rule-broken
    __connect.errors.exception.message: amount is below 0
    assay.draft: 00000000-0000-0000-0000-000000000009
    assay.contract: 1.2.0
    __connect.errors.topic: topic_app_events
    __connect.errors.partition: 1
    __connect.errors.offset: 42
    "#);
}

#[test]
fn a_tombstone_an_empty_value_and_null_stay_three_things() {
    let tombstone = DeadLetter { payload_kind: PayloadKind::Tombstone, ..example("a", "") };
    assert_eq!(arrived(tombstone, None).payload, None);
    assert_eq!(arrived(example("b", ""), None).payload, Some(Bytes::new()));
    assert_eq!(arrived(example("c", "null"), None).payload, Some(Bytes::from("null")));
}

#[test]
fn what_is_not_ours_is_shown_with_what_is_known() {
    let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from(value));
    let record = Record {
        partition: 0,
        offset: 3,
        timestamp: DateTime::UNIX_EPOCH,
        key: None,
        value: Some(Bytes::from_static(&[0xff, 0])),
        headers: vec![
            header("__connect.errors.topic", "orders"),
            header("__connect.errors.partition", "2"),
            header("__connect.errors.offset", "10"),
            header("__connect.errors.exception.message", "Converting byte[] failed"),
            header("assay.failed_at", "yesterday"),
        ],
    };
    let view = LetterView::of("dlq_failed_messages", &record, 100);
    insta::assert_json_snapshot!(view, @r#"
    {
      "id": "860e6f65-86ec-5b87-9587-c034fe741804",
      "attempt": 1,
      "void": false,
      "closed": false,
      "older": false,
      "dialect": "kafka-connect",
      "at": {
        "topic": "dlq_failed_messages",
        "partition": 0,
        "offset": 3
      },
      "draft": null,
      "stage": null,
      "dataset": null,
      "source": {
        "topic": "orders",
        "partition": 2,
        "offset": 10
      },
      "origin": null,
      "run": null,
      "reason": null,
      "rules": [],
      "detail": "Converting byte[] failed",
      "class": null,
      "wrote": null,
      "contract": null,
      "failed_at": "1970-01-01T00:00:00Z",
      "first_failed_at": "1970-01-01T00:00:00Z",
      "count": 1,
      "key": null,
      "payload_kind": null,
      "payload_bytes": 2,
      "payload": {
        "hex": "ff00"
      }
    }
    "#);
}

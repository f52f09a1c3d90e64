//! Messages of the topic that did not come from `ingest`.

use std::collections::BTreeMap;
use std::sync::Arc;

use assay_core::{Governed, Mark, Position, Slice};
use assay_dlq::Reason;
use assay_log::{EmbeddedLog, NewRecord, TopicSpec};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::shop::{Shop, numbers, with};

impl Shop {
    /// Makes the topic as `ingest` would.
    pub(crate) async fn create_topic(&self) {
        let topic = TopicSpec { name: "shop_orders".to_owned(), partitions: 2, retention: None };
        self.log.create(&topic).await.unwrap();
    }

    async fn append(&self, messages: Vec<NewRecord>) {
        self.create_topic().await;
        self.log.append("shop_orders", messages).await.unwrap();
    }
}

/// A record with all fields of the schema.
pub(crate) fn record(no: &str, members: Value) -> Value {
    let plain = json!({
        "no": no, "kind": "web", "buyer": {"number": 7, "city": "Rome"},
        "details": "{\"price\":{\"amount\":1}}", "placed": "2026-03-01T08:00:00Z", "trace": no,
    });
    with(plain, members)
}

/// One message in partition 0; from a collector when its name and first sequence are given.
pub(crate) fn message(shop: &Shop, records: &[Value], collector: Option<(&str, u64)>) -> NewRecord {
    let topic = shop.pipeline.topics.values().next().unwrap();
    let schema = topic.schema.avro();
    let mut writer = apache_avro::Writer::new(schema, Vec::new());
    for record in records {
        let value = apache_avro::types::Value::from(record.clone());
        writer.append(value.resolve(schema).unwrap()).unwrap();
    }
    let mut headers = Vec::new();
    if let Some((name, first)) = collector {
        headers = collected(name, first, records.len());
    }
    raw(Some(Bytes::from(writer.into_inner().unwrap())), headers)
}

fn collected(name: &str, first: u64, count: usize) -> Vec<(String, Bytes)> {
    let header = |name: &str, text: String| (name.to_owned(), Bytes::from(text));
    vec![
        header("assay.collector", name.to_owned()),
        header("assay.first_sequence", first.to_string()),
        header("assay.count", count.to_string()),
    ]
}

fn raw(value: Option<Bytes>, headers: Vec<(String, Bytes)>) -> NewRecord {
    NewRecord { partition: Some(0), key: None, value, headers }
}

fn records(from: u32, to: u32) -> Vec<Value> {
    (from..to).map(|number| record(&format!("r{number}"), json!({}))).collect()
}

#[tokio::test]
async fn a_sequence_that_can_not_be_counted_is_a_letter_and_no_panic() {
    let shop = Shop::open().await;
    let last = message(&shop, &records(0, 1), Some(("web", u64::MAX - 1)));
    let beyond = message(&shop, &records(1, 3), Some(("web", u64::MAX - 1)));
    shop.append(vec![beyond, last]).await;
    let summary = shop.run("take", Governed::ALL).await.unwrap();
    assert_eq!(numbers(&summary.counts), [2, 1, 1, 0, 0]);
}

#[tokio::test]
async fn a_record_of_a_writer_with_names_that_are_none_is_in_the_letter_as_it_wrote_it() {
    let shop = Shop::open().await;
    let mut odd = message(&shop, &[record("bad", json!({"kind": ""}))], None);
    let bytes = odd.value.unwrap().to_vec();
    let place = bytes.windows(8).position(|part| part == b"\"placed\"").unwrap();
    let mut renamed = bytes.clone();
    renamed[place + 2] = b'(';
    odd.value = Some(Bytes::from(renamed));
    shop.append(vec![odd, message(&shop, &records(0, 2), None)]).await;
    let summary = shop.run("take", Governed::ALL).await.unwrap();
    assert_eq!(numbers(&summary.counts), [3, 2, 1, 0, 0]);
    let letters = shop.letters().await;
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    let letter = shop.queue.show(letter.id).await.unwrap().unwrap().letter;
    let payload = letter.payload.as_deref().unwrap();
    let text = String::from_utf8_lossy(payload);
    assert!(text.contains("\"p(aced\""), "not its writer's schema: {text}");
    // As a message it is the same record again.
    let decoded = shop.pipeline.topics.values().next().unwrap().schema.decode(payload).unwrap();
    assert_eq!(decoded.num_rows(), 1);
}

#[tokio::test]
async fn a_log_that_was_made_anew_is_not_read_on_even_if_it_is_longer() {
    let mut shop = Shop::open().await;
    let all = |range: std::ops::Range<u32>| -> Vec<_> {
        range.map(|number| message(&shop, &records(number, number + 1), None)).collect()
    };
    let (first, others) = (all(0..3), all(10..18));
    shop.append(first).await;
    shop.run("take", Governed::ALL).await.unwrap();
    let old = Arc::clone(&shop.log);
    let clock = Arc::clone(&shop.clock) as _;
    shop.log = Arc::new(EmbeddedLog::open(&shop.path("anew.db"), clock).await.unwrap());
    shop.append(others).await;
    let error = shop.run("take", Governed::ALL).await.unwrap_err().to_string();
    assert!(error.contains("another record") && error.contains("assay rewind"), "{error}");
    assert_eq!(shop.query("SELECT count(*) FROM bronze.orders").await, ["3"]);

    // Of a mark by an older version nothing is known, and it goes on.
    let topic = shop.pipeline.topics.values().next().unwrap();
    let mark = Mark { at: 3, ..Mark::default() };
    let from = Position(BTreeMap::from([(Slice::partition("shop_orders", 0), mark)]));
    let taken = assay_pipeline::foreign::topic(Arc::clone(&shop.log), topic, &from).await.unwrap();
    assert_eq!(taken.read, 5);

    // In the old one it is at home, and its last record may be gone.
    let anew = std::mem::replace(&mut shop.log, old);
    shop.log.delete_before("shop_orders", 0, 3).await.unwrap();
    assert_eq!(shop.run("take", Governed::ALL).await.unwrap().counts.read, 0);

    shop.log = anew;
    // A person may say that it is the right place: of a log that was restored, times may differ.
    let plan = shop.rewind("take", "shop_orders/0=3").await.unwrap();
    assert_eq!((plan.slices.len(), plan.slices[0].again), (1, 0));
    assert_eq!(shop.run("take", Governed::ALL).await.unwrap().counts.written, 5);
    assert_eq!(shop.run("take", Governed::ALL).await.unwrap().counts.read, 0);
}

#[tokio::test]
async fn a_message_that_is_no_container_is_one_letter_and_the_others_go_on() {
    let shop = Shop::open().await;
    let good = message(&shop, &records(0, 2), None);
    let mut cut = good.clone();
    cut.value = cut.value.map(|value| value.slice(..value.len() - 3));
    shop.append(vec![
        good,
        raw(Some(Bytes::from_static(b"{\"no\": \"json\"}")), vec![]),
        cut,
        raw(Some(Bytes::new()), vec![]),
        raw(None, vec![]),
        message(&shop, &records(2, 3), None),
    ])
    .await;
    let summary = shop.run("take", Governed::ALL).await.unwrap();
    assert_eq!(numbers(&summary.counts), [7, 3, 4, 0, 0]);
    assert_eq!(shop.query("SELECT no FROM bronze.orders ORDER BY no").await, ["r0", "r1", "r2"]);
    let mut letters = shop.letters().await;
    letters.sort_by_key(|letter| letter.source.as_ref().unwrap().offset);
    let places: Vec<u64> = letters.iter().map(|l| l.source.as_ref().unwrap().offset).collect();
    assert_eq!(places, [1, 2, 3, 4]);
    assert!(letters.iter().all(|letter| letter.reason == Some(Reason::Undecodable)));
    assert_eq!(letters[0].payload.as_deref(), Some(&b"{\"no\": \"json\"}"[..]));
    assert!(letters[3].detail.as_ref().unwrap().contains("tombstone"), "{:?}", letters[3]);
    // What was in the message is not repeated in what is said about it.
    assert!(letters.iter().all(|letter| !letter.detail.as_ref().unwrap().contains("json\"")));
}

#[tokio::test]
async fn only_messages_that_can_t_be_read_move_the_position_too() {
    let shop = Shop::open().await;
    shop.append(vec![raw(Some(Bytes::from_static(b"x")), vec![])]).await;
    let summary = shop.run("take", Governed::ALL).await.unwrap();
    assert_eq!(numbers(&summary.counts), [1, 0, 1, 0, 0]);
    assert_eq!(shop.run("take", Governed::ALL).await.unwrap().counts.read, 0);
}

#[tokio::test]
async fn what_a_collector_sends_again_is_counted_and_not_taken() {
    let shop = Shop::open().await;
    let first = message(&shop, &records(0, 4), Some(("c", 0)));
    shop.append(vec![first.clone(), first.clone()]).await;
    let summary = shop.run("take", Governed::ALL).await.unwrap();
    assert_eq!(numbers(&summary.counts), [8, 4, 0, 0, 4]);

    // In a later run, half of it new; another collector's numbers are its own.
    let half = message(&shop, &records(2, 6), Some(("c", 2)));
    let other = message(&shop, &records(8, 9), Some(("d", 0)));
    shop.append(vec![first, half, other]).await;
    let summary = shop.run("take", Governed::ALL).await.unwrap();
    assert_eq!(numbers(&summary.counts), [9, 3, 0, 0, 6]);
    let taken = shop.query("SELECT no FROM bronze.orders ORDER BY no").await;
    assert_eq!(taken, ["r0", "r1", "r2", "r3", "r4", "r5", "r8"]);
}

#[tokio::test]
async fn the_letter_of_a_half_taken_message_holds_the_right_record() {
    let shop = Shop::open().await;
    let mut resent = records(0, 3);
    resent[2] = record("bad", json!({"kind": ""}));
    shop.append(vec![
        message(&shop, &records(0, 1), Some(("c", 0))),
        message(&shop, &resent, Some(("c", 0))),
    ])
    .await;
    let summary = shop.run("take", Governed::ALL).await.unwrap();
    assert_eq!(numbers(&summary.counts), [4, 2, 1, 0, 1]);
    let letters = shop.letters().await;
    let letter = shop.queue.show(letters[0].id).await.unwrap().unwrap().letter;
    let schema = &shop.pipeline.topics.values().next().unwrap().schema;
    let rows = schema.decode(&letter.payload.unwrap()).unwrap();
    let no = arrow::array::AsArray::as_string::<i32>(rows.column(0)).value(0).to_owned();
    assert_eq!((rows.num_rows(), no.as_str()), (1, "bad"));
}

#[tokio::test]
async fn a_collector_that_says_another_count_is_not_believed() {
    let shop = Shop::open().await;
    let mut lying = message(&shop, &records(0, 2), None);
    lying.headers = collected("c", 0, 3);
    let mut half = message(&shop, &records(2, 4), None);
    half.headers = collected("c", 0, 2).into_iter().take(2).collect();
    shop.append(vec![lying, half]).await;
    let summary = shop.run("take", Governed::ALL).await.unwrap();
    assert_eq!(numbers(&summary.counts), [2, 0, 2, 0, 0]);
    let mut details: Vec<String> =
        shop.letters().await.into_iter().filter_map(|letter| letter.detail).collect();
    details.sort();
    assert_eq!(
        details,
        [
            "it names a collector, but not assay.first_sequence and assay.count",
            "it says 3 records and holds 2",
        ]
    );
}

#[tokio::test]
async fn an_expression_that_fails_for_a_row_sets_aside_that_row_alone() {
    let casts =
        ("models/sell.sql", "  buyer,\n", "  CAST(split_part(no, '-', 2) AS BIGINT) AS buyer,\n");
    let shop = Shop::edited(&[casts]).await;
    let parts = |no: &str, parts: i64| {
        let details = json!({"price": {"amount": 8}, "parts": parts}).to_string();
        record(no, json!({"details": details}))
    };
    let list =
        [parts("a-1", 2), parts("b-2", 0), parts("c-x", 4), parts("d-4", 4), parts("e-5", 0)];
    shop.append(vec![message(&shop, &list, None)]).await;
    assert_eq!(shop.run_all().await[1], [5, 2, 3, 0, 0]);
    assert_eq!(
        shop.query("SELECT order_no, buyer, share FROM silver.sales ORDER BY order_no").await,
        ["a-1 1 4", "d-4 4 2"]
    );
    let mut details: Vec<String> = Vec::new();
    for letter in shop.letters().await {
        assert_eq!(letter.reason, Some(Reason::Untransformable));
        details.push(format!("{} {}", letter.origin.unwrap(), letter.detail.unwrap()));
    }
    details.sort();
    assert_eq!(
        details,
        [
            "b-2 the model: division by zero",
            "c-x the model: a value can't be cast",
            "e-5 the model: division by zero",
        ]
    );
}

#[tokio::test]
async fn a_value_that_is_there_and_does_not_fit_is_never_null() {
    let shop = Shop::open().await;
    let details = |no: &str, text: &str| record(no, json!({"details": text}));
    shop.append(vec![message(
        &shop,
        &[
            details("good", r#"{"price":{"amount":1}}"#),
            details("text", r#"{"price":{"amount":"1"}}"#),
            details("half", r#"{"price":{"amount":1.5}}"#),
            details("list", r#"{"price":[1]}"#),
            details("cut", r#"{"price":{"amount":1}"#),
            record("time", json!({"placed": "yesterday"})),
        ],
        None,
    )])
    .await;
    assert_eq!(shop.run_all().await[1], [6, 1, 5, 0, 0]);
    let mut details: Vec<String> = Vec::new();
    for letter in shop.letters().await {
        assert_eq!(letter.reason, Some(Reason::Untransformable));
        details.push(format!("{}: {}", letter.origin.unwrap(), letter.detail.unwrap()));
    }
    details.sort();
    insta::assert_snapshot!(details.join("\n"));
}

#[tokio::test]
async fn a_filter_that_fails_for_a_row_sets_it_aside() {
    let fails = ("pipeline.yaml", "filter: kind <> 'test'", "filter: CAST(kind AS BIGINT) > 1");
    let shop = Shop::edited(&[fails]).await;
    let kind = |no: &str, kind: &str| record(no, json!({"kind": kind}));
    shop.append(vec![message(&shop, &[kind("a", "2"), kind("b", "x"), kind("c", "1")], None)])
        .await;
    assert_eq!(shop.run_all().await[1], [3, 1, 1, 1, 0]);
    // Also when none is left.
    shop.append(vec![message(&shop, &[kind("d", "y")], None)]).await;
    assert_eq!(shop.run_all().await[1], [1, 0, 1, 0, 0]);
}

#[tokio::test]
async fn a_filter_that_is_unknown_is_not_met() {
    let buyers = ("pipeline.yaml", "filter: kind <> 'test'", "filter: buyer > 5");
    let shop = Shop::edited(&[buyers]).await;
    let list = [record("a", json!({"buyer": null})), record("b", json!({}))];
    shop.append(vec![message(&shop, &list, None)]).await;
    assert_eq!(shop.run_all().await[1], [2, 1, 0, 1, 0]);
}

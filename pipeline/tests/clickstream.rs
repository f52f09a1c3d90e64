//! A topic of JSON messages becomes a table by configuration alone.

use std::path::Path;

use assay_core::Governed;
use assay_dlq::{Filter, PayloadKind};
use assay_log::{NewRecord, TopicSpec};
use assay_pipeline::{Folder, Pipeline, RunSummary};
use bytes::Bytes;
use serde_json::json;

use crate::shop::{Shop, numbers};

pub(crate) const TOPIC: &str = "topic_clickstream";

/// The parts of the shop, under the pipeline that lands clicks.
pub(crate) async fn open() -> Shop {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clickstream");
    let mut shop = Shop::open().await;
    shop.pipeline = Pipeline::load(&Folder::Disk(folder)).unwrap();
    let topic = TopicSpec { name: TOPIC.to_owned(), partitions: 3, retention: None };
    shop.log.create(&topic).await.unwrap();
    shop
}

pub(crate) fn click(number: u64) -> String {
    json!({
        "anonymous_id": format!("anon_{number:010}"), "event": "page_view",
        "timestamp": "2026-03-10T11:59:00Z", "user_id": number,
        "context": {"ip": "10.0.0.1", "user_agent": "a browser"},
    })
    .to_string()
}

pub(crate) async fn append(shop: &Shop, messages: impl IntoIterator<Item = Option<Vec<u8>>>) {
    let record = |(number, value): (usize, Option<Vec<u8>>)| NewRecord {
        partition: Some(u32::try_from(number % 3).unwrap()),
        value: value.map(Bytes::from),
        ..NewRecord::default()
    };
    let records = messages.into_iter().enumerate().map(record).collect();
    shop.log.append(TOPIC, records).await.unwrap();
}

async fn land(shop: &Shop) -> RunSummary {
    shop.run("land", Governed::ALL).await.unwrap()
}

#[tokio::test]
async fn json_messages_become_rows_with_the_place_where_each_stood() {
    let shop = open().await;
    append(&shop, (0..9).map(|number| Some(click(number).into_bytes()))).await;
    assert_eq!(numbers(&land(&shop).await.counts), [9, 9, 0, 0, 0]);
    let row = shop
        .query(
            "SELECT anonymous_id, event, user_id, topic, kafka_partition, kafka_offset,
                 ingestion_date, payload FROM bronze.clickstream WHERE user_id = 7",
        )
        .await;
    let place = "anon_0000000007 page_view 7 topic_clickstream 1 2 2026-03-10";
    assert_eq!(row, [format!("{place} {}", click(7))]);
    assert_eq!(land(&shop).await.batches.len(), 0, "nothing is new");
}

#[tokio::test]
async fn what_is_no_json_object_is_a_dead_letter_that_says_what_and_where() {
    let shop = open().await;
    let good = click(1);
    let twice = format!("{good}{good}");
    let bad: [(Option<&[u8]>, &str); 6] = [
        (None, "a tombstone"),
        (Some(b""), "the value is empty"),
        (Some(b"null"), "JSON, but null"),
        (Some(b"{\"event\":\"\xfe\"}"), "byte 10 is not UTF-8"),
        (Some(b"[{}]"), "JSON, but a list"),
        (Some(twice.as_bytes()), "bytes behind the JSON value, from byte"),
    ];
    let mut messages: Vec<_> = bad.iter().map(|(value, _)| value.map(<[u8]>::to_vec)).collect();
    messages.extend((0..20).map(|number| Some(click(number).into_bytes())));
    append(&shop, messages).await;
    let summary = land(&shop).await;
    assert_eq!(numbers(&summary.counts), [26, 20, 6, 0, 0]);

    let letters = shop.queue.list(&Filter::default()).await.unwrap();
    for (number, (value, why)) in bad.into_iter().enumerate() {
        let place = format!("topic_clickstream/{}/{}", number % 3, number / 3);
        let of = |letter: &&assay_dlq::LetterView| letter.origin.as_ref().unwrap().0 == place;
        let letter = letters.iter().find(of).unwrap();
        let detail = letter.detail.as_deref().unwrap();
        assert!(detail.contains(why), "{place}: {detail}");
        assert_eq!(letter.payload_bytes, value.unwrap_or_default().len() as u64);
    }
}

#[tokio::test]
async fn a_message_whose_values_do_not_fit_is_set_aside_with_the_message_itself() {
    let shop = open().await;
    let wrong = r#"{"anonymous_id": "a", "event": "e", "user_id": "seven"}"#;
    let none = r#"{"event": "e"}"#;
    append(&shop, [wrong, none].map(|text| Some(text.as_bytes().to_vec()))).await;
    append(&shop, (0..9).map(|number| Some(click(number).into_bytes()))).await;
    assert_eq!(numbers(&land(&shop).await.counts), [11, 9, 2, 0, 0]);
    let letters = shop.letters().await;
    assert_eq!(letters.len(), 2);
    assert!(letters.iter().all(|letter| letter.payload_kind == Some(PayloadKind::Json)));
    let mut bytes: Vec<u64> = letters.iter().map(|letter| letter.payload_bytes).collect();
    bytes.sort_unstable();
    assert_eq!(bytes, [none.len() as u64, wrong.len() as u64]);
}

#[test]
fn a_topic_of_json_has_no_schema_and_is_not_written_by_ingest() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clickstream");
    for name in ["pipeline.yaml", "models/land.sql", "contracts/bronze.clickstream.odcs.yaml"] {
        let to = folder.path().join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(shipped.join(name), to).unwrap();
    }
    let file = folder.path().join("pipeline.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text
        .replace("format: json\n", "format: json\n    schema: s.avsc\n")
        .replace("seconds: 1}", "seconds: 0}");
    std::fs::write(&file, text).unwrap();
    let folder = Folder::Disk(folder.path().to_owned());
    let told = Pipeline::load(&folder).unwrap_err().to_string();
    assert!(told.contains("a topic of JSON has no `schema`"), "{told}");
    assert!(told.contains("a commit of no rows, no bytes or no time never comes"), "{told}");
}

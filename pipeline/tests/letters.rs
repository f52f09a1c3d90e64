//! What becomes of rows that are set aside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use assay_core::{Clock, DraftId, Governed, Ids, StageId};
use assay_dlq::{
    Closed, DeadLetterQueue, DlqError, LetterView, Letters, LogQueue, PayloadKind, Payloads, Reason,
};
use assay_pipeline::{DraftOf, RunError, Runner, Target, Write};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

use crate::messages::{message, record};
use crate::shop::{Shop, order, with};

async fn shown(shop: &Shop, letter: &LetterView) -> LetterView {
    shop.queue.show(letter.id).await.unwrap().unwrap().letter
}

#[tokio::test]
async fn the_payload_of_a_table_s_row_is_that_row_as_json() {
    let shop = Shop::open().await;
    shop.take(&[
        order("a", "Rome", 1, "2026-03-01T08:00:00Z"),
        with(order("neg", "Rome", -1, "2026-03-01T08:00:00Z"), json!({"buyer": null})),
    ])
    .await;
    shop.run_all().await;
    let letters = shop.letters().await;
    assert_eq!(letters.len(), 1);
    let letter = shown(&shop, &letters[0]).await;
    assert_eq!(letter.reason, Some(Reason::RuleBroken));
    assert_eq!(letter.rules, ["buyer.not_null", "city.not_null", "amount.range"]);
    assert_eq!(letter.payload_kind, Some(PayloadKind::Json));
    assert_eq!(letter.dataset, Some("silver.sales".parse().unwrap()));
    assert_eq!(letter.contract.as_deref(), Some("1.0.0"));

    let text = String::from_utf8(letter.payload.unwrap().to_vec()).unwrap();
    let row: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(row.to_string(), text, "written in one way only");
    assert_eq!(letter.origin.unwrap().0, row["trace"].as_str().unwrap());
    assert_eq!(
        row,
        json!({
            "no": "neg", "kind": "web", "buyer": null, "city": null,
            "details": r#"{"price":{"amount":-1},"parts":2,"note":"not looked at"}"#,
            "placed": "2026-03-01T08:00:00Z", "landed_at": "2026-03-10T12:00:00Z",
            "landed_on": "2026-03-10", "part": 0, "place": 0, "trace": row["trace"],
        })
    );
}

#[tokio::test]
async fn the_payload_of_a_topic_s_record_is_a_container_of_that_record() {
    let shop = Shop::open().await;
    shop.take(&[
        order("a", "Rome", 1, "2026-03-01T08:00:00Z"),
        order("b", "Rome", 1, "2026-03-01T08:00:00Z"),
        with(order("bad", "Rome", 1, "2026-03-01T08:00:00Z"), json!({"kind": ""})),
    ])
    .await;
    shop.run("take", Governed::ALL).await.unwrap();
    let letters = shop.letters().await;
    assert_eq!(letters.len(), 1);
    let letter = shown(&shop, &letters[0]).await;
    assert_eq!(letter.payload_kind, Some(PayloadKind::Avro));
    assert_eq!(letter.rules, ["kind.length"]);
    let place = letter.source.unwrap();
    assert_eq!((place.topic.as_str(), place.partition, place.offset), ("shop_orders", 0, 0));
    let payload = letter.payload.unwrap();
    let records: Vec<apache_avro::types::Value> =
        apache_avro::Reader::new(&payload[..]).unwrap().map(Result::unwrap).collect();
    assert_eq!(records.len(), 1);
    let apache_avro::types::Value::Record(fields) = &records[0] else { panic!("{records:?}") };
    assert_eq!(fields[0], ("no".to_owned(), apache_avro::types::Value::String("bad".to_owned())));
}

#[tokio::test]
async fn equal_rows_of_one_origin_are_one_letter_and_different_ones_are_two() {
    let shop = Shop::open().await;
    let bad = |no: &str, trace: &str| record(no, json!({"kind": "", "trace": trace}));
    let records = [bad("x", "same"), bad("x", "same"), bad("y", "alike"), bad("z", "alike")];
    shop.create_topic().await;
    shop.log.append("shop_orders", vec![message(&shop, &records, None)]).await.unwrap();
    let summary = shop.run("take", Governed::ALL).await.unwrap();
    assert_eq!(summary.counts.rejected, 4);

    let mut letters: Vec<(String, u64)> = shop
        .letters()
        .await
        .into_iter()
        .map(|letter| (letter.origin.unwrap().0, letter.count))
        .collect();
    letters.sort();
    let expected = [("alike", 1), ("alike", 1), ("same", 2)];
    assert_eq!(letters, expected.map(|(origin, count)| (origin.to_owned(), count)));
    assert_eq!(summary.batches[0].letters["dlq_processing_errors"], 4);
}

/// A queue during whose `put` another worker is faster, or whose markers are lost.
struct Troubled {
    queue: Arc<LogQueue>,
    shop: Option<Arc<Shop>>,
    lose_markers: AtomicBool,
}

#[async_trait]
impl DeadLetterQueue for Troubled {
    async fn put(&self, letters: &mut Letters, draft: Option<DraftId>) -> Result<(), DlqError> {
        self.queue.put(letters, draft).await?;
        if let Some(shop) = &self.shop {
            shop.run("sell", Governed::ALL).await.unwrap();
        }
        Ok(())
    }

    async fn close(
        &self,
        stage: &StageId,
        those: &Payloads<'_>,
        again: &mut Letters,
        by: (DraftId, DateTime<Utc>),
    ) -> Result<BTreeMap<String, u64>, DlqError> {
        self.queue.close(stage, those, again, by).await
    }

    async fn settle(
        &self,
        letters: &[Closed],
        job: Uuid,
        by: (DraftId, DateTime<Utc>),
    ) -> Result<BTreeMap<String, u64>, DlqError> {
        self.queue.settle(letters, job, by).await
    }

    async fn sent(&self, letters: &[Closed], job: Uuid, at: DateTime<Utc>) -> Result<(), DlqError> {
        self.queue.sent(letters, job, at).await
    }

    async fn mark_committed(&self, draft: DraftId, topics: &[&str]) -> Result<(), DlqError> {
        match self.lose_markers.load(Ordering::Relaxed) {
            true => Err(DlqError::TooLarge {
                stage: StageId { pipeline: "p".into(), stage: "s".into() },
                place: "nowhere".into(),
                bytes: 1,
                limit: 0,
            }),
            false => self.queue.mark_committed(draft, topics).await,
        }
    }
}

async fn with_a_bad_row() -> Shop {
    let shop = Shop::open().await;
    shop.take(&[
        order("a", "Rome", 1, "2026-03-01T08:00:00Z"),
        order("neg", "Rome", -1, "2026-03-01T08:00:00Z"),
    ])
    .await;
    shop.run("take", Governed::ALL).await.unwrap();
    shop
}

#[tokio::test]
async fn letters_of_a_worker_that_was_fenced_off_are_void() {
    let shop = Arc::new(with_a_bad_row().await);
    let queue = Troubled {
        queue: Arc::clone(&shop.queue),
        shop: Some(Arc::clone(&shop)),
        lose_markers: AtomicBool::new(false),
    };
    let slow = Runner { queue: Arc::new(queue), ..shop.runner() };
    let outcome = slow.run(&shop.pipeline, &shop.stage("sell"), Governed::ALL).await;
    let Err(RunError::Target(error)) = &outcome else { panic!("{outcome:?}") };
    assert!(error.to_string().contains("fenced off"), "{error}");

    assert_eq!(shop.letters().await.len(), 1);
    let all = shop.all_letters().await;
    assert_eq!(all.iter().filter(|letter| letter.void).count(), 1);
    assert_eq!(shop.query("SELECT order_no FROM silver.sales").await, ["a"]);
}

#[tokio::test]
async fn letters_whose_marker_was_lost_are_shown_after_the_next_run() {
    let shop = with_a_bad_row().await;
    let queue = Troubled {
        queue: Arc::clone(&shop.queue),
        shop: None,
        lose_markers: AtomicBool::new(true),
    };
    let runner = Runner { queue: Arc::new(queue), ..shop.runner() };
    // The rows are in, so the run did what it had to do.
    let summary = runner.run(&shop.pipeline, &shop.stage("sell"), Governed::ALL).await.unwrap();
    assert_eq!(summary.counts.rejected, 1);
    assert!(shop.letters().await.is_empty());
    assert_eq!(shop.all_letters().await.len(), 1);

    shop.run("sell", Governed::ALL).await.unwrap();
    assert_eq!(shop.letters().await.len(), 1);
}

#[tokio::test]
async fn a_draft_that_is_given_up_shows_neither_rows_nor_position() {
    let shop = with_a_bad_row().await;
    let target = shop.target("sell");
    target.prepare().await.unwrap();
    let (reader, from) = (shop.stage("sell").reader(), Default::default());
    let (id, begun_at) = (DraftId(shop.ids.next()), shop.clock.now());
    let of = DraftOf {
        id,
        reader: &reader,
        from: &from,
        key: &[],
        also: &[],
        event_time: None,
        begun_at,
    };
    target.draft(of, Write::Append).await.unwrap().abandon().await;
    assert_eq!(target.position(&reader).await.unwrap(), from);
    assert_eq!(target.commits(None).await.unwrap(), []);
    let all = assay_dlq::Filter { include_void: true, ..Default::default() };
    assert_eq!(shop.queue.list(&all).await.unwrap(), []);
}

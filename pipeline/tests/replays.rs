//! Letters that are sent back, on good days and on bad ones.

mod bad_days;
mod finished;
mod meanwhile;

use std::collections::BTreeMap;
use std::sync::Arc;

use assay_core::{Counts, Governed, StageId};
use assay_dlq::{Asked, Fate, Index, LetterView};
use assay_log::NewRecord;
use assay_pipeline::{Carried, Ingest, ReplayError, Replayer};
use assay_store::{LetterFilter, Replay, ReplayOptions, ReplayState};
use bytes::Bytes;
use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

use crate::messages::{message, record};
use crate::shop::{Edit, Shop, order, with};

/// The contract as it should have been: an amount may be below 0.
const MENDED: Edit<'_> = (
    "contracts/silver.sales.odcs.yaml",
    "logicalTypeOptions: {minimum: 0}",
    "logicalTypeOptions: {minimum: -1000}",
);

impl Shop {
    fn index(&self) -> Index {
        Index::new(Arc::clone(&self.queue), Arc::clone(&self.store))
    }

    fn ingest_of(&self) -> Ingest {
        Ingest {
            log: Arc::clone(&self.log),
            store: Arc::clone(&self.store),
            queue: Arc::clone(&self.queue) as _,
            clock: Arc::clone(&self.clock) as _,
            ids: Arc::clone(&self.ids) as _,
            spool: self.path("."),
            stop: self.stop.clone(),
        }
    }

    async fn job(&self, stage: &str, options: ReplayOptions, dry: bool) -> Replay {
        let index = self.index();
        index.catch_up(&|_| {}).await.unwrap();
        let asked = asked(&self.pipeline.name, stage, options, dry);
        let (id, at) = (Uuid::new_v4(), assay_core::Clock::now(self.clock.as_ref()));
        index.start(&asked, id, at, None).await.unwrap()
    }

    async fn carry_out(&self, job: &Replay) -> Result<Carried, ReplayError> {
        let (runner, ingest, index) = (self.runner(), self.ingest_of(), self.index());
        let pipeline = &self.pipeline;
        let replayer = Replayer { runner: &runner, ingest: &ingest, index: &index, pipeline };
        replayer.carry_out(job.id, Uuid::new_v4(), &|_: &Counts| {}).await
    }

    async fn replay(&self, stage: &str, options: ReplayOptions) -> Result<Carried, ReplayError> {
        let job = self.job(stage, options, false).await;
        self.carry_out(&job).await
    }

    async fn open_letters(&self) -> Vec<LetterView> {
        let index = self.index();
        index.catch_up(&|_| {}).await.unwrap();
        index.list(&LetterFilter::default(), 1000, 0).await.unwrap()
    }

    async fn state(&self, job: Uuid) -> ReplayState {
        self.store.replay(job).await.unwrap().unwrap().state
    }
}

fn asked(pipeline: &str, stage: &str, options: ReplayOptions, dry: bool) -> Asked {
    Asked {
        stage: StageId { pipeline: pipeline.to_owned(), stage: stage.to_owned() },
        letters: LetterFilter { unparked: true, ..LetterFilter::default() },
        limit: None,
        options,
        dry,
        who: "anna".to_owned(),
        reason: "the contract was wrong".to_owned(),
    }
}

fn outcome(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect()
}

/// Twelve orders, four of which are below 0.
async fn with_four_letters() -> Shop {
    let shop = Shop::open().await;
    let orders: Vec<_> = (0..12)
        .map(|n| {
            order(
                &format!("{n}"),
                "Rome",
                if n % 3 == 0 { -1 - n } else { n },
                "2026-03-01T08:00:00Z",
            )
        })
        .collect();
    shop.take(&orders).await;
    shop.run("take", Governed::ALL).await.unwrap();
    shop.run("sell", Governed::ALL).await.unwrap();
    assert_eq!(shop.open_letters().await.len(), 4);
    shop
}

const SALES: &str = "SELECT order_no FROM silver.sales ORDER BY order_no";

#[tokio::test]
async fn letters_come_home_once_the_contract_is_mended_and_it_is_known_where_each_landed() {
    let mut shop = with_four_letters().await;
    let (before, letters) = (shop.snapshots().await, shop.open_letters().await);
    shop.clock.advance(TimeDelta::minutes(5));

    // As the contract is, all die again; nothing is changed by finding that out.
    let dry = shop.job("sell", ReplayOptions::default(), true).await;
    let carried = shop.carry_out(&dry).await.unwrap();
    assert_eq!(carried.outcome, outcome(&[("again", 4)]));
    assert_eq!(carried.died_of, outcome(&[("amount.range", 4)]));
    shop.change(&[MENDED]);
    // In two batches: the first one is not committed either.
    let dry = shop.job("sell", ReplayOptions { batch: 3, ..ReplayOptions::default() }, true).await;
    let carried = shop.carry_out(&dry).await.unwrap();
    assert_eq!(carried.outcome, outcome(&[("landed", 4)]));
    assert_eq!(shop.snapshots().await, before);
    assert_eq!(shop.open_letters().await, letters);
    assert!(shop.store.replays(10).await.unwrap().is_empty());

    let job = shop.job("sell", ReplayOptions { batch: 3, ..ReplayOptions::default() }, false).await;
    // Whoever asks for the same letters meanwhile gets none.
    let other = shop.job("sell", ReplayOptions::default(), false).await;
    assert_eq!((other.letters, other.skipped), (0, 4));
    let carried = shop.carry_out(&job).await.unwrap();
    assert_eq!(carried.outcome, outcome(&[("landed", 4)]));
    assert_eq!(shop.state(job.id).await, ReplayState::Complete);
    assert!(matches!(shop.carry_out(&job).await, Err(ReplayError::Over(..))));
    assert_eq!(shop.query(SALES).await.len(), 12);
    assert!(shop.open_letters().await.is_empty());

    // Each is followed to its snapshot.
    let index = shop.index();
    for letter in letters {
        let shown = index.show(letter.id).await.unwrap().unwrap().letter;
        let closed = shown.outcome.clone().unwrap();
        assert_eq!((closed.fate, closed.job), (Fate::Landed, Some(job.id)));
        let landing = index.landing(&closed, Some(&shown)).await.unwrap().unwrap();
        let sql = "SELECT count(*) FROM silver.sales";
        assert_eq!(landing.table.to_string(), "silver.sales");
        let mut query =
            assay_pipeline::Query::open(&shop.lake, sql, landing.snapshot).await.unwrap();
        assert!(query.next().await.unwrap().is_some());
        let traced = index.trace(letter.id).await.unwrap().unwrap();
        assert_eq!((traced.steps.len(), traced.open), (3, false));
    }
    // The stage's own reader has not moved, and what is behind it sees the rows.
    assert_eq!(shop.run("sell", Governed::ALL).await.unwrap().counts.read, 0);
    let total = shop.run("total", Governed::ALL).await.unwrap();
    assert_eq!(total.counts.read, 12);
    index.rebuild(&|_| {}).await.unwrap();
    assert!(shop.open_letters().await.is_empty(), "the topics say it too");
}

#[tokio::test]
async fn what_dies_again_is_the_same_letter_and_is_parked_the_third_time() {
    let shop = with_four_letters().await;
    let all = ReplayOptions { stop_percent: 100.0, ..ReplayOptions::default() };
    let ids: Vec<_> = shop.open_letters().await.iter().map(|letter| letter.id).collect();
    for attempt in 2..=3 {
        shop.clock.advance(TimeDelta::minutes(1));
        let carried = shop.replay("sell", all.clone()).await.unwrap();
        assert_eq!(carried.outcome, outcome(&[("again", 4)]));
        let letters = shop.open_letters().await;
        assert!(letters.iter().all(|letter| letter.attempt == attempt && ids.contains(&letter.id)));
        assert!(letters.iter().all(|letter| letter.first_failed_at < letter.failed_at));
    }
    let parked = shop.open_letters().await;
    assert!(parked.iter().all(|letter| letter.at.topic == "dlq_failed_messages"));
    assert_eq!(parked[0].rules, ["amount.range"]);
    let job = shop.job("sell", all, false).await;
    assert_eq!(job.letters, 0, "nobody sends them round and round");
}

#[tokio::test]
async fn a_contract_that_was_mended_wrongly_stops_the_job_with_every_letter_as_it_was() {
    let shop = with_four_letters().await;
    let strict = ReplayOptions { stop_rows: 4, ..ReplayOptions::default() };
    let before = (shop.snapshots().await, shop.open_letters().await);
    let job = shop.job("sell", strict, false).await;
    let error = shop.carry_out(&job).await.unwrap_err();
    assert!(error.to_string().contains("halted"), "{error}");
    assert_eq!(shop.state(job.id).await, ReplayState::Stopped);
    assert_eq!((shop.snapshots().await, shop.open_letters().await), before);
    // Mended at last, the same job goes on.
    let mut shop = shop;
    shop.change(&[MENDED]);
    let carried = shop.carry_out(&job).await.unwrap();
    assert_eq!(carried.outcome, outcome(&[("landed", 4)]));
}

#[tokio::test]
async fn a_row_that_came_meanwhile_is_a_duplicate_and_one_that_is_filtered_is_said_to_be() {
    let shop = Shop::open().await;
    let bad = |no: &str| order(no, "Rome", -1, "2026-03-01T08:00:00Z");
    shop.take(&[bad("a"), bad("b"), bad("c")]).await;
    shop.run("take", Governed::ALL).await.unwrap();
    shop.run("sell", Governed::ALL).await.unwrap();
    let good = order("a", "Rome", 1, "2026-03-01T08:00:00Z");
    shop.take(&[good]).await;
    shop.run("take", Governed::ALL).await.unwrap();
    shop.run("sell", Governed::ALL).await.unwrap();
    let mut shop = shop;
    shop.change(&[MENDED]);
    let transform = Some("kind = CASE WHEN no = 'b' THEN 'test' ELSE kind END".to_owned());
    let options = ReplayOptions { transform, ..ReplayOptions::default() };
    let dry = shop.job("sell", options.clone(), true).await;
    let carried = shop.carry_out(&dry).await.unwrap();
    assert_eq!(carried.changes.len(), 3);
    let b = carried.changes.iter().find(|change| change.before["no"] == "b").unwrap();
    assert_eq!((&b.before["kind"], &b.after["kind"]), (&json!("web"), &json!("test")));
    let carried = shop.replay("sell", options).await.unwrap();
    assert_eq!(carried.outcome, outcome(&[("duplicate", 1), ("filtered", 1), ("landed", 1)]));
    assert_eq!(shop.query(SALES).await, ["a", "c"]);
}

#[tokio::test]
async fn a_change_on_the_way_lets_rows_land_and_leaves_the_letter_as_it_was() {
    let shop = with_four_letters().await;
    let patch = json!({"details": "{\"price\":{\"amount\":5},\"parts\":1}"}).to_string();
    let options = ReplayOptions { transform: Some(patch), ..ReplayOptions::default() };
    let letter = shop.open_letters().await.remove(0);
    let carried = shop.replay("sell", options).await.unwrap();
    assert_eq!(carried.outcome, outcome(&[("landed", 4)]));
    assert_eq!(shop.query("SELECT count(*) FROM silver.sales WHERE amount = 5").await, ["5"]);
    let shown = shop.index().show(letter.id).await.unwrap().unwrap();
    let payload = String::from_utf8(shown.letter.payload.unwrap().to_vec()).unwrap();
    assert!(payload.contains(r#"amount\":-"#), "{payload}");
}

#[tokio::test]
async fn a_row_that_a_change_can_not_be_computed_for_keeps_no_other_back() {
    let shop = with_four_letters().await;
    let price = r#"'{"price":{"amount":5},"parts":'"#;
    let change = format!("details = {price} || CAST(10 / CAST(no AS BIGINT) AS STRING) || '}}'");
    let options = ReplayOptions { transform: Some(change), ..ReplayOptions::default() };
    let carried = shop.replay("sell", options).await.unwrap();
    assert_eq!(carried.outcome, outcome(&[("again", 1), ("landed", 3)]));
    assert_eq!(shop.open_letters().await.len(), 1);
}

#[tokio::test]
async fn records_of_a_topic_and_lines_of_a_file_come_back_too() {
    let mut shop = Shop::open().await;
    let line = |no: &str| order(no, "Rome", 1, "2026-03-01T08:00:00Z").to_string();
    // A line without its kind is no event of the topic; an empty kind breaks a rule of bronze.
    let empty = with(order("b", "Rome", 1, "2026-03-01T08:00:00Z"), json!({"kind": ""}));
    let file = format!("{}\n{}\n{{\"no\": 7}}\n", line("a"), empty);
    let taken = shop.ingest(file).await.unwrap();
    assert_eq!((taken.counts.written, taken.counts.rejected), (2, 1));
    shop.run("take", Governed::ALL).await.unwrap();
    assert_eq!(shop.open_letters().await.len(), 2);

    shop.change(&[("contracts/bronze.orders.odcs.yaml", "{minLength: 1}", "{minLength: 0}")]);
    let carried = shop.replay("take", ReplayOptions::default()).await.unwrap();
    assert_eq!(carried.outcome, outcome(&[("landed", 1)]));

    let transform =
        Some(with(order("c", "Rome", 1, "2026-03-01T08:00:00Z"), json!({})).to_string());
    let job =
        shop.job("ingest", ReplayOptions { transform, ..ReplayOptions::default() }, false).await;
    let carried = shop.carry_out(&job).await.unwrap();
    assert_eq!(carried.outcome, outcome(&[("sent", 1)]));
    assert!(shop.open_letters().await.is_empty());
    shop.run("take", Governed::ALL).await.unwrap();
    assert_eq!(
        shop.query("SELECT \"no\" FROM bronze.orders ORDER BY \"no\"").await,
        ["a", "b", "c"]
    );
}

#[tokio::test]
async fn a_message_that_could_not_be_read_comes_back_as_all_its_rows() {
    let shop = Shop::open().await;
    shop.create_topic().await;
    let records = [record("a", json!({})), record("b", json!({"kind": ""}))];
    let good = message(&shop, &records, None);
    let torn = NewRecord { value: Some(Bytes::from_static(b"no container")), ..good.clone() };
    shop.log.append("shop_orders", vec![torn]).await.unwrap();
    shop.run("take", Governed::ALL).await.unwrap();
    let letter = shop.open_letters().await.remove(0);
    // It can't be read now either.
    let carried = shop.replay("take", ReplayOptions::default()).await.unwrap();
    assert_eq!(carried.outcome, outcome(&[("again", 1)]));
    let again = shop.open_letters().await.remove(0);
    assert_eq!((again.id, again.attempt), (letter.id, 2));
    let shown = shop.index().show(again.id).await.unwrap().unwrap();
    assert_eq!(shown.letter.payload.unwrap(), "no container");
    assert_eq!(shown.history.len(), 2);
}

#[tokio::test]
async fn a_job_that_is_given_up_frees_its_letters_and_fences_whoever_still_has_it() {
    let mut shop = with_four_letters().await;
    let strict = ReplayOptions { stop_rows: 4, ..ReplayOptions::default() };
    let job = shop.job("sell", strict, false).await;
    shop.carry_out(&job).await.unwrap_err();
    let entry = assay_store::AuditEntry {
        at: assay_core::Clock::now(shop.clock.as_ref()),
        who: "anna".to_owned(),
        action: assay_store::Action::Replay,
        subject: job.id.to_string(),
        reason: "the wrong letters".to_owned(),
        details: json!({}),
    };
    let (runner, ingest, index) = (shop.runner(), shop.ingest_of(), shop.index());
    let replayer =
        Replayer { runner: &runner, ingest: &ingest, index: &index, pipeline: &shop.pipeline };
    replayer.give_up(job.id, &entry).await.unwrap();
    assert_eq!(shop.state(job.id).await, ReplayState::Cancelled);
    assert!(matches!(shop.carry_out(&job).await, Err(ReplayError::Over(..))));
    // A worker that has not heard of it finds the place moved: nothing is left to read.
    shop.change(&[MENDED]);
    let set = shop.index().letters_of(job.id);
    let pipeline = &shop.pipeline;
    let late = shop.runner().replay(pipeline, &shop.stage("sell"), (&job, &set), &Deaf).await;
    assert_eq!(late.unwrap().summary.counts.read, 0);
    let carried = shop.replay("sell", ReplayOptions::default()).await.unwrap();
    assert_eq!(carried.outcome, outcome(&[("landed", 4)]));
    assert_eq!(shop.query(SALES).await.len(), 12);
}

struct Deaf;

#[async_trait::async_trait]
impl assay_pipeline::Replaying for Deaf {
    async fn goes_on(&self, _: &Counts) -> bool {
        true
    }
}

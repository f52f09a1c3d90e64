//! Reads of a table that are too long for one commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use assay_core::Governed;
use assay_pipeline::{RunError, Runner, Stop};

use crate::shop::{Edit, Shop, WITHOUT_LETTERS, WITHOUT_QUALITY, numbers, order, with};
use crate::troubled::AtPut;

const SALES: &str = "SELECT order_no FROM silver.sales ORDER BY order_no";

/// Two files in each commit of bronze: a batch may end between them.
const KINDS: Edit<'_> =
    ("pipeline.yaml", "partition_by: [landed_on]", "partition_by: [kind, landed_on]");

/// Sales whose contract lets them come without a number, by which they are known.
const NUMBERLESS: [Edit<'_>; 3] = [
    KINDS,
    ("models/sell.sql", "  no AS order_no", "  nullif(no, '') AS order_no"),
    (
        "contracts/silver.sales.odcs.yaml",
        concat!(
            "        primaryKey: true\n",
            "        primaryKeyPosition: 1\n",
            "        required: true\n",
        ),
        "",
    ),
];

/// A worker that is stopped once it has put the letters of so many batches.
fn stopped_after(shop: &Arc<Shop>, batches: u32) -> Runner {
    let (put, stop) = (Arc::new(AtomicU32::new(0)), shop.stop.clone());
    let queue = AtPut {
        queue: Arc::clone(&shop.queue),
        act: Box::new(move || {
            let (put, stop) = (Arc::clone(&put), stop.clone());
            Box::pin(async move {
                if put.fetch_add(1, Ordering::SeqCst) + 1 == batches {
                    stop.ask();
                }
            })
        }),
        fail: false,
    };
    Runner { queue: Arc::new(queue), keys_per_batch: 1, ..shop.runner() }
}

#[tokio::test]
async fn a_long_read_that_is_cut_into_batches_and_dies_between_them_loses_no_row() {
    for dies_at in 1..6 {
        let shop = Arc::new(Shop::edited(&[KINDS]).await);
        let at = "2026-03-01T08:00:00Z";
        for number in 0..3 {
            let row = |row: u64| {
                let amount = if row < 4 { 1 } else { -1 };
                let kind = if row.is_multiple_of(2) { "web" } else { "shop" };
                let order = order(&format!("{number}{row}"), "Rome", amount, at);
                with(order, serde_json::json!({"kind": kind}))
            };
            shop.take(&(0..6).map(row).collect::<Vec<_>>()).await;
            shop.run("take", Governed::ALL).await.unwrap();
        }
        let runner = stopped_after(&shop, dies_at);
        let cut = runner.run(&shop.pipeline, &shop.stage("sell"), Governed::ALL).await;
        drop(runner);
        let mut shop = Arc::into_inner(shop).unwrap();
        shop.stop = Stop::default();
        let rest = shop.run("sell", Governed::ALL).await.unwrap();
        let expected: Vec<String> =
            (0..3).flat_map(|n| (0..4).map(move |row| format!("{n}{row}"))).collect();
        assert_eq!(shop.query(SALES).await, expected, "{cut:?}, then {:?}", rest.counts);
        assert_eq!(shop.letters().await.len(), 6);
    }
}

/// In each of two files of one commit: a sale, one that is bad, and one without a number.
async fn numberless() -> Arc<Shop> {
    let shop = Arc::new(Shop::edited(&NUMBERLESS).await);
    let at = "2026-03-01T08:00:00Z";
    let of = |kind: &str, no: &str, amount| {
        with(order(no, "Rome", amount, at), serde_json::json!({"kind": kind}))
    };
    let kinds = ["shop", "web"];
    let orders = kinds.map(|kind| [of(kind, kind, 1), of(kind, "bad", -1), of(kind, "", 1)]);
    shop.take(&orders.concat()).await;
    shop.run("take", Governed::ALL).await.unwrap();
    shop
}

#[tokio::test]
async fn a_row_without_a_key_is_one_letter_however_often_its_commit_is_shown() {
    let shop = numberless().await;
    let runner = stopped_after(&shop, 1);
    let cut = runner.run(&shop.pipeline, &shop.stage("sell"), Governed::ALL).await;
    assert!(matches!(cut, Err(RunError::Interrupted)), "{cut:?}");
    drop(runner);
    assert_eq!(shop.query(SALES).await, ["shop"], "one of the files was read");
    let mut shop = Arc::into_inner(shop).unwrap();
    shop.stop = Stop::default();
    // It goes on from the start of the commit; and then a compaction shows all of it once more.
    for counts in [[6, 1, 4, 0, 1], [6, 0, 4, 0, 2]] {
        let run = shop.run("sell", Governed::ALL).await.unwrap();
        assert_eq!(numbers(&run.counts), counts);
        assert_eq!(shop.query(SALES).await, ["shop", "web"]);
        let letters = shop.letters().await;
        assert_eq!(letters.len(), 4);
        let details = letters.iter().filter_map(|letter| letter.detail.as_deref());
        let keyless = details.filter(|detail| detail.contains("`order_no`"));
        assert_eq!(keyless.count(), 2);
        shop.rewind("sell", "beginning").await.unwrap();
    }
}

#[tokio::test]
async fn a_row_without_a_key_is_set_aside_also_where_nothing_is_judged() {
    let shop = numberless().await;
    let run = shop.run("sell", WITHOUT_QUALITY).await.unwrap();
    assert_eq!(numbers(&run.counts), [6, 3, 2, 0, 1]);
    let shop = numberless().await;
    let without = Governed { dead_letters: false, ..WITHOUT_QUALITY };
    for governed in [without, WITHOUT_LETTERS] {
        let error = shop.run("sell", governed).await.unwrap_err();
        assert!(matches!(error, RunError::BadRow { .. }), "{error:?}");
    }
}

//! Reads of a table that are too long for one commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use assay_core::Governed;
use assay_pipeline::{Runner, Stop};

use crate::holes::AtPut;
use crate::shop::{Shop, order, with};

const SALES: &str = "SELECT order_no FROM silver.sales ORDER BY order_no";

#[tokio::test]
async fn a_long_read_that_is_cut_into_batches_and_dies_between_them_loses_no_row() {
    // Two files in each commit of bronze: a batch may end between them.
    let kinds = ("pipeline.yaml", "partition_by: [landed_on]", "partition_by: [kind, landed_on]");
    for dies_at in 1..6 {
        let shop = Arc::new(Shop::edited(&[kinds]).await);
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
        let batches = Arc::new(AtomicU32::new(0));
        let stop = shop.stop.clone();
        let queue = AtPut {
            queue: Arc::clone(&shop.queue),
            act: Box::new(move || {
                let (batches, stop) = (Arc::clone(&batches), stop.clone());
                Box::pin(async move {
                    if batches.fetch_add(1, Ordering::SeqCst) + 1 == dies_at {
                        stop.ask();
                    }
                })
            }),
            fail: false,
        };
        let runner = Runner { queue: Arc::new(queue), keys_per_batch: 1, ..shop.runner() };
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

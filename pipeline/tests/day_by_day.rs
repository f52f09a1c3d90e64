//! What reaches which table, run by run.

use assay_core::Governed;
use chrono::TimeDelta;
use serde_json::json;

use crate::shop::{Shop, lines, numbers, order, with};

const GOLD: &str = "SELECT city, day, orders, revenue, revenue_so_far FROM gold.city_days \
                    ORDER BY day, city";

fn first_day() -> Vec<serde_json::Value> {
    vec![
        order("a", " Rome ", 10, "2026-03-01T08:00:00Z"),
        order("b", "Oslo", 20, "2026-03-01T23:59:59.999999Z"),
        order("c", "rome", 7, "2026-03-02T00:00:00+00:00"),
        order("b", "Oslo", 20, "2026-03-01T23:59:59.999999Z"),
        with(order("t", "Rome", 1, "2026-03-01T08:00:00Z"), json!({"kind": "test"})),
        with(order("n", "Rome", 1, "2026-03-01T08:00:00Z"), json!({"kind": ""})),
        order("neg", "Rome", -1, "2026-03-01T08:00:00Z"),
    ]
}

#[tokio::test]
async fn values_go_from_a_file_through_all_layers() {
    let shop = Shop::open().await;
    let summary = shop.ingest(lines(&first_day())).await.unwrap();
    assert_eq!(numbers(&summary.counts), [7, 7, 0, 0, 0]);
    assert_eq!(shop.run_all().await, [[7, 6, 1, 0, 0], [6, 3, 1, 1, 1], [3, 3, 0, 0, 0]]);

    let bronze = "SELECT no, kind, buyer, city, details, placed, landed_at, landed_on, part, \
                  place, length(trace) FROM bronze.orders WHERE no = 'a'";
    assert_eq!(
        shop.query(bronze).await,
        [r#"a web 7  Rome  {"price":{"amount":10},"parts":2,"note":"not looked at"} "#.to_owned()
            + "2026-03-01T08:00:00Z 2026-03-10T12:00:00Z 2026-03-10 0 0 36"]
    );
    assert_eq!(
        shop.query("SELECT * FROM silver.sales ORDER BY order_no").await,
        [
            "a 7 rome 10 5 2026-03-01T08:00:00Z 2026-03-01",
            "b 7 oslo 20 10 2026-03-01T23:59:59.999999Z 2026-03-01",
            "c 7 rome 7 3 2026-03-02T00:00:00Z 2026-03-02",
        ]
    );
    assert_eq!(
        shop.query(GOLD).await,
        ["oslo 2026-03-01 1 20 20", "rome 2026-03-01 1 10 10", "rome 2026-03-02 1 7 17"]
    );
}

#[tokio::test]
async fn a_second_run_finds_nothing_new() {
    let shop = Shop::open().await;
    shop.take(&first_day()).await;
    shop.run_all().await;
    let before = shop.snapshots().await;
    for stage in ["take", "sell", "total"] {
        let summary = shop.run(stage, Governed::ALL).await.unwrap();
        assert_eq!((summary.counts.read, summary.batches.len()), (0, 0));
    }
    assert_eq!(shop.snapshots().await, before);
}

#[tokio::test]
async fn the_same_file_again_changes_no_table() {
    let shop = Shop::open().await;
    shop.take(&first_day()).await;
    shop.run_all().await;
    let before = shop.query("SELECT * FROM bronze.orders ORDER BY trace").await;
    let gold = shop.query(GOLD).await;
    shop.clock.advance(TimeDelta::days(1));

    shop.take(&first_day()).await;
    assert_eq!(shop.run_all().await, [[7, 0, 0, 0, 7], [0; 5], [0; 5]]);
    assert_eq!(shop.query("SELECT * FROM bronze.orders ORDER BY trace").await, before);
    assert_eq!(shop.query(GOLD).await, gold);
}

#[tokio::test]
async fn keys_are_known_from_earlier_runs() {
    let shop = Shop::open().await;
    shop.take(&first_day()).await;
    shop.run_all().await;
    shop.take(&[
        order("a", "Rome", 99, "2026-03-05T08:00:00Z"),
        order("d", "Rome", 5, "2026-03-03T08:00:00Z"),
        order("c", "Rome", 99, "2026-03-02T08:00:00Z"),
    ])
    .await;
    assert_eq!(shop.run_all().await, [[3, 3, 0, 0, 0], [3, 1, 0, 0, 2], [1, 1, 0, 0, 0]]);
    assert_eq!(
        shop.query("SELECT order_no, amount FROM silver.sales ORDER BY order_no").await,
        ["a 10", "b 20", "c 7", "d 5"]
    );
}

#[tokio::test]
async fn a_bad_copy_does_not_hide_a_good_one() {
    let shop = Shop::open().await;
    shop.take(&[
        order("a", "Rome", -5, "2026-03-01T08:00:00Z"),
        order("a", "Rome", 5, "2026-03-01T08:00:00Z"),
        order("a", "Rome", 6, "2026-03-01T08:00:00Z"),
    ])
    .await;
    assert_eq!(shop.run_all().await[1], [3, 1, 1, 0, 1]);
    assert_eq!(shop.query("SELECT amount FROM silver.sales").await, ["5"]);
}

#[tokio::test]
async fn a_new_day_reaches_gold_and_older_days_stay_as_they_are() {
    let shop = Shop::open().await;
    shop.take(&first_day()).await;
    shop.run_all().await;
    let files = "SELECT count(*) FROM gold.city_days WHERE day < '2026-03-03'";
    assert_eq!(shop.query(files).await, ["3"]);
    let old = parquet_files(&shop, "gold/city_days");

    shop.take(&[order("d", "Rome", 100, "2026-03-03T01:00:00Z")]).await;
    assert_eq!(shop.run_all().await[2], [1, 1, 0, 0, 0]);
    assert_eq!(
        shop.query(GOLD).await,
        [
            "oslo 2026-03-01 1 20 20",
            "rome 2026-03-01 1 10 10",
            "rome 2026-03-02 1 7 17",
            "rome 2026-03-03 1 100 117",
        ]
    );
    // Only a file was added: none of the older days was written anew.
    let new = parquet_files(&shop, "gold/city_days");
    assert_eq!(new.len(), old.len() + 1);
    let gold = shop.lake.info(&"gold.city_days".parse().unwrap()).await.unwrap();
    assert_eq!(gold.files, new.len() as u64);
}

#[tokio::test]
async fn a_late_row_replaces_its_day_and_all_later_ones() {
    let shop = Shop::open().await;
    let mut orders = first_day();
    orders.push(order("e", "Rome", 50, "2026-02-28T09:00:00Z"));
    shop.take(&orders).await;
    shop.run_all().await;

    shop.take(&[order("late", "Rome", 1000, "2026-03-01T01:00:00Z")]).await;
    // Four sales from the late row's day on are counted again; the day before it is not read.
    assert_eq!(shop.run_all().await[2], [4, 4, 0, 0, 0]);
    assert_eq!(
        shop.query(GOLD).await,
        [
            "rome 2026-02-28 1 50 50",
            "oslo 2026-03-01 1 20 20",
            "rome 2026-03-01 2 1010 1060",
            "rome 2026-03-02 1 7 1067",
        ]
    );
    let gold = shop.lake.info(&"gold.city_days".parse().unwrap()).await.unwrap();
    assert_eq!(gold.snapshots[0].operation, "overwrite");
    assert_eq!(gold.rows, 4);
}

#[tokio::test]
async fn an_aggregate_that_loses_rows_is_not_committed() {
    let loses = ("models/total.sql", "count(*) AS orders", "count(*) - 1 AS orders");
    let shop = Shop::edited(&[loses]).await;
    shop.take(&first_day()).await;
    shop.run("take", Governed::ALL).await.unwrap();
    shop.run("sell", Governed::ALL).await.unwrap();
    let error = shop.run("total", Governed::ALL).await.unwrap_err();
    assert!(error.to_string().contains("the counts do not balance: 3 rows read"), "{error}");
    assert_eq!(shop.query("SELECT count(*) FROM gold.city_days").await, ["0"]);
}

fn parquet_files(shop: &Shop, table: &str) -> Vec<std::path::PathBuf> {
    fn walk(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|end| end == "parquet") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&shop.path("lake").join(table), &mut found);
    found
}

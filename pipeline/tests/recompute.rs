//! Days that are computed anew, after the contract or the model was mended.

use std::sync::Arc;

use assay_core::Governed;
use assay_pipeline::{
    Compact, DayOfTable, Pending, RunError, RunSummary, Runner, TargetError, day_of_table, plan,
};
use chrono::{NaiveDate, TimeDelta};

use crate::shop::{Edit, Shop, numbers, order, with};
use crate::troubled::AtPut;

const SALES: &str = "SELECT order_no FROM silver.sales ORDER BY order_no";

/// Sales know on which day they landed; their table is partitioned by another day.
pub(crate) const LANDED: [Edit<'_>; 3] = [
    (
        "pipeline.yaml",
        "    deduplicate: [order_no]",
        "    deduplicate: [order_no]\n    day: landed_on",
    ),
    (
        "contracts/silver.sales.odcs.yaml",
        "      - name: sold_on\n",
        "      - {name: landed_on, logicalType: date, physicalType: date}\n      - name: sold_on\n",
    ),
    ("models/sell.sql", "AS DATE) AS sold_on\n", "AS DATE) AS sold_on,\n  landed_on\n"),
];

/// Less than nothing is a price, too.
const LENIENT: Edit<'_> = ("contracts/silver.sales.odcs.yaml", "minimum: 0", "minimum: -5");

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

impl Shop {
    async fn recompute(&self, stage: &str, day: &str) -> Result<RunSummary, RunError> {
        let stage = self.stage(stage);
        self.runner().recompute(&self.pipeline, &stage, Governed::ALL, date(day)).await
    }

    /// Orders that land today.
    async fn land(&self, orders: &[(&str, i64, &str)]) {
        let orders: Vec<_> =
            orders.iter().map(|(no, amount, at)| order(no, "Rome", *amount, at)).collect();
        self.take(&orders).await;
        self.run("take", Governed::ALL).await.unwrap();
    }
}

/// Two days of orders, mixed in the files of silver, and in gold.
async fn two_days(edits: &[Edit<'_>]) -> Shop {
    let shop = Shop::edited(&[&LANDED, edits].concat()).await;
    let (first, second) = ("2026-03-01T08:00:00Z", "2026-03-02T08:00:00Z");
    shop.land(&[("a", 1, first), ("b", -1, first), ("c", 1, second)]).await;
    shop.clock.advance(TimeDelta::days(1));
    shop.land(&[("a", 7, first), ("d", 1, first), ("e", -1, second)]).await;
    shop.run_all().await;
    assert_eq!(shop.query(SALES).await, ["a", "c", "d"]);
    shop
}

#[tokio::test]
async fn a_day_is_judged_again_by_the_corrected_contract_and_no_other_day_is() {
    let mut shop = two_days(&[]).await;
    shop.change(&[&LANDED[..], &[LENIENT]].concat());
    let run = shop.recompute("sell", "2026-03-10").await.unwrap();
    let report = run.batches.last().unwrap();
    assert_eq!(numbers(&report.counts), [3, 3, 0, 0, 0]);
    assert_eq!(report.recomputed, Some(date("2026-03-10")));
    assert_eq!(shop.query(SALES).await, ["a", "b", "c", "d"]);
    // Of two letters the one is closed, since its row was taken.
    assert_eq!(report.closed.values().sum::<u64>(), 1);
    let open: Vec<String> =
        shop.letters().await.into_iter().map(|letter| letter.origin.unwrap().0).collect();
    let bronze = "SELECT trace FROM bronze.orders WHERE \"no\" = 'e'";
    assert_eq!(open, shop.query(bronze).await);
    // What came on the other day is as it was, and not new to anybody.
    let plan = plan(&shop.places(), shop.log.as_ref(), &shop.stage("total")).await.unwrap();
    assert_eq!(plan.pending, Pending::Rows { rows: 3, files: 2 });
    shop.run("total", Governed::ALL).await.unwrap();
    assert_eq!(shop.query("SELECT sum(orders) FROM gold.city_days").await, ["4"]);

    let again = shop.recompute("sell", "2026-03-10").await.unwrap();
    assert_eq!(numbers(&again.counts), [3, 3, 0, 0, 0]);
    assert_eq!(shop.query(SALES).await, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_row_that_came_on_another_day_is_known_there() {
    let shop = two_days(&[]).await;
    let run = shop.recompute("sell", "2026-03-11").await.unwrap();
    assert_eq!(numbers(&run.counts), [3, 1, 1, 0, 1]);
    let amounts = "SELECT order_no, amount FROM silver.sales ORDER BY order_no";
    assert_eq!(shop.query(amounts).await, ["a 1", "c 1", "d 1"]);
}

#[tokio::test]
async fn a_recomputation_reads_first_what_is_new() {
    let shop = two_days(&[]).await;
    shop.land(&[("f", 1, "2026-03-01T08:00:00Z")]).await;
    let run = shop.recompute("sell", "2026-03-11").await.unwrap();
    let counts: Vec<_> = run.batches.iter().map(|report| numbers(&report.counts)).collect();
    assert_eq!(counts, [[1, 1, 0, 0, 0], [4, 2, 1, 0, 1]]);
    assert_eq!(shop.query(SALES).await, ["a", "c", "d", "f"]);
}

#[tokio::test]
async fn a_day_of_which_nothing_is_left_becomes_empty() {
    let mut shop = two_days(&[]).await;
    let none = ("pipeline.yaml", "filter: kind <> 'test'", "filter: kind <> 'web'");
    shop.change(&[&LANDED[..], &[none]].concat());
    shop.recompute("sell", "2026-03-10").await.unwrap();
    assert_eq!(shop.query(SALES).await, ["d"]);
    shop.recompute("sell", "2026-03-10").await.unwrap();
    shop.recompute("sell", "2026-03-11").await.unwrap();
    assert_eq!(shop.query(SALES).await, [""; 0]);
    shop.recompute("sell", "2020-01-01").await.unwrap();
}

#[tokio::test]
async fn an_aggregate_is_computed_anew_from_its_day_on() {
    let mut shop = two_days(&[]).await;
    let revenue = "SELECT day, revenue, revenue_so_far FROM gold.city_days ORDER BY day";
    assert_eq!(shop.query(revenue).await, ["2026-03-01 2 2", "2026-03-02 1 3"]);
    let doubled = ("models/total.sql", "sum(amount) AS revenue", "2 * sum(amount) AS revenue");
    shop.change(&[&LANDED[..], &[doubled]].concat());
    shop.recompute("total", "2026-03-02").await.unwrap();
    assert_eq!(shop.query(revenue).await, ["2026-03-01 2 2", "2026-03-02 2 4"]);
    shop.recompute("total", "2026-03-01").await.unwrap();
    assert_eq!(shop.query(revenue).await, ["2026-03-01 4 4", "2026-03-02 2 6"]);
}

#[tokio::test]
async fn who_builds_on_the_day_as_it_was_commits_nothing() {
    let shop = Arc::new(two_days(&[]).await);
    shop.land(&[("g", 1, "2026-03-01T08:00:00Z"), ("bad", -1, "2026-03-01T08:00:00Z")]).await;
    let other = Arc::clone(&shop);
    let queue = AtPut {
        queue: Arc::clone(&shop.queue),
        act: Box::new(move || {
            let shop = Arc::clone(&other);
            Box::pin(async move {
                shop.recompute("sell", "2026-03-10").await.unwrap();
            })
        }),
        fail: false,
    };
    let slow = Runner { queue: Arc::new(queue), ..shop.runner() };
    let outcome = slow.run(&shop.pipeline, &shop.stage("sell"), Governed::ALL).await;
    let Err(RunError::Target(TargetError::Fenced { .. })) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(shop.query(SALES).await, ["a", "c", "d", "g"]);
}

#[tokio::test]
async fn a_day_names_the_commits_that_brought_it_also_when_it_was_compacted() {
    let shop = two_days(&[]).await;
    let of = async |stage: &str, day: &str| -> DayOfTable {
        day_of_table(&shop.lake, &shop.stage(stage), date(day)).await.unwrap().unwrap()
    };
    let reports = async |day: &DayOfTable| {
        let dataset = "silver.sales".parse().unwrap();
        let reports = shop.store.reports_at(&dataset, &day.commits).await.unwrap();
        reports.iter().map(|record| numbers(&record.report.counts)).collect::<Vec<_>>()
    };
    let first = of("sell", "2026-03-10").await;
    assert_eq!((first.rows, first.commits.len()), (2, 1));
    assert_eq!(reports(&first).await, [[6, 3, 2, 0, 1]]);
    shop.recompute("sell", "2026-03-11").await.unwrap();
    let second = of("sell", "2026-03-11").await;
    assert_eq!(reports(&second).await, [[3, 1, 1, 0, 1]]);
    assert_eq!(of("sell", "2026-03-10").await, first, "the rows that stay are of the old commit");

    let dataset = "silver.sales".parse().unwrap();
    let (everything, ids) = (Compact::default(), shop.ids.as_ref());
    shop.run("total", Governed::ALL).await.unwrap();
    shop.lake.compact(&dataset, &everything, ids).await.unwrap();
    // Merged files are as new as the newest of them.
    assert!(of("sell", "2026-03-11").await.commits.is_subset(&second.commits));
    assert_eq!(of("sell", "2020-01-01").await, DayOfTable::default());
    let gold = of("total", "2026-03-02").await;
    assert_eq!((gold.rows, gold.commits.len()), (1, 1));
}

#[tokio::test]
async fn a_stage_without_days_says_so_and_a_topic_is_read_as_ever() {
    let shop = Shop::open().await;
    shop.take(&[with(order("a", "Rome", 1, "2026-03-01T08:00:00Z"), serde_json::json!({}))]).await;
    assert_eq!(shop.recompute("take", "2026-03-10").await.unwrap().counts.written, 1);
    let error = shop.recompute("sell", "2026-03-10").await.unwrap_err();
    assert!(matches!(error, RunError::NoDays { .. }), "{error:?}");
}

//! Each part of governance, switched off by itself.

use assay_core::{Evaluated, Governed, Report, RunStatus, Verdict};
use assay_pipeline::{RunError, Target};
use assay_store::RunFilter;
use serde_json::{Value, json};

use crate::shop::{
    Edit, Shop, WITHOUT_LETTERS, WITHOUT_LINEAGE, WITHOUT_METRICS, WITHOUT_QUALITY, numbers, order,
    with,
};

/// A negative amount stops the batch.
const HALTS: Edit<'_> = (
    "contracts/silver.sales.odcs.yaml",
    "        logicalTypeOptions: {minimum: 0}\n",
    "        logicalTypeOptions: {minimum: 0}\n        customProperties:\n          \
     - {vendor: assay, property: onFail, value: halt}\n",
);

fn orders(good: usize, bad: usize) -> Vec<Value> {
    let sale = |number: usize| {
        let amount = if number < bad { -1 } else { 1 };
        order(&format!("o{number}"), "Rome", amount, "2026-03-01T08:00:00Z")
    };
    (0..good + bad).map(sale).collect()
}

async fn landed(edits: &[Edit<'_>], good: usize, bad: usize) -> Shop {
    let shop = Shop::edited(edits).await;
    shop.take(&orders(good, bad)).await;
    shop.run("take", Governed::ALL).await.unwrap();
    shop
}

/// Nothing of a stage's batch is to be seen but what the store was told.
async fn assert_nothing_committed(shop: &Shop) {
    let target = shop.target("sell");
    assert_eq!(target.position(&shop.stage("sell").reader()).await.unwrap(), Default::default());
    assert_eq!(target.commits(None).await.unwrap(), []);
    assert_eq!(shop.query("SELECT * FROM silver.sales").await.len(), 0);
}

#[tokio::test]
async fn without_quality_nothing_is_judged_and_the_report_says_so() {
    let shop = landed(&[HALTS], 1, 2).await;
    let summary = shop.run("sell", WITHOUT_QUALITY).await.unwrap();
    assert_eq!(numbers(&summary.counts), [3, 3, 0, 0, 0]);
    assert_eq!(summary.batches[0].quality, Evaluated::NotEvaluated);
    assert_eq!(summary.batches[0].verdict_name(), "not evaluated");
    let table = shop.lake.info(&"silver.sales".parse().unwrap()).await.unwrap();
    let said = &table.snapshots[0].summary;
    assert_eq!(said["assay.verdict"], "not evaluated");
    assert!(!said.contains_key("assay.score"));
}

#[tokio::test]
async fn with_quality_the_snapshot_tells_score_verdict_and_counts() {
    let shop = landed(&[], 3, 1).await;
    let summary = shop.run("sell", Governed::ALL).await.unwrap();
    let score = summary.batches[0].score().unwrap();
    assert!(score > 0.0 && score < 100.0, "{score}");
    let table = shop.lake.info(&"silver.sales".parse().unwrap()).await.unwrap();
    let said = &table.snapshots[0].summary;
    assert_eq!(said["assay.score"], format!("{score:.4}"));
    assert_eq!(said["assay.rows.read"], "4");
    assert_eq!(said["assay.rows.rejected"], "1");
    assert_eq!(said["assay.contract"], "silver_sales 1.0.0");
    assert_eq!(said["assay.stage"], "shop/sell");
}

#[tokio::test]
async fn without_letters_a_bad_row_stops_the_run_and_later_becomes_a_letter() {
    let shop = landed(&[], 2, 1).await;
    let error = shop.run("sell", WITHOUT_LETTERS).await.unwrap_err();
    let RunError::BadRow { reason, .. } = &error else { panic!("{error}") };
    assert!(reason.contains("amount"), "{reason}");
    assert_eq!(error.status(), RunStatus::Halted);
    assert_nothing_committed(&shop).await;
    assert!(shop.all_letters().await.is_empty());

    let summary = shop.run("sell", Governed::ALL).await.unwrap();
    assert_eq!(numbers(&summary.counts), [3, 2, 1, 0, 0]);
    assert_eq!(shop.letters().await.len(), 1);
}

#[tokio::test]
async fn without_letters_a_row_that_can_t_be_shaped_stops_the_run_too() {
    let shop = Shop::open().await;
    let wrong = with(order("x", "Rome", 1, "soon"), json!({}));
    shop.take(&[wrong]).await;
    shop.run("take", WITHOUT_LETTERS).await.unwrap();
    let neither = Governed { quality: false, ..WITHOUT_LETTERS };
    let error = shop.run("sell", neither).await.unwrap_err();
    assert!(matches!(error, RunError::BadRow { .. }), "{error}");
    assert_nothing_committed(&shop).await;
}

#[tokio::test]
async fn without_lineage_there_are_no_events() {
    let shop = landed(&[], 1, 0).await;
    let before = shop.store.event_counts().await.unwrap();
    let summary = shop.run("sell", WITHOUT_LINEAGE).await.unwrap();
    assert_eq!(shop.store.events_of(summary.run.id).await.unwrap(), []);
    assert_eq!(shop.store.event_counts().await.unwrap(), before);

    let summary = shop.run("total", Governed::ALL).await.unwrap();
    let events = shop.store.events_of(summary.run.id).await.unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.name()).collect();
    assert_eq!(kinds, ["job_start", "transformation", "job_end"]);
}

#[tokio::test]
async fn without_metrics_there_are_no_totals() {
    let shop = landed(&[], 1, 0).await;
    let before = shop.store.totals().await.unwrap();
    shop.run("sell", WITHOUT_METRICS).await.unwrap();
    assert_eq!(shop.store.totals().await.unwrap(), before);
    shop.run("total", Governed::ALL).await.unwrap();
    assert_ne!(shop.store.totals().await.unwrap(), before);
}

#[tokio::test]
async fn a_halt_leaves_nothing_but_its_report() {
    let shop = landed(&[HALTS], 9, 1).await;
    let error = shop.run("sell", Governed::ALL).await.unwrap_err();
    let RunError::Halted { report, .. } = &error else { panic!("{error}") };
    assert_eq!(report.verdict(), Some(Verdict::Halt));
    assert_nothing_committed(&shop).await;
    assert!(shop.all_letters().await.is_empty());

    let told = shop.store.reports(Some(&report.output), 10).await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0].report, told[0].commit), (report.as_ref(), None));
    let halted = RunFilter { status: Some(RunStatus::Halted), ..RunFilter::default() };
    let runs = shop.store.runs(&halted).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert!(runs[0].message.as_ref().unwrap().contains("halted by quality"), "{runs:?}");
}

#[tokio::test]
async fn most_rows_bad_is_an_outage_from_a_hundred_rows_on() {
    for (good, bad, halts) in [(49, 51, true), (50, 50, false), (0, 99, false)] {
        let shop = landed(&[], good, bad).await;
        let outcome = shop.run("sell", Governed::ALL).await;
        let tripped = matches!(&outcome, Err(RunError::Halted { .. }));
        assert_eq!(tripped, halts, "{bad} of {}: {outcome:?}", good + bad);
        if halts {
            assert_nothing_committed(&shop).await;
            assert!(shop.all_letters().await.is_empty());
        }
    }
}

#[tokio::test]
async fn an_outage_fills_no_topic_either_where_nothing_is_judged() {
    let shop = Shop::open().await;
    let torn = |n: i64| {
        let order = order(&n.to_string(), "Rome", 1, "2026-03-01T08:00:00Z");
        with(order, json!({"details": "{\"price\":{\"amount\":\"much\"}}"}))
    };
    shop.take(&(0..100).map(torn).collect::<Vec<_>>()).await;
    shop.run("take", Governed::ALL).await.unwrap();
    let error = shop.run("sell", WITHOUT_QUALITY).await.unwrap_err();
    assert!(matches!(error, RunError::Outage { rejected: 100, read: 100, .. }), "{error}");
    assert!(shop.all_letters().await.is_empty());
}

#[tokio::test]
async fn a_pipeline_may_move_its_breaker() {
    let moved = (
        "pipeline.yaml",
        "    write: silver.sales\n",
        "    write: silver.sales\n    breaker: {percent: 10, at_least_rows: 5}\n",
    );
    let shop = landed(&[moved], 4, 1).await;
    let error = shop.run("sell", Governed::ALL).await.unwrap_err();
    assert!(matches!(error, RunError::Halted { .. }), "{error}");
}

#[tokio::test]
async fn a_batch_of_rejected_rows_moves_the_position_all_the_same() {
    let shop = landed(&[], 0, 3).await;
    let summary = shop.run("sell", Governed::ALL).await.unwrap();
    assert_eq!(numbers(&summary.counts), [3, 0, 3, 0, 0]);
    let table = shop.lake.info(&"silver.sales".parse().unwrap()).await.unwrap();
    assert_eq!((table.snapshots.len(), table.files), (1, 0));
    assert_eq!(shop.letters().await.len(), 3);

    let again = shop.run("sell", Governed::ALL).await.unwrap();
    assert_eq!(again.counts.read, 0);
    assert_eq!(shop.letters().await.len(), 3);
}

#[tokio::test]
async fn asked_to_stop_a_run_leaves_nothing_half_done() {
    let shop = landed(&[], 3, 0).await;
    shop.stop.ask();
    let error = shop.run("sell", Governed::ALL).await.unwrap_err();
    assert!(matches!(error, RunError::Interrupted), "{error}");
    assert_eq!(error.status(), RunStatus::Aborted);
    assert_nothing_committed(&shop).await;
}

#[tokio::test]
async fn what_was_told_is_not_told_twice() {
    let shop = landed(&[], 3, 1).await;
    shop.run("sell", Governed::ALL).await.unwrap();
    let told = |shop: &Shop| {
        let store = std::sync::Arc::clone(&shop.store);
        async move {
            let reports = store.reports(None, 100).await.unwrap();
            let drafts: Vec<Report> = reports.into_iter().map(|record| record.report).collect();
            (drafts, store.totals().await.unwrap(), store.event_counts().await.unwrap())
        }
    };
    let before = told(&shop).await;
    // Runs that ask for nothing leave no events and totals of their own.
    shop.run("sell", Governed::default()).await.unwrap();
    shop.run("take", Governed::default()).await.unwrap();
    assert_eq!(told(&shop).await, before);
}

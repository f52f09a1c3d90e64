//! What other systems lose, double or forget, shown closed: each test fails when the guard that
//! it is about is taken away.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use assay_core::{DatasetName, Governed, RunStatus};
use assay_pipeline::{
    Compact, Expire, LakeTargets, RunError, RunSummary, Runner, Target, TargetError,
};
use assay_store::{RunFilter, Store};
use chrono::TimeDelta;
use iceberg::spec::{Operation, SnapshotReference, SnapshotRetention, Summary};
use iceberg::{MetadataLocation, TableUpdate};

use crate::maintenance::{self, SMALL};
use crate::shop::{Shop, order, with};
use crate::troubled::{AtPut, LosesAnswers};

const SALES: &str = "SELECT order_no FROM silver.sales ORDER BY order_no";

/// Another engine, which knows nothing of ours.
impl Shop {
    async fn foreign(
        &self,
        dataset: &str,
        update: impl FnOnce(&iceberg::table::Table) -> Vec<TableUpdate>,
    ) {
        let dataset: DatasetName = dataset.parse().unwrap();
        let table = self.lake.existing(&dataset).await.unwrap();
        let before = table.metadata_location().unwrap().to_owned();
        let mut builder = table.metadata().clone().into_builder(Some(before.clone()));
        for update in update(&table) {
            builder = update.apply(builder).unwrap();
        }
        let metadata = builder.build().unwrap().metadata;
        let after = MetadataLocation::from_str(&before).unwrap();
        let after = after.with_next_version().with_new_metadata(&metadata);
        metadata.write_to(table.file_io(), &after).await.unwrap();
        let catalog = format!("sqlite://{}", self.path("lake/catalog.db").display());
        let pool = sqlx::SqlitePool::connect(&catalog).await.unwrap();
        let swapped = sqlx::query(
            "UPDATE iceberg_tables SET metadata_location = $1 WHERE metadata_location = $2",
        );
        let swapped = swapped.bind(after.to_string()).bind(before).execute(&pool).await.unwrap();
        assert_eq!(swapped.rows_affected(), 1);
    }

    /// A commit that carries nothing of ours: the same rows under a new snapshot.
    pub(crate) async fn foreign_commit(&self, dataset: &str) {
        self.foreign(dataset, |table| {
            let now = table.metadata().current_snapshot().unwrap();
            let snapshot = iceberg::spec::Snapshot::builder()
                .with_snapshot_id(now.snapshot_id() / 2 + 1)
                .with_parent_snapshot_id(Some(now.snapshot_id()))
                .with_sequence_number(table.metadata().next_sequence_number())
                .with_manifest_list(now.manifest_list())
                .with_schema_id(table.metadata().current_schema_id())
                .with_timestamp_ms(table.metadata().last_updated_ms() + 1)
                .with_summary(Summary {
                    operation: Operation::Append,
                    additional_properties: [].into(),
                })
                .build();
            let id = snapshot.snapshot_id();
            vec![TableUpdate::AddSnapshot { snapshot }, main_at(id)]
        })
        .await;
    }

    pub(crate) async fn roll_back(&self, dataset: &str, to: i64) {
        self.foreign(dataset, |_| vec![main_at(to)]).await;
    }

    pub(crate) async fn newest(&self, dataset: &str) -> i64 {
        self.lake.info(&dataset.parse().unwrap()).await.unwrap().snapshots[0].id
    }
}

fn main_at(id: i64) -> TableUpdate {
    let retention = SnapshotRetention::branch(None, None, None);
    let reference = SnapshotReference::new(id, retention);
    TableUpdate::SetSnapshotRef { ref_name: "main".to_owned(), reference }
}

/// An order that is good, and one that breaks a rule.
async fn good_and_bad() -> Arc<Shop> {
    let shop = Shop::open().await;
    shop.take(&[
        order("good", "Rome", 1, "2026-03-01T08:00:00Z"),
        order("bad", "Rome", -1, "2026-03-01T08:00:00Z"),
    ])
    .await;
    shop.run("take", Governed::ALL).await.unwrap();
    Arc::new(shop)
}

/// A worker that dies when its letters are put, and before it commits.
async fn crash(shop: &Shop) {
    let queue =
        AtPut { queue: Arc::clone(&shop.queue), act: Box::new(|| Box::pin(async {})), fail: true };
    let runner = Runner { queue: Arc::new(queue), ..shop.runner() };
    runner.run(&shop.pipeline, &shop.stage("sell"), Governed::ALL).await.unwrap_err();
    assert_eq!((shop.letters().await.len(), shop.all_letters().await.len()), (0, 1));
}

#[tokio::test]
async fn foreign_commits_between_a_crash_and_the_next_try_change_nothing() {
    let shop = good_and_bad().await;
    crash(&shop).await;
    shop.foreign_commit("bronze.orders").await;
    shop.run("sell", Governed::ALL).await.unwrap();
    for _ in 0..2 {
        shop.foreign_commit("silver.sales").await;
        shop.foreign_commit("bronze.orders").await;
        for stage in ["take", "sell"] {
            let again = shop.run(stage, Governed::ALL).await.unwrap();
            assert_eq!((again.batches.len(), again.counts.written), (0, 0), "{stage}");
        }
    }
    assert_eq!(shop.query(SALES).await, ["good"]);
    assert_eq!(shop.letters().await.len(), 1);
}

#[tokio::test]
async fn the_position_survives_compaction_and_the_expiry_of_the_snapshot_that_moved_it() {
    let (shop, bronze) = (maintenance::shop(SMALL).await, "bronze.orders".parse().unwrap());
    for no in ["a", "b", "c"] {
        shop.take(&[order(no, "Rome", 1, "2026-03-01T08:00:00Z")]).await;
        shop.run_all().await;
    }
    let ids = shop.ids.as_ref();
    let merged = shop.lake.compact(&bronze, &Compact::default(), ids).await.unwrap();
    assert_eq!(merged.partitions.len(), 1);
    shop.clock.advance(TimeDelta::days(9));
    let all = Expire { older_than: TimeDelta::zero(), keep: 0 };
    shop.lake.expire(&bronze, all).await.unwrap();
    let info = shop.lake.info(&bronze).await.unwrap();
    assert_eq!(info.snapshots.len(), 1);
    assert!(info.snapshots[0].summary.keys().all(|key| !key.starts_with("assay.position")));

    // The stage that nothing but its position keeps from reading a message twice.
    assert_eq!(shop.run("take", Governed::ALL).await.unwrap().batches.len(), 0);
    assert_eq!(shop.query("SELECT count(*) FROM bronze.orders").await, ["3"]);
}

#[tokio::test]
async fn of_only_rejected_rows_there_is_a_commit_that_moves_the_position_and_fences() {
    let shop = Shop::open().await;
    let bad = |no: &str| order(no, "Rome", -1, "2026-03-01T08:00:00Z");
    shop.take(&[bad("one")]).await;
    shop.run("take", Governed::ALL).await.unwrap();
    let run = shop.run("sell", Governed::ALL).await.unwrap();
    assert_eq!((run.counts.rejected, run.counts.written, run.batches.len()), (1, 0, 1));
    assert_eq!(shop.run("sell", Governed::ALL).await.unwrap().batches.len(), 0);
    assert_eq!(shop.letters().await.len(), 1);

    // Of two that read such a batch at a time one is refused, though it has no row to write.
    shop.take(&[bad("two")]).await;
    shop.run("take", Governed::ALL).await.unwrap();
    let (shop, outcome) = overtaken(Arc::new(shop), "sell").await;
    assert!(matches!(outcome, Err(RunError::Target(TargetError::Fenced { .. }))), "{outcome:?}");
    assert_eq!((shop.letters().await.len(), shop.all_letters().await.len()), (2, 3));
    let told = shop.store.reports(Some(&"silver.sales".parse().unwrap()), 9).await.unwrap();
    assert_eq!(told.len(), 2);
}

/// A worker that stands still when its letters are put, while another does its work.
async fn overtaken(
    shop: Arc<Shop>,
    stage: &'static str,
) -> (Arc<Shop>, Result<RunSummary, RunError>) {
    let other = Arc::clone(&shop);
    let queue = AtPut {
        queue: Arc::clone(&shop.queue),
        act: Box::new(move || {
            let shop = Arc::clone(&other);
            Box::pin(async move {
                assert_eq!(shop.run(stage, Governed::ALL).await.unwrap().batches.len(), 1);
            })
        }),
        fail: false,
    };
    let slow = Runner { queue: Arc::new(queue), ..shop.runner() };
    let outcome = slow.run(&shop.pipeline, &shop.stage(stage), Governed::ALL).await;
    (shop, outcome)
}

#[tokio::test]
async fn a_zombie_that_wakes_behind_the_work_of_another_adds_no_row_and_no_letter() {
    let shop = Shop::open().await;
    let none = serde_json::json!({"kind": ""});
    let bad = with(order("bad", "Rome", 1, "2026-03-01T08:00:00Z"), none);
    // Nothing but its position protects this stage.
    shop.take(&[order("good", "Rome", 1, "2026-03-01T08:00:00Z"), bad]).await;
    let (shop, outcome) = overtaken(Arc::new(shop), "take").await;
    assert!(matches!(outcome, Err(RunError::Target(TargetError::Fenced { .. }))), "{outcome:?}");
    assert_eq!(shop.query("SELECT \"no\" FROM bronze.orders").await, ["good"]);
    assert_eq!((shop.letters().await.len(), shop.all_letters().await.len()), (1, 2));
}

#[tokio::test]
async fn the_row_that_a_changed_contract_takes_has_no_letter_of_the_crash_before() {
    let mut shop = Arc::into_inner(good_and_bad().await).unwrap();
    crash(&shop).await;
    shop.change(&[("contracts/silver.sales.odcs.yaml", "minimum: 0", "minimum: -5")]);
    shop.run("sell", Governed::ALL).await.unwrap();
    assert_eq!(shop.query(SALES).await, ["bad", "good"]);
    assert!(shop.letters().await.is_empty());
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found() {
    for forgets in [false, true] {
        let shop = good_and_bad().await;
        let targets = LosesAnswers {
            targets: LakeTargets(Arc::clone(&shop.lake)),
            lost: Arc::new(AtomicU32::new(1)),
            forgets,
        };
        let runner = Runner { targets: Arc::new(targets), ..shop.runner() };
        let outcome = runner.run(&shop.pipeline, &shop.stage("sell"), Governed::ALL).await;
        match forgets {
            false => assert_eq!(outcome.unwrap().counts.written, 1),
            true => assert!(matches!(outcome, Err(RunError::Unknown { .. })), "{outcome:?}"),
        }
        let again = shop.run("sell", Governed::ALL).await.unwrap();
        assert_eq!(again.batches.len(), 0);
        assert_eq!(shop.query(SALES).await, ["good"]);
        assert_eq!(shop.letters().await.len(), 1);
        let told = shop.store.reports(Some(&"silver.sales".parse().unwrap()), 9).await.unwrap();
        assert_eq!(told.len(), 1);
    }
}

#[tokio::test]
async fn a_table_that_was_rolled_back_stops_its_readers_until_they_go_back_too() {
    let shop = good_and_bad().await;
    shop.run("sell", Governed::ALL).await.unwrap();
    let before = shop.newest("silver.sales").await;
    shop.take(&[order("later", "Rome", 1, "2026-03-01T08:00:00Z")]).await;
    shop.run_all().await;
    assert_eq!(shop.query(SALES).await, ["good", "later"]);

    shop.roll_back("silver.sales", before).await;
    let error = shop.run("sell", Governed::ALL).await.unwrap_err();
    assert!(matches!(error, RunError::Target(TargetError::RolledBack { .. })), "{error:?}");
    assert!(error.to_string().contains(&format!("--to {before}")), "{error}");
    assert_eq!(shop.query(SALES).await, ["good"]);

    shop.rewind("sell", &before.to_string()).await.unwrap();
    shop.run("sell", Governed::ALL).await.unwrap();
    assert_eq!(shop.query(SALES).await, ["good", "later"]);
}

#[tokio::test]
async fn a_table_rolled_back_to_before_its_first_commit_is_noticed_too() {
    let shop = Shop::open().await;
    shop.run("take", Governed::ALL).await.unwrap_err();
    shop.take(&[order("a", "Rome", 1, "2026-03-01T08:00:00Z")]).await;
    shop.run("take", Governed::ALL).await.unwrap();
    shop.run("sell", Governed::ALL).await.unwrap();
    shop.foreign("silver.sales", |_| {
        vec![TableUpdate::RemoveSnapshotRef { ref_name: "main".to_owned() }]
    })
    .await;
    let error = shop.run("sell", Governed::ALL).await.unwrap_err();
    assert!(matches!(error, RunError::Target(TargetError::RolledBack { .. })), "{error:?}");
}

#[tokio::test]
async fn two_stores_on_two_hosts_both_hear_of_every_commit_once() {
    let shop = good_and_bad().await;
    let other = Arc::new(Store::open(&shop.path("other.db")).await.unwrap());
    let there = || Runner { ledger: Arc::clone(&other) as _, ..shop.runner() };
    for number in 0..3 {
        shop.run("sell", Governed::ALL).await.unwrap();
        shop.take(&[order(&format!("n{number}"), "Rome", -1, "2026-03-01T08:00:00Z")]).await;
        for stage in ["take", "sell"] {
            let stage = shop.stage(stage);
            there().run(&shop.pipeline, &stage, Governed::ALL).await.unwrap();
        }
    }
    shop.run("take", Governed::ALL).await.unwrap();
    shop.run("sell", Governed::ALL).await.unwrap();
    for stage in ["take", "sell"] {
        let commits = shop.target(stage).commits(None).await.unwrap();
        for store in [&shop.store, &other] {
            let output = &shop.stage(stage).writes.dataset;
            let mut told = store.reports(Some(output), 99).await.unwrap();
            told.reverse();
            let told: Vec<_> = told.iter().map(|told| told.report.draft).collect();
            let made: Vec<_> = commits.iter().map(|commit| commit.report.draft).collect();
            assert_eq!(told, made);
        }
    }
    let totals = async |store: &Store| {
        let mut totals = store.totals().await.unwrap();
        // What came in from files only one of them has seen.
        totals.retain(|total| total.name.starts_with("records_"));
        totals.retain(|total| total.labels["stage"] != "ingest");
        totals
    };
    assert_eq!(totals(&shop.store).await, totals(&other).await);
    // Each knows of its own runs alone.
    let runs = other.runs(&RunFilter::default()).await.unwrap();
    assert_eq!(runs.len(), 6);
    assert!(runs.iter().all(|run| run.status == RunStatus::Complete));
    assert_eq!(shop.letters().await.len(), 4);
}

//! Upkeep of tables: the past is let go, small files are merged, and nobody who reads or writes
//! beside it notices.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use assay_core::{DatasetName, Governed, ReaderId};
use assay_pipeline::{Compact, Expire, Lake, Limits, RunError, SourceError, Target};
use chrono::TimeDelta;
use serde_json::Value;

use crate::commits::{Writer, replace_from, sale};
use crate::shop::{Shop, order};

pub(crate) const SALES: &str = "SELECT order_no, sold_on FROM silver.sales ORDER BY order_no";
pub(crate) const GOLD: &str = "SELECT city, day, orders FROM gold.city_days ORDER BY day, city";

pub(crate) const SMALL: Limits =
    Limits { snapshots: 20, manifests: 5, versions: 4, grace: TimeDelta::hours(1) };

/// A shop in the far future, so that the time at which files are made is long ago, and with a
/// short memory.
pub(crate) async fn shop(limits: Limits) -> Shop {
    let mut shop = Shop::open().await;
    shop.clock.advance(TimeDelta::days(20_000));
    let clock = Arc::clone(&shop.clock) as Arc<dyn assay_core::Clock>;
    let folder = shop.folder.path();
    let lake = Lake::open(&folder.join("lake"), folder, 64 << 20, clock).await.unwrap();
    shop.lake = Arc::new(lake.keeping(limits));
    shop
}

pub(crate) fn silver() -> DatasetName {
    "silver.sales".parse().unwrap()
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => drop(found.insert(path)),
        }
    }
    found
}

/// How many files of the sales end like this.
fn count(shop: &Shop, end: &str) -> usize {
    let all = files(&shop.lake.location(&silver()));
    all.iter().filter(|path| path.to_string_lossy().ends_with(end)).count()
}

/// Files that nothing names, whatever their age.
async fn orphans(shop: &Shop) -> Vec<PathBuf> {
    let found = shop.lake.sweep(TimeDelta::days(-1), true).await.unwrap();
    found.into_iter().map(|orphan| orphan.path).collect()
}

async fn snapshots(shop: &Shop) -> usize {
    shop.lake.info(&silver()).await.unwrap().snapshots.len()
}

async fn manifests(shop: &Shop) -> usize {
    let table = shop.lake.existing(&silver()).await.unwrap();
    let current = table.metadata().current_snapshot().unwrap().clone();
    table.manifest_list_reader(&current).load().await.unwrap().entries().len()
}

pub(crate) fn compact() -> Compact {
    Compact::default()
}

pub(crate) async fn compacted(shop: &Shop) -> u64 {
    let done = shop.lake.compact(&silver(), &compact(), shop.ids.as_ref()).await.unwrap();
    done.partitions.iter().filter(|one| !one.given_up).map(|one| one.files).sum()
}

#[tokio::test]
async fn a_table_with_many_commits_stays_small() {
    let shop = shop(SMALL).await;
    let writer = Writer::sales(&shop, "shop/sell").await;
    for number in 0..70 {
        let day = format!("2026-03-{:02}", 1 + number % 3);
        writer.append(&[sale(&format!("{number:02}"), &day)]).await.unwrap();
        shop.clock.advance(TimeDelta::hours(1));
        assert!(snapshots(&shop).await <= SMALL.snapshots, "after {number}");
        assert!(manifests(&shop).await <= 2 * SMALL.manifests, "after {number}");
    }
    // Nothing is lost, least of all the position, whose first commits nobody remembers.
    assert_eq!(shop.query(SALES).await.len(), 70);
    let mark = writer.position().await.0.into_values().next().unwrap();
    assert_eq!(mark.at, 70);
    let kept = snapshots(&shop).await;
    assert_eq!(writer.target.commits(None).await.unwrap().len(), kept);
    // On disk is what is named, and nothing else.
    assert_eq!(orphans(&shop).await, Vec::<PathBuf>::new());
    assert_eq!(files(&shop.path("lake/reports/silver.sales")).len(), kept);
    assert_eq!(count(&shop, ".metadata.json"), SMALL.versions + 1);
    assert_eq!(count(&shop, ".parquet"), 70);
}

#[tokio::test]
async fn what_was_overwritten_goes_with_the_last_snapshot_that_has_it() {
    let shop = shop(SMALL).await;
    let writer = Writer::sales(&shop, "shop/sell").await;
    writer.append(&[sale("old", "2026-02-28")]).await.unwrap();
    for number in 0..50 {
        let rows = [sale(&number.to_string(), "2026-03-01")];
        writer.write(&rows, replace_from("2026-03-01")).await.unwrap();
        shop.clock.advance(TimeDelta::hours(1));
    }
    assert_eq!(shop.query(SALES).await, ["49 2026-03-01", "old 2026-02-28"]);
    // Each kept snapshot has a file of its own, and all have the first.
    assert_eq!(count(&shop, ".parquet"), snapshots(&shop).await + 1);
    assert_eq!(orphans(&shop).await, Vec::<PathBuf>::new());
    let oldest = shop.lake.info(&silver()).await.unwrap().snapshots.last().unwrap().id;
    let mut query = assay_pipeline::Query::open(&shop.lake, SALES, Some(oldest)).await.unwrap();
    assert_eq!(query.next().await.unwrap().unwrap().num_rows(), 2);
}

#[tokio::test]
async fn files_of_young_snapshots_wait_until_nobody_can_be_reading_them() {
    let limits = Limits { grace: TimeDelta::days(1), ..SMALL };
    let shop = shop(limits).await;
    let writer = Writer::sales(&shop, "shop/sell").await;
    let lists = |shop: &Shop| {
        let all = files(&shop.lake.location(&silver()).join("metadata"));
        let list =
            |path: &&PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("snap-");
        all.iter().filter(list).count()
    };
    for number in 0..40 {
        writer.append(&[sale(&number.to_string(), "2026-03-01")]).await.unwrap();
    }
    assert!(snapshots(&shop).await <= 20);
    assert_eq!(lists(&shop), 40, "all are younger than a day");
    shop.clock.advance(TimeDelta::days(2));
    for number in 40..44 {
        writer.append(&[sale(&number.to_string(), "2026-03-01")]).await.unwrap();
    }
    assert_eq!(lists(&shop), snapshots(&shop).await);
    assert_eq!(orphans(&shop).await, Vec::<PathBuf>::new());
}

#[tokio::test]
async fn what_a_process_had_no_time_to_delete_is_swept() {
    let shop = shop(Limits { grace: TimeDelta::days(1), ..SMALL }).await;
    let writer = Writer::sales(&shop, "shop/sell").await;
    for number in 0..40 {
        let rows = [sale(&number.to_string(), "2026-03-01")];
        writer.write(&rows, replace_from("2026-03-01")).await.unwrap();
    }
    // It ends here, with the files of at least twenty snapshots still to be deleted.
    let left = orphans(&shop).await;
    assert!(left.len() >= 4 * 20, "{left:?}");
    let swept = shop.lake.sweep(TimeDelta::days(-1), false).await.unwrap();
    assert_eq!(swept.len(), left.len());
    assert_eq!(orphans(&shop).await, Vec::<PathBuf>::new());
    assert_eq!(count(&shop, ".parquet"), snapshots(&shop).await);
    assert_eq!(shop.query(SALES).await, ["39 2026-03-01"]);
}

#[tokio::test]
async fn a_snapshot_that_a_store_was_not_told_of_is_kept_for_a_week() {
    let shop = shop(SMALL).await;
    let writer = Writer::sales(&shop, "shop/sell").await;
    let first = writer.append(&[sale("first", "2026-03-01")]).await.unwrap();
    assert!(shop.lake.leave_told(&silver(), "store", first.sequence).await.unwrap());
    for number in 0..40 {
        writer.append(&[sale(&number.to_string(), "2026-03-01")]).await.unwrap();
        shop.clock.advance(TimeDelta::hours(1));
    }
    assert_eq!(writer.target.commits(Some(first.sequence)).await.unwrap().len(), 40);
    let untold = writer.target.commits(Some(first.sequence)).await.unwrap();
    shop.lake.leave_told(&silver(), "store", untold[29].sequence).await.unwrap();
    for number in 40..44 {
        writer.append(&[sale(&number.to_string(), "2026-03-01")]).await.unwrap();
    }
    assert_eq!(writer.target.commits(Some(untold[29].sequence)).await.unwrap().len(), 14);
    assert!(snapshots(&shop).await < 30);
    // A store that is not heard of for a week holds nothing back.
    shop.clock.advance(TimeDelta::days(8));
    for number in 44..60 {
        writer.append(&[sale(&number.to_string(), "2026-03-01")]).await.unwrap();
    }
    assert!(snapshots(&shop).await <= 20);
}

#[tokio::test]
async fn a_mark_is_left_at_most_once_a_minute_and_makes_no_snapshot() {
    let shop = shop(SMALL).await;
    let writer = Writer::sales(&shop, "shop/sell").await;
    writer.append(&[sale("a", "2026-03-01")]).await.unwrap();
    let before = shop.snapshots().await;
    let reader = ReaderId("shop/total".to_owned());
    let leave = async |at| shop.lake.leave_mark(&silver(), &reader, at).await.unwrap();
    assert!(leave(1).await);
    assert!(!leave(2).await, "so soon");
    shop.clock.advance(TimeDelta::minutes(2));
    assert!(!leave(1).await, "it is there");
    assert!(leave(2).await);
    assert_eq!(shop.snapshots().await, before);
    let table = shop.lake.existing(&silver()).await.unwrap();
    let mark: Value =
        serde_json::from_str(&table.metadata().properties()["assay.read.shop/total"]).unwrap();
    assert_eq!(mark["at"], 2);
    assert!(mark["time"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().is_ok());
    // A batch that was begun before is not disturbed, and the stages leave theirs.
    writer.append(&[sale("b", "2026-03-01")]).await.unwrap();
    shop.take(&[order("c", "Rome", 1, "2026-03-01T08:00:00Z")]).await;
    shop.run("take", Governed::ALL).await.unwrap();
    shop.run("sell", Governed::ALL).await.unwrap();
    let bronze = shop.lake.existing(&"bronze.orders".parse().unwrap()).await.unwrap();
    assert!(bronze.metadata().properties().contains_key("assay.read.shop/sell"));
}

#[tokio::test]
async fn a_day_that_vanished_from_the_source_vanishes_from_the_aggregate() {
    let shop = shop(SMALL).await;
    shop.take(&[
        order("a", "Rome", 1, "2026-03-01T08:00:00Z"),
        order("b", "Rome", 1, "2026-03-02T08:00:00Z"),
    ])
    .await;
    shop.run_all().await;
    assert_eq!(shop.query(GOLD).await, ["rome 2026-03-01 1", "rome 2026-03-02 1"]);
    let hand = Writer::sales(&shop, "shop/hand").await;
    hand.write(&[], replace_from("2026-03-02")).await.unwrap();
    // Others go on meanwhile, and so many that the snapshot would be let go.
    for number in 0..40 {
        shop.clock.advance(TimeDelta::hours(1));
        hand.append(&[]).await.unwrap();
        // What the store was not told of would be kept.
        shop.run("sell", Governed::ALL).await.unwrap();
        assert!(snapshots(&shop).await <= 22, "after {number}");
    }
    let summary = shop.run("total", Governed::ALL).await.unwrap();
    assert_eq!((summary.counts.read, summary.batches.len()), (0, 1));
    assert_eq!(shop.query(GOLD).await, ["rome 2026-03-01 1"]);
    assert!(shop.run("total", Governed::ALL).await.unwrap().batches.is_empty());
}

#[tokio::test]
async fn a_reader_that_was_left_behind_stops_only_when_rows_may_have_gone_unseen() {
    for vanishes in [false, true] {
        let shop = shop(SMALL).await;
        shop.take(&[order("a", "Rome", 1, "2026-03-01T08:00:00Z")]).await;
        shop.run_all().await;
        // Its mark gets too old to hold anything.
        shop.clock.advance(TimeDelta::days(8));
        let hand = Writer::sales(&shop, "shop/hand").await;
        if vanishes {
            hand.write(&[], replace_from("2026-03-01")).await.unwrap();
        }
        for _ in 0..50 {
            hand.append(&[]).await.unwrap();
            shop.clock.advance(TimeDelta::hours(1));
        }
        let outcome = shop.run("total", Governed::ALL).await;
        match (vanishes, outcome) {
            (false, Ok(summary)) => assert_eq!(summary.counts.read, 0),
            (true, Err(RunError::Source(error @ SourceError::Refused { .. }))) => {
                let text = error.to_string();
                let advice = "assay rewind total --pipeline shop --to beginning";
                assert!(text.contains(advice), "{text}");
            }
            (_, outcome) => panic!("{vanishes}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn a_report_that_is_gone_without_its_snapshot_is_an_error() {
    let shop = shop(SMALL).await;
    let writer = Writer::sales(&shop, "shop/sell").await;
    let mut commits = vec![];
    for number in 0..5 {
        commits.push(writer.append(&[sale(&number.to_string(), "2026-03-01")]).await.unwrap());
    }
    let report = |number: usize| {
        let draft = commits[number].report.draft;
        shop.path("lake/reports/silver.sales").join(format!("{draft}.json"))
    };
    std::fs::remove_file(report(1)).unwrap();
    // It is in the table, so it ought to be there.
    assert!(writer.target.commits(None).await.is_err());
    assert_eq!(writer.target.commits(Some(commits[1].sequence)).await.unwrap(), commits[2..]);
}

#[tokio::test]
async fn snapshots_go_when_a_person_says_so() {
    let shop = shop(SMALL).await;
    let writer = Writer::sales(&shop, "shop/sell").await;
    for number in 0..10 {
        writer.append(&[sale(&number.to_string(), "2026-03-01")]).await.unwrap();
        shop.clock.advance(TimeDelta::days(1));
    }
    compacted(&shop).await;
    let what = Expire { older_than: TimeDelta::days(3), keep: 2 };
    let planned = shop.lake.expire_plan(&silver(), what).await.unwrap();
    assert_eq!((planned.snapshots.len(), planned.kept, planned.later), (7, 4, false));
    assert_eq!(snapshots(&shop).await, 11);
    let done = shop.lake.expire(&silver(), what).await.unwrap();
    assert_eq!(done.freed, planned.freed);
    assert!(done.freed.files >= 14, "lists and reports at least: {:?}", done.freed);
    assert_eq!((snapshots(&shop).await, count(&shop, ".parquet")), (4, 11));
    assert_eq!(orphans(&shop).await, Vec::<PathBuf>::new());
    // All but the newest: now the files that were merged go as well, once nobody reads them.
    let all = Expire { older_than: TimeDelta::zero(), keep: 0 };
    shop.clock.advance(TimeDelta::days(1));
    assert_eq!(shop.lake.expire(&silver(), all).await.unwrap().kept, 1);
    assert_eq!(count(&shop, ".parquet"), 1);
    assert_eq!(shop.lake.expire(&silver(), all).await.unwrap().snapshots, []);
    assert_eq!(shop.query(SALES).await.len(), 10);
    assert_eq!(writer.position().await.0.into_values().next().unwrap().at, 10);
    assert_eq!(orphans(&shop).await, Vec::<PathBuf>::new());
}

#[tokio::test]
async fn only_old_files_that_nothing_names_are_swept() {
    let shop = shop(SMALL).await;
    let writer = Writer::sales(&shop, "shop/sell").await;
    for number in 0..30 {
        writer.append(&[sale(&number.to_string(), "2026-03-01")]).await.unwrap();
        shop.clock.advance(TimeDelta::hours(1));
    }
    compacted(&shop).await;
    let table = shop.lake.location(&silver());
    let left = [
        table.join("data/sold_on=2026-03-01/never-committed.parquet"),
        table.join("metadata/lost.avro"),
        shop.path("lake/reports/silver.sales/lost.json"),
    ];
    for path in &left {
        std::fs::write(path, "left over").unwrap();
    }
    let named = files(&shop.path("lake"));
    let three_days = TimeDelta::days(3);
    let found = shop.lake.sweep(three_days, true).await.unwrap();
    let paths: BTreeSet<&Path> = found.iter().map(|orphan| orphan.path.as_path()).collect();
    assert_eq!(paths, left.iter().map(PathBuf::as_path).collect());
    assert!(found.iter().all(|orphan| orphan.bytes == 9 && orphan.dataset == silver()));
    assert_eq!(files(&shop.path("lake")), named, "a dry run");
    // What is young may be somebody's work.
    let young = shop.lake.sweep(TimeDelta::days(40_000), false).await.unwrap();
    assert!(young.is_empty(), "{young:?}");
    assert_eq!(shop.lake.sweep(three_days, false).await.unwrap().len(), 3);
    assert!(shop.lake.sweep(three_days, false).await.unwrap().is_empty());
    assert_eq!(shop.query(SALES).await.len(), 30);
}

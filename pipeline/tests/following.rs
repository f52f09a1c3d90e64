//! Stages that follow their source, on real parts.

use std::sync::Arc;
use std::time::Duration;

use assay_core::{Governed, RunStatus};
use assay_pipeline::{Pace, Patience, RunError, RunSummary, Runner, Stop};
use assay_store::{Action, AuditEntry, RunFilter, RunRecord};
use chrono::TimeDelta;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::clickstream::{append, click, open};
use crate::shop::{Shop, order};

const HOUR: Duration = Duration::from_secs(3600);
const QUICK: Pace =
    Pace { rows: 1000, bytes: 1 << 20, every: Duration::from_millis(50), run: HOUR };

/// A worker in this process, and the way to ask it to end.
struct Worker {
    stop: Stop,
    life: JoinHandle<Result<RunSummary, RunError>>,
}

impl Worker {
    fn start(shop: &Shop, stage: &str, pace: Pace) -> Worker {
        let stop = Stop::default();
        let patience =
            Patience { first_pause: Duration::from_millis(1), ..Patience::endless(stop.clone()) };
        let runner = Runner { stop: stop.clone(), patience, ..shop.runner() };
        let (pipeline, stage) = (shop.pipeline.clone(), shop.stage(stage));
        let life =
            tokio::spawn(
                async move { runner.follow(&pipeline, &stage, Governed::ALL, pace).await },
            );
        Worker { stop, life }
    }

    async fn drained(self) -> RunSummary {
        self.stop.drain();
        self.life.await.unwrap().unwrap()
    }
}

/// Waits until a query gives that one row.
async fn comes(shop: &Shop, sql: &str, expected: &str) {
    for _ in 0..600 {
        // At first the table may not be there.
        if shop.try_query(sql).await.is_ok_and(|found| found == [expected]) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(shop.query(sql).await, [expected], "{sql}");
}

async fn runs(shop: &Shop) -> Vec<RunRecord> {
    shop.store.runs(&RunFilter::default()).await.unwrap()
}

const COUNT: &str = "SELECT count(*), count(DISTINCT user_id) FROM bronze.clickstream";

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_is_committed_soon_and_the_books_of_the_run_agree() {
    let shop = open().await;
    let worker = Worker::start(&shop, "land", QUICK);
    for round in 0..3 {
        append(&shop, (0..10).map(|n| Some(click(round * 10 + n).into_bytes()))).await;
        let all = (round + 1) * 10;
        comes(&shop, COUNT, &format!("{all} {all}")).await;
    }
    let running = &runs(&shop).await[0];
    assert_eq!((running.status, running.run.following), (RunStatus::Running, true));

    let summary = worker.drained().await;
    assert_eq!((summary.counts.read, summary.counts.written), (30, 30));
    let [run] = &runs(&shop).await[..] else { panic!("one run") };
    assert_eq!((run.status, run.counts), (RunStatus::Complete, summary.counts));
    let reports = shop.store.reports_of(run.run.id).await.unwrap();
    assert_eq!(reports.len() as u64, run.batches);
    let written: u64 = reports.iter().map(|record| record.report.counts.written).sum();
    assert_eq!((written, run.batches >= 3), (30, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_ends_at_so_many_rows_or_when_the_worker_is_told_to_end() {
    let shop = open().await;
    let slow = Pace { rows: 8192, bytes: u64::MAX, every: HOUR, run: HOUR };
    append(&shop, (0..20_000).map(|n| Some(click(n).into_bytes()))).await;
    let worker = Worker::start(&shop, "land", slow);
    comes(&shop, "SELECT count(*) >= 8192 FROM bronze.clickstream", "true").await;
    worker.drained().await;
    // Not one more than the worker had read, and none twice.
    let rows: Vec<_> = shop.query(COUNT).await[0].split(' ').map(str::to_owned).collect();
    assert_eq!(rows[0], rows[1]);
    let again = shop.run("land", Governed::ALL).await.unwrap().counts;
    let before: u64 = rows[0].parse().unwrap();
    assert_eq!(before + again.written, 20_000);
    assert!(runs(&shop).await.iter().all(|run| run.status == RunStatus::Complete));
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_of_one_stage_take_every_message_once() {
    let shop = Arc::new(open().await);
    let mut workers: Vec<Worker> = (0..3).map(|_| Worker::start(&shop, "land", QUICK)).collect();
    for round in 0..20 {
        append(&shop, (0..50).map(|n| Some(click(round * 50 + n).into_bytes()))).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        if round % 5 == 4 {
            // One leaves, another joins.
            workers.remove(0).drained().await;
            workers.push(Worker::start(&shop, "land", QUICK));
        }
    }
    comes(&shop, COUNT, "1000 1000").await;
    let mut read = 0;
    for worker in workers {
        read += worker.drained().await.counts.read;
    }
    assert!(read <= 1000);
    let told: u64 = shop.store.reports(None, 1000).await.unwrap().iter().map(written).sum();
    assert_eq!(told, 1000, "what each worker committed is told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_loses_and_doubles_nothing() {
    let shop = open().await;
    let worker = Worker::start(&shop, "land", QUICK);
    for round in 0..40 {
        append(&shop, (0..25).map(|n| Some(click(round * 25 + n).into_bytes()))).await;
        // Not in step with the batches, so now and then in the middle of one.
        tokio::time::sleep(Duration::from_millis(round * 7 % 30)).await;
        let days = [3, -1, -400, 398][round as usize % 4];
        shop.clock.advance(TimeDelta::days(days));
    }
    comes(&shop, COUNT, "1000 1000").await;
    // A run that seems to be silent for days may be closed by others; what it committed counts.
    let counts = worker.drained().await.counts;
    assert_eq!((counts.read, counts.written), (1000, 1000));
    let told: u64 = shop.store.reports(None, 1000).await.unwrap().iter().map(written).sum();
    assert_eq!(told, 1000);
    let summary = shop.run("land", Governed::ALL).await.unwrap();
    assert_eq!(summary.counts.read, 0, "nothing is left, and nothing is read again");
}

fn written(record: &assay_store::ReportRecord) -> u64 {
    record.report.counts.written
}

fn entry(shop: &Shop, action: Action, subject: &str) -> AuditEntry {
    use assay_core::Clock;
    AuditEntry {
        at: shop.clock.now(),
        who: "vera".into(),
        action,
        subject: subject.into(),
        reason: "to look at it".into(),
        details: json!({}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_quality_halts_ends_with_its_position_unmoved_and_goes_on_when_let_pass() {
    let shop = open().await;
    append(&shop, (0..150).map(|_| Some(b"{}".to_vec()))).await;
    let worker = Worker::start(&shop, "land", QUICK);
    let halted = worker.life.await.unwrap().unwrap_err();
    let RunError::Halted { report, .. } = &halted else { panic!("{halted}") };
    let reader = shop.stage("land").reader();
    let target = shop.target("land");
    use assay_pipeline::Target;
    assert_eq!(target.position(&reader).await.unwrap(), Default::default());
    assert_eq!(runs(&shop).await[0].status, RunStatus::Halted);

    // More comes, and does not dilute it.
    append(&shop, (0..300).map(|n| Some(click(n).into_bytes()))).await;
    let again = Worker::start(&shop, "land", QUICK).life.await.unwrap().unwrap_err();
    assert!(matches!(again, RunError::Halted { .. }), "{again}");

    let passed = shop.store.accept(report.draft, &entry(&shop, Action::AcceptBatch, "it")).await;
    assert!(passed.unwrap());
    let worker = Worker::start(&shop, "land", QUICK);
    comes(&shop, COUNT, "300 300").await;
    let counts = worker.drained().await.counts;
    assert_eq!((counts.read, counts.rejected), (450, 150));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_worker_waits_and_goes_on_when_it_is_resumed() {
    let shop = open().await;
    let stage = shop.stage("land").id.clone();
    shop.store.pause(&stage, &entry(&shop, Action::Pause, "land")).await.unwrap();
    let worker = Worker::start(&shop, "land", QUICK);
    append(&shop, (0..10).map(|n| Some(click(n).into_bytes()))).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    comes(&shop, COUNT, "0 0").await;
    assert_eq!(runs(&shop).await[0].status, RunStatus::Running, "it is alive");
    shop.store.resume(&stage, &entry(&shop, Action::Resume, "land")).await.unwrap();
    comes(&shop, COUNT, "10 10").await;
    worker.drained().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_stages_follow_one_another_from_the_topic_to_gold() {
    let shop = Shop::open().await;
    shop.take(&[order("o0", "Rome", 1, "2026-03-01T08:00:00Z")]).await;
    shop.run_all().await;
    let workers = ["take", "sell", "total"].map(|stage| Worker::start(&shop, stage, QUICK));
    for number in 1..4 {
        let name = format!("o{number}");
        shop.take(&[order(&name, "Rome", 1, "2026-03-01T08:00:00Z")]).await;
        let sql = "SELECT orders FROM gold.city_days";
        comes(&shop, sql, &(number + 1).to_string()).await;
    }
    for worker in workers {
        assert_eq!(worker.drained().await.run.governed, Governed::ALL);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_rolled_back_meanwhile_stops_the_worker_before_its_next_commit() {
    let shop = Arc::new(open().await);
    let worker = Worker::start(&shop, "land", QUICK);
    let mut ends = Vec::new();
    for round in 0..2 {
        append(&shop, (0..3).map(|n| Some(click(round * 3 + n).into_bytes()))).await;
        let all = (round + 1) * 3;
        comes(&shop, COUNT, &format!("{all} {all}")).await;
        ends.push(shop.newest("bronze.clickstream").await);
    }
    shop.roll_back("bronze.clickstream", ends[0]).await;
    append(&shop, (6..9).map(|n| Some(click(n).into_bytes()))).await;
    let error = worker.life.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("was rolled back by another program"), "{error}");
    comes(&shop, COUNT, "3 3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_complete_after_its_time_and_another_goes_on_where_it_was() {
    let shop = open().await;
    let short = Pace { run: Duration::from_millis(300), ..QUICK };
    let worker = Worker::start(&shop, "land", short);
    for round in 0..10 {
        append(&shop, (0..3).map(|n| Some(click(round * 3 + n).into_bytes()))).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    comes(&shop, COUNT, "30 30").await;
    assert_eq!(worker.drained().await.counts.written, 30, "the sum of its runs");
    let runs = runs(&shop).await;
    assert!(runs.len() >= 2 && runs.iter().all(|run| run.status == RunStatus::Complete));
    assert_eq!(runs.iter().map(|run| run.counts.written).sum::<u64>(), 30);
    for run in runs {
        let reports = shop.store.reports_of(run.run.id).await.unwrap();
        assert_eq!(reports.len() as u64, run.batches);
    }
}

//! Ten thousand bad days: at every effect of the runner its ports fail, die or hang, before or
//! after they did their work, while other workers run; and at the end nothing is lost, nothing
//! doubled, nothing untold.

pub(crate) mod memory;
pub(crate) mod shaky;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use assay_core::{Governed, RunStatus};
use assay_dlq::{Filter, LogQueue};
use assay_log::{Log, NewRecord, TopicSpec};
use assay_pipeline::{
    LakeTargets, Ledger, Pace, Patience, RunError, RunSummary, Runner, Stop, Targets,
};
use assay_store::{EventKind, RunFilter, RunRecord, Store};
use bytes::Bytes;
use chrono::TimeDelta;
use futures::future::{Future, join_all};
use serde_json::json;
use tempfile::TempDir;

use self::memory::{MemoryLog, MemoryTable, MemoryTables};
use self::shaky::{Dice, Fate, Shaky};
use crate::messages::{message, record};
use crate::shop::Shop;

const TOPIC: &str = "shop_orders";

/// The stage that takes orders in, but each only once.
const ONCE: crate::shop::Edit<'_> = (
    "pipeline.yaml",
    "    model: models/take.sql\n",
    "    model: models/take.sql\n    deduplicate: [\"no\"]\n",
);

/// How long a worker follows its topic, and when it commits.
const SHIFT: Duration = Duration::from_millis(20);
const QUICK: Pace = Pace {
    rows: 5,
    bytes: 1 << 20,
    every: Duration::from_millis(1),
    run: Duration::from_millis(10),
};

type Life = Pin<Box<dyn Future<Output = Result<RunSummary, RunError>>>>;

/// What became of a process.
enum Outcome {
    Ended,
    Died,
    /// It stands still, with whatever it was about to do.
    Hung(Arc<Fate>, Life),
}

/// The parts that outlive every process.
struct World<'a> {
    shop: &'a Shop,
    log: Arc<dyn Log>,
    targets: Arc<dyn Targets>,
    store: Arc<Store>,
    queue: Arc<LogQueue>,
    /// What is still to come in.
    coming: Vec<NewRecord>,
    stories: Vec<Arc<Fate>>,
}

impl<'a> World<'a> {
    async fn new(shop: &'a Shop, targets: Arc<dyn Targets>, store: &Path) -> World<'a> {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::default());
        let topic = TopicSpec { name: TOPIC.to_owned(), partitions: 2, retention: None };
        log.create(&topic).await.unwrap();
        World {
            shop,
            targets,
            store: Arc::new(Store::open(store).await.unwrap()),
            queue: Arc::new(LogQueue::new(Arc::clone(&log))),
            log,
            coming: messages(shop),
            stories: Vec::new(),
        }
    }

    async fn come(&mut self, count: usize) {
        let rest = self.coming.split_off(count.min(self.coming.len()));
        let now = std::mem::replace(&mut self.coming, rest);
        self.log.append(TOPIC, now).await.unwrap();
    }

    /// A worker with this fate, that runs the stage once or follows its topic for a while.
    async fn worker(&self, fate: &Arc<Fate>, follows: bool) -> Life {
        let log: Arc<dyn Log> = Arc::new(Shaky::new(fate, Arc::clone(&self.log)));
        let ledger: Arc<dyn Ledger> = Arc::clone(&self.store) as _;
        let runner = Runner {
            targets: Arc::new(Shaky::new(fate, Arc::clone(&self.targets))),
            queue: Arc::new(LogQueue::new(Arc::clone(&log))),
            log,
            ledger: Arc::new(Shaky::new(fate, ledger)),
            patience: Patience { tries: 3, first_pause: Duration::ZERO, ..Patience::default() },
            stop: Stop::default(),
            ..self.shop.runner()
        };
        let (pipeline, stage) = (self.shop.pipeline.clone(), self.shop.stage("take"));
        Box::pin(async move {
            if !follows {
                return runner.run(&pipeline, &stage, Governed::ALL).await;
            }
            let stop = runner.stop.clone();
            let end = async {
                tokio::time::sleep(SHIFT).await;
                stop.drain();
            };
            let follow = runner.follow(&pipeline, &stage, Governed::ALL, QUICK);
            futures::join!(follow, end).0
        })
    }

    async fn live(&self, fate: Arc<Fate>, follows: bool) -> Outcome {
        let mut life = self.worker(&fate, follows).await;
        tokio::select! {
            _ = &mut life => return Outcome::Ended,
            () = fate.died.notified() => return Outcome::Died,
            () = fate.hung.notified() => {}
        }
        Outcome::Hung(fate, life)
    }

    /// A few bad hours, then all is well again, and the last orders come in.
    async fn bad_day(&mut self, dice: &Dice) {
        let mut sleepers = Vec::new();
        for _ in 0..4 {
            self.come(1 + dice.below(4) as usize).await;
            let workers = 1 + dice.below(4) / 3;
            let fates: Vec<_> =
                (0..workers).map(|_| Fate::new(dice.below(u64::MAX), 6 + dice.below(40))).collect();
            self.stories.extend(fates.iter().cloned());
            let live = |fate| self.live(fate, dice.below(4) == 0);
            for outcome in join_all(fates.into_iter().map(live)).await {
                if let Outcome::Hung(fate, life) = outcome {
                    sleepers.push((fate, life));
                }
            }
            self.shop.clock.advance(TimeDelta::seconds(dice.below(90) as i64));
        }
        // They wake up long after others have done their work.
        for (fate, life) in sleepers {
            fate.calm();
            fate.wake.notify_one();
            let _ = life.await;
        }
        self.come(usize::MAX).await;
        for _ in 0..2 {
            self.shop.clock.advance(TimeDelta::seconds(61));
            let summary = self.worker(&Fate::new(0, 0), false).await.await.unwrap();
            assert!(summary.counts.balance());
        }
    }

    /// Nothing lost, nothing doubled, nothing untold.
    async fn check(&self, keys: Vec<String>) {
        let stage = self.shop.stage("take");
        let commits = self.targets.target(&stage.writes).commits(None).await.unwrap();
        assert_sorted("rows", keys, expected_rows());
        self.check_letters(&commits).await;

        let dataset = &stage.writes.dataset;
        let told: Vec<_> = self.store.reports(Some(dataset), 1000).await.unwrap();
        let told = told.iter().rev().map(|told| told.report.draft).collect();
        assert_sorted("reports", told, commits.iter().map(|c| c.report.draft).collect());
        let mark = self.store.told(dataset).await.unwrap().unwrap();
        assert_eq!(mark.sequence, commits.last().unwrap().sequence);

        let every = RunFilter { limit: 1000, ..RunFilter::default() };
        let runs = self.store.runs(&every).await.unwrap();
        assert!(runs.iter().all(|run| run.status != RunStatus::Running), "{runs:?}");
        let events = self.store.event_counts().await.unwrap();
        assert_eq!(events[&EventKind::Ingestion], commits.len() as u64, "events of batches");
        assert_eq!(events[&EventKind::JobStart], runs.len() as u64, "events of starts");
        self.check_ends(&runs).await;

        let mut totals: BTreeMap<String, f64> = BTreeMap::new();
        for total in self.store.totals().await.unwrap() {
            *totals.entry(total.name).or_default() += total.value;
        }
        assert_eq!(totals["records_processed_total"], expected_rows().len() as f64);
        assert_eq!(totals["records_failed_total"], expected_letters().len() as f64);
        assert_eq!(totals["job_duration_seconds_count"], runs.len() as f64);
    }

    /// Every run has one end; one that was silent for a while may have corrected what others said.
    async fn check_ends(&self, runs: &[RunRecord]) {
        for run in runs {
            let mut events = self.store.events_of(run.run.id).await.unwrap();
            events.retain(|event| event.kind == EventKind::JobEnd);
            let ends: Vec<_> = events.iter().map(|event| event.body["eventType"].clone()).collect();
            let corrected = ends.len() == 2 && run.status != RunStatus::Aborted;
            assert!(ends.len() == 1 || corrected, "{:?}: {ends:?}", run.status);
        }
    }

    async fn check_letters(&self, commits: &[assay_pipeline::Commit]) {
        let all = Filter { limit: 1000, ..Filter::default() };
        let letters = self.queue.list(&all).await.unwrap();
        let origin = |letter: &assay_dlq::LetterView| letter.origin.clone().unwrap().0;
        assert_sorted("letters", letters.iter().map(origin).collect(), expected_letters());
        assert!(letters.iter().all(|letter| letter.count == 1));
        let committed: BTreeSet<_> = commits.iter().map(|commit| commit.report.draft).collect();
        assert!(letters.iter().all(|letter| committed.contains(&letter.draft.unwrap())));
    }
}

fn assert_sorted<T: Ord + std::fmt::Debug>(what: &str, mut found: Vec<T>, mut expected: Vec<T>) {
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{what}");
}

/// What comes in on every day: good orders, some of them twice, some that break a rule, messages
/// that nobody can read, and one that a collector sends again.
fn messages(shop: &Shop) -> Vec<NewRecord> {
    let mut messages = Vec::new();
    for number in 0..9 {
        let records = [
            record(&format!("{number} a"), json!({})),
            record(&format!("{number} bad"), json!({"kind": ""})),
            record(&format!("{} twice", number / 2), json!({})),
        ];
        let collector = (number % 3 == 0).then_some(("gate", number));
        let mut message = message(shop, &records, collector);
        message.partition = Some(u32::from(number % 2 == 1));
        messages.push(message.clone());
        match number {
            3 => messages.push(message),
            5 | 7 => messages.push(NewRecord {
                partition: Some(1),
                value: Some(Bytes::from_static(b"no container")),
                ..NewRecord::default()
            }),
            _ => {}
        }
    }
    messages
}

fn expected_rows() -> Vec<String> {
    let once = (0..9).map(|number| format!("{number} a"));
    once.chain((0..5).map(|number| format!("{number} twice"))).collect()
}

fn expected_letters() -> Vec<String> {
    let bad = (0..9).map(|number| format!("{number} bad"));
    bad.chain(["shop_orders/1/4", "shop_orders/1/6"].map(str::to_owned)).collect()
}

/// Runs the days of these seeds; says which one failed, and what befell it.
fn days(seeds: impl Iterator<Item = u64>, on_the_lake: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = match Path::new("/dev/shm").is_dir() {
        true => TempDir::new_in("/dev/shm").unwrap(),
        false => TempDir::new().unwrap(),
    };
    runtime.block_on(async {
        let mut shop = Shop::edited(&[ONCE]).await;
        for seed in seeds {
            if on_the_lake {
                shop = Shop::edited(&[ONCE]).await;
            }
            let table = Arc::new(MemoryTable::default());
            let targets: Arc<dyn Targets> = match on_the_lake {
                true => Arc::new(LakeTargets(Arc::clone(&shop.lake))),
                false => Arc::new(MemoryTables(Arc::clone(&table))),
            };
            let store = folder.path().join(format!("{seed}.db"));
            let mut world = World::new(&shop, targets, &store).await;
            let mut told = Told { seed, stories: Vec::new() };
            world.bad_day(&Dice::new(seed)).await;
            told.stories = std::mem::take(&mut world.stories);
            let keys = match on_the_lake {
                true => shop.query("SELECT \"no\" FROM bronze.orders").await,
                false => table.keys(),
            };
            world.check(keys).await;
            told.stories.clear();
            std::mem::forget(told);
            world.store.close().await;
            std::fs::remove_file(store).unwrap();
        }
    });
}

/// Tells, when a test panics, which day it was.
struct Told {
    seed: u64,
    stories: Vec<Arc<Fate>>,
}

impl Drop for Told {
    fn drop(&mut self) {
        eprintln!("the day with the seed {}:", self.seed);
        for fate in &self.stories {
            eprintln!("  {}", fate.story.lock().unwrap().join(", "));
        }
    }
}

/// How many days to play: fewer where nobody waits for it to be sure.
#[allow(clippy::disallowed_methods, reason = "CI asks for all days")]
fn many(usually: u64, in_ci: u64) -> u64 {
    if std::env::var_os("ASSAY_BAD_DAYS").is_some() { in_ci } else { usually }
}

#[test]
fn on_ten_thousand_bad_days_nothing_is_lost_doubled_or_untold() {
    let count = many(500, 10_000);
    std::thread::scope(|scope| {
        scope.spawn(|| days((0..count).step_by(2), false));
        scope.spawn(|| days((1..count).step_by(2), false));
    });
}

#[test]
fn on_bad_days_of_a_real_lake_nothing_is_lost_doubled_or_untold() {
    days(20_000..20_000 + many(15, 150), true);
}

//! Days on which the workers of a job fail, die and hang at every effect, while others take over.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use assay_core::{Counts, Governed};
use assay_dlq::{Filter, Index, LogQueue};
use assay_log::{Log, TopicSpec};
use assay_pipeline::{Carried, Ledger, Patience, ReplayError, Replayer, Runner, Stop, Targets};
use assay_store::{LetterFilter, ReplayOptions, Store};
use chrono::TimeDelta;
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

use super::{asked, outcome};
use crate::bad_days::memory::{MemoryLog, MemoryTable, MemoryTables};
use crate::bad_days::shaky::{Dice, Fate as Doom, Shaky};
use crate::messages::{message, record};
use crate::shop::Shop;

/// What outlives every worker.
struct World<'a> {
    shop: &'a Shop,
    log: Arc<dyn Log>,
    targets: Arc<dyn Targets>,
    store: Arc<Store>,
}

impl World<'_> {
    /// A worker of the job with this fate.
    async fn worker(&self, doom: &Arc<Doom>, job: Uuid) -> Result<Carried, ReplayError> {
        let log: Arc<dyn Log> = Arc::new(Shaky::new(doom, Arc::clone(&self.log)));
        let ledger: Arc<dyn Ledger> = Arc::clone(&self.store) as _;
        let queue = Arc::new(LogQueue::new(Arc::clone(&log)));
        let runner = Runner {
            targets: Arc::new(Shaky::new(doom, Arc::clone(&self.targets))),
            queue: Arc::clone(&queue) as _,
            log,
            ledger: Arc::new(Shaky::new(doom, ledger)),
            patience: Patience { tries: 3, first_pause: Duration::ZERO, ..Patience::default() },
            stop: Stop::default(),
            ..self.shop.runner()
        };
        let index = Index::new(queue, Arc::clone(&self.store));
        let ingest = self.shop.ingest_of();
        let pipeline = &self.shop.pipeline;
        let replayer = Replayer { runner: &runner, ingest: &ingest, index: &index, pipeline };
        replayer.carry_out(job, Uuid::new_v4(), &|_: &Counts| {}).await
    }

    /// Says how much befell the workers.
    async fn bad_day(&self, dice: &Dice, job: Uuid) -> usize {
        let mut dooms = Vec::new();
        let mut sleepers = Vec::new();
        for _ in 0..4 {
            let doom = Doom::new(dice.below(u64::MAX), 4 + dice.below(20));
            dooms.push(Arc::clone(&doom));
            let mut life = {
                let doom = Arc::clone(&doom);
                Box::pin(async move { self.worker(&doom, job).await })
            };
            tokio::select! {
                _ = &mut life => continue,
                () = doom.died.notified() => continue,
                () = doom.hung.notified() => {}
            }
            sleepers.push((doom, life));
            self.shop.clock.advance(TimeDelta::seconds(dice.below(90) as i64));
        }
        // They wake up long after others have done their work.
        for (doom, life) in sleepers {
            doom.calm();
            doom.wake.notify_one();
            let _ = life.await;
        }
        dooms.iter().map(|doom| doom.story.lock().unwrap().len()).sum()
    }
}

#[test]
fn on_bad_days_of_a_replay_every_letter_lands_once_or_is_open() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = TempDir::new().unwrap();
    runtime.block_on(async {
        let strict = Shop::open().await;
        let mut mended = Shop::open().await;
        let file = "contracts/bronze.orders.odcs.yaml";
        // What is called `odd` is mended, what is called `bad` is not.
        mended.change(&[(file, "{minLength: 1}", "{minLength: 3, maxLength: 3}")]);
        let mut befell = 0;
        for seed in 0..60 {
            befell += day(&strict, &mended, folder.path(), seed).await;
        }
        assert!(befell > 60, "these were no bad days: {befell}");
    });
}

/// Every way in which a job can be disturbed, on a table and a log in memory.
async fn day(strict: &Shop, mended: &Shop, folder: &Path, seed: u64) -> usize {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::default());
    let topic = TopicSpec { name: "shop_orders".to_owned(), partitions: 2, retention: None };
    log.create(&topic).await.unwrap();
    let table = Arc::new(MemoryTable::default());
    let targets: Arc<dyn Targets> = Arc::new(MemoryTables(Arc::clone(&table)));
    let store = Arc::new(Store::open(&folder.join(format!("{seed}.db"))).await.unwrap());
    let queue = Arc::new(LogQueue::new(Arc::clone(&log)));
    let records: Vec<_> = (0..9).map(|n| record(&format!("{n}"), json!({"kind": ""}))).collect();
    log.append("shop_orders", vec![message(strict, &records, None)]).await.unwrap();
    let runner = Runner {
        targets: Arc::clone(&targets),
        queue: Arc::clone(&queue) as _,
        log: Arc::clone(&log),
        ledger: Arc::clone(&store) as _,
        ..strict.runner()
    };
    runner.run(&strict.pipeline, &strict.stage("take"), Governed::ALL).await.unwrap();

    let index = Index::new(queue, Arc::clone(&store));
    index.catch_up(&|_| {}).await.unwrap();
    let kind = "kind = CASE WHEN CAST(\"no\" AS INT) % 3 = 0 THEN 'bad!' ELSE 'odd' END";
    let options = ReplayOptions {
        batch: 2,
        stop_percent: 100.0,
        transform: Some(kind.to_owned()),
        ..ReplayOptions::default()
    };
    let asked = asked(&strict.pipeline.name, "take", options, false);
    let now = assay_core::Clock::now(mended.clock.as_ref());
    let job = index.start(&asked, Uuid::new_v4(), now, None).await.unwrap();
    assert_eq!(job.letters, 9);
    let world = World { shop: mended, log, targets, store };
    let befell = world.bad_day(&Dice::new(seed), job.id).await;
    let calm = world.worker(&Doom::new(0, 0), job.id).await;
    assert!(matches!(calm, Ok(_) | Err(ReplayError::Over(..))), "seed {seed}: {calm:?}");

    index.catch_up(&|_| {}).await.unwrap();
    let told = world.store.replay_outcome(job.id).await.unwrap();
    assert_eq!(told, outcome(&[("again", 3), ("landed", 6)]), "seed {seed}");
    let mut keys = table.keys();
    keys.sort();
    assert_eq!(keys, ["1", "2", "4", "5", "7", "8"], "seed {seed}");
    let open = index.list(&LetterFilter::default(), 100, 0).await.unwrap();
    let mut open: Vec<_> = open.iter().map(|l| (l.origin.clone().unwrap().0, l.attempt)).collect();
    open.sort();
    let expected = ["0", "3", "6"].map(|no| (no.to_owned(), 2));
    assert_eq!(open, expected, "seed {seed}");
    let scanned = Filter { limit: 1000, ..Filter::default() };
    let scanned = index.queue().list(&scanned).await.unwrap();
    assert_eq!(scanned.iter().filter(|letter| letter.attempt == 2).count(), 3, "seed {seed}");
    befell
}

//! A shop's pipeline and everything that it runs on.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{Array, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use assay_core::{Clock, Counts, Governed, Ids};
use assay_dlq::{Filter, LetterView, LogQueue};
use assay_log::{EmbeddedLog, Log};
use assay_pipeline::{
    Folder, Ingest, IngestError, IngestSummary, Input, KEYS_PER_BATCH, Lake, LakeTarget,
    LakeTargets, Patience, Pipeline, Places, Query, RunError, RunSummary, Runner, Stage, Stop,
    Watch,
};
use assay_store::Store;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

/// The files of the pipeline, as they are before a test changes them.
const FILES: [(&str, &str); 8] = [
    ("pipeline.yaml", include_str!("shop/pipeline.yaml")),
    ("schemas/order.avsc", include_str!("shop/schemas/order.avsc")),
    ("models/take.sql", include_str!("shop/models/take.sql")),
    ("models/sell.sql", include_str!("shop/models/sell.sql")),
    ("models/total.sql", include_str!("shop/models/total.sql")),
    ("contracts/bronze.orders.odcs.yaml", include_str!("shop/contracts/bronze.orders.odcs.yaml")),
    ("contracts/silver.sales.odcs.yaml", include_str!("shop/contracts/silver.sales.odcs.yaml")),
    ("contracts/gold.city_days.odcs.yaml", include_str!("shop/contracts/gold.city_days.odcs.yaml")),
];

/// In `file`, what stands there and what shall stand there instead.
pub(crate) type Edit<'a> = (&'a str, &'a str, &'a str);

/// All flags but those named.
pub(crate) const WITHOUT_QUALITY: Governed = Governed { quality: false, ..Governed::ALL };
pub(crate) const WITHOUT_LETTERS: Governed = Governed { dead_letters: false, ..Governed::ALL };
pub(crate) const WITHOUT_LINEAGE: Governed = Governed { lineage: false, ..Governed::ALL };
pub(crate) const WITHOUT_METRICS: Governed = Governed { metrics: false, ..Governed::ALL };

#[derive(Debug)]
pub(crate) struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    pub(crate) fn at(time: &str) -> Arc<ManualClock> {
        Arc::new(ManualClock(Mutex::new(time.parse().unwrap())))
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

#[derive(Debug, Default)]
pub(crate) struct CountingIds(AtomicU64);

impl Ids for CountingIds {
    fn next(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed) + 1))
    }
}

struct Silent;

impl Watch for Silent {
    fn progress(&self, _: &Stage, _: &Counts) {}
}

pub(crate) struct Shop {
    pub(crate) folder: TempDir,
    pub(crate) pipeline: Pipeline,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ids: Arc<CountingIds>,
    pub(crate) lake: Arc<Lake>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) store: Arc<Store>,
    pub(crate) queue: Arc<LogQueue>,
    pub(crate) stop: Stop,
    inputs: AtomicU64,
}

impl Shop {
    pub(crate) async fn open() -> Shop {
        Shop::edited(&[]).await
    }

    /// A shop whose pipeline differs from the usual one.
    pub(crate) async fn edited(edits: &[Edit<'_>]) -> Shop {
        let folder = TempDir::new().unwrap();
        write_pipeline(&folder.path().join("pipeline"), edits);
        let pipeline = Pipeline::load(&Folder::Disk(folder.path().join("pipeline"))).unwrap();
        let clock = ManualClock::at("2026-03-10T12:00:00Z");
        let lake = open_lake(folder.path(), &clock).await;
        let time: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let log: Arc<dyn Log> =
            Arc::new(EmbeddedLog::open(&folder.path().join("log.db"), time).await.unwrap());
        Shop {
            lake,
            pipeline,
            store: Arc::new(Store::open(&folder.path().join("store.db")).await.unwrap()),
            queue: Arc::new(LogQueue::new(Arc::clone(&log))),
            log,
            clock,
            ids: Arc::default(),
            stop: Stop::default(),
            inputs: AtomicU64::default(),
            folder,
        }
    }

    /// Changes the pipeline as a person would, and loads it anew.
    pub(crate) fn change(&mut self, edits: &[Edit<'_>]) {
        let folder = self.path("pipeline");
        write_pipeline(&folder, edits);
        self.pipeline = Pipeline::load(&Folder::Disk(folder)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn places(&self) -> Places {
        Places { lake: Arc::clone(&self.lake), postgres: None }
    }

    pub(crate) fn runner(&self) -> Runner {
        Runner {
            lake: Arc::clone(&self.lake),
            targets: Arc::new(LakeTargets(Arc::clone(&self.lake))),
            log: Arc::clone(&self.log),
            ledger: Arc::clone(&self.store) as _,
            queue: Arc::clone(&self.queue) as _,
            clock: Arc::clone(&self.clock) as _,
            ids: Arc::clone(&self.ids) as _,
            spool: self.folder.path().to_owned(),
            watch: Arc::new(Silent),
            stop: self.stop.clone(),
            keys_per_batch: KEYS_PER_BATCH,
            patience: Patience { tries: 3, first_pause: Duration::ZERO, ..Patience::default() },
        }
    }

    /// Takes in a file with these bytes.
    pub(crate) async fn ingest(
        &self,
        bytes: impl AsRef<[u8]>,
    ) -> Result<IngestSummary, IngestError> {
        let number = self.inputs.fetch_add(1, Ordering::Relaxed);
        let path = self.path(&format!("input-{number}.jsonl"));
        std::fs::write(&path, bytes).unwrap();
        self.ingest_file(path).await
    }

    pub(crate) async fn ingest_file(&self, path: PathBuf) -> Result<IngestSummary, IngestError> {
        self.ingest_watched(path, &|_| {}).await
    }

    /// Takes a file in, with an ear for how it gets on.
    pub(crate) async fn ingest_watched(
        &self,
        path: PathBuf,
        progress: &(dyn Fn(&Counts) + Send + Sync),
    ) -> Result<IngestSummary, IngestError> {
        let ingest = Ingest {
            log: Arc::clone(&self.log),
            store: Arc::clone(&self.store),
            queue: Arc::clone(&self.queue) as _,
            clock: Arc::clone(&self.clock) as _,
            ids: Arc::clone(&self.ids) as _,
            spool: self.folder.path().to_owned(),
            stop: self.stop.clone(),
        };
        ingest.run(&self.pipeline, &Input::File(path), progress).await
    }

    /// Takes orders in, all of which must be good JSON.
    pub(crate) async fn take(&self, orders: &[Value]) {
        let summary = self.ingest(lines(orders)).await.unwrap();
        assert_eq!(summary.counts.written, orders.len() as u64);
    }

    pub(crate) fn stage(&self, name: &str) -> Arc<Stage> {
        let named = |stage: &&Arc<Stage>| stage.id.stage == name;
        Arc::clone(self.pipeline.stages.iter().find(named).unwrap())
    }

    pub(crate) fn target(&self, stage: &str) -> LakeTarget {
        LakeTarget::new(Arc::clone(&self.lake), Arc::clone(&self.stage(stage).writes))
    }

    pub(crate) async fn run(
        &self,
        stage: &str,
        governed: Governed,
    ) -> Result<RunSummary, RunError> {
        let summary = self.runner().run(&self.pipeline, &self.stage(stage), governed).await?;
        assert!(summary.counts.balance(), "{:?}", summary.counts);
        Ok(summary)
    }

    /// Runs all stages with all of governance; `[read, written, rejected, filtered, duplicates]`
    /// of each.
    pub(crate) async fn run_all(&self) -> Vec<[u64; 5]> {
        let mut counted = Vec::new();
        for stage in &self.pipeline.stages {
            let summary = self.run(&stage.id.stage, Governed::ALL).await.unwrap();
            counted.push(numbers(&summary.counts));
        }
        counted
    }

    /// The rows of an answer, as text.
    pub(crate) async fn query(&self, sql: &str) -> Vec<String> {
        self.try_query(sql).await.unwrap()
    }

    pub(crate) async fn try_query(&self, sql: &str) -> anyhow::Result<Vec<String>> {
        let mut query = Query::open(&self.lake, sql, None).await?;
        let mut found = Vec::new();
        while let Some(rows) = query.next().await? {
            found.extend(texts(&rows));
        }
        Ok(found)
    }

    pub(crate) async fn letters(&self) -> Vec<LetterView> {
        self.queue.list(&Filter::default()).await.unwrap()
    }

    /// Letters, also those of drafts that never were committed.
    pub(crate) async fn all_letters(&self) -> Vec<LetterView> {
        let all = Filter { include_void: true, ..Filter::default() };
        self.queue.list(&all).await.unwrap()
    }

    /// The id of the newest snapshot of every table: equal when nothing was written.
    pub(crate) async fn snapshots(&self) -> Vec<(String, Option<i64>)> {
        let mut found = Vec::new();
        for dataset in self.lake.datasets().await.unwrap() {
            let info = self.lake.info(&dataset).await.unwrap();
            found.push((dataset.to_string(), info.snapshots.first().map(|newest| newest.id)));
        }
        found
    }
}

/// Another process's view of the same lake.
pub(crate) async fn open_lake(folder: &Path, clock: &Arc<ManualClock>) -> Arc<Lake> {
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    Arc::new(Lake::open(&folder.join("lake"), folder, 64 << 20, clock).await.unwrap())
}

pub(crate) fn write_pipeline(folder: &Path, edits: &[Edit<'_>]) {
    for (name, text) in FILES {
        let mut text = text.to_owned();
        for (_, from, to) in edits.iter().filter(|(file, ..)| *file == name) {
            assert!(text.contains(from), "{name} has no `{from}`");
            text = text.replacen(from, to, 1);
        }
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    for (file, ..) in edits {
        assert!(FILES.iter().any(|(name, _)| name == file), "there is no {file}");
    }
}

/// An order as it comes in.
pub(crate) fn order(no: &str, city: &str, amount: i64, placed: &str) -> Value {
    json!({
        "no": no, "kind": "web", "buyer": {"number": 7, "city": city},
        "details": {"price": {"amount": amount}, "parts": 2, "note": "not looked at"},
        "placed": placed,
    })
}

/// `order` with other members.
pub(crate) fn with(mut order: Value, members: Value) -> Value {
    let Value::Object(members) = members else { panic!("members are an object") };
    order.as_object_mut().unwrap().extend(members);
    order
}

pub(crate) fn lines(orders: &[Value]) -> String {
    orders.iter().map(|order| format!("{order}\n")).collect()
}

pub(crate) fn numbers(counts: &Counts) -> [u64; 5] {
    [counts.read, counts.written, counts.rejected, counts.filtered, counts.duplicates]
}

fn texts(rows: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<ArrayFormatter<'_>> = rows
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column as &dyn Array, &options).unwrap())
        .collect();
    let row = |row| columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join(" ");
    (0..rows.num_rows()).map(row).collect()
}

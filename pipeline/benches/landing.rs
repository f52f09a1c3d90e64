//! Small JSON messages from the embedded log to bronze, 163 bytes each: how many in a second of
//! processor time, and what of it is reading the log.
//!
//! `./dev bench landing [MESSAGES]`; the files are put below `TMPDIR`.
#![allow(clippy::unwrap_used, reason = "a benchmark that can't go on panics")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use assay_core::{Clock, Counts, Governed, Ids, RandomIds, SystemClock};
use assay_dlq::LogQueue;
use assay_log::{EmbeddedLog, Fetch, Log, NewRecord, TopicSpec};
use assay_pipeline::{
    Folder, KEYS_PER_BATCH, Lake, LakeTargets, Patience, Pipeline, Runner, Stage, Stop, Watch,
};
use assay_store::Store;
use bytes::Bytes;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TOPIC: &str = "topic_clickstream";
const PARTITIONS: u32 = 3;
/// Messages of one append.
const APPEND: u64 = 20_000;

struct Silent;

impl Watch for Silent {
    fn progress(&self, _: &Stage, _: &Counts) {}
}

#[tokio::main]
async fn main() {
    // Cargo adds `--bench`.
    let count = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(2_000_000);
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let path = folder.path().join("log.db");
    let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(&path, Arc::clone(&clock)).await.unwrap());
    fill(log.as_ref(), count).await;
    println!("{count} messages of {} bytes in {PARTITIONS} partitions", click(0).len());
    let (_, reading) = measured("read the log", count, read(log.as_ref())).await;

    let clicks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clickstream");
    let pipeline = Pipeline::load(&Folder::Disk(clicks)).unwrap();
    for (name, governed) in [("land, ungoverned", Governed::default()), ("land", Governed::ALL)] {
        let home = folder.path().join(name);
        let runner = runner(&home, Arc::clone(&log), Arc::clone(&clock)).await;
        let stage = &pipeline.stages[0];
        let run = Box::pin(runner.run(&pipeline, stage, governed));
        let (summary, landing) = measured(name, count, run).await;
        assert_eq!(summary.unwrap().counts.written, count);
        let alone = landing.saturating_sub(reading);
        show("  without reading the log", count, alone, alone);
    }
}

async fn runner(folder: &Path, log: Arc<dyn Log>, clock: Arc<dyn Clock>) -> Runner {
    let lake = Lake::open(&folder.join("lake"), folder, 1 << 30, Arc::clone(&clock)).await;
    let lake = Arc::new(lake.unwrap());
    let ids: Arc<dyn Ids> = Arc::new(RandomIds);
    Runner {
        targets: Arc::new(LakeTargets(Arc::clone(&lake))),
        lake,
        ledger: Arc::new(Store::open(&folder.join("store.db")).await.unwrap()),
        queue: Arc::new(LogQueue::open(Arc::clone(&log)).await.unwrap()),
        log,
        clock,
        ids,
        spool: folder.to_owned(),
        watch: Arc::new(Silent),
        stop: Stop::default(),
        patience: Patience::default(),
        keys_per_batch: KEYS_PER_BATCH,
    }
}

fn click(number: u64) -> String {
    format!(
        r#"{{"anonymous_id":"anon_{number:012}","event":"page_view","timestamp":"2026-03-10T11:59:00Z","user_id":{user:07},"context":{{"ip":"10.0.0.1","page":"/tours/{tour:09}"}}}}"#,
        user = 1_000_000 + number % 9_000_000,
        tour = number % 1_000_000,
    )
}

async fn fill(log: &dyn Log, count: u64) {
    let topic = TopicSpec { name: TOPIC.to_owned(), partitions: PARTITIONS, retention: None };
    log.create(&topic).await.unwrap();
    for first in (0..count).step_by(APPEND as usize) {
        let record = |number: u64| NewRecord {
            partition: Some((number / APPEND % u64::from(PARTITIONS)) as u32),
            value: Some(Bytes::from(click(number))),
            ..NewRecord::default()
        };
        let records = (first..count.min(first + APPEND)).map(record).collect();
        log.append(TOPIC, records).await.unwrap();
    }
}

async fn read(log: &dyn Log) {
    for ends in log.ends(TOPIC).await.unwrap() {
        let (mut from, fetch) = (ends.start, Fetch { max_records: 8192, max_bytes: 2 << 20 });
        while from < ends.end {
            let records = log.read(TOPIC, ends.partition, from, fetch).await.unwrap();
            from = records.last().unwrap().offset + 1;
        }
    }
}

async fn measured<T>(what: &str, count: u64, work: impl Future<Output = T>) -> (T, Duration) {
    let (start, busy) = (Instant::now(), processor_time());
    let done = work.await;
    let busy = processor_time() - busy;
    show(what, count, start.elapsed(), busy);
    (done, busy)
}

fn show(what: &str, count: u64, took: Duration, busy: Duration) {
    let per_second = |time: Duration| count as f64 / time.as_secs_f64();
    println!(
        "{what:28} {:6.2} s  {:9.0} messages/s  {:6.2} s of processor  {:9.0} per second of it",
        took.as_secs_f64(),
        per_second(took),
        busy.as_secs_f64(),
        per_second(busy)
    );
}

/// What all threads of this process have used.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    // A tick is 10 ms wherever Linux runs.
    Duration::from_millis(10 * ticks)
}

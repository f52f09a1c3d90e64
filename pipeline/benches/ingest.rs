//! From the log to bronze: small JSON messages, 163 bytes each, and events in Avro containers. How many
//! in a second of processor time, what of it is reading the log, and what decoding and writing alone take.
//!
//! `./dev bench ingest [MESSAGES] [--kafka HOST:PORT] [--events FILE]`; the files are put below `TMPDIR`.
#![allow(clippy::unwrap_used, reason = "a benchmark that can't go on panics")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use assay_core::{Clock, Counts, Governed, Ids, RandomIds, SystemClock};
use assay_dlq::LogQueue;
use assay_log::{EmbeddedLog, Fetch, KafkaLog, KafkaSettings, Log, NewRecord, TopicSpec};
use assay_pipeline::{
    Folder, Ingest, Input, KEYS_PER_BATCH, Lake, LakeTargets, Patience, Pipeline, RecordSchema,
    Runner, Stage, Stop, Watch,
};
use assay_store::Store;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TOPIC: &str = "topic_clickstream";
const EVENTS: &str = "raw_metrics_avro";
const PARTITIONS: u32 = 3;
/// Messages of one append.
const APPEND: u64 = 20_000;

struct Silent;

impl Watch for Silent {
    fn progress(&self, _: &Stage, _: &Counts) {}
}

#[tokio::main]
async fn main() {
    let asked = Asked::from_arguments();
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let log = asked.log(folder.path(), &clock).await;
    clicks(&asked, folder.path(), &log, &clock).await;
    if let Some(events) = &asked.events {
        containers(events, folder.path(), &log, &clock).await;
    }
}

/// What is measured. Cargo adds `--bench`.
struct Asked {
    messages: u64,
    /// A broker in place of the embedded log; what is there of these topics is read as well.
    kafka: Option<String>,
    /// Lines of GitHub events.
    events: Option<PathBuf>,
}

impl Asked {
    fn from_arguments() -> Asked {
        let mut asked = Asked { messages: 2_000_000, kafka: None, events: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--kafka" => asked.kafka = arguments.next(),
                "--events" => asked.events = arguments.next().map(PathBuf::from),
                other => asked.messages = other.parse().unwrap_or(asked.messages),
            }
        }
        asked
    }

    async fn log(&self, folder: &Path, clock: &Arc<dyn Clock>) -> Arc<dyn Log> {
        match &self.kafka {
            Some(brokers) => {
                let brokers = format!("kafka://{brokers}").parse().unwrap();
                let settings = KafkaSettings { brokers, sasl: None, tls: None };
                Arc::new(KafkaLog::open(&settings, clock.as_ref()).unwrap())
            }
            None => {
                let path = folder.join("log.db");
                Arc::new(EmbeddedLog::open(&path, Arc::clone(clock)).await.unwrap())
            }
        }
    }
}

/// Small JSON messages.
async fn clicks(asked: &Asked, folder: &Path, log: &Arc<dyn Log>, clock: &Arc<dyn Clock>) {
    let count = asked.messages;
    fill(log.as_ref(), count).await;
    println!("{count} messages of {} bytes in {PARTITIONS} partitions", click(0).len());
    let (_, reading) = measured("read the log", count, read(log.as_ref(), TOPIC)).await;
    let folder_of = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clickstream");
    let pipeline = Pipeline::load(&Folder::Disk(folder_of)).unwrap();
    for (name, governed) in [("land, ungoverned", Governed::default()), ("land", Governed::ALL)] {
        let runner = runner(&folder.join(name), Arc::clone(log), Arc::clone(clock)).await;
        let landing = land(&runner, &pipeline, name, governed, count).await;
        let alone = landing.saturating_sub(reading);
        show("  without reading the log", count, alone, alone);
    }
}

/// Events in Avro containers, and beside it the least that landing them can be.
async fn containers(file: &Path, folder: &Path, log: &Arc<dyn Log>, clock: &Arc<dyn Clock>) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/github_events");
    let pipeline = Pipeline::load(&Folder::Disk(shipped)).unwrap();
    let runner = runner(&folder.join("events"), Arc::clone(log), Arc::clone(clock)).await;
    let ingest = Ingest {
        log: Arc::clone(log),
        store: Arc::new(Store::open(&folder.join("ingest.db")).await.unwrap()),
        queue: Arc::clone(&runner.queue),
        clock: Arc::clone(clock),
        ids: Arc::clone(&runner.ids),
        spool: folder.to_owned(),
        stop: Stop::default(),
    };
    let input = Input::File(file.to_owned());
    let count = ingest.run(&pipeline, &input, &|_| {}).await.unwrap().counts.written;
    println!("\n{count} events of {} in Avro containers", file.display());
    let topic = &pipeline.ingest.as_ref().unwrap().topic;
    let (messages, _) = measured("read the log", count, read(log.as_ref(), EVENTS)).await;
    let decode =
        async { decode_and_write(&topic.schema, &messages, &folder.join("alone.parquet")) };
    let (_, least) = measured("decode and write, in a loop", count, decode).await;
    drop(messages);
    let landing = land(&runner, &pipeline, "land, governed", Governed::ALL, count).await;
    println!("the loop ÷ landing: {:.2}", least.as_secs_f64() / landing.as_secs_f64());
}

/// Decodes every message and writes its columns to one Parquet file, packed as the lake packs them.
fn decode_and_write(schema: &RecordSchema, messages: &[Bytes], file: &Path) {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(zstd).build();
    let file = std::fs::File::create(file).unwrap();
    let mut writer =
        ArrowWriter::try_new(file, Arc::clone(schema.arrow()), Some(properties)).unwrap();
    for message in messages {
        writer.write(&schema.decode(message).unwrap()).unwrap();
    }
    writer.close().unwrap();
}

async fn land(
    runner: &Runner,
    pipeline: &Pipeline,
    name: &str,
    governed: Governed,
    count: u64,
) -> Duration {
    let run = Box::pin(runner.run(pipeline, &pipeline.stages[0], governed));
    let (summary, landing) = measured(name, count, run).await;
    assert_eq!(summary.unwrap().counts.written, count);
    landing
}

async fn runner(folder: &Path, log: Arc<dyn Log>, clock: Arc<dyn Clock>) -> Runner {
    let lake = Lake::open(&folder.join("lake"), folder, 1 << 30, Arc::clone(&clock)).await;
    let lake = Arc::new(lake.unwrap());
    let ids: Arc<dyn Ids> = Arc::new(RandomIds);
    Runner {
        targets: Arc::new(LakeTargets(Arc::clone(&lake))),
        lake,
        ledger: Arc::new(Store::open(&folder.join("store.db")).await.unwrap()),
        queue: Arc::new(LogQueue::new(Arc::clone(&log))),
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

async fn read(log: &dyn Log, topic: &str) -> Vec<Bytes> {
    let mut messages = Vec::new();
    for ends in log.ends(topic).await.unwrap() {
        let (mut from, fetch) = (ends.start, Fetch { max_records: 8192, max_bytes: 2 << 20 });
        while from < ends.end {
            let records = log.read(topic, ends.partition, from, fetch).await.unwrap();
            from = records.last().unwrap().offset + 1;
            if topic == EVENTS {
                messages.extend(records.into_iter().filter_map(|record| record.value));
            }
        }
    }
    messages
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

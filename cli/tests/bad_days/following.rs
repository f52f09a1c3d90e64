//! Workers that follow a topic while events come in, and what befalls them: killed, suspended,
//! told to end, two at a time. At the end every event is in the table once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use assay_core::SystemClock;
use assay_log::{EmbeddedLog, Log, NewRecord, TopicSpec};
use serde_json::Value;
use tempfile::TempDir;

use crate::books::{Books, let_a_minute_pass};
use crate::chance::Chance;
use crate::office::{End, Office, Worker};

const CLICKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipeline/tests/clickstream");
const TOPIC: &str = "topic_clickstream";

/// Clicks that come in all the time, and are counted when they are in the log.
struct Load {
    over: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    coming: thread::JoinHandle<()>,
}

impl Load {
    /// So many at a time, with a pause between.
    fn start(office: &Office, at_once: u64, pause: Duration) -> Load {
        let (over, count) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (path, stop, counted) = (office.data().join("log.db"), over.clone(), count.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let log = runtime.block_on(EmbeddedLog::open(&path, Arc::new(SystemClock))).unwrap();
        let topic = TopicSpec { name: TOPIC.to_owned(), partitions: 3, retention: None };
        runtime.block_on(log.create(&topic)).unwrap();
        let coming = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let first = counted.load(Ordering::Relaxed);
                let clicks = (first..first + at_once).map(click).collect();
                runtime.block_on(log.append(TOPIC, clicks)).unwrap();
                counted.store(first + at_once, Ordering::Relaxed);
                thread::sleep(pause);
            }
        });
        Load { over, count, coming }
    }

    fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.coming.join().unwrap();
        self.count.load(Ordering::Relaxed)
    }
}

fn click(number: u64) -> NewRecord {
    let text = format!(
        r#"{{"anonymous_id":"anon_{number:010}","event":"page_view","user_id":{number},"timestamp":"2026-03-10T11:59:00Z"}}"#
    );
    NewRecord { value: Some(text.into()), ..NewRecord::default() }
}

fn office() -> (TempDir, Office) {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    (folder, Office::at(data))
}

fn follower(office: &Office) -> Worker {
    let often = ["--commit-every", "0.2"];
    let run = ["run", "kafka-to-bronze", "--pipeline", CLICKS, "--governed", "--follow"];
    office.start(&[&run[..], &often].concat())
}

/// Rows of the table, and how many of them differ.
fn rows(office: &Office) -> (u64, u64) {
    let count = "SELECT count(*) AS rows, count(DISTINCT user_id) AS ids FROM bronze.clickstream";
    let found: Vec<BTreeMap<String, Value>> =
        serde_json::from_str(&office.assay(&["query", count, "-o", "json"])).unwrap();
    (found[0]["rows"].as_u64().unwrap(), found[0]["ids"].as_u64().unwrap())
}

fn must_come(office: &Office, all: u64) {
    let start = Instant::now();
    while rows(office).0 < all && start.elapsed() < Duration::from_secs(120) {
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(rows(office), (all, all), "every click is there, and none twice");
}

fn must_drain(worker: Worker) {
    worker.terminate();
    let end = worker.end();
    assert!(matches!(end, End::Code(0, _)), "told to end, a worker ends well: {end:?}");
}

#[test]
fn killed_twenty_times_at_random_workers_take_every_click_once() {
    let ((_folder, office), mut chance) = (office(), Chance::seeded(0xc11c));
    let load = Load::start(&office, 20, Duration::from_millis(10));
    let mut workers = vec![follower(&office), follower(&office)];
    let (mut kills, mut drains, mut sleeps) = (0, 0, 0);
    while kills < 20 {
        thread::sleep(Duration::from_millis(100) + chance.time(Duration::from_millis(900)));
        let worker = workers.remove(chance.below(2) as usize);
        match chance.below(6) {
            0 => {
                must_drain(worker);
                drains += 1;
                workers.push(follower(&office));
            }
            1 => {
                // One that sleeps on the lock of a database holds up all others.
                worker.suspend();
                thread::sleep(chance.time(Duration::from_secs(2)));
                worker.resume();
                sleeps += 1;
                workers.push(worker);
            }
            _ => {
                assert_eq!(worker.killed(), End::Killed);
                kills += 1;
                workers.push(follower(&office));
            }
        }
    }
    let all = load.end();
    println!("{kills} killed, {drains} told to end, {sleeps} suspended; {all} clicks");
    must_come(&office, all);
    workers.into_iter().for_each(must_drain);
    let_a_minute_pass(&office);
    office.start(&["run", "all", "--pipeline", CLICKS, "--governed"]).fine();
    assert_eq!(rows(&office), (all, all));
    Books::of(&office).must_agree();
}

#[test]
fn a_worker_that_is_told_to_end_under_load_commits_what_it_has_read_and_says_so() {
    let (_folder, office) = office();
    let load = Load::start(&office, 50, Duration::from_millis(5));
    let mut taken = 0;
    for _ in 0..3 {
        let worker = follower(&office);
        thread::sleep(Duration::from_secs(2));
        must_drain(worker);
        let (rows, ids) = rows(&office);
        assert_eq!(rows, ids);
        assert!(rows > taken, "it took something");
        taken = rows;
    }
    let all = load.end();
    let worker = follower(&office);
    must_come(&office, all);
    must_drain(worker);
    Books::of(&office).must_agree();
}

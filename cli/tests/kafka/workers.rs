//! Workers that share a topic come, go and die: every message is one row.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use assay_core::SystemClock;
use assay_log::{KafkaLog, KafkaSettings, Log, NewRecord, TopicSpec};

use crate::broker::Broker;
use crate::office::Office;

const CLICKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipeline/tests/clickstream");
const TOPIC: &str = "topic_clickstream";
const PARTITIONS: u32 = 3;

/// Writes clicks, each with a number of its own.
struct Clicks {
    log: KafkaLog,
    runtime: tokio::runtime::Runtime,
    written: u64,
}

impl Clicks {
    fn open(broker: &Broker) -> Clicks {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let brokers = broker.log().parse().unwrap();
        let settings = KafkaSettings { brokers, sasl: None, tls: None };
        let log = KafkaLog::open(&settings, &SystemClock).unwrap();
        let name = TOPIC.to_owned();
        let spec = TopicSpec { name, partitions: PARTITIONS, retention: None };
        runtime.block_on(log.create(&spec)).unwrap();
        Clicks { log, runtime, written: 0 }
    }

    fn write(&mut self, count: u64) {
        let click = |number| {
            let text = format!(
                r#"{{"anonymous_id":"anon_{number:010}","event":"page_view","user_id":{number}}}"#
            );
            NewRecord { value: Some(text.into()), ..NewRecord::default() }
        };
        let records = (self.written..self.written + count).map(click).collect();
        self.runtime.block_on(self.log.append(TOPIC, records)).unwrap();
        self.written += count;
    }

    fn ends(&self) -> u64 {
        let ends = self.runtime.block_on(self.log.ends(TOPIC)).unwrap();
        ends.iter().map(|ends| ends.end).sum()
    }
}

/// A worker that goes with the test.
struct Worker(Child);

impl Worker {
    fn signal(&self, name: &str) {
        let order = format!("kill -{name} {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &order]).status().unwrap().success());
    }

    /// Tells it to stop, and says with which code it ended.
    fn end(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.0.wait().unwrap().code()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn follow(office: &Office) -> Worker {
    let run = ["run", "kafka-to-bronze", "--pipeline", CLICKS, "--governed", "--follow"];
    let mut command = office.command(&[&run[..], &["--commit-every", "0.3"]].concat());
    Worker(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// How many rows there are, and how many different ones.
fn rows(office: &Office) -> (u64, u64) {
    let sql = "SELECT COUNT(*) AS n, COUNT(DISTINCT anonymous_id) AS ids FROM bronze.clickstream";
    let asked = office.command(&["query", sql, "-o", "json"]).output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&asked.stdout).unwrap_or_default();
    (told[0]["n"].as_u64().unwrap_or(0), told[0]["ids"].as_u64().unwrap_or(0))
}

fn wait_for_rows(office: &Office, wanted: u64) {
    let until = Instant::now() + Duration::from_secs(60);
    while rows(office) != (wanted, wanted) {
        assert!(Instant::now() < until, "{:?}, not {wanted}", rows(office));
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn workers_that_join_leave_stall_and_die_lose_and_double_nothing() {
    let Some(broker) = Broker::start() else { return };
    let mut clicks = Clicks::open(&broker);
    let office = Office::open(&broker.log());
    let one = follow(&office);
    clicks.write(2_000);
    wait_for_rows(&office, 2_000);

    let mut two = follow(&office);
    for _ in 0..20 {
        clicks.write(200);
        std::thread::sleep(Duration::from_millis(100));
    }
    wait_for_rows(&office, 6_000);
    // Both have their share, and Kafka's own tool shows it.
    let described = broker.tool(
        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        &["--describe", "--group", "clicks/land", "--members"],
    );
    let members: BTreeSet<&str> =
        described.lines().filter(|line| line.contains("assay-")).collect();
    assert_eq!(members.len(), 2, "{described}");

    drop(one);
    clicks.write(1_000);
    // The dead one's partitions come to the other when it was silent for ten seconds.
    wait_for_rows(&office, 7_000);

    let mut three = follow(&office);
    clicks.write(500);
    wait_for_rows(&office, 7_500);
    two.signal("STOP");
    clicks.write(500);
    wait_for_rows(&office, 8_000);
    // Awake again, it finds its place taken, and nothing twice.
    two.signal("CONT");
    clicks.write(500);
    wait_for_rows(&office, 8_500);
    assert_eq!((two.end(), three.end()), (Some(0), Some(0)));
    assert_eq!(rows(&office), (clicks.written, clicks.written));
    assert_eq!(clicks.ends(), clicks.written);
}

#[test]
fn a_broker_that_is_killed_under_a_worker_costs_nothing() {
    let Some(broker) = Broker::start() else { return };
    let mut clicks = Clicks::open(&broker);
    let office = Office::open(&broker.log());
    let mut worker = follow(&office);
    for round in 1..=2 {
        clicks.write(1_000);
        broker.command("kill");
        std::thread::sleep(Duration::from_secs(2));
        assert!(broker.command("start").status.success());
        wait_for_rows(&office, round * 1_000);
    }
    assert_eq!(worker.end(), Some(0));
}

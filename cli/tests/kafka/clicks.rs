//! Clicks in a topic, and workers that land them.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use assay_log::NewRecord;

use crate::broker::Broker;
use crate::office::Office;
use crate::topic::Topic;

pub(crate) const CLICKS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../pipeline/tests/clickstream");
pub(crate) const TOPIC: &str = "topic_clickstream";
const PARTITIONS: u32 = 3;

/// Writes clicks, each with a number of its own.
pub(crate) struct Clicks {
    pub(crate) topic: Topic,
    pub(crate) written: u64,
}

impl Clicks {
    pub(crate) fn open(broker: &Broker) -> Clicks {
        Clicks::in_partitions(broker, PARTITIONS)
    }

    pub(crate) fn in_partitions(broker: &Broker, partitions: u32) -> Clicks {
        Clicks { topic: Topic::open(broker, TOPIC, partitions), written: 0 }
    }

    pub(crate) fn write(&mut self, count: u64) {
        self.topic.append((self.written..self.written + count).map(click).collect());
        self.written += count;
    }
}

fn click(number: u64) -> NewRecord {
    let text =
        format!(r#"{{"anonymous_id":"anon_{number:010}","event":"page_view","user_id":{number}}}"#);
    NewRecord { value: Some(text.into()), ..NewRecord::default() }
}

/// A worker that goes with the test.
pub(crate) struct Worker {
    process: Child,
    told: Option<JoinHandle<String>>,
}

impl Worker {
    pub(crate) fn signal(&self, name: &str) {
        let order = format!("kill -{name} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &order]).status().unwrap().success());
    }

    /// Processor time that it has used.
    pub(crate) fn busy(&self) -> Duration {
        let told = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        // Behind the name: user and system time are the 14th and 15th, in hundredths of a second.
        let (_, rest) = told.rsplit_once(')').unwrap();
        let ticks =
            |at: usize| rest.split_whitespace().nth(at - 3).unwrap().parse::<u64>().unwrap();
        Duration::from_millis(10 * (ticks(14) + ticks(15)))
    }

    /// Kills it, as a power cut would.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Waits until it ends by itself: with which code, and what it said.
    pub(crate) fn ends(mut self) -> (Option<i32>, String) {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return (status.code(), self.told.take().unwrap().join().unwrap());
            }
            assert!(Instant::now() < until, "it does not end");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Tells it to stop, and says with which code it ended.
    pub(crate) fn end(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.process.wait().unwrap().code()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn follow(office: &Office) -> Worker {
    let run = ["run", "kafka-to-bronze", "--pipeline", CLICKS, "--governed", "--follow"];
    let mut command = office.command(&[&run[..], &["--commit-every", "0.3"]].concat());
    let mut worker = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = worker.stderr.take().unwrap();
    // Read all the time, so that it never waits for us.
    let told = std::thread::spawn(move || {
        let mut told = String::new();
        let _ = stderr.read_to_string(&mut told);
        told
    });
    Worker { process: worker, told: Some(told) }
}

/// How many rows there are, and how many different ones.
pub(crate) fn rows(office: &Office) -> (u64, u64) {
    let sql = "SELECT COUNT(*) AS n, COUNT(DISTINCT anonymous_id) AS ids FROM bronze.clickstream";
    let asked = office.command(&["query", sql, "-o", "json"]).output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&asked.stdout).unwrap_or_default();
    (told[0]["n"].as_u64().unwrap_or(0), told[0]["ids"].as_u64().unwrap_or(0))
}

pub(crate) fn wait_for_rows(office: &Office, wanted: u64) {
    let until = Instant::now() + Duration::from_secs(60);
    while rows(office) != (wanted, wanted) {
        assert!(Instant::now() < until, "{:?}, not {wanted}", rows(office));
        std::thread::sleep(Duration::from_millis(200));
    }
}

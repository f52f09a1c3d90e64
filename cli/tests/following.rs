//! A worker as the one who runs it sees it: over HTTP, by signals, paused and resumed.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use assay_core::SystemClock;
use assay_log::{EmbeddedLog, Log, NewRecord, TopicSpec};
use serde_json::Value;
use tempfile::TempDir;

const CLICKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipeline/tests/clickstream");
const TOPIC: &str = "topic_clickstream";

struct Office {
    _folder: TempDir,
    data: PathBuf,
}

impl Office {
    fn open() -> Office {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        let office = Office { _folder: folder, data };
        office.append(&[]);
        office
    }

    /// Appends messages to the topic, which is made when it is not there.
    fn append(&self, messages: &[&str]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let path = self.data.join("log.db");
            let log = EmbeddedLog::open(&path, Arc::new(SystemClock)).await.unwrap();
            let topic = TopicSpec { name: TOPIC.to_owned(), partitions: 1, retention: None };
            log.create(&topic).await.unwrap();
            let record = |text: &&str| NewRecord {
                value: Some((*text).to_owned().into()),
                ..NewRecord::default()
            };
            log.append(TOPIC, messages.iter().map(record).collect()).await.unwrap();
        });
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command.current_dir(self.data.parent().unwrap()).env_remove("ASSAY_CONFIG");
        command.arg("--data-dir").arg(&self.data).args(arguments);
        command
    }

    fn assay(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn fine(&self, arguments: &[&str]) -> String {
        let output = self.assay(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn follow(&self, more: &[&str]) -> Worker {
        let run = ["run", "kafka-to-bronze", "--pipeline", CLICKS, "--governed", "--follow"];
        let listen = ["--listen", "0", "--commit-every", "0.1"];
        let mut command = self.command(&[&run[..], &listen, more].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("http://") {
            line.clear();
            assert!(told.read_line(&mut line).unwrap() > 0, "it ended before it listened");
        }
        let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        let rest = std::thread::spawn(move || {
            let mut rest = String::new();
            told.read_to_string(&mut rest).unwrap();
            rest
        });
        Worker { child, address, rest: Some(rest) }
    }
}

struct Worker {
    child: Child,
    address: String,
    rest: Option<std::thread::JoinHandle<String>>,
}

impl Worker {
    /// The status and the body of an answer.
    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    fn ready(&self) -> (u16, Value) {
        let (status, body) = self.get("/ready");
        (status, serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}")))
    }

    /// Waits until the one stage is like this.
    fn becomes(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let (_, ready) = self.ready();
            if wanted(&ready["stages"][0]) {
                return ready["stages"][0].clone();
            }
            assert!(start.elapsed() < Duration::from_secs(30), "it stays like this: {ready}");
            sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, name: &str) {
        let order = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &order]).status().unwrap().success());
    }

    /// The code it ends with, and what it said.
    fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        (status.code(), self.rest.take().unwrap().join().unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const GOOD: &str = r#"{"anonymous_id":"anon_0000000001","event":"click","user_id":1}"#;

fn count(office: &Office) -> String {
    office.fine(&["query", "SELECT count(*) AS n FROM bronze.clickstream", "-o", "json"])
}

#[test]
fn a_worker_says_how_it_is_and_ends_well_when_it_is_told_to() {
    let office = Office::open();
    let worker = office.follow(&[]);
    assert_eq!(worker.get("/health").0, 200);
    worker.becomes(|stage| stage["state"] == "following");
    assert_eq!(worker.ready().0, 200);
    office.append(&[GOOD, GOOD, "no json"]);
    let stage = worker.becomes(|stage| stage["batches"] == 1);
    assert_eq!(
        (&stage["stage"], &stage["partitions"]),
        (&"clicks/land".into(), &serde_json::json!([0]))
    );
    assert_eq!(stage["positions"][0]["slice"], "topic_clickstream/0");
    assert_eq!(stage["positions"][0]["next"], 3);
    assert!(stage["last_commit_at"].is_string() && stage["last_error"].is_null(), "{stage}");

    let (status, metrics) = worker.get("/metrics");
    assert_eq!(status, 200);
    let of = "{pipeline=\"clicks\",stage=\"land\"";
    for line in [
        format!("assay_worker_batches_total{of}}} 1\n"),
        format!("assay_worker_rows_total{of},outcome=\"written\"}} 2\n"),
        format!("assay_worker_rows_total{of},outcome=\"rejected\"}} 1\n"),
        "kafka_consumer_lag_messages{group=\"clicks/land\",topic=\"topic_clickstream\",partition=\"0\"} 0\n".to_owned(),
    ] {
        assert!(metrics.contains(&line), "{line} is not in:\n{metrics}");
    }
    worker.signal("TERM");
    let (code, told) = worker.end();
    assert_eq!(code, Some(0), "{told}");
    let committed = told.lines().find(|line| line.contains("\"message\":\"committed\"")).unwrap();
    let committed: Value = serde_json::from_str(committed).unwrap();
    assert_eq!(committed["fields"]["written"], 2);
    assert!(!told.contains("anon_"), "no value of the data is in the log: {told}");
}

#[test]
fn a_worker_waits_for_a_topic_that_is_made_later_and_says_so() {
    let folder = TempDir::new().unwrap();
    let office = Office { data: folder.path().join("data"), _folder: folder };
    let worker = office.follow(&[]);
    let waits = worker.becomes(|stage| stage["state"] == "retrying");
    let told = waits["last_error"]["message"].as_str().unwrap();
    assert!(told.contains("topic `topic_clickstream` is not in the log"), "{told}");
    office.append(&[GOOD]);
    worker.becomes(|stage| stage["batches"] == 1);
    worker.signal("TERM");
    let (code, told) = worker.end();
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn a_paused_stage_waits_and_runs_are_refused_until_it_is_resumed() {
    let office = Office::open();
    let worker = office.follow(&[]);
    worker.becomes(|stage| stage["state"] == "following");
    let stage = ["land", "--pipeline", CLICKS];
    let paused = [&["--as", "vera", "pause"][..], &stage, &["--reason", "to look"]].concat();
    office.fine(&paused);
    let shown = worker.becomes(|stage| stage["state"] == "paused");
    assert_eq!(
        (&shown["paused"]["who"], &shown["paused"]["reason"]),
        (&"vera".into(), &"to look".into())
    );
    assert_eq!(worker.ready().0, 200, "a person wants it so");
    assert!(
        worker
            .get("/metrics")
            .1
            .contains("assay_worker_paused{pipeline=\"clicks\",stage=\"land\"} 1")
    );

    office.append(&[GOOD]);
    let run = ["run", "all", "--pipeline", CLICKS];
    let refused = office.assay(&run);
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2));
    assert!(error.contains("paused since") && error.contains("by vera (to look)"), "{error}");
    assert!(error.contains("assay resume land"), "{error}");
    let status = office.fine(&["status"]);
    assert!(status.contains("clicks/land is paused since"), "{status}");
    assert!(count(&office).contains("\"n\":0"), "{}", count(&office));
    assert_eq!(office.assay(&paused).status.code(), Some(2), "it is paused already");

    office.fine(&[&["resume"], &stage[..]].concat());
    worker.becomes(|stage| stage["batches"] == 1);
    assert!(count(&office).contains("\"n\":1"));
    worker.signal("INT");
    assert_eq!(worker.end().0, Some(0));
    let audit = office.fine(&["audit"]);
    assert!(
        audit.contains("pause") && audit.contains("resume") && audit.contains("vera"),
        "{audit}"
    );
}

#[test]
fn a_paused_stage_can_be_run_once_nevertheless() {
    let office = Office::open();
    office.append(&[GOOD]);
    // By the name that `run` knows it by, too.
    office.fine(&["pause", "kafka-to-bronze", "--pipeline", CLICKS]);
    office.fine(&["run", "all", "--pipeline", CLICKS, "--even-if-paused"]);
    assert!(count(&office).contains("\"n\":1"));
}

#[test]
fn a_worker_that_quality_halts_ends_with_code_3_and_goes_on_when_the_batch_is_let_pass() {
    let office = Office::open();
    office.append(&["{}"; 120]);
    let (code, told) = office.follow(&[]).end();
    assert_eq!(code, Some(3), "{told}");
    let batch = told.split("--accept-batch ").nth(1).unwrap().split(' ').next().unwrap();
    let worker = office.follow(&["--accept-batch", batch, "--reason", "an old client"]);
    office.append(&[GOOD]);
    worker.becomes(|stage| stage["positions"][0]["next"] == 121);
    assert!(count(&office).contains("\"n\":1"));
    worker.signal("TERM");
    assert_eq!(worker.end().0, Some(0));
}

#[test]
fn who_runs_without_judging_is_told_what_quality_halted() {
    let office = Office::open();
    office.append(&["{}"; 120]);
    let run = |more: &[&str]| {
        let output =
            office.assay(&[&["run", "kafka-to-bronze", "--pipeline", CLICKS], more].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(run(&["--governed"]).0, Some(3));
    let (code, told) = run(&[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("was halted by quality: this run judges nothing"), "{told}");
    let (code, told) = run(&[]);
    assert!(code == Some(0) && !told.contains("halted"), "{told}");
}

#[test]
fn one_that_can_t_listen_or_has_nothing_to_follow_says_what_to_do() {
    let office = Office::open();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = |more: &[&str]| {
        let run = ["run", "kafka-to-bronze", "--pipeline", CLICKS, "--follow"];
        let output = office.assay(&[&run[..], more].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, error) = run(&["--listen", &port]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("choose another port with --listen"), "{error}");
    let none = ["run", "silver-to-gold", "--pipeline", CLICKS, "--follow"];
    let none = office.assay(&none);
    assert_eq!(none.status.code(), Some(2));
    assert!(Path::new(&office.data).exists());
}

#[test]
fn a_worker_that_may_not_take_its_time_ends_at_once_and_harms_nothing() {
    let office = Office::open();
    office.append(&[GOOD, GOOD]);
    std::fs::write(office.data.parent().unwrap().join("assay.yaml"), "drain_seconds: 0\n").unwrap();
    let worker = office.follow(&[]);
    worker.becomes(|stage| stage["state"] == "following");
    worker.signal("TERM");
    let (code, told) = worker.end();
    assert_eq!(code, Some(130), "{told}");
    assert!(told.contains("Nothing is lost"), "{told}");
    office.fine(&["run", "all", "--pipeline", CLICKS, "--governed"]);
    assert!(count(&office).contains("\"n\":2"), "{}", count(&office));
}

//! Letters of another system that are sent to a topic, by a command and through the sidecar.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use assay_core::SystemClock;
use assay_log::{EmbeddedLog, Fetch, Log, NewRecord, Record, TopicSpec};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::office::Office;

/// How long a state is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// The log of an office, as others see it who write to it and read it.
struct Shared {
    runtime: tokio::runtime::Runtime,
    log: EmbeddedLog,
}

impl Shared {
    fn of(office: &Office) -> Shared {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let data = office.path("assay-data");
        std::fs::create_dir_all(&data).unwrap();
        let file = data.join("log.db");
        let log = runtime.block_on(EmbeddedLog::open(&file, Arc::new(SystemClock))).unwrap();
        let shared = Shared { runtime, log };
        for (name, partitions) in [("orders.dlq", 2), ("orders", 3)] {
            let spec = TopicSpec { name: name.into(), partitions, retention: None };
            shared.runtime.block_on(shared.log.create(&spec)).unwrap();
        }
        shared
    }

    /// So many letters of a connector, of ten keys.
    fn die(&self, letters: std::ops::Range<u32>) {
        let header = |name: &str, value: &str| (name.to_owned(), Bytes::from(value.to_owned()));
        let dead = letters.map(|n| NewRecord {
            key: Some(format!("customer {}", n % 10).into()),
            value: Some(json!({"order": n, "amount": -1}).to_string().into()),
            headers: vec![
                header("traceparent", "00-1-2-01"),
                header("__connect.errors.topic", "orders"),
                header("__connect.errors.exception.message", "the customer service is away"),
            ],
            ..NewRecord::default()
        });
        self.runtime.block_on(self.log.append("orders.dlq", dead.collect())).unwrap();
    }

    fn sent(&self) -> Vec<Record> {
        let read = async {
            let mut all = Vec::new();
            for ends in self.log.ends("orders").await.unwrap() {
                let fetch = Fetch::default();
                all.extend(
                    self.log.read("orders", ends.partition, ends.start, fetch).await.unwrap(),
                );
            }
            all
        };
        self.runtime.block_on(read)
    }

    /// The orders in the topic, in the order of their numbers.
    fn orders(&self) -> Vec<u64> {
        let order = |record: &Record| {
            let payload: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
            payload["order"].as_u64().unwrap()
        };
        let mut orders: Vec<u64> = self.sent().iter().map(order).collect();
        orders.sort_unstable();
        orders
    }
}

const REPLAY: [&str; 6] = ["dlq", "replay", "--topic", "orders.dlq", "--to", "orders"];
const REALLY: [&str; 3] = ["--reason", "it is back", "--yes"];

#[test]
fn letters_of_another_system_go_back_to_its_topic_and_are_followed_there() {
    let office = Office { folder: tempfile::tempdir().unwrap() };
    let shared = Shared::of(&office);
    shared.die(0..50);
    let asked = office.fine(&[&REPLAY[..], &["--reason", "it is back"]].concat());
    assert!(asked.contains("50 letters would be sent to topic orders"), "{asked}");
    let patch = ["--transform", r#"{"amount": 5}"#];
    let dry = office.fine(&[&REPLAY[..], &patch[..], &["--dry-run"]].concat());
    assert!(dry.contains("of 50 letters: 50 sent") && dry.contains("+ amount: 5"), "{dry}");
    assert!(shared.sent().is_empty());
    for (wrong, why) in [
        (["--to", "orders.dlq"], "a dead letter for ever"),
        (["--to", "dlq_processing_errors"], "a dead letter for ever"),
    ] {
        let command = [&REPLAY[..4], &wrong[..], &REALLY[..]].concat();
        let told = office.refused(&command);
        assert!(told.contains(why), "{told}");
    }
    let sql = ["--transform", "amount = abs(amount)"];
    let told = office.refused(&[&REPLAY[..], &sql[..], &REALLY[..]].concat());
    assert!(told.contains("SQL needs columns"), "{told}");
    let nowhere = [&REPLAY[..4], &["--to", "nowhere"], &REALLY[..]].concat();
    let told = String::from_utf8(office.run(&nowhere).stderr).unwrap();
    assert!(told.contains("`nowhere` is not in the log"), "{told}");
    assert_eq!(office.json(&["dlq", "jobs"]), json!([]), "nothing of that became a job");

    let done = office.json(&[&REPLAY[..], &patch[..], &REALLY[..]].concat());
    assert_eq!(done["outcome"], json!({"sent": 50}), "{done}");
    assert_eq!(shared.orders(), (0..50).collect::<Vec<u64>>());
    let sent = shared.sent();
    for record in &sent {
        let payload: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        assert_eq!(payload["amount"], 5);
        assert_eq!(record.header("traceparent").unwrap(), "00-1-2-01");
        assert!(record.header("__connect.errors.topic").is_none(), "{record:?}");
    }
    let id = String::from_utf8(sent[0].header("assay.letter").unwrap().to_vec()).unwrap();
    let traced = office.fine(&["dlq", "trace", &id]);
    for part in ["the customer service is away", "sent back by anna (it is back)"] {
        assert!(traced.contains(part), "{part} is not in:\n{traced}");
    }
    let (partition, offset) = (sent[0].partition, sent[0].offset);
    let place = format!("sent: topic orders, partition {partition}, offset {offset}\n");
    assert!(traced.ends_with(&place), "{place} is not the end of:\n{traced}");
    let job = done["job"].as_str().unwrap();
    let shown = office.json(&["dlq", "jobs", job]);
    assert_eq!(shown["job"]["state"], "complete", "{shown}");
    let places = shown["letters"].as_array().unwrap().iter().map(|letter| {
        let place = &letter["now"]["outcome"]["sent_to"];
        assert_eq!(place["topic"], "orders", "{shown}");
        (place["partition"].as_u64().unwrap(), place["offset"].as_u64().unwrap())
    });
    let places: BTreeSet<_> = places.collect();
    assert_eq!(places, sent.iter().map(|at| (at.partition.into(), at.offset)).collect());
    let audit = office.json(&["audit", "--action", "replay"]);
    assert_eq!(audit[0]["details"]["letters"], 50, "{audit}");
    assert_eq!((&audit[0]["who"], &audit[0]["reason"]), (&json!("anna"), &json!("it is back")));
    let none = office.json(&[&REPLAY[..], &REALLY[..]].concat());
    assert_eq!(none["letters"], 0, "they are not open any more");
}

#[test]
fn a_job_that_is_carried_out_is_given_up_when_somebody_says_so() {
    let office = Office { folder: tempfile::tempdir().unwrap() };
    let shared = Shared::of(&office);
    shared.die(0..600);
    let mut worker = office.started(&[&REPLAY[..], &REALLY[..], &["--rate", "20"]].concat());
    let begun = Instant::now();
    while shared.sent().len() < 20 {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(20));
    }
    let job = office.json(&["dlq", "jobs"])[0]["job"]["id"].as_str().unwrap().to_owned();
    let told = office.fine(&["dlq", "cancel", &job, "--reason", "the wrong letters"]);
    assert!(told.contains("was given up"), "{told}");
    assert!(!worker.0.wait().unwrap().success());
    let sent = shared.sent().len();
    let shown = office.json(&["dlq", "jobs", &job]);
    assert_eq!(shown["job"]["state"], "cancelled", "{shown}");
    // What is left is free, and nothing is there twice.
    let done = office.json(&[&REPLAY[..], &REALLY[..]].concat());
    assert_eq!(done["outcome"], json!({"sent": 600 - sent}), "{done}");
    assert_eq!(shared.orders(), (0..600).collect::<Vec<u64>>());
}

#[test]
fn killed_in_the_middle_it_goes_on_and_the_topic_has_each_letter_once() {
    let office = Office { folder: tempfile::tempdir().unwrap() };
    let shared = Shared::of(&office);
    shared.die(0..600);
    let slow = [&REPLAY[..], &REALLY[..], &["--rate", "80"]].concat();
    let mut worker = office.started(&slow);
    let wait_for = |orders: usize, worker: &mut crate::office::Running| {
        let begun = Instant::now();
        while shared.sent().len() < orders {
            assert!(worker.0.try_wait().unwrap().is_none(), "it has ended");
            assert!(begun.elapsed() < PATIENCE, "{} are there", shared.sent().len());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let mut wanted = 1;
    let job = loop {
        wait_for(wanted, &mut worker);
        worker.0.kill().unwrap();
        worker.0.wait().unwrap();
        let there = shared.sent().len();
        let job = office.json(&["dlq", "jobs"])[0]["job"]["id"].as_str().unwrap().to_owned();
        if there > 300 {
            break job;
        }
        wanted = there + 1;
        worker = office.started(&["dlq", "resume", &job]);
    };
    // Its letters are still its own.
    let jobs = office.json(&["dlq", "jobs"]).as_array().unwrap().len();
    let other = office.run(&[&REPLAY[..], &REALLY[..]].concat());
    let error = String::from_utf8_lossy(&other.stderr).into_owned();
    assert_eq!(other.status.code(), Some(4), "{error}");
    assert!(error.contains("are in flight for other jobs"), "{error}");
    assert_eq!(office.json(&["dlq", "jobs"]).as_array().unwrap().len(), jobs);
    let done = office.json(&["dlq", "resume", &job]);
    assert_eq!((&done["outcome"], &done["twice"]), (&json!({"sent": 600}), &Value::Null), "{done}");
    assert_eq!(shared.orders(), (0..600).collect::<Vec<u64>>());
    let open = office.json(&["dlq", "list", "--topic", "orders.dlq"]);
    assert_eq!(open, json!([]));
    office.refused(&["dlq", "resume", &job]);
}

#[test]
fn through_the_sidecar_letters_are_sent_to_a_topic_by_any_worker() {
    let office = Office { folder: tempfile::tempdir().unwrap() };
    let shared = Shared::of(&office);
    shared.die(0..20);
    let sidecar = office.sidecar();
    let which = json!({"topic": "orders.dlq"});
    let (status, told) =
        sidecar.post("jobs", &json!({"which": which, "to": "orders.dlq", "reason": "back"}));
    assert_eq!(status, 400, "{told}");
    for dry in [true, false] {
        let wanted = json!({"which": which, "to": "orders", "reason": "back", "dry_run": dry});
        let (status, told) = sidecar.post("jobs", &wanted);
        assert_eq!((status, &told["waits_for"]), (202, &json!("`assay dlq work`")), "{told}");
        let job = format!("jobs/{}", told["job"]["id"].as_str().unwrap());
        office.fine(&["dlq", "work", "--once"]);
        let done = sidecar.get(&job);
        assert_eq!(done["job"]["state"], "complete", "{done}");
        assert_eq!(done["outcome"], json!({"sent": 20}), "{done}");
        assert_eq!(shared.sent().len(), if dry { 0 } else { 20 });
    }
    let id = shared.sent()[0].header("assay.letter").unwrap().clone();
    let id = String::from_utf8(id.to_vec()).unwrap();
    let trace = sidecar.get(&format!("letters/{id}/trace"));
    let last = &trace["steps"].as_array().unwrap().last().unwrap()["outcome"];
    assert_eq!(last["sent_to"]["topic"], "orders", "{trace}");
}

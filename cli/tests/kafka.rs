//! The shipped pipeline on a broker of its own: the same answers as on the embedded log.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// What the script answers when Kafka can't be had.
const SKIPPED: i32 = 3;

/// A broker that goes with the test.
struct Broker {
    port: u16,
    folder: TempDir,
}

impl Broker {
    /// None when it can't be had, and is not required.
    fn start() -> Option<Broker> {
        let broker = Broker { port: free_ports(), folder: TempDir::new().unwrap() };
        let started = broker.command("start");
        if started.status.code() == Some(SKIPPED) {
            let required = std::env::var_os("ASSAY_REQUIRE").unwrap_or_default();
            let why = String::from_utf8_lossy(&started.stdout).into_owned();
            assert!(!required.to_string_lossy().split(',').any(|name| name == "kafka"), "{why}");
            print!("{why}");
            return None;
        }
        assert!(started.status.success(), "{started:?}");
        Some(broker)
    }

    fn command(&self, what: &str) -> Output {
        self.script().arg(what).output().unwrap()
    }

    fn script(&self) -> Command {
        let mut script = Command::new(root().join("tests/services/kafka.sh"));
        script
            .env("ASSAY_KAFKA_PORT", self.port.to_string())
            .env("ASSAY_KAFKA_STATE", self.folder.path())
            .stdin(Stdio::null());
        script
    }

    fn log(&self) -> String {
        format!("kafka://127.0.0.1:{}", self.port)
    }

    /// Runs one of Kafka's own tools.
    fn tool(&self, class: &str, arguments: &[&str]) -> String {
        let at = format!("127.0.0.1:{}", self.port);
        let told = self
            .script()
            .args(["tool", class, "--bootstrap-server", &at])
            .args(arguments)
            .output()
            .unwrap();
        assert!(told.status.success(), "{told:?}");
        String::from_utf8(told.stdout).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.command("kill");
    }
}

/// The binary with a data folder, and a log.
struct Office {
    folder: TempDir,
}

impl Office {
    fn open(log: &str) -> Office {
        let folder = TempDir::new().unwrap();
        let settings = format!("data_dir: data\nlog: {log}\n");
        std::fs::write(folder.path().join("assay.yaml"), settings).unwrap();
        Office { folder }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command
            .current_dir(self.folder.path())
            .env_remove("ASSAY_DATA_DIR")
            .env_remove("ASSAY_CONFIG")
            .args(arguments);
        command
    }

    fn fine(&self, arguments: &[&str]) -> String {
        let done = self.command(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{arguments:?}: {error}");
        String::from_utf8(done.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.fine(&[arguments, &["-o", "json"]].concat())).unwrap()
    }

    fn events(&self, name: &str, seed: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        let wanted = ["--count", "20000", "--seed", seed, "--out", file.to_str().unwrap()];
        self.fine(&[&["generate", "github-events"], &wanted[..]].concat());
        file
    }

    fn take(&self, file: &Path) {
        self.fine(&["ingest", "github_events", "--file", file.to_str().unwrap()]);
        self.run();
    }

    fn run(&self) {
        self.fine(&["run", "all", "--pipeline", "github_events", "--governed"]);
    }

    /// Rows of the tables, in an order that is theirs and not that of their files.
    fn answers(&self) -> Vec<Value> {
        let gold = "actor_id, activity_date, total_events, unique_events, total_activity_score, \
                    top_repo, cumulative_events, user_specialization";
        let bronze = "id, type, actor_id, repo_name, payload, created_at, trace_id";
        let silver = "event_id, event_type, event_category, activity_score, event_date";
        [
            format!("SELECT {bronze} FROM bronze.github_events ORDER BY trace_id"),
            format!("SELECT {silver} FROM silver.github_events ORDER BY event_id"),
            format!("SELECT {gold} FROM gold.user_activity ORDER BY actor_id, activity_date"),
        ]
        .iter()
        .map(|sql| self.json(&["query", sql, "--limit", "100000"]))
        .collect()
    }

    /// Dead letters without what differs from run to run.
    fn letters(&self) -> Vec<String> {
        let listed = self.json(&["dlq", "list", "--limit", "10000"]);
        let letters = listed.as_array().unwrap_or_else(|| panic!("{listed}")).iter();
        let mut letters: Vec<String> = letters
            .map(|letter| {
                let of = |key: &str| letter[key].to_string();
                let topic = &letter["at"]["topic"];
                format!("{} {} {topic} {}", of("id"), of("reason"), of("rules"))
            })
            .collect();
        letters.sort();
        letters
    }
}

#[test]
fn the_pipeline_gives_the_same_answers_on_kafka_as_on_the_embedded_log() {
    let Some(broker) = Broker::start() else { return };
    let (kafka, embedded) = (Office::open(&broker.log()), Office::open("embedded"));
    let dirty = kafka.folder.path().join("dirty.jsonl");
    let out = dirty.to_str().unwrap();
    let wanted = ["--count", "3000", "--seed", "7", "--defects", "5%", "--out", out];
    kafka.fine(&[&["generate", "github-events"], &wanted[..]].concat());
    kafka.take(&dirty);
    embedded.take(&dirty);

    let answers = kafka.answers();
    let rows: Vec<_> = answers.iter().map(|rows| rows.as_array().unwrap().len()).collect();
    assert!(rows.iter().all(|rows| *rows > 1000), "{rows:?}");
    assert!(answers == embedded.answers(), "the tables differ");
    let letters = kafka.letters();
    assert!(letters.len() > 20, "{letters:?}");
    assert_eq!(letters, embedded.letters());
    assert!(!kafka.folder.path().join("data/log.db").exists(), "nothing is in the embedded log");

    // Neither another run nor the same file again adds anything.
    let tables = kafka.json(&["tables"]);
    kafka.run();
    assert_eq!(kafka.json(&["tables"]), tables, "a run with nothing to read commits nothing");
    kafka.take(&dirty);
    assert!(kafka.answers() == answers, "the same file again adds no row");

    // What is not read is in the metrics, and nothing is when all is.
    let lag = |office: &Office| {
        let metrics = office.fine(&["metrics"]);
        let lines = metrics.lines().filter(|line| line.starts_with("kafka_consumer_lag_messages"));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum::<u64>()
    };
    assert_eq!(lag(&kafka), 0);
    let more = kafka.folder.path().join("more.jsonl");
    let out = more.to_str().unwrap();
    kafka.fine(&["generate", "github-events", "--count", "2500", "--seed", "8", "--out", out]);
    kafka.fine(&["ingest", "github_events", "--file", out]);
    let ends =
        broker.tool("org.apache.kafka.tools.GetOffsetShell", &["--topic", "raw_metrics_avro"]);
    assert!(lag(&kafka) > 0, "{ends}");
    assert!(kafka.fine(&["metrics"]).contains("kafka_consumer_lag_seconds{"));
    kafka.run();
    assert_eq!(lag(&kafka), 0);
    kafka.fine(&["prune", "--dry-run"]);
}

#[test]
fn a_broker_that_goes_away_stops_a_run_and_the_next_one_goes_on() {
    let Some(broker) = Broker::start() else { return };
    let office = Office::open(&broker.log());
    let (first, second) = (office.events("first.jsonl", "9"), office.events("second.jsonl", "10"));
    office.fine(&["ingest", "github_events", "--file", first.to_str().unwrap()]);
    let run = ["run", "all", "--pipeline", "github_events", "--governed"];
    let start =
        || office.command(&run).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // It comes back while a run waits for it.
    broker.command("stop");
    let waiting = start();
    std::thread::sleep(Duration::from_secs(2));
    assert!(broker.command("start").status.success());
    let waited = waiting.wait_with_output().unwrap();
    assert!(waited.status.success(), "{}", String::from_utf8_lossy(&waited.stderr));

    office.fine(&["ingest", "github_events", "--file", second.to_str().unwrap()]);
    // It is killed at some moment of a run. Whether that notices or not: what is committed is right,
    // and the rest comes with the next one.
    let running = start();
    std::thread::sleep(Duration::from_millis(400));
    broker.command("kill");
    std::thread::sleep(Duration::from_millis(500));
    assert!(broker.command("start").status.success());
    let killed = running.wait_with_output().unwrap();
    println!("the run during the kill: {:?}", killed.status.code());
    office.run();
    let counted = office.json(&[
        "query",
        "SELECT COUNT(*) AS n, COUNT(DISTINCT trace_id) AS ids FROM bronze.github_events",
    ]);
    let (n, ids) = (&counted[0]["n"], &counted[0]["ids"]);
    assert_eq!(n, ids, "a row is there twice");
    let embedded = Office::open("embedded");
    embedded.take(&first);
    embedded.take(&second);
    assert!(office.answers() == embedded.answers(), "the tables differ");
}

#[test]
fn a_broker_that_is_not_there_ends_a_command_with_what_to_check() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let office = Office::open(&format!("kafka://{free}"));
    std::fs::create_dir(office.folder.path().join("data")).unwrap();
    let done = office.command(&["status"]).output().unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{error}");
    assert!(error.contains("check that the brokers run"), "{error}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The first of four ports in a row that nobody has. No two tests get the same.
fn free_ports() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let first = 19_300 + TAKEN.fetch_add(1, Ordering::SeqCst) * 4;
        if (first..first + 4).all(free) {
            return first;
        }
    }
}

//! The shipped pipeline gives the same answers as on the embedded log.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use crate::broker::Broker;
use crate::office::Office;

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
    let done =
        office.command(&["run", "all", "--pipeline", "github_events", "--plan"]).output().unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{error}");
    assert!(error.contains("check that the brokers run"), "{error}");
}

#[test]
fn readers_that_are_rewound_first_go_on_with_kafka() {
    let Some(broker) = Broker::start() else { return };
    let (moved, stayed) = (Office::open("embedded"), Office::open("embedded"));
    let (first, second) = (moved.events("first.jsonl", "11"), moved.events("second.jsonl", "12"));
    moved.take(&first);
    moved.settle(&broker.log());
    moved.fine(&["ingest", "github_events", "--file", second.to_str().unwrap()]);
    let land = ["rewind", "land", "--pipeline", "github_events", "--to", "beginning"];
    moved.fine(&[&land[..], &["--reason", "the log is Kafka now", "--yes"]].concat());
    moved.run();
    stayed.take(&first);
    stayed.take(&second);
    assert!(moved.answers() == stayed.answers(), "the tables differ");
}

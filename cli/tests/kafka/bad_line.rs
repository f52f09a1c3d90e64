//! Between us and the broker is a line on which anything happens.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::collector::open;
use crate::counter::Office;
use crate::long;
use crate::proxy::Proxy;

/// Other numbers are other days.
const SEED: u64 = 0xbad_11e;

/// What may pass until all is landed, once the line is good again.
const PATIENCE: Duration = Duration::from_secs(180);

#[test]
fn over_a_bad_line_files_collector_and_worker_lose_and_double_nothing() {
    let Some(broker) = Broker::start() else { return };
    let proxy = Proxy::before(&broker, SEED);
    let log = format!("kafka://127.0.0.1:{}", broker.proxy());
    let office = open(&log, "collector:\n  drain_seconds: 90\n");
    // The topic is made while the line is good.
    let (file, mut accepted) = events(&office, 0);
    assert!(ingest(&office, &file));

    proxy.rough(true);
    let run = ["run", "kafka-to-bronze", "--pipeline", "github_events", "--governed"];
    let mut follow = office.command(&[&run[..], &["--follow", "--commit-every", "1"]].concat());
    let mut worker = follow.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let collector = office.collect(&[]);
    let load = collector.paced(4, "line", Duration::from_millis(20));
    let until = Instant::now() + Duration::from_secs(if long() { 60 } else { 20 });
    let (mut files, mut again) = (1, 0);
    while Instant::now() < until {
        let (file, ids) = events(&office, files);
        // Whoever takes in a file goes on until it is taken.
        while !ingest(&office, &file) {
            again += 1;
        }
        accepted.extend(ids);
        files += 1;
    }
    let answered = load.stop();
    proxy.rough(false);
    let (count, broken) = (answered.len(), proxy.broken());
    println!("{broken} connections broken; {files} files, {again} more tries; {count} events sent");
    assert!(broken >= 5, "the line was not bad");
    accepted.extend(answered);
    let told = collector.stop();
    assert!(told.contains("events sent") && !told.contains("the next start"), "{told}");

    let until = Instant::now() + PATIENCE;
    // Events whose answer did not come may be in bronze, too: their number says nothing.
    while !accepted.is_subset(&office.landed().into_iter().collect()) && Instant::now() < until {
        assert!(worker.try_wait().unwrap().is_none(), "the worker has ended");
        std::thread::sleep(Duration::from_millis(500));
    }
    worker.kill().unwrap();
    worker.wait().unwrap();
    println!("{} messages are in the topic, some again", messages(&broker));
    println!("{}", office.assay(&["status"]));
    office.must_have_landed(&accepted);
}

fn messages(broker: &Broker) -> u64 {
    let ends =
        broker.tool("org.apache.kafka.tools.GetOffsetShell", &["--topic", "raw_metrics_avro"]);
    ends.lines().filter_map(|line| line.rsplit(':').next()?.parse::<u64>().ok()).sum()
}

/// A file of events, each with an id of its own.
fn events(office: &Office, number: u32) -> (String, BTreeSet<String>) {
    let ids: BTreeSet<String> = (0..2_500).map(|n| format!("file-{number}-{n}")).collect();
    let lines: String =
        ids.iter().map(|id| format!("{{\"id\":\"{id}\",\"type\":\"PushEvent\"}}\n")).collect();
    let file = office.folder().join(format!("{number}.jsonl"));
    std::fs::write(&file, lines).unwrap();
    (file.to_str().unwrap().to_owned(), ids)
}

/// Whether it was taken in.
fn ingest(office: &Office, file: &str) -> bool {
    let done = office.command(&["ingest", "github_events", "--file", file]).output().unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(matches!(done.status.code(), Some(0 | 1)), "{:?}: {error}", done.status);
    done.status.success()
}

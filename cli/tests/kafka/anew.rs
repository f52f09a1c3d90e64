//! A topic that was deleted, and one that was made anew: nobody goes on as if nothing had happened.

use std::process::Output;

use serde_json::Value;

use crate::broker::Broker;
use crate::clicks::{CLICKS, Clicks, TOPIC, follow, rows, wait_for_rows};
use crate::office::Office;

const DELETE: [&str; 3] = ["--delete", "--topic", TOPIC];

fn land(office: &Office) -> Output {
    let run = ["run", "kafka-to-bronze", "--pipeline", CLICKS, "--governed"];
    office.command(&run).output().unwrap()
}

/// A run that is refused, with what it says. Nothing is landed.
fn refused(office: &Office) -> String {
    let before = rows(office);
    let done = land(office);
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{error}");
    assert!(error.contains("assay rewind"), "it does not say what to do: {error}");
    assert_eq!(rows(office), before);
    error
}

fn rewind(office: &Office) -> Value {
    let rewind = ["rewind", "land", "--pipeline", CLICKS, "--to", "beginning"];
    office.json(&[&rewind[..], &["--reason", "the topic was made anew", "--yes"]].concat())
}

#[test]
fn a_topic_that_was_deleted_or_made_anew_stops_its_stage_with_what_to_do() {
    let Some(broker) = Broker::start() else { return };
    let office = Office::open(&broker.log());
    let mut clicks = Clicks::open(&broker);
    clicks.write(60);
    assert!(land(&office).status.success());
    assert_eq!(rows(&office), (60, 60));

    broker.topics(&DELETE);
    let error = refused(&office);
    assert!(error.contains("it was deleted"), "{error}");
    // Those who only look are told of everything else.
    office.fine(&["status"]);
    office.fine(&["metrics"]);

    // Shorter than what was read.
    let mut anew = Clicks::open(&broker);
    anew.written = clicks.written;
    anew.write(6);
    let error = refused(&office);
    assert!(error.contains("made anew") && error.contains("it ends at offset"), "{error}");

    // Longer: every place that was read is there.
    anew.write(150);
    let error = refused(&office);
    assert!(error.contains("made anew") && error.contains("another record"), "{error}");

    let moved = rewind(&office);
    assert!(moved.to_string().contains(TOPIC), "{moved}");
    assert!(land(&office).status.success());
    assert_eq!(rows(&office), (216, 216), "all that the new one has, beside what was read before");
    assert!(land(&office).status.success());
    assert_eq!(rows(&office), (216, 216));
}

#[test]
fn a_topic_that_is_made_anew_under_a_worker_ends_it_with_what_to_do() {
    let Some(broker) = Broker::start() else { return };
    let office = Office::open(&broker.log());
    let mut clicks = Clicks::open(&broker);
    let worker = follow(&office);
    clicks.write(60);
    wait_for_rows(&office, 60);
    // Held still, so that it sees neither that the topic is gone nor that it is short.
    worker.signal("STOP");
    broker.topics(&DELETE);
    let mut anew = Clicks::open(&broker);
    anew.written = clicks.written;
    anew.write(400);
    worker.signal("CONT");
    let (code, told) = worker.ends();
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("made anew") || told.contains("deleted"), "{told}");
    assert!(told.contains("assay rewind"), "{told}");
    assert_eq!(rows(&office), (60, 60));

    rewind(&office);
    let worker = follow(&office);
    wait_for_rows(&office, 460);
    // One that is awake sees it go.
    broker.topics(&DELETE);
    let (code, told) = worker.ends();
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("it was deleted") && told.contains("assay rewind"), "{told}");
}

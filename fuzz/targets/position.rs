//! The properties of a table that say how far a reader has come, one a line, and what the reader
//! then makes of a topic.
#![no_main]

use std::collections::HashMap;

use assay_core::ReaderId;
use assay_fuzz::{FixedLog, GITHUB_EVENTS, wait};
use assay_pipeline::foreign::{lines, position, topic};
use libfuzzer_sys::fuzz_target;

const LINE: &[u8] = br#"{"id":"1","type":"PushEvent","created_at":"2026-02-12T00:00:00Z"}"#;

fuzz_target!(|text: &str| {
    let property = |line: &str| line.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
    let properties: HashMap<String, String> = text.lines().filter_map(property).collect();
    let reader = ReaderId("github_events/land".to_owned());
    let Ok(from) = position(&properties, &reader) else { return };
    let ingest = GITHUB_EVENTS.ingest.as_ref().expect("the pipeline takes lines in");
    let (messages, ..) = lines(ingest, LINE.to_vec()).expect("a line fits its message");
    if let Ok(taken) = wait(topic(FixedLog::of(messages), &ingest.topic, &from)) {
        assert!(taken.rows.iter().map(|rows| rows.num_rows()).sum::<usize>() <= 1);
    }
});

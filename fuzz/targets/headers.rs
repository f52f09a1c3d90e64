//! The headers of a record, one `name: value` a line: of a dead letter in any of its topics, and of
//! a message that says what its collector has sent before.
#![no_main]

use assay_core::Position;
use assay_dlq::{Filter, LogQueue};
use assay_fuzz::{FixedLog, GITHUB_EVENTS, wait};
use assay_log::NewRecord;
use assay_pipeline::foreign::{lines, topic};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

const LINE: &[u8] = br#"{"id":"1","type":"PushEvent","created_at":"2026-02-12T00:00:00Z"}"#;

fuzz_target!(|text: &[u8]| {
    let header = |line: &[u8]| {
        let colon = line.windows(2).position(|two| two == b": ")?;
        let name = String::from_utf8_lossy(&line[..colon]).into_owned();
        Some((name, Bytes::copy_from_slice(&line[colon + 2..])))
    };
    let headers: Vec<_> = text.split(|byte| *byte == b'\n').filter_map(header).collect();
    let ingest = GITHUB_EVENTS.ingest.as_ref().expect("the pipeline takes lines in");
    let (messages, ..) = lines(ingest, LINE.to_vec()).expect("a line fits its message");
    let log = FixedLog::of(
        messages.into_iter().map(|message| NewRecord { headers: headers.clone(), ..message }),
    );
    let taken = wait(topic(log.clone(), &ingest.topic, &Position::default()));
    assert!(taken.expect("no message stops a reader").read <= 1);
    wait(async {
        let queue = LogQueue::new(log);
        let all = Filter { include_void: true, ..Filter::default() };
        let listed = queue.list(&all).await.expect("any record is a letter");
        assert!(listed.len() <= 3, "one a topic");
        for letter in listed {
            queue.show(letter.id).await.expect("any letter can be shown");
        }
        queue.summary().await.expect("any letter can be counted");
    });
});

//! A message of a topic: it is refused as a whole, or each of its records can be read, and set
//! aside by itself.
#![no_main]

use assay_core::Position;
use assay_fuzz::{FixedLog, GITHUB_EVENTS, unwind, wait};
use assay_pipeline::foreign::topic;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    unwind();
    let events = &GITHUB_EVENTS.ingest.as_ref().expect("the pipeline takes lines in").topic;
    let log = FixedLog::of_value(message);
    let taken = wait(topic(log, events, &Position::default())).expect("no message stops a reader");
    let rows: usize = taken.rows.iter().map(|rows| rows.num_rows()).sum();
    assert_eq!(rows as u64 + taken.refused, taken.read);
});

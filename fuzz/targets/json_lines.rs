//! A file of JSON lines, through the topic and into bronze: every line is a row or is set aside.
#![no_main]

use assay_core::Position;
use assay_fuzz::{FixedLog, GITHUB_EVENTS, wait};
use assay_pipeline::foreign::{lines, shape, topic};
use chrono::DateTime;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let ingest = GITHUB_EVENTS.ingest.as_ref().expect("the pipeline takes lines in");
    // A file that is no text of lines is refused whole, with what to do.
    let Ok((messages, read, refused)) = lines(ingest, file.to_vec()) else { return };
    let log = FixedLog::of(messages);
    let taken = wait(topic(log, &ingest.topic, &Position::default())).expect("what we packed");
    assert_eq!((taken.read, taken.refused), (read - refused, 0));
    for rows in &taken.rows {
        let bronze = shape(&GITHUB_EVENTS.stages[0], rows, DateTime::UNIX_EPOCH).expect("rows");
        assert_eq!(bronze.refused + bronze.rows[0].num_rows() as u64, bronze.read);
    }
});

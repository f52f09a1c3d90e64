//! The schema of a topic (`.avsc`), as the author of a pipeline writes it.
#![no_main]

use assay_pipeline::RecordSchema;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(schema) = RecordSchema::parse(text) {
        assert!(schema.decode(text.as_bytes()).is_err(), "a schema is no container");
    }
});

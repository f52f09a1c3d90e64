//! The JSON text of a payload, into the columns that silver extracts from it: the row comes out,
//! or is set aside.
#![no_main]

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use assay_fuzz::GITHUB_EVENTS;
use assay_pipeline::foreign::shape;
use chrono::DateTime;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &str| {
    let stage = &GITHUB_EVENTS.stages[1];
    let schema = stage.reads.schema();
    let texts = ["id", "type", "created_at", "payload"];
    let columns =
        schema.fields().iter().map(|field| match texts.contains(&field.name().as_str()) {
            // A time is foreign text, too.
            true => Arc::new(StringArray::from(vec![payload])) as ArrayRef,
            false => new_null_array(field.data_type(), 1),
        });
    let rows = RecordBatch::try_new(schema.clone(), columns.collect()).expect("a row of bronze");
    let silver = shape(stage, &rows, DateTime::UNIX_EPOCH).expect("a row is shaped or set aside");
    assert_eq!(silver.refused + silver.rows[0].num_rows() as u64, 1);
});

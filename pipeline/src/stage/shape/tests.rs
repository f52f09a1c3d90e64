//! The shop of the integration tests, one chunk at a time.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, new_null_array};
use chrono::DateTime;
use proptest::prelude::*;

use crate::definition::{Folder, Pipeline};
use crate::stage::Stage;

/// The stage that filters, extracts, divides and casts.
fn stage() -> Arc<Stage> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shop");
    let pipeline = Pipeline::load(&Folder::Disk(folder)).unwrap();
    let sells = |stage: &&Arc<Stage>| stage.id.stage == "sell";
    Arc::clone(pipeline.stages.iter().find(sells).unwrap())
}

/// Where a row must go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goes {
    On,
    Out,
    Aside,
}

#[derive(Debug, Clone)]
struct Row {
    kind: Option<&'static str>,
    details: Option<&'static str>,
    placed: Option<&'static str>,
    goes: Goes,
}

fn row() -> impl Strategy<Value = Row> {
    let kind = prop_oneof![6 => Just(Some("web")), 1 => Just(Some("test")), 1 => Just(None)];
    let details = prop_oneof![
        6 => Just((Some(r#"{"price":{"amount":8},"parts":4}"#), true)),
        1 => Just((Some(r#"{"price":null}"#), true)),
        1 => Just((None, true)),
        1 => Just((Some(r#"{"price":{"amount":8},"parts":0}"#), false)),
        1 => Just((Some(r#"{"price":{"amount":"8"}}"#), false)),
        1 => Just((Some("not json"), false)),
    ];
    let placed = prop_oneof![
        6 => Just((Some("2026-03-01T08:00:00Z"), true)),
        1 => Just((None, true)),
        1 => Just((Some("soon"), false)),
    ];
    (kind, details, placed).prop_map(|(kind, (details, price), (placed, time))| {
        let goes = match (kind, price && time) {
            (Some("web"), true) => Goes::On,
            (Some("web"), false) => Goes::Aside,
            _ => Goes::Out,
        };
        Row { kind, details, placed, goes }
    })
}

/// A chunk whose rows are numbered; columns that do not matter are null.
fn chunk(stage: &Stage, rows: &[Row]) -> RecordBatch {
    let schema = stage.reads.schema();
    let texts = |value: &dyn Fn(usize) -> Option<String>| -> ArrayRef {
        Arc::new((0..rows.len()).map(value).collect::<StringArray>())
    };
    let column = |field: &Arc<arrow::datatypes::Field>| match field.name().as_str() {
        "no" => texts(&|row| Some(row.to_string())),
        "kind" => texts(&|row| rows[row].kind.map(str::to_owned)),
        "details" => texts(&|row| rows[row].details.map(str::to_owned)),
        "placed" => texts(&|row| rows[row].placed.map(str::to_owned)),
        _ => new_null_array(field.data_type(), rows.len()),
    };
    let columns = schema.fields().iter().map(column).collect();
    RecordBatch::try_new(schema, columns).unwrap()
}

fn places(rows: &[Row], goes: Goes) -> Vec<u32> {
    (0u32..).zip(rows).filter(|(_, row)| row.goes == goes).map(|(place, _)| place).collect()
}

#[test]
fn every_row_goes_on_out_or_aside_and_those_that_go_on_keep_their_order() {
    let stage = stage();
    let shaper = stage.shaper(DateTime::UNIX_EPOCH).unwrap();
    proptest!(ProptestConfig::with_cases(64), |(rows in prop::collection::vec(row(), 0..60))| {
        let shaped = shaper.shape(&chunk(&stage, &rows)).unwrap();
        let on = places(&rows, Goes::On);
        prop_assert_eq!(&shaped.input, &on);
        let numbers = shaped.rows.column_by_name("order_no").unwrap().as_string::<i32>();
        let numbers: Vec<u32> = numbers.iter().flatten().map(|no| no.parse().unwrap()).collect();
        prop_assert_eq!(numbers, on);
        prop_assert_eq!(shaped.filtered, places(&rows, Goes::Out).len() as u64);
        let aside: Vec<u32> = shaped.broken.iter().map(|broken| broken.row).collect();
        prop_assert_eq!(aside, places(&rows, Goes::Aside));
    });
}

#[test]
fn a_chunk_without_rows_has_the_shape_of_the_target() {
    let stage = stage();
    let shaped = stage.shaper(DateTime::UNIX_EPOCH).unwrap().shape(&chunk(&stage, &[])).unwrap();
    assert_eq!(shaped.rows.schema(), stage.writes.schema);
    assert_eq!((shaped.rows.num_rows(), shaped.filtered), (0, 0));
}

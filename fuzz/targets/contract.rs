//! A contract in ODCS, the rules that are made of it, and what they say of a few rows.
#![no_main]

use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, SchemaRef};
use assay_core::{Contract, DatasetName};
use assay_fuzz::unwind;
use assay_pipeline::arrow_schema;
use assay_quality::{BatchFacts, Facts, Suite};
use libfuzzer_sys::fuzz_target;

static DATASET: LazyLock<DatasetName> =
    LazyLock::new(|| "silver.github_events_parsed".parse().expect("a name"));

fuzz_target!(|text: &str| {
    unwind();
    if let Ok(contract) = Contract::parse("contract.yaml", text, &DATASET) {
        let columns = arrow_schema(&contract);
        assert_eq!(columns.fields().len(), contract.columns.len());
        // All mistakes, or rules that can judge.
        if let Ok(suite) = Suite::compile(&contract, &columns) {
            judge(&suite, &columns);
        }
    }
});

/// Rows whose values lie at the ends of their types, or are none.
fn judge(suite: &Suite, columns: &SchemaRef) {
    let column = |field: &Arc<arrow::datatypes::Field>| -> ArrayRef {
        match field.data_type() {
            DataType::Utf8 => Arc::new(StringArray::from(vec![Some(""), Some("0"), None])),
            DataType::Int32 => Arc::new(Int32Array::from(vec![Some(i32::MIN), Some(0), None])),
            DataType::Int64 => Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(0), None])),
            DataType::Float64 => Arc::new(Float64Array::from(vec![f64::NAN, -0.0, f64::INFINITY])),
            DataType::Boolean => Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
            DataType::Date32 => Arc::new(Date32Array::from(vec![Some(i32::MAX), Some(0), None])),
            DataType::Timestamp(_, zone) => {
                let times = TimestampMicrosecondArray::from(vec![Some(i64::MAX), Some(0), None]);
                Arc::new(times.with_timezone_opt(zone.clone()))
            }
            DataType::Decimal128(precision, scale) => {
                let most = 10_i128.pow(u32::from(*precision)) - 1;
                let numbers = Decimal128Array::from(vec![Some(most), Some(0), None]);
                let numbers = numbers.with_precision_and_scale(*precision, *scale);
                Arc::new(numbers.expect("so many digits fit"))
            }
            other => new_null_array(other, 3),
        }
    };
    let values = columns.fields().iter().map(column).collect();
    let Ok(rows) = RecordBatch::try_new(Arc::clone(columns), values) else { return };
    let judged = suite.judge(&rows, &Facts::default());
    assert_eq!(judged.good.num_rows() + judged.bad.len(), 3);
    let mut tally = judged.tally;
    suite.observe(&judged.good, &mut tally).expect("three keys fit in memory");
    let now = chrono::DateTime::UNIX_EPOCH;
    let facts = BatchFacts { now, empty: false, read: 3, rejected: 0, breaker: None };
    let quality = suite.report(&tally, &facts).expect("nothing is on disk");
    let lost: f64 = quality.rules.iter().map(|rule| rule.lost).sum();
    let score = quality.score.unwrap_or(100.0);
    assert!((0.0..=100.0).contains(&score) && (lost - (100.0 - score)).abs() < 1e-6);
}

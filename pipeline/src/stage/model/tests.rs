use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use assay_core::DatasetName;
use chrono::{DateTime, Utc};

use super::{Expression, RowModel};

fn relation() -> DatasetName {
    "bronze.orders".parse().unwrap()
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, true),
        Field::new("amount", DataType::Int64, true),
    ]))
}

fn rows() -> RecordBatch {
    let ids = Arc::new(StringArray::from(vec!["a", "b"]));
    let amounts = Arc::new(Int64Array::from(vec![1, 2]));
    RecordBatch::try_new(schema(), vec![ids, amounts]).unwrap()
}

fn at() -> DateTime<Utc> {
    "2026-02-12T10:00:00Z".parse().unwrap()
}

fn plan(sql: &str) -> Result<RowModel, String> {
    RowModel::plan(sql, &relation(), &schema(), at()).map_err(|errors| errors[0].what.clone())
}

#[test]
fn a_projection_keeps_every_row_in_its_place() {
    let model = plan("SELECT upper(id) AS id, amount * 2 AS twice FROM bronze.orders").unwrap();
    let out = model.apply(&rows()).unwrap();
    assert_eq!(out.column(0).as_string::<i32>().value(1), "B");
    assert_eq!(out.column(1).as_primitive::<Int64Type>().values(), &[2, 4]);
}

#[test]
fn selects_may_stand_in_selects() {
    let model = plan(
        "WITH doubled AS (SELECT id, amount * 2 AS amount FROM bronze.orders)
         SELECT id, amount + 1 AS amount FROM (SELECT * FROM doubled) AS d",
    );
    let out = model.unwrap().apply(&rows()).unwrap();
    assert_eq!(out.column(1).as_primitive::<Int64Type>().values(), &[3, 5]);
}

#[test]
fn now_is_the_time_of_the_batch() {
    let model = plan("SELECT CAST(now() AS VARCHAR) AS at FROM bronze.orders").unwrap();
    let out = model.apply(&rows()).unwrap();
    let text = arrow::compute::cast(out.column(0), &DataType::Utf8).unwrap();
    assert!(text.as_string::<i32>().value(0).starts_with("2026-02-12T10:00:00"), "{text:?}");
}

#[test]
fn what_could_change_the_number_of_rows_is_refused() {
    for (sql, what) in [
        ("SELECT id FROM bronze.orders WHERE amount > 1", "a WHERE"),
        ("SELECT DISTINCT id FROM bronze.orders", "a DISTINCT"),
        ("SELECT count(*) AS n FROM bronze.orders", "an aggregate"),
        ("SELECT id FROM bronze.orders LIMIT 1", "a LIMIT"),
        ("SELECT a.id FROM bronze.orders a JOIN bronze.orders b ON a.id = b.id", "a join"),
        ("SELECT id FROM bronze.orders UNION ALL SELECT id FROM bronze.orders", "a UNION"),
        ("SELECT row_number() OVER () AS n FROM bronze.orders", "a window"),
        ("SELECT 1 AS one", "no FROM"),
    ] {
        let error = plan(sql).unwrap_err();
        assert!(error.contains(what), "{sql}: {error}");
    }
}

#[test]
fn what_is_refused_is_found_with_its_line() {
    let sql = "SELECT id\nFROM bronze.orders\nWHERE amount > 1";
    let errors = RowModel::plan(sql, &relation(), &schema(), at()).unwrap_err();
    assert_eq!(errors[0].line, Some(3), "{errors:?}");
    assert_eq!(super::line_of("a,\n  b AS ab,\n  ab_c", "AB"), Some(2));
    assert_eq!(super::line_of("a", "b"), None);
}

#[test]
fn every_unknown_column_is_found_with_its_line() {
    let sql = "SELECT di,\n  amonut\nFROM bronze.orders";
    let errors = RowModel::plan(sql, &relation(), &schema(), at()).unwrap_err();
    let found: Vec<_> = errors.iter().map(|error| error.line).collect();
    assert_eq!(found, [Some(1), Some(2)], "{errors:?}");
    assert!(errors[1].what.contains("amonut"), "{errors:?}");
}

#[test]
fn an_expression_is_compiled_against_the_columns() {
    let expression = Expression::compile("amount > 1", &schema(), at()).unwrap();
    assert_eq!(expression.kind(&schema()), Some(DataType::Boolean));
    let truth = expression.evaluate(&rows()).unwrap();
    assert_eq!(truth.as_boolean().iter().collect::<Vec<_>>(), [Some(false), Some(true)]);
    assert!(Expression::compile("nothing > 1", &schema(), at()).is_err());
}

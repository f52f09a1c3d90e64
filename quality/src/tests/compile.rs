use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use serde_json::json;

use assay_core::{Bound, Check, Limit, Rule, Threshold};

use super::{contract, holds, row_count, rule, unique};
use crate::Suite;

fn schema() -> Schema {
    let point = DataType::Struct(vec![Field::new("lat", DataType::Float64, true)].into());
    let pairs = DataType::Map(
        Arc::new(Field::new(
            "entries",
            DataType::Struct(
                vec![
                    Field::new("keys", DataType::Utf8, false),
                    Field::new("values", DataType::Utf8, true),
                ]
                .into(),
            ),
            false,
        )),
        false,
    );
    Schema::new(vec![
        Field::new("id", DataType::Utf8, true),
        Field::new("amount", DataType::Decimal128(15, 2), true),
        Field::new("size", DataType::Int64, true),
        Field::new("eventTime", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("point", point, true),
        Field::new("pairs", pairs, true),
    ])
}

fn mistakes(rules: Vec<Rule>) -> String {
    let lines = (10..).zip(rules).map(|(line, rule)| Rule { line, ..rule });
    Suite::compile(&contract(lines.collect()), &schema()).unwrap_err().to_string()
}

fn between(column: &str, min: serde_json::Value, max: serde_json::Value) -> Rule {
    let bound = |value| Some(Bound { value, inclusive: true });
    let check = Check::Between { column: column.to_owned(), min: bound(min), max: bound(max) };
    rule("between", check)
}

fn one_of(column: &str, values: serde_json::Value) -> Rule {
    let values = values.as_array().unwrap().clone();
    rule("one_of", Check::OneOf { column: column.to_owned(), values })
}

#[test]
fn expressions_that_cannot_be_judged_are_refused_with_a_way_out() {
    let found = mistakes(vec![
        holds("unknown_column", "amuont > 0"),
        holds("other_case", "eventtime IS NOT NULL"),
        holds("unknown_function", "lenght(id) > 3"),
        holds("not_boolean", "size + 1"),
        holds("not_sql", "size >"),
        holds("two_statements", "size > 1; DROP TABLE x"),
        holds("clock", "eventTime <= now()"),
        holds("dice", "id <> uuid()"),
        holds("many_rows", "size < max(size)"),
        holds("window", "row_number() OVER () > 1"),
        holds("other_table", "id IN (SELECT id FROM users)"),
        holds("subquery", "EXISTS (SELECT 1)"),
        holds("types", "size > '5'"),
        holds("types_of_range", "size BETWEEN 1 AND '5'"),
        holds("types_of_list", "id IN ('1', 2)"),
        holds("text_plus", "id - point > 1"),
        holds("always_fails", "1 / 0 > size"),
        holds("placeholder", "size > $1"),
    ]);
    insta::assert_snapshot!(found);
}

#[test]
fn checks_that_do_not_fit_their_column_are_refused_with_a_way_out() {
    let named = |column: &str| column.to_owned();
    let percent = Threshold { limit: Limit::GreaterThan(1.0), percent: true };
    let fresh = |column: &str, warn, error| {
        let check = Check::Fresh {
            column: column.to_owned(),
            warn_after_seconds: warn,
            error_after_seconds: error,
        };
        rule("fresh", check)
    };
    let found = mistakes(vec![
        rule("not_null", Check::NotNull { column: named("nowhere") }),
        one_of("id", json!([1, 2])),
        one_of("size", json!([1, "two"])),
        one_of("size", json!([1.5])),
        one_of("size", json!([])),
        one_of("size", json!([true])),
        one_of("point", json!(["x"])),
        between("amount", json!(0.001), json!(1)),
        between("amount", json!("0.005"), json!(1)),
        between("size", json!(10), json!(1)),
        between("eventTime", json!("yesterday"), json!("2026-01-01")),
        rule("pattern", Check::Matches { column: named("id"), pattern: "(abc".to_owned() }),
        rule("look_around", Check::Matches { column: named("id"), pattern: "(?=a)".to_owned() }),
        rule("number", Check::Matches { column: named("size"), pattern: "a".to_owned() }),
        rule("length", Check::Length { column: named("size"), min: Some(1), max: None }),
        unique("no_column", &["id", "nowhere"]),
        unique("no_key", &["pairs"]),
        fresh("size", 1.0, 2.0),
        fresh("eventTime", 3.0, 2.0),
        Rule { threshold: percent, ..row_count(Limit::Be(0.0)) },
    ]);
    insta::assert_snapshot!(found);
}

#[test]
fn columns_of_an_expression_are_written_as_in_the_contract() {
    let rules = vec![holds("a", "eventTime IS NOT NULL AND \"size\" > 0 AND LENGTH(id) > 1")];
    let suite = Suite::compile(&contract(rules), &schema()).unwrap();
    let quality = suite.report(&crate::Tally::default(), &super::facts_of_batch()).unwrap();
    assert_eq!(quality.rules[0].columns, ["eventTime", "id", "size"]);
}

#[test]
fn two_columns_of_one_name_are_refused() {
    let field = Field::new("a", DataType::Int64, true);
    let twice = Schema::new(vec![field.clone(), field]);
    let found = Suite::compile(&contract(vec![]), &twice).unwrap_err();
    assert!(found.to_string().contains("two columns of one name"), "{found}");
}

//! Plans SQL against two tables, and writes lineage short.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use assay_core::DatasetName;
use assay_lineage::plans::{PlanTable, Tables, column_lineage};
use assay_lineage::{ColumnLineage, Direct, Indirect, InputColumn};
use datafusion::datasource::empty::EmptyTable;
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use datafusion::prelude::SessionContext;
use futures::executor::block_on;

/// `t` and `u`, without rows.
pub(super) fn context() -> SessionContext {
    let context = SessionContext::new();
    for (name, schema) in [("t", t()), ("u", u())] {
        context.register_table(name, Arc::new(EmptyTable::new(schema))).unwrap();
    }
    let hash = |args: &[ColumnarValue]| Ok(args[0].clone());
    let text = || DataType::Utf8;
    context.register_udf(create_udf(
        "sha256",
        vec![text()],
        text(),
        Volatility::Immutable,
        Arc::new(hash),
    ));
    context
}

fn t() -> SchemaRef {
    let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
    let inner = DataType::Struct(Fields::from(vec![Field::new("z", DataType::Utf8, true)]));
    let parts = DataType::Struct(Fields::from(vec![
        Field::new("x", DataType::Int64, true),
        Field::new("y", inner, true),
    ]));
    let columns = [
        ("id", DataType::Int64),
        ("a", DataType::Int64),
        ("b", DataType::Int64),
        ("s", DataType::Utf8),
        ("day", DataType::Date32),
        ("flag", DataType::Boolean),
        ("l", list),
        ("p", parts),
    ];
    schema(columns)
}

fn u() -> SchemaRef {
    let number = DataType::Int64;
    schema([("id", number.clone()), ("a", number.clone()), ("d", number), ("n", DataType::Utf8)])
}

fn schema<const N: usize>(columns: [(&str, DataType); N]) -> SchemaRef {
    let field = |(name, kind): (&str, DataType)| Field::new(name, kind, true);
    Arc::new(Schema::new(columns.into_iter().map(field).collect::<Vec<_>>()))
}

pub(super) fn tables() -> Tables {
    let of = |name: &str| PlanTable::of(&format!("silver.{name}").parse().unwrap());
    BTreeMap::from([("t".to_owned(), of("t")), ("u".to_owned(), of("u"))])
}

pub(super) fn lineage(context: &SessionContext, sql: &str) -> ColumnLineage {
    let state = context.state();
    let written = block_on(state.create_logical_plan(sql)).unwrap_or_else(|e| panic!("{sql}: {e}"));
    let optimized = state.optimize(&written).unwrap_or_else(|_| written.clone());
    column_lineage(&written, &optimized, &tables())
}

/// `column: t.a id, t.b cond; rows: u.d filter+join`; `–` is no input, `?` is not known.
pub(super) fn short(lineage: &ColumnLineage) -> String {
    let name = |dataset: &DatasetName| dataset.name().to_owned();
    let mut parts = vec![];
    for column in &lineage.columns {
        let inputs = match column.known {
            true => list(&column.inputs, &name),
            false => "?".to_owned(),
        };
        parts.push(format!("{}: {inputs}", column.column));
    }
    if !lineage.rows.is_empty() {
        parts.push(format!("rows: {}", list(&lineage.rows, &name)));
    }
    parts.join("; ")
}

/// Inputs with their uses, each dataset by the name that `name` has for it.
pub(super) fn list(inputs: &[InputColumn], name: &dyn Fn(&DatasetName) -> String) -> String {
    let one = |input: &InputColumn| {
        let direct = input.direct.map(|kind| match kind {
            Direct::Identity => "id",
            Direct::Transformation => "tr",
            Direct::Aggregation => "ag",
        });
        let indirect = input.indirect.iter().map(|kind| match kind {
            Indirect::Join => "join",
            Indirect::GroupBy => "group",
            Indirect::Filter => "filter",
            Indirect::Sort => "sort",
            Indirect::Window => "window",
            Indirect::Conditional => "cond",
        });
        let masked = input.masked.then_some("masked");
        let uses: Vec<&str> = direct.into_iter().chain(indirect).chain(masked).collect();
        format!("{}.{} {}", name(&input.dataset), input.column, uses.join("+"))
    };
    match inputs {
        [] => "–".to_owned(),
        inputs => inputs.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

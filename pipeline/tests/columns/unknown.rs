//! What can't be known is left out, and said.

use std::fmt;
use std::sync::Arc;

use assay_lineage::plans::lineage_of;
use datafusion::common::DFSchemaRef;
use datafusion::error::Result;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNodeCore, col,
};
use futures::executor::block_on;

use super::desk::{context, lineage, short, tables};

/// A node that somebody's own planner might make.
#[derive(Debug, PartialEq, Eq, PartialOrd, Hash)]
struct Shuffle {
    input: LogicalPlan,
}

impl UserDefinedLogicalNodeCore for Shuffle {
    fn name(&self) -> &str {
        "Shuffle"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shuffle")
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(Shuffle { input: inputs.remove(0) })
    }
}

#[test]
fn of_a_step_that_is_not_known_only_what_does_not_pass_it_is_told() {
    let context = context();
    let plan = |sql: &str| block_on(context.state().create_logical_plan(sql)).unwrap();
    let shuffled = Extension { node: Arc::new(Shuffle { input: plan("SELECT d, id FROM u") }) };
    let plan = LogicalPlanBuilder::from(plan("SELECT a, b FROM t"))
        .cross_join(LogicalPlan::Extension(shuffled))
        .unwrap()
        .project(vec![col("a"), col("b") + col("d"), col("d")])
        .unwrap()
        .build()
        .unwrap();
    let found = lineage_of(&plan, &tables());
    assert_eq!(short(&found), "a: t.a id; t.b + u.d: ?; d: ?");
    assert_eq!(found.unknown, ["what a step `Shuffle` does is not known"]);
}

#[test]
fn a_table_that_is_not_known_is_said() {
    let found = lineage(&context(), "SELECT a, value FROM t, generate_series(1, 3)");
    assert_eq!(short(&found), "a: t.a id; value: ?");
    assert_eq!(found.unknown.len(), 1, "{:?}", found.unknown);
    assert!(found.unknown[0].contains("generate_series"), "{:?}", found.unknown);
}

#[test]
fn a_statement_that_is_no_query_is_said() {
    let found = lineage(&context(), "EXPLAIN SELECT a FROM t");
    assert!(found.columns.iter().all(|column| !column.known), "{found:?}");
    assert_eq!(found.unknown, ["what a step `Explain` does is not known"]);
}

//! SQL that somebody wrote, made a plan. The planner is others' code: it takes the stack with it
//! when SQL is too deep, and panics at some that nobody has tried it with.

use assay_core::{Panicked, surviving, surviving_future};
use datafusion::common::DFSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::depth;

/// Plans a query.
pub async fn query(state: &SessionState, sql: &str) -> Result<LogicalPlan> {
    depth::check(sql)?;
    answered(surviving_future(state.create_logical_plan(sql)).await)
}

/// Plans an expression over the columns of a row.
pub fn expression(state: &SessionState, sql: &str, columns: &DFSchema) -> Result<Expr> {
    depth::check(sql)?;
    guarded(|| state.create_logical_expr(sql, columns))
}

/// A step of planning after the first: to check a plan, to optimise it, to make it ready for rows.
pub fn guarded<T>(step: impl FnOnce() -> Result<T>) -> Result<T> {
    answered(surviving(step))
}

/// [`guarded`], for a step that waits.
pub async fn guarded_future<T>(step: impl Future<Output = Result<T>>) -> Result<T> {
    answered(surviving_future(step).await)
}

fn answered<T>(planned: std::result::Result<Result<T>, Panicked>) -> Result<T> {
    planned.unwrap_or_else(|Panicked| {
        let what = "the planner fails on it, which is a mistake of the planner; a name of more \
                    than four parts is one cause";
        Err(DataFusionError::Plan(what.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;
    use futures::FutureExt;

    #[test]
    fn sql_at_which_the_planner_panics_is_refused() {
        let state = SessionContext::new().state();
        let planned = super::query(&state, "SELECT a.b.c.d.e.f").now_or_never();
        let error = planned.expect("planning does not wait").unwrap_err().to_string();
        assert!(error.contains("the planner fails on it"), "{error}");
        let columns = datafusion::common::DFSchema::empty();
        let error = super::expression(&state, "a.b.c.d.e.f = 1", &columns).unwrap_err();
        assert!(error.to_string().contains("the planner fails on it"), "{error}");
    }
}

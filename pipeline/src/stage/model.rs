//! SQL models. A row stage's is a projection that is evaluated chunk by chunk, so that output
//! row *i* is input row *i*; an aggregate stage's is a query.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use assay_core::DatasetName;
use assay_quality::planning::{expression, guarded};
use chrono::{DateTime, Utc};
use datafusion::common::DFSchema;
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column as PhysicalColumn;
use datafusion::physical_expr::utils::collect_columns;

use super::lineage::Planned;
use crate::session::{plan, planning, register};

/// Why SQL is no model, where in the SQL, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelError {
    pub(crate) line: Option<u32>,
    pub(crate) what: String,
    pub(crate) fix: String,
}

impl ModelError {
    /// Every mistake that planning found.
    fn all(error: &DataFusionError) -> Vec<ModelError> {
        error.iter().map(ModelError::planning).collect()
    }

    fn planning(error: &DataFusionError) -> ModelError {
        let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
        let line = span.and_then(|span| u32::try_from(span.start.line).ok());
        let text = error.strip_backtrace();
        // What follows is a list of every column there is.
        let text = text.split(" Valid fields are").next().unwrap_or(&text);
        let what = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let fix = "check the names against the contracts of the datasets".to_owned();
        ModelError { line: line.filter(|line| *line > 0), what, fix }
    }

    /// Several mistakes as one, for a model that was fine when it was loaded.
    pub(crate) fn joined(errors: Vec<ModelError>) -> ModelError {
        let what: Vec<String> = errors.into_iter().map(|error| error.what).collect();
        ModelError::shape(what.join("; "), "run `assay check` on the pipeline")
    }

    fn shape(what: impl Into<String>, fix: impl Into<String>) -> ModelError {
        ModelError { line: None, what: what.into(), fix: fix.into() }
    }
}

/// One SQL expression over the columns of a row.
#[derive(Debug, Clone)]
pub(crate) struct Expression(Arc<dyn PhysicalExpr>);

impl Expression {
    /// Compiles `sql` against `schema`; `now()` is `at`.
    pub(crate) fn compile(
        sql: &str,
        schema: &SchemaRef,
        at: DateTime<Utc>,
    ) -> Result<Expression, ModelError> {
        let state = planning(at, &[]).map_err(|error| ModelError::planning(&error))?;
        let plan = || {
            let columns = DFSchema::try_from(Arc::clone(schema))?;
            let expr = expression(&state, sql, &columns)?;
            physical(&state, expr, &columns)
        };
        plan().map(Expression).map_err(|error| ModelError::planning(&error))
    }

    /// The columns that it looks at, by name.
    pub(crate) fn columns(&self) -> Vec<String> {
        let columns = collect_columns(&self.0);
        let mut names: Vec<String> = columns.iter().map(|c| c.name().to_owned()).collect();
        names.sort();
        names
    }

    pub(crate) fn kind(&self, schema: &Schema) -> Option<arrow::datatypes::DataType> {
        self.0.data_type(schema).ok()
    }

    pub(crate) fn evaluate(
        &self,
        rows: &RecordBatch,
    ) -> Result<arrow::array::ArrayRef, DataFusionError> {
        self.0.evaluate(rows)?.into_array(rows.num_rows())
    }
}

/// A projection, ready to be evaluated.
#[derive(Debug, Clone)]
pub(crate) struct RowModel {
    /// From the innermost `SELECT` outwards.
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Step {
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    schema: SchemaRef,
}

impl RowModel {
    /// Plans `sql`, a projection of `relation`; `now()` is `at`.
    pub(crate) fn plan(
        sql: &str,
        relation: &DatasetName,
        schema: &SchemaRef,
        at: DateTime<Utc>,
    ) -> Result<RowModel, Vec<ModelError>> {
        Self::create(sql, relation, schema, at).map(|(model, ..)| model)
    }

    /// Its plan, as it is written and optimised.
    pub(super) fn planned(
        sql: &str,
        relation: &DatasetName,
        schema: &SchemaRef,
    ) -> Result<Planned, Vec<ModelError>> {
        let (_, written, state) = Self::create(sql, relation, schema, DateTime::<Utc>::UNIX_EPOCH)?;
        // A projection runs as it is written, so one that can't be optimised is no mistake.
        let optimized = guarded(|| state.optimize(&written)).unwrap_or_else(|_| written.clone());
        Ok(Planned { written, optimized })
    }

    fn create(
        sql: &str,
        relation: &DatasetName,
        schema: &SchemaRef,
        at: DateTime<Utc>,
    ) -> Result<(RowModel, LogicalPlan, SessionState), Vec<ModelError>> {
        let state = planning(at, &[(relation, schema)]).map_err(|e| ModelError::all(&e))?;
        let plan = create(&state, sql)?;
        let mut steps = Vec::new();
        collect(&state, &plan, sql, relation, &mut steps)?;
        if steps.is_empty() {
            return Err(vec![ModelError::shape(
                "the model selects nothing",
                "write SELECT … FROM …",
            )]);
        }
        Ok((RowModel { steps }, plan, state))
    }

    /// The columns that come out.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.steps[self.steps.len() - 1].schema
    }

    /// Whether `column` comes out as it went in.
    pub(crate) fn passes(&self, column: &str) -> bool {
        let through = |name: String, step: &Step| {
            let place = step.schema.index_of(&name).ok()?;
            let inner = step.exprs[place].as_any().downcast_ref::<PhysicalColumn>()?;
            Some(inner.name().to_owned())
        };
        let inner = self.steps.iter().rev().try_fold(column.to_owned(), through);
        inner.is_some_and(|inner| inner == column)
    }

    pub(crate) fn apply(&self, rows: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
        let mut rows = rows.clone();
        for step in &self.steps {
            let column =
                |expr: &Arc<dyn PhysicalExpr>| expr.evaluate(&rows)?.into_array(rows.num_rows());
            let columns = step.exprs.iter().map(column).collect::<Result<Vec<_>, _>>()?;
            rows = RecordBatch::try_new(Arc::clone(&step.schema), columns)?;
        }
        Ok(rows)
    }
}

/// Gathers the projections of `plan`, innermost first, and refuses whatever could change the
/// number or the order of rows.
fn collect(
    state: &SessionState,
    plan: &LogicalPlan,
    sql: &str,
    relation: &DatasetName,
    steps: &mut Vec<Step>,
) -> Result<(), Vec<ModelError>> {
    match plan {
        LogicalPlan::TableScan(_) => Ok(()),
        LogicalPlan::SubqueryAlias(alias) => collect(state, &alias.input, sql, relation, steps),
        LogicalPlan::Projection(projection) => {
            collect(state, &projection.input, sql, relation, steps)?;
            let input = projection.input.schema();
            let mut exprs = Vec::new();
            let mut fields = Vec::new();
            for (expr, field) in projection.expr.iter().zip(projection.schema.fields()) {
                let built = physical(state, expr.clone().unalias(), input)
                    .and_then(|built| Ok((built.data_type(input.as_arrow())?, built)));
                let (kind, built) = built.map_err(|error| ModelError::all(&error))?;
                fields.push(Field::new(field.name(), kind, true));
                exprs.push(built);
            }
            steps.push(Step { exprs, schema: Arc::new(Schema::new(fields)) });
            Ok(())
        }
        other => {
            let (name, word) = match other {
                LogicalPlan::Filter(_) => ("a WHERE", "where"),
                LogicalPlan::Aggregate(_) => ("an aggregate", "group"),
                LogicalPlan::Distinct(_) => ("a DISTINCT", "distinct"),
                LogicalPlan::Join(_) => ("a join", "join"),
                LogicalPlan::Limit(_) => ("a LIMIT", "limit"),
                LogicalPlan::Sort(_) => ("an ORDER BY", "order"),
                LogicalPlan::Window(_) => ("a window function", "over"),
                LogicalPlan::Union(_) => ("a UNION", "union"),
                LogicalPlan::Unnest(_) => ("an UNNEST", "unnest"),
                LogicalPlan::EmptyRelation(_) => ("no FROM", "select"),
                _ => ("a step", "select"),
            };
            let what = format!("the model has {name}, so a row out would not be one row in");
            let fix = match other {
                LogicalPlan::Filter(_) => "move the condition to `filter:` of the stage".to_owned(),
                LogicalPlan::EmptyRelation(_) => format!("write SELECT … FROM {relation}"),
                LogicalPlan::Aggregate(_) | LogicalPlan::Window(_) => {
                    "make it an aggregate stage: `aggregate:` and `whole:`".to_owned()
                }
                _ => format!("write one SELECT … FROM {relation}"),
            };
            let line = line_of(sql, word).or(Some(1));
            Err(vec![ModelError { line, ..ModelError::shape(what, fix) }])
        }
    }
}

/// The last line of `sql` that has `word` in it as a word of its own.
pub(crate) fn line_of(sql: &str, word: &str) -> Option<u32> {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    let has = |line: &str| line.split(|c| !inside(c)).any(|part| part.eq_ignore_ascii_case(word));
    let found = sql.lines().enumerate().filter(|(_, line)| has(line)).last();
    found.and_then(|(number, _)| u32::try_from(number + 1).ok())
}

/// The columns that an aggregate stage's query gives.
pub(crate) fn query_columns(
    sql: &str,
    tables: &[(&DatasetName, &SchemaRef)],
    previous: &SchemaRef,
) -> Result<SchemaRef, Vec<ModelError>> {
    let planned = query_planned(sql, tables, previous)?;
    Ok(Arc::new(planned.optimized.schema().as_arrow().clone()))
}

/// An aggregate stage's query, planned against tables without rows.
pub(super) fn query_planned(
    sql: &str,
    tables: &[(&DatasetName, &SchemaRef)],
    previous: &SchemaRef,
) -> Result<Planned, Vec<ModelError>> {
    let at = DateTime::<Utc>::UNIX_EPOCH;
    let state = planning(at, tables).map_err(|error| ModelError::all(&error))?;
    let empty = Arc::new(EmptyTable::new(Arc::clone(previous)));
    register(&state, "none", "previous", empty).map_err(|error| ModelError::all(&error))?;
    let written = create(&state, sql)?;
    let optimized = guarded(|| state.optimize(&written));
    let optimized = optimized.map_err(|error| ModelError::all(&error))?;
    Ok(Planned { written, optimized })
}

/// The columns that a query over one table gives.
pub(crate) fn query_columns_alone(
    sql: &str,
    table: (&DatasetName, &SchemaRef),
) -> Result<SchemaRef, Vec<ModelError>> {
    let state = planning(DateTime::<Utc>::UNIX_EPOCH, &[table]);
    let state = state.map_err(|error| ModelError::all(&error))?;
    let plan = create(&state, sql)?;
    let optimized = guarded(|| state.optimize(&plan)).map_err(|error| ModelError::all(&error))?;
    Ok(Arc::new(optimized.schema().as_arrow().clone()))
}

/// Plans without running: nothing here waits, so it needs no runtime.
fn create(state: &SessionState, sql: &str) -> Result<LogicalPlan, Vec<ModelError>> {
    let plan = futures::executor::block_on(plan(state, sql));
    let plan = plan.map_err(|error| ModelError::all(&error))?;
    match &plan {
        LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::Statement(_) => {
            Err(vec![ModelError::shape("a model only reads", "write a SELECT")])
        }
        _ => Ok(plan),
    }
}

fn physical(
    state: &SessionState,
    expr: Expr,
    schema: &DFSchema,
) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    let context = SimplifyContext::default()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::clone(state.config_options()))
        .with_query_execution_start_time(state.execution_props().query_execution_start_time);
    let simplifier = ExprSimplifier::new(context);
    guarded(|| {
        let coerced = simplifier.coerce(expr, schema)?;
        state.create_physical_expr(simplifier.simplify(coerced)?, schema)
    })
}

#[cfg(test)]
mod tests;

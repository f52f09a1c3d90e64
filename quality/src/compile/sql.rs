//! `type: sql`: from a query to something that takes rows in chunk by chunk.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{CatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, TableReference};
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{
    Aggregate as AggregatePlan, Expr, ExprSchemable, LogicalPlan, cast,
};
use datafusion::optimizer::simplify_expressions::{ExprSimplifier, SimplifyContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_planner::create_aggregate_expr_and_maybe_filter;
use futures::FutureExt;

use crate::expression::{Planner, Problem, forbidden, strict};
use crate::measure::{Aggregate, Measure};
use crate::planning;

const EXAMPLE: &str = "write SELECT COUNT(*) FROM {object} WHERE …, which gives one number";

/// Aggregates whose state stays small and gives the same however rows are divided.
const MERGEABLE: [&str; 11] = [
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "stddev",
    "stddev_pop",
    "var",
    "var_pop",
    "bool_and",
    "bool_or",
];

/// A query, and the columns that it looks at.
pub(super) struct Planned {
    pub(super) measure: Measure,
    pub(super) columns: Vec<String>,
}

/// Plans a query over the rows, which it may call by any of `tables`.
pub(super) fn measure(
    planner: &Planner,
    query: &str,
    layer: &str,
    tables: &[&str],
) -> Result<Planned, Problem> {
    let state = session(planner, layer, tables).map_err(|error| planner.explain(&error))?;
    let plan = planning::query(&state, query)
        .now_or_never()
        .unwrap_or_else(|| Err(DataFusionError::Plan("it needs more than rows".to_owned())))
        .and_then(|plan| {
            let analyzer = state.analyzer();
            planning::guarded(|| {
                analyzer.execute_and_check(plan, state.config_options(), |_, _| {})
            })
        })
        .map_err(|error| explain(planner, &error, tables))?;
    let shape = Shape::of(&plan)?;
    shape.check()?;
    planning::guarded(|| shape.compile(&state)).map_err(|error| planner.explain(&error))
}

/// A session that knows the rows as a table without any.
fn session(
    planner: &Planner,
    layer: &str,
    tables: &[&str],
) -> Result<SessionState, DataFusionError> {
    let state = planner.state.clone();
    let catalog = Arc::new(datafusion::catalog::MemoryCatalogProvider::new());
    let options = &state.config_options().catalog;
    let default = options.default_schema.clone();
    let table = || Arc::new(EmptyTable::new(Arc::clone(&planner.schema)));
    for name in [layer, &default] {
        let schema = MemorySchemaProvider::new();
        for known in tables.iter().collect::<BTreeSet<_>>() {
            schema.register_table((*known).to_owned(), table())?;
        }
        catalog.register_schema(name, Arc::new(schema))?;
    }
    state.catalog_list().register_catalog(options.default_catalog.clone(), catalog);
    Ok(state)
}

/// The only shape that one pass can compute: values of aggregates of rows that pass conditions.
struct Shape<'a> {
    value: &'a Expr,
    aggregate: &'a AggregatePlan,
    filters: Vec<&'a Expr>,
}

impl<'a> Shape<'a> {
    fn of(plan: &'a LogicalPlan) -> Result<Shape<'a>, Problem> {
        let value = match plan {
            LogicalPlan::Projection(projection) => match projection.expr.as_slice() {
                [value] => Ok((value, projection.input.as_ref())),
                several => {
                    let what = format!("the query gives {} values, not one", several.len());
                    Err(Problem::new(what, "write a rule for each of them"))
                }
            },
            LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) => {
                Err(Problem::new("the query can give no row, or several", EXAMPLE))
            }
            LogicalPlan::Union(_) | LogicalPlan::Distinct(_) => {
                Err(Problem::new("the query puts several results together", EXAMPLE))
            }
            _ => Err(Problem::new("the query is no SELECT of one value", EXAMPLE)),
        };
        let (value, input) = value?;
        let mut filters = Vec::new();
        let LogicalPlan::Aggregate(aggregate) = input else {
            return Err(match input {
                LogicalPlan::Filter(filter)
                    if matches!(*filter.input, LogicalPlan::Aggregate(_)) =>
                {
                    let fix = "compare with the operator of the rule instead";
                    Problem::new("HAVING can leave no value", fix)
                }
                LogicalPlan::EmptyRelation(_) => {
                    Problem::new("the query looks at no rows", EXAMPLE)
                }
                _ => Problem::new("the query gives a value for each row, not one", EXAMPLE),
            });
        };
        if !aggregate.group_expr.is_empty() {
            let fix = "for repeated keys use `unique` or `metric: duplicateValues`";
            return Err(Problem::new("GROUP BY gives a value for each group, not one", fix));
        }
        let mut below = aggregate.input.as_ref();
        loop {
            below = match below {
                LogicalPlan::Filter(filter) => {
                    filters.push(&filter.predicate);
                    filter.input.as_ref()
                }
                LogicalPlan::SubqueryAlias(alias) => alias.input.as_ref(),
                LogicalPlan::TableScan(_) => break,
                LogicalPlan::Join(_) => {
                    let fix = "for values of another dataset use `relationships`";
                    return Err(Problem::new("the query joins tables", fix));
                }
                _ => {
                    let fix = "write the aggregates over {object} itself, with WHERE";
                    return Err(Problem::new("the query looks at more than the rows", fix));
                }
            }
        }
        Ok(Shape { value, aggregate, filters })
    }

    fn check(&self) -> Result<(), Problem> {
        for aggregate in &self.aggregate.aggr_expr {
            let Expr::AggregateFunction(function) = aggregate.clone().unalias_nested().data else {
                return Err(Problem::new("it aggregates in a way that is not known", EXAMPLE));
            };
            let name = function.func.name();
            if function.params.distinct {
                let fix = "for repeated values use `unique` or `metric: duplicateValues`";
                return Err(Problem::new("DISTINCT would have to hold every value", fix));
            }
            if !MERGEABLE.contains(&name) {
                let what = format!("`{name}` would have to hold every value");
                return Err(Problem::new(what, format!("use one of {}", MERGEABLE.join(", "))));
            }
        }
        let parts =
            self.filters.iter().copied().chain(&self.aggregate.aggr_expr).chain([self.value]);
        for part in parts {
            let mut problem = None;
            let found = part.apply(|inner| {
                let aggregate = matches!(inner, Expr::AggregateFunction(_));
                problem = if aggregate { None } else { forbidden(inner) };
                Ok(if problem.is_some() {
                    TreeNodeRecursion::Stop
                } else {
                    TreeNodeRecursion::Continue
                })
            });
            found.map_err(|_| Problem::new("it can't be planned", EXAMPLE))?;
            if let Some(problem) = problem {
                return Err(problem);
            }
        }
        let schema = self.aggregate.schema.as_ref();
        let kind = self.value.get_type(schema).unwrap_or(DataType::Null);
        match kind.is_numeric() || kind == DataType::Boolean {
            true => Ok(()),
            false => {
                let what = format!("the query gives {kind}, not a number");
                Err(Problem::new(what, EXAMPLE))
            }
        }
    }

    fn compile(&self, state: &SessionState) -> Result<Planned, DataFusionError> {
        let rows = self.aggregate.input.schema();
        let physical = |expr: &Expr, schema: &DFSchema| {
            strict(state.create_physical_expr(plain(state, expr.clone(), schema)?, schema)?)
        };
        let mut names = BTreeSet::new();
        let mut name = |expr: &Expr| {
            names.extend(expr.column_refs().into_iter().map(|column| column.name.clone()));
        };
        let mut filters: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
        for filter in &self.filters {
            name(filter);
            filters.push(physical(filter, rows)?);
        }
        let mut aggregates = Vec::new();
        let mut fields = Vec::new();
        for (place, expr) in self.aggregate.aggr_expr.iter().enumerate() {
            name(expr);
            let field = self.aggregate.schema.field(self.aggregate.group_expr.len() + place);
            fields.push(field.as_ref().clone().with_nullable(true));
            let (function, filter, _) = create_aggregate_expr_and_maybe_filter(
                &wide(state, expr, rows)?,
                rows,
                rows.as_arrow(),
                state.execution_props(),
            )?;
            let arguments =
                function.expressions().into_iter().map(strict).collect::<Result<_, _>>()?;
            aggregates.push(Aggregate { function, arguments, filter });
        }
        let columns = names.into_iter().collect();
        let value = physical(self.value, self.aggregate.schema.as_ref())?;
        let schema = Arc::new(Schema::new(fields.into_iter().collect::<Vec<Field>>()));
        Ok(Planned { measure: Measure { filters, aggregates, value, schema }, columns })
    }
}

/// The expression without what only stands for others, such as COALESCE.
fn plain(state: &SessionState, expr: Expr, schema: &DFSchema) -> Result<Expr, DataFusionError> {
    let context = SimplifyContext::default()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::clone(state.config_options()));
    ExprSimplifier::new(context).simplify(expr)
}

/// The sum of whole numbers, made of decimals: DataFusion's own begins anew beyond 64 bits and
/// says nothing.
fn wide(state: &SessionState, expr: &Expr, rows: &DFSchema) -> Result<Expr, DataFusionError> {
    let widen = |inner: Expr| {
        let Expr::AggregateFunction(mut call) = inner else { return Ok(Transformed::no(inner)) };
        let sum = call.func.name() == "sum";
        let mut arguments = Vec::with_capacity(call.params.args.len());
        for argument in call.params.args {
            let argument = plain(state, argument, rows)?;
            arguments.push(match sum && argument.get_type(rows)?.is_integer() {
                true => cast(argument, DataType::Decimal128(20, 0)),
                false => argument,
            });
        }
        call.params.args = arguments;
        let filter = call.params.filter.take();
        call.params.filter = filter.map(|it| plain(state, *it, rows).map(Box::new)).transpose()?;
        Ok(Transformed::yes(Expr::AggregateFunction(call)))
    };
    Ok(expr.clone().transform_up(widen)?.data)
}

fn explain(planner: &Planner, error: &DataFusionError, tables: &[&str]) -> Problem {
    match error.find_root() {
        DataFusionError::Plan(message) if message.starts_with("table ") => {
            let known = TableReference::from(tables[0]);
            let what = "the query looks at another table than the rows";
            Problem::new(what, format!("write FROM {{object}}, or FROM {known}"))
        }
        DataFusionError::SQL(error, _) => {
            let message = error.to_string();
            let message = message.trim_start_matches("sql parser error: ");
            let line = message.lines().next().unwrap_or_default();
            Problem::new(format!("it is no SQL: {line}"), EXAMPLE)
        }
        _ => planner.explain(error),
    }
}

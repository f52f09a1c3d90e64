//! SQL expressions over the columns of a row, planned by DataFusion.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DFSchemaRef, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable, Volatility};
use datafusion::optimizer::simplify_expressions::{ExprSimplifier, SimplifyContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::planning;

/// What is wrong with a rule, and a way out.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) what: String,
    pub(crate) fix: String,
}

/// Plans expressions over the rows of one schema.
pub(crate) struct Planner {
    pub(crate) state: SessionState,
    pub(crate) schema: SchemaRef,
    columns: DFSchemaRef,
    /// Column → its place.
    places: HashMap<String, usize>,
}

const EXAMPLE: &str = "write SQL over the columns of a row, for example `amount >= 0`";

const ONE_ROW: &str = "a rule sees one row at a time; shape the rows in the stage's model before";

impl Problem {
    pub(crate) fn new(what: impl Into<String>, fix: impl Into<String>) -> Problem {
        Problem { what: what.into(), fix: fix.into() }
    }
}

impl Planner {
    pub(crate) fn new(schema: SchemaRef) -> Result<Planner, Problem> {
        let mut config = SessionConfig::new();
        // Columns are written as the contract writes them, `eventTime` without quotes.
        config.options_mut().sql_parser.enable_ident_normalization = false;
        let named = |(place, field): (usize, &FieldRef)| (field.name().clone(), place);
        let places: HashMap<String, usize> =
            schema.fields().iter().enumerate().map(named).collect();
        if places.len() < schema.fields().len() {
            let what = "the rows have two columns of one name";
            return Err(Problem::new(what, "rename one of them in the stage's model"));
        }
        let columns = DFSchema::try_from(Arc::clone(&schema))
            .expect("columns without a qualifier and with names of their own make a schema");
        let state = SessionContext::new_with_config(config).state();
        Ok(Planner { state, schema, columns: Arc::new(columns), places })
    }

    /// Where a column is, by its exact name.
    pub(crate) fn column(&self, name: &str) -> Option<(usize, &Field)> {
        let place = *self.places.get(name)?;
        Some((place, self.schema.field(place)))
    }

    /// Reads a condition on a row.
    pub(crate) fn read(&self, sql: &str) -> Result<Expr, Problem> {
        let expression = planning::expression(&self.state, sql, &self.columns)
            .map_err(|error| self.explain(&error))?;
        let mut problem = None;
        let found = expression.exists(|part| {
            problem = forbidden(part).or_else(|| self.mixed(part));
            Ok(problem.is_some())
        });
        match (found, problem) {
            (Ok(_), None) => {}
            (Ok(_), Some(problem)) => return Err(problem),
            (Err(error), _) => return Err(self.explain(&error)),
        }
        let kind = expression.get_type(&self.columns).map_err(|error| self.explain(&error))?;
        if kind != DataType::Boolean {
            let what = format!("the expression is neither true nor false, it has the type {kind}");
            return Err(Problem::new(what, EXAMPLE));
        }
        Ok(expression)
    }

    /// Makes an expression ready for rows, and tries it on none of them: what fails even there
    /// would fail on every row.
    pub(crate) fn plan(&self, expression: Expr) -> Result<Arc<dyn PhysicalExpr>, Problem> {
        let plan = || {
            // Planning looks a column up again and again, one by one: it sees those that it needs.
            let schema = Arc::new(self.narrow(&expression));
            let columns = Arc::new(DFSchema::try_from(Arc::clone(&schema))?);
            let context = SimplifyContext::default()
                .with_schema(Arc::clone(&columns))
                .with_config_options(Arc::clone(self.state.config_options()));
            let simplifier = ExprSimplifier::new(context);
            let expression = simplifier.coerce(expression, &columns)?;
            let expression = simplifier.simplify(expression)?;
            let plan = strict(self.state.create_physical_expr(expression, &columns)?)?;
            plan.evaluate(&RecordBatch::new_empty(schema))?;
            self.widened(plan)
        };
        planning::guarded(plan).map_err(|error| self.explain(&error))
    }

    /// The columns that an expression names.
    fn narrow(&self, expression: &Expr) -> Schema {
        let names: BTreeSet<&str> =
            expression.column_refs().into_iter().map(|column| column.name.as_str()).collect();
        // What is not there is found missing as ever.
        let fields = names.into_iter().filter_map(|name| self.column(name));
        Schema::new(fields.map(|(_, field)| field.clone()).collect::<Vec<Field>>())
    }

    /// The same expression over rows with all columns.
    fn widened(
        &self,
        narrow: Arc<dyn PhysicalExpr>,
    ) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
        let wide = narrow.transform_up(|part| {
            let column = part.as_any().downcast_ref::<Column>();
            let place = column.and_then(|it| Some((it.name(), *self.places.get(it.name())?)));
            Ok(match place {
                Some((name, place)) => Transformed::yes(Arc::new(Column::new(name, place)) as _),
                None => Transformed::no(part),
            })
        });
        wide.map(|wide| wide.data)
    }

    /// The columns of the rows, for a message.
    pub(crate) fn column_names(&self) -> String {
        const SHOWN: usize = 20;
        let fields = self.schema.fields();
        let names: Vec<&str> =
            fields.iter().take(SHOWN).map(|field| field.name().as_str()).collect();
        let more = match fields.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("the rows have {}{more}", names.join(", "))
    }

    /// A number compared with a text would be compared as a text, where 10 is less than 9.
    fn mixed(&self, part: &Expr) -> Option<Problem> {
        let sides: Vec<&Expr> = match part {
            Expr::BinaryExpr(pair) if pair.op.supports_propagation() => {
                vec![pair.left.as_ref(), pair.right.as_ref()]
            }
            Expr::Between(range) => {
                vec![range.expr.as_ref(), range.low.as_ref(), range.high.as_ref()]
            }
            Expr::InList(list) => std::iter::once(list.expr.as_ref()).chain(&list.list).collect(),
            _ => return None,
        };
        let has = |kind: fn(&DataType) -> bool| {
            sides.iter().any(|side| side.get_type(&self.columns).is_ok_and(|found| kind(&found)))
        };
        (has(DataType::is_numeric) && has(DataType::is_string)).then(|| {
            let fix = "write a number without quotes, and a column of texts as CAST(… AS BIGINT)";
            Problem::new("it compares a number with a text", fix)
        })
    }

    pub(crate) fn explain(&self, error: &DataFusionError) -> Problem {
        match error.find_root() {
            DataFusionError::SchemaError(error, _) => match error.as_ref() {
                SchemaError::FieldNotFound { field, .. } => {
                    let what = format!("the rows have no column `{}`", field.flat_name());
                    Problem::new(what, self.nearest(&field.name))
                }
                other => Problem::new(first_line(&other.to_string()), self.column_names()),
            },
            DataFusionError::SQL(error, _) => {
                let message = error.to_string();
                let message = message.trim_start_matches("sql parser error: ");
                Problem::new(format!("not an expression: {}", first_line(message)), EXAMPLE)
            }
            DataFusionError::Plan(message) if message.starts_with("Invalid function") => {
                let mut lines = message.lines();
                let what = lines.next().unwrap_or_default().replace('\'', "`");
                let what = what.trim_end_matches('.').replace("Invalid", "there is no");
                let fix = lines.next().unwrap_or(EXAMPLE).replace('\'', "`");
                Problem::new(what, fix.replace("Did", "did"))
            }
            DataFusionError::Plan(message) if message.starts_with("table ") => {
                Problem::new("it looks at another table", ONE_ROW)
            }
            DataFusionError::Plan(message) => {
                let fix = "compare the expression with the types of the columns";
                Problem::new(format!("it can't be planned: {}", first_line(message)), fix)
            }
            DataFusionError::ArrowError(error, _) => {
                let what = format!("it fails whatever the row: {}", first_line(&error.to_string()));
                Problem::new(what, EXAMPLE)
            }
            other => {
                let message = other.strip_backtrace();
                Problem::new(format!("it can't be judged: {}", first_line(&message)), EXAMPLE)
            }
        }
    }

    pub(crate) fn nearest(&self, name: &str) -> String {
        let same = |known: &&str| known.eq_ignore_ascii_case(name);
        let mut names = self.schema.fields().iter().map(|field| field.name().as_str());
        match names.find(same) {
            Some(known) => format!("did you mean `{known}`?"),
            // A path into a column is no name of one.
            None if name.contains(['.', '[']) => {
                format!("write a path as an expression, such as a['b']; {}", self.column_names())
            }
            None => self.column_names(),
        }
    }
}

/// The same expression, in which a number that grows too large is a failure and not another number.
pub(crate) fn strict(
    expression: Arc<dyn PhysicalExpr>,
) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    let checked = expression.transform_up(|part| {
        Ok(match part.as_any().downcast_ref::<BinaryExpr>() {
            Some(pair) => Transformed::yes(Arc::new(pair.clone().with_fail_on_overflow(true)) as _),
            None => Transformed::no(part),
        })
    });
    checked.map(|checked| checked.data)
}

/// What an expression about one row, judged again at any time with the same answer, can't have.
pub(crate) fn forbidden(part: &Expr) -> Option<Problem> {
    let one_row = |what: &str| Some(Problem::new(what, ONE_ROW));
    match part {
        Expr::AggregateFunction(function) => {
            one_row(&format!("`{}` looks at more than one row", function.func.name()))
        }
        Expr::WindowFunction(_) => one_row("a window looks at more than one row"),
        Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) => {
            one_row("a subquery looks at other tables")
        }
        Expr::Unnest(_) => one_row("`unnest` makes several rows of one"),
        Expr::Placeholder(_) => {
            Some(Problem::new("a placeholder stands for no value", "write the value itself"))
        }
        Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
            let what = format!("`{}` gives another answer each time", call.func.name());
            let fix = "compare with a column of the row, for example `processed_at`";
            Some(Problem::new(what, fix))
        }
        _ => None,
    }
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

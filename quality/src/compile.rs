//! From the rules of a contract to expressions over the rows.

mod columns;
mod row;
mod sql;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;

use assay_core::{Check, Contract, Mistake, Mistakes, OnFail, Rule, Severity, Threshold};

use crate::expression::{Planner, Problem};
use crate::observe::tells_time;
use crate::profiler::watched;
use crate::suite::{Compiled, Reference, Test};
use crate::{KeyHasher, Suite};

/// The rule that every row could be read and brought into the shape of the dataset.
pub const READABLE: &str = "readable";

/// Why a rule is not judged on rows that lack what the contract promises.
const NOT_THERE: &str = "its columns are not there as the contract has them";

pub(crate) struct Compiler<'a> {
    contract: &'a Contract,
    schema: SchemaRef,
    planner: Planner,
    references: Vec<Reference>,
    /// Text of each condition → its place.
    known_conditions: BTreeMap<String, usize>,
    conditions: Vec<Arc<dyn PhysicalExpr>>,
    /// How the columns differ from those of the contract, where that is a rule of its own.
    amiss: columns::Amiss,
    mistakes: Vec<Mistake>,
}

fn readable() -> Compiled {
    let rule = Rule {
        name: READABLE.to_owned(),
        check: Check::Holds { expression: "the row can be read".to_owned() },
        condition: None,
        severity: Severity::Error,
        on_fail: OnFail::Quarantine,
        threshold: Threshold::NONE,
        dimension: "conformity".to_owned(),
        line: 0,
    };
    Compiled { rule, columns: vec![], condition: None, twin: None, test: Test::Readable }
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(contract: &'a Contract, schema: &Schema) -> Result<Compiler<'a>, Mistakes> {
        let schema = nullable(schema);
        let planner = Planner::new(Arc::clone(&schema)).map_err(|problem| Mistake {
            file: contract.file.clone(),
            line: None,
            what: problem.what,
            fix: Some(problem.fix),
        })?;
        let is_a_rule = |rule: &Rule| matches!(rule.check, Check::Columns { .. });
        let amiss = match contract.rules.iter().any(is_a_rule) {
            true => columns::Amiss::find(contract, &schema),
            false => columns::Amiss::default(),
        };
        Ok(Compiler {
            contract,
            schema,
            planner,
            references: Vec::new(),
            known_conditions: BTreeMap::new(),
            conditions: Vec::new(),
            amiss,
            mistakes: Vec::new(),
        })
    }

    pub(crate) fn compile(mut self) -> Result<Suite, Mistakes> {
        let mut rules = Vec::new();
        for rule in &self.contract.rules {
            match self.rule(rule) {
                Ok(compiled) => rules.push(compiled),
                Err(_) if self.amiss.explains(&rule.check) => rules.push(unjudged(rule)),
                Err(problem) => self.mistake(rule, problem),
            }
        }
        let Compiler { contract, schema, references, conditions, mistakes, .. } = self;
        Mistakes(mistakes).none_or(())?;
        if !rules.is_empty() {
            rules.push(readable());
        }
        let watched = watched(contract, &schema);
        Ok(Suite::new(schema, rules, references, conditions, contract.thresholds, watched))
    }

    fn rule(&mut self, rule: &Rule) -> Result<Compiled, Problem> {
        let condition = rule.condition.as_deref().map(|sql| self.condition(sql)).transpose()?;
        let mut columns: Vec<String> =
            rule.check.columns().into_iter().map(str::to_owned).collect();
        let test = match &rule.check {
            Check::References { columns, dataset, targets } => {
                let place = |name: &String| Ok(self.column(name)?.0);
                let places: Vec<usize> =
                    columns.iter().map(place).collect::<Result<_, Problem>>()?;
                self.references.push(Reference {
                    rule: rule.name.clone(),
                    columns: columns.clone(),
                    places: places.clone(),
                    dataset: dataset.clone(),
                    targets: targets.clone(),
                });
                Test::Known { reference: self.references.len() - 1, columns: places }
            }
            Check::Unique { columns } => self.unique(columns)?,
            Check::RowCount if rule.threshold.percent => {
                let what = "a number of rows can't be a share of itself";
                return Err(Problem::new(what, "remove `unit: percent`"));
            }
            Check::RowCount => Test::RowCount,
            Check::Fresh { column, warn_after_seconds, error_after_seconds } => {
                self.fresh(column, *warn_after_seconds, *error_after_seconds)?
            }
            Check::Retained { column, seconds } => {
                Test::Retained { column: self.time(column)?, seconds: *seconds }
            }
            Check::Holds { expression } => {
                let holds = self.planner.read(expression)?;
                columns = holds.column_refs().into_iter().map(|it| it.name.clone()).collect();
                columns.sort();
                Test::Breaks(self.planner.plan(Expr::Not(Box::new(holds)))?)
            }
            Check::Sql { query, table } => {
                let tables = [self.contract.dataset.name(), table];
                let layer = self.contract.dataset.layer().name();
                let measure = sql::measure(&self.planner, query, layer, &tables)?;
                columns = measure.columns;
                Test::Sql(Arc::new(measure.measure))
            }
            Check::Columns { exact } => Test::Columns(self.amiss.told(*exact)),
            Check::Volume(volume) => Test::Volume(*volume),
            Check::Lag { column, lag } => Test::Lag { column: self.time(column)?, lag: *lag },
            Check::Drift { column, drift } => {
                self.column(column)?;
                Test::Drift { column: column.clone(), drift: *drift }
            }
            Check::Valid { column, values, pattern } => {
                let values = self.valid(column, values, pattern)?;
                match self.few_texts(column, &values)? {
                    Some(test) => test,
                    None => {
                        let check = Check::OneOf { column: column.clone(), values };
                        Test::Breaks(self.planner.plan(self.broken(&check)?)?)
                    }
                }
            }
            Check::Format { .. } | Check::Conforms { .. } | Check::Matches { .. } => {
                self.text_test(&rule.check)?
            }
            Check::OneOf { column, values } => match self.few_texts(column, values)? {
                Some(test) => test,
                None => Test::Breaks(self.planner.plan(self.broken(&rule.check)?)?),
            },
            Check::NotNull { column } => Test::Null { column: self.column(column)?.0 },
            Check::Between { column, min, max } => {
                let (place, field) = self.column(column)?;
                let outside = row::outside(field, min.as_ref(), max.as_ref())?;
                match row::range(field, min.as_ref(), max.as_ref())? {
                    Some(range) => Test::Outside { column: place, range },
                    None => Test::Breaks(self.planner.plan(outside)?),
                }
            }
            check => Test::Breaks(self.planner.plan(self.broken(check)?)?),
        };
        Ok(Compiled { rule: rule.clone(), columns, condition, twin: None, test })
    }

    /// The place of a condition among all; rules that share it have it evaluated once.
    fn condition(&mut self, sql: &str) -> Result<usize, Problem> {
        if let Some(place) = self.known_conditions.get(sql) {
            return Ok(*place);
        }
        let plan = self.planner.read(sql).and_then(|condition| self.planner.plan(condition));
        let plan = plan.map_err(|problem| Problem {
            what: format!("in its `where`: {}", problem.what),
            ..problem
        })?;
        self.conditions.push(plan);
        let place = self.conditions.len() - 1;
        self.known_conditions.insert(sql.to_owned(), place);
        Ok(place)
    }

    fn column(&self, name: &str) -> Result<(usize, &Field), Problem> {
        self.planner.column(name).ok_or_else(|| {
            let what = format!("it looks at `{name}`, which the rows do not have");
            Problem::new(what, self.planner.nearest(name))
        })
    }

    fn unique(&self, columns: &[String]) -> Result<Test, Problem> {
        for column in columns {
            self.column(column)?;
        }
        let hasher = KeyHasher::new(&self.schema, columns);
        hasher.map(Test::Unique).map_err(|error| {
            Problem::new(error.to_string(), "use columns of plain types, such as string or bigint")
        })
    }

    fn fresh(&self, column: &str, warn: f64, error: f64) -> Result<Test, Problem> {
        let place = self.time(column)?;
        if warn > error {
            let what = "the warning would come after the error";
            return Err(Problem::new(what, "let `warnAfter` be less than the value"));
        }
        let (warn_after_seconds, error_after_seconds) = (warn, error);
        Ok(Test::Fresh { column: place, warn_after_seconds, error_after_seconds })
    }

    fn time(&self, column: &str) -> Result<usize, Problem> {
        let (place, field) = self.column(column)?;
        if !tells_time(field.data_type()) {
            let what = format!("`{column}` has the type {}, which is no time", field.data_type());
            return Err(Problem::new(what, "use a date or timestamp column"));
        }
        Ok(place)
    }

    fn mistake(&mut self, rule: &Rule, problem: Problem) {
        self.mistakes.push(Mistake {
            file: self.contract.file.clone(),
            line: (rule.line > 0).then_some(rule.line),
            what: format!("`{}`: {}", rule.name, problem.what),
            fix: Some(problem.fix),
        });
    }
}

fn unjudged(rule: &Rule) -> Compiled {
    let columns = rule.check.columns().into_iter().map(str::to_owned).collect();
    let test = Test::Unjudged { of_rows: rule.check.of_rows(), why: NOT_THERE };
    Compiled { rule: rule.clone(), columns, condition: None, twin: None, test }
}

/// The schema with every column nullable: a promise that a column has no NULL is what is to be
/// judged, so no plan may rest on it.
fn nullable(schema: &Schema) -> SchemaRef {
    let open = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
    Arc::new(Schema::new(schema.fields().iter().map(open).collect::<Vec<Field>>()))
}

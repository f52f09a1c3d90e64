//! From the rules of a contract to expressions over the rows.

mod row;

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::logical_expr::Expr;

use assay_core::{Check, Contract, Mistake, Mistakes, OnFail, Rule, Severity, Threshold};

use crate::expression::{Planner, Problem};
use crate::observe::tells_time;
use crate::suite::{Compiled, Reference, Test};
use crate::{KeyHasher, Suite};

/// A mask has a bit for each rule about rows, and one for the rule that every suite has.
const MOST_ROW_RULES: usize = u128::BITS as usize - 1;

/// The rule that every row could be read and brought into the shape of the dataset.
const READABLE: &str = "readable";

pub(crate) struct Compiler<'a> {
    contract: &'a Contract,
    schema: SchemaRef,
    planner: Planner,
    references: Vec<Reference>,
    mistakes: Vec<Mistake>,
}

fn readable() -> Compiled {
    let rule = Rule {
        name: READABLE.to_owned(),
        check: Check::Holds { expression: "the row can be read".to_owned() },
        severity: Severity::Error,
        on_fail: OnFail::Quarantine,
        threshold: Threshold::NONE,
        dimension: "conformity".to_owned(),
        line: 0,
    };
    Compiled { rule, columns: vec![], test: Test::Readable }
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
        Ok(Compiler { contract, schema, planner, references: Vec::new(), mistakes: Vec::new() })
    }

    pub(crate) fn compile(mut self) -> Result<Suite, Mistakes> {
        let mut rules = Vec::new();
        for rule in &self.contract.rules {
            match self.rule(rule) {
                Ok(compiled) => rules.push(compiled),
                Err(problem) => self.mistake(rule, problem),
            }
        }
        let of_rows = |rule: &&Rule| rule.check.of_rows();
        if let Some(rule) = self.contract.rules.iter().filter(of_rows).nth(MOST_ROW_RULES) {
            let what = format!(
                "a contract has at most {MOST_ROW_RULES} rules about rows, this is one more"
            );
            let fix = "join some in one expression with AND, or remove them";
            self.mistake(rule, Problem::new(what, fix));
        }
        let Compiler { contract, schema, references, mistakes, .. } = self;
        Mistakes(mistakes).none_or(())?;
        if !rules.is_empty() {
            rules.push(readable());
        }
        Ok(Suite::new(schema, rules, references, contract.thresholds))
    }

    fn rule(&mut self, rule: &Rule) -> Result<Compiled, Problem> {
        let mut columns: Vec<String> =
            rule.check.columns().into_iter().map(str::to_owned).collect();
        let test = match &rule.check {
            Check::References { column, dataset, target } => {
                let (place, _) = self.column(column)?;
                self.references.push(Reference {
                    rule: rule.name.clone(),
                    column: column.clone(),
                    place,
                    dataset: dataset.clone(),
                    target: target.clone(),
                });
                Test::Known { reference: self.references.len() - 1, column: place }
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
            Check::Holds { expression } => {
                let holds = self.planner.read(expression)?;
                columns = holds.column_refs().into_iter().map(|it| it.name.clone()).collect();
                columns.sort();
                Test::Breaks(self.planner.plan(Expr::Not(Box::new(holds)))?)
            }
            check => Test::Breaks(self.planner.plan(self.broken(check)?)?),
        };
        Ok(Compiled { rule: rule.clone(), columns, test })
    }

    fn column(&self, name: &str) -> Result<(usize, &Field), Problem> {
        self.schema.fields().find(name).map(|(place, field)| (place, field.as_ref())).ok_or_else(
            || {
                let what = format!("it looks at `{name}`, which the rows do not have");
                Problem::new(what, self.planner.column_names())
            },
        )
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
        let (place, field) = self.column(column)?;
        if !tells_time(field.data_type()) {
            let what = format!("`{column}` has the type {}, which is no time", field.data_type());
            return Err(Problem::new(what, "use a date or timestamp column"));
        }
        if warn > error {
            let what = "the warning would come after the error";
            return Err(Problem::new(what, "let `warnAfter` be less than the value"));
        }
        let (warn_after_seconds, error_after_seconds) = (warn, error);
        Ok(Test::Fresh { column: place, warn_after_seconds, error_after_seconds })
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

/// The schema with every column nullable: a promise that a column has no NULL is what is to be
/// judged, so no plan may rest on it.
fn nullable(schema: &Schema) -> SchemaRef {
    let open = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
    Arc::new(Schema::new(schema.fields().iter().map(open).collect::<Vec<Field>>()))
}

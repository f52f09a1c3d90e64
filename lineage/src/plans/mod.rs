//! Reads column lineage off a plan of DataFusion.
//!
//! A plan is walked from its tables up. Each node gives, by position and never by name, the input
//! columns of every column, and beside them what decides about its rows. Both walks, over nodes and
//! over expressions, name every kind there is, so a new version of DataFusion asks what to do. What
//! is not known makes its columns not known, with a reason; nothing is guessed.
//!
//! Two plans are read. The one that stands in the SQL says how a column is used: optimising writes
//! `coalesce` as CASE, DISTINCT as GROUP BY, a subquery as a join, and `count(DISTINCT a)` as two
//! groupings. The optimised one says what is used at all: constants are folded and what nobody
//! reads is gone. So an input counts when it is in both, and its use is the one that was written.

mod expression;
mod leaf;
mod node;
mod sources;
mod text;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use assay_core::DatasetName;
use datafusion::logical_expr::LogicalPlan;

use self::sources::{Relation, Sources, Uses};
use crate::columns::{ColumnLineage, InputColumn, OutputColumn};

/// The tables that a plan may read, by the name that its SQL has for them.
pub type Tables = BTreeMap<String, PlanTable>;

/// What a table of a plan is.
#[derive(Debug, Clone)]
pub struct PlanTable {
    pub dataset: DatasetName,
    /// Columns that the dataset does not have: they are made of one of its columns before the
    /// plan sees them.
    pub made: BTreeMap<String, MadeColumn>,
    /// Columns that decided which rows the plan sees.
    pub filtered_by: Vec<String>,
}

/// A column that is made of another one.
#[derive(Debug, Clone)]
pub struct MadeColumn {
    pub from: String,
    /// How it is made.
    pub expression: String,
}

impl PlanTable {
    /// A table as it is.
    pub fn of(dataset: &DatasetName) -> PlanTable {
        PlanTable { dataset: dataset.clone(), made: BTreeMap::new(), filtered_by: vec![] }
    }
}

/// From which columns of `tables` the columns of a query are made: `written` is its plan as it
/// stands in the SQL, `optimized` the same plan optimised.
pub fn column_lineage(
    written: &LogicalPlan,
    optimized: &LogicalPlan,
    tables: &Tables,
) -> ColumnLineage {
    let (written, optimized) = (read(written, tables, true), read(optimized, tables, false));
    written.without_what_is_dead_in(&optimized)
}

/// What one plan says by itself.
pub fn lineage_of(plan: &LogicalPlan, tables: &Tables) -> ColumnLineage {
    read(plan, tables, true)
}

fn read(plan: &LogicalPlan, tables: &Tables, with_text: bool) -> ColumnLineage {
    let mut reader = Reader::new(tables);
    let relation = reader.relation(plan, None);
    reader.told(plan, relation, with_text)
}

/// What is known while a plan is read.
struct Reader<'p> {
    tables: &'p Tables,
    /// Input columns by the number that sources have for them.
    inputs: Vec<(DatasetName, String)>,
    numbers: HashMap<(DatasetName, String), u32>,
    /// What recursive queries have given so far, the innermost last.
    working: Vec<(&'p str, Relation<'p>)>,
    unknown: BTreeSet<String>,
}

impl<'p> Reader<'p> {
    fn new(tables: &'p Tables) -> Reader<'p> {
        Reader {
            tables,
            inputs: vec![],
            numbers: HashMap::new(),
            working: vec![],
            unknown: BTreeSet::new(),
        }
    }

    fn number(&mut self, dataset: &DatasetName, column: &str) -> u32 {
        let input = (dataset.clone(), column.to_owned());
        *self.numbers.entry(input).or_insert_with_key(|input| {
            self.inputs.push(input.clone());
            u32::try_from(self.inputs.len() - 1).expect("a plan has no four billion columns")
        })
    }

    /// Remembers why something is left out.
    fn not_known(&mut self, why: impl Into<String>) -> Sources {
        self.unknown.insert(why.into());
        Sources::not_known()
    }

    fn told(self, plan: &LogicalPlan, relation: Relation<'p>, with_text: bool) -> ColumnLineage {
        let names = plan.schema().fields().iter().map(|field| field.name());
        let column = |(name, column): (&String, sources::Column<'p>)| OutputColumn {
            column: name.clone(),
            known: !column.sources.unknown,
            inputs: self.columns(&column.sources),
            expression: column.made.filter(|_| with_text).map(|made| made.text()),
        };
        ColumnLineage {
            columns: names.zip(relation.columns).map(column).collect(),
            rows: self.columns(&relation.rows),
            unknown: self.unknown.into_iter().collect(),
        }
    }

    fn columns(&self, sources: &Sources) -> Vec<InputColumn> {
        let column = |(number, uses): &(u32, Uses)| {
            let (dataset, column) = self.inputs[*number as usize].clone();
            let (direct, indirect, masked) = (uses.strongest(), uses.deciding(), uses.masked());
            InputColumn { dataset, column, direct, indirect, masked }
        };
        let mut columns: Vec<InputColumn> = sources.used.iter().map(column).collect();
        columns.sort_by(|a, b| (&a.dataset, &a.column).cmp(&(&b.dataset, &b.column)));
        columns
    }
}

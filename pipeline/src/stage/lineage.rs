//! From which columns of what it reads a stage makes the columns of what it writes: the model's
//! plan, with the steps before and behind it.

use std::collections::BTreeMap;

use assay_lineage::ColumnLineage;
use assay_lineage::plans::{MadeColumn, PlanTable, Tables, column_lineage};
use assay_quality::planning::guarded;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;

use super::{Extract, Reads};
use crate::definition::TableSpec;

/// A model as it is written and as it is run.
#[derive(Debug)]
pub(crate) struct Planned {
    written: LogicalPlan,
    optimized: LogicalPlan,
}

impl Planned {
    /// What can't be optimised is taken as it is written: running it will say why.
    pub(super) fn of(state: &SessionState, written: LogicalPlan) -> Planned {
        let optimized = guarded(|| state.optimize(&written)).unwrap_or_else(|_| written.clone());
        Planned { written, optimized }
    }

    pub(super) fn optimized(written: LogicalPlan, optimized: LogicalPlan) -> Planned {
        Planned { written, optimized }
    }
}

/// What stands around the model of a stage.
pub(crate) struct Around<'a> {
    pub(crate) reads: &'a Reads,
    pub(crate) writes: &'a TableSpec,
    /// Columns that the filter looks at.
    pub(crate) filtered_by: Vec<String>,
    pub(crate) extract: &'a Extract,
    pub(crate) deduplicate: &'a [String],
}

impl Around<'_> {
    /// Every column of the table written, in the order of its contract.
    pub(crate) fn lineage(&self, model: &Planned) -> ColumnLineage {
        let mut lineage = column_lineage(&model.written, &model.optimized, &self.tables());
        lineage.columns.sort_by_key(|column| self.writes.schema.index_of(&column.column).ok());
        lineage.taken_by(self.deduplicate);
        lineage
    }

    fn tables(&self) -> Tables {
        let read = self.reads.dataset();
        let made = self.extract.columns().iter().map(|column| {
            let (from, kind) = (column.from.clone(), column.kind.name());
            let expression = match &column.path {
                Some(path) => format!("`{path}` in the JSON of {from}, as {kind}"),
                None => format!("{from} as {kind}"),
            };
            (column.name.clone(), MadeColumn { from, expression })
        });
        let filtered_by = self.filtered_by.clone();
        let source = PlanTable { dataset: read.clone(), made: made.collect(), filtered_by };
        let previous = PlanTable::of(&self.writes.dataset);
        BTreeMap::from([(read.to_string(), source), ("previous".to_owned(), previous)])
    }
}

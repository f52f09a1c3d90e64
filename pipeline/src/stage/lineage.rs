//! From which columns of what it reads a stage makes the columns of what it writes: the model's
//! plan, with the steps before and behind it.

use std::collections::BTreeMap;

use assay_core::surviving;
use assay_lineage::ColumnLineage;
use assay_lineage::plans::{MadeColumn, PlanTable, Tables, column_lineage};
use chrono::{DateTime, Utc};
use datafusion::logical_expr::LogicalPlan;

use super::also::WINDOW;
use super::model::query_planned;
use super::{Also, Expression, RowModel, Stage};

/// A model as it is written and as it is run.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(super) written: LogicalPlan,
    pub(super) optimized: LogicalPlan,
}

impl Stage {
    /// From which columns those of the table written are made, in the order of its contract. It is
    /// found out when it is first asked for: most commands never do. Gaps are logged then.
    pub fn columns(&self) -> &ColumnLineage {
        self.columns.get_or_init(|| {
            let lineage = self.read_columns();
            for why in &lineage.unknown {
                tracing::warn!(stage = %self.id, %why, "the lineage of its columns has gaps");
            }
            lineage
        })
    }

    /// The further tables, each with what its columns are made of: columns of the stage's own
    /// table, and of the topic where those have other names.
    pub(crate) fn also_columns(&self) -> impl Iterator<Item = (&Also, &ColumnLineage)> {
        let read = || self.also.iter().map(|also| self.read_also(also)).collect();
        self.also.iter().zip(self.also_columns.get_or_init(read))
    }

    fn read_also(&self, also: &Also) -> ColumnLineage {
        let (of, schema) = (&self.writes.dataset, &self.writes.schema);
        let planned = also.planned(of, schema, &self.reads.schema());
        let mut table = PlanTable::of(of);
        if let (Some(windows), Some(time)) = (also.windows, &self.event_time) {
            let edge = |name: &str| {
                let seconds = windows.length.num_seconds();
                let expression = format!("{name} of {seconds} s around {}", time.column);
                (name.to_owned(), MadeColumn { from: time.column.clone(), expression })
            };
            table.made = WINDOW.into_iter().map(edge).collect();
        }
        let tables = BTreeMap::from([(of.to_string(), table)]);
        let made = planned.ok().and_then(|model| {
            surviving(|| column_lineage(&model.written, &model.optimized, &tables)).ok()
        });
        let Some(mut lineage) = made else {
            let unknown = vec!["its model can't be read".to_owned()];
            return ColumnLineage { unknown, ..ColumnLineage::default() };
        };
        let inputs = lineage.columns.iter_mut().flat_map(|column| &mut column.inputs);
        for input in inputs.chain(&mut lineage.rows) {
            if schema.field_with_name(&input.column).is_err() {
                input.dataset = self.reads.dataset().clone();
            }
        }
        lineage.columns.sort_by_key(|column| also.writes.schema.index_of(&column.column).ok());
        lineage
    }

    fn read_columns(&self) -> ColumnLineage {
        let source = self.reads.schema();
        let planned = match self.aggregate {
            Some(_) => {
                let tables = [(self.reads.dataset(), &source)];
                query_planned(&self.model, &tables, &self.writes.schema)
            }
            None => {
                let extracted = self.extract.schema(&source);
                RowModel::planned(&self.model, self.reads.dataset(), &extracted)
            }
        };
        // It was planned when the pipeline was loaded; and what others' code makes of an
        // expression must not end a run.
        let read = planned.ok().and_then(|model| {
            let tables = self.plan_tables();
            surviving(|| column_lineage(&model.written, &model.optimized, &tables)).ok()
        });
        let Some(mut lineage) = read else {
            let unknown = vec!["its model can't be read".to_owned()];
            return ColumnLineage { unknown, ..ColumnLineage::default() };
        };
        lineage.columns.sort_by_key(|column| self.writes.schema.index_of(&column.column).ok());
        lineage.taken_by(&self.deduplicate);
        lineage
    }

    /// What the model reads: the source behind filter and extract, and the table's own rows.
    fn plan_tables(&self) -> Tables {
        let read = self.reads.dataset();
        let made = self.extract.columns().iter().map(|column| {
            let (from, kind) = (column.from.clone(), column.kind.name());
            let expression = match &column.path {
                Some(path) => format!("`{path}` in the JSON of {from}, as {kind}"),
                None => format!("{from} as {kind}"),
            };
            (column.name.clone(), MadeColumn { from, expression })
        });
        let filter = self.filter.as_deref().map(|sql| {
            Expression::compile(sql, &self.reads.schema(), DateTime::<Utc>::UNIX_EPOCH)
                .map(|filter| filter.columns())
        });
        let source = PlanTable {
            dataset: read.clone(),
            made: made.collect(),
            filtered_by: filter.and_then(Result::ok).unwrap_or_default(),
        };
        let previous = PlanTable::of(&self.writes.dataset);
        BTreeMap::from([(read.to_string(), source), ("previous".to_owned(), previous)])
    }
}

#[cfg(test)]
mod tests;

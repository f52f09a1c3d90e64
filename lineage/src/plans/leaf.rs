//! Where columns begin: tables, values, and what a recursive query has given so far.

use std::rc::Rc;

use datafusion::common::{DFSchema, TableReference};
use datafusion::logical_expr::{RecursiveQuery, TableScan, Values};

use super::expression::Scope;
use super::node::{FILTER, grouped};
use super::sources::{Column, Relation, Role, Sources};
use super::text::Made;
use super::{PlanTable, Reader, Tables};

impl<'p> Reader<'p> {
    pub(super) fn scan(&mut self, scan: &'p TableScan) -> Relation<'p> {
        if let TableReference::Bare { table } = &scan.table_name
            && let Some((_, rows)) = self.working.iter().rev().find(|(name, _)| **name == **table)
        {
            return projected(rows.clone(), scan.projection.as_deref());
        }
        let schema = scan.source.schema();
        let known: &'p Tables = self.tables;
        let Some(table) = known.get(&scan.table_name.to_string()) else {
            let why = format!("`{}` is no table whose columns are known", scan.table_name);
            self.not_known(why);
            return Relation::not_known(scan.projected_schema.fields().len());
        };
        let mut relation = Relation::default();
        for field in schema.fields() {
            relation.columns.push(self.stored(table, field.name()));
        }
        for column in &table.filtered_by {
            let number = self.number(&table.dataset, column);
            relation.rows.join(&Sources::one(number, FILTER));
        }
        if !scan.filters.is_empty()
            && let Ok(all) = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &schema)
        {
            let known = [(&all, &relation)];
            let scope = Scope { inputs: &known, outer: None };
            let deciding = self.all(&scan.filters, &scope, FILTER);
            relation.rows.join(&deciding);
        }
        projected(relation, scan.projection.as_deref())
    }

    fn stored(&mut self, table: &'p PlanTable, name: &str) -> Column<'p> {
        match table.made.get(name) {
            Some(made) => {
                let number = self.number(&table.dataset, &made.from);
                let words = Some(Rc::new(Made::Before(&made.expression)));
                Column { sources: Sources::one(number, Role::TRANSFORMATION), made: words }
            }
            None => {
                let number = self.number(&table.dataset, name);
                Column { sources: Sources::one(number, Role::IDENTITY), made: None }
            }
        }
    }

    pub(super) fn values(
        &mut self,
        values: &'p Values,
        count: usize,
        outer: Option<&Scope<'_, 'p>>,
    ) -> Relation<'p> {
        let scope = Scope { inputs: &[], outer };
        let mut relation = Relation::constant(count);
        for row in &values.values {
            for (column, expr) in relation.columns.iter_mut().zip(row) {
                column.sources.join(&self.sources(expr, &scope, Role::IDENTITY));
            }
        }
        relation
    }

    /// Goes round until nothing new is found: there are only so many columns and uses.
    pub(super) fn recursive(
        &mut self,
        query: &'p RecursiveQuery,
        outer: Option<&Scope<'_, 'p>>,
    ) -> Relation<'p> {
        let mut all = self.relation(&query.static_term, outer);
        loop {
            self.working.push((&query.name, all.clone()));
            let next = self.relation(&query.recursive_term, outer);
            self.working.pop();
            let mut more = all.clone();
            for (column, next) in more.columns.iter_mut().zip(&next.columns) {
                column.sources.join(&next.sources);
            }
            more.rows.join(&next.rows);
            if query.is_distinct {
                more.rows.join(&grouped(&more.columns));
            }
            if alike(&more, &all) {
                return all;
            }
            all = more;
        }
    }
}

fn projected<'p>(mut relation: Relation<'p>, projection: Option<&[usize]>) -> Relation<'p> {
    if let Some(projection) = projection {
        let column = |place: &usize| relation.columns.get(*place).cloned();
        relation.columns = projection.iter().filter_map(column).collect();
    }
    relation
}

/// Whether both use the same inputs in the same way.
fn alike(one: &Relation<'_>, other: &Relation<'_>) -> bool {
    let sources = |relation: &Relation<'_>| -> Vec<Sources> {
        relation.columns.iter().map(|column| column.sources.clone()).collect()
    };
    one.rows == other.rows && sources(one) == sources(other)
}

//! What each node of a plan gives, by what its inputs give.

use std::rc::Rc;
use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{
    Aggregate, Distinct, DistinctOn, Expr, Join, LogicalPlan, SortExpr, SubqueryAlias, Unnest,
};

use super::Reader;
use super::expression::Scope;
use super::sources::{Column, Relation, Role, Sources};
use super::text::Made;
use crate::columns::Indirect;

pub(super) const FILTER: Role = Role::Indirect(Indirect::Filter);
const GROUP_BY: Role = Role::Indirect(Indirect::GroupBy);
const JOIN: Role = Role::Indirect(Indirect::Join);
const SORT: Role = Role::Indirect(Indirect::Sort);

impl<'p> Reader<'p> {
    /// What `plan` gives. Goes down without recursion: a chain of queries may be long.
    pub(super) fn relation(
        &mut self,
        plan: &'p LogicalPlan,
        outer: Option<&Scope<'_, 'p>>,
    ) -> Relation<'p> {
        let (mut order, mut todo) = (vec![], vec![plan]);
        while let Some(plan) = todo.pop() {
            order.push(plan);
            todo.extend(walked(plan));
        }
        // Backwards, inputs come before what reads them, the first input first.
        let mut done: Vec<Relation<'p>> = vec![];
        for plan in order.into_iter().rev() {
            let inputs = done.split_off(done.len() - walked(plan).len());
            let relation = self.node(plan, inputs, outer);
            done.push(self.held_against(plan, relation));
        }
        done.pop().expect("the plan itself comes last")
    }

    /// A node that gives another number of columns than was found was not understood.
    fn held_against(&mut self, plan: &LogicalPlan, relation: Relation<'p>) -> Relation<'p> {
        let count = plan.schema().fields().len();
        if relation.columns.len() == count {
            return relation;
        }
        let found = relation.columns.len();
        let why = format!("a {} gives {count} columns, and {found} were found", name_of(plan));
        self.not_known(why);
        Relation::not_known(count)
    }

    fn node(
        &mut self,
        plan: &'p LogicalPlan,
        mut inputs: Vec<Relation<'p>>,
        outer: Option<&Scope<'_, 'p>>,
    ) -> Relation<'p> {
        let count = plan.schema().fields().len();
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::EmptyRelation(_) => Relation::constant(count),
            LogicalPlan::Values(values) => self.values(values, count, outer),
            LogicalPlan::Union(_) => union(inputs, count),
            LogicalPlan::RecursiveQuery(query) => self.recursive(query, outer),
            LogicalPlan::Join(join) => self.join(join, inputs, outer),
            LogicalPlan::Explain(_)
            | LogicalPlan::Analyze(_)
            | LogicalPlan::Extension(_)
            | LogicalPlan::Statement(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::DescribeTable(_) => {
                self.not_known(format!("what a step `{}` does is not known", name_of(plan)));
                Relation::not_known(count)
            }
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Repartition(_)
            | LogicalPlan::Subquery(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::Unnest(_) => {
                let input = inputs.pop().expect("such a node has one input");
                self.over_one(plan, input, outer)
            }
        }
    }

    fn over_one(
        &mut self,
        plan: &'p LogicalPlan,
        mut input: Relation<'p>,
        outer: Option<&Scope<'_, 'p>>,
    ) -> Relation<'p> {
        let below = plan.inputs();
        let known = [(below[0].schema().as_ref(), &input)];
        let scope = Scope { inputs: &known, outer };
        let (columns, deciding) = match plan {
            LogicalPlan::Projection(projection) => {
                (Some(self.each(&projection.expr, &scope)), Sources::default())
            }
            LogicalPlan::Filter(filter) => (None, self.all([&filter.predicate], &scope, FILTER)),
            LogicalPlan::Window(window) => {
                let mut columns = input.columns.clone();
                columns.extend(self.each(&window.window_expr, &scope));
                (Some(columns), Sources::default())
            }
            LogicalPlan::Aggregate(aggregate) => {
                let (columns, deciding) = self.aggregate(aggregate, &scope);
                (Some(columns), deciding)
            }
            LogicalPlan::Sort(sort) => (None, self.all(keys(&sort.expr), &scope, SORT)),
            LogicalPlan::Limit(limit) => {
                let ends = [&limit.skip, &limit.fetch].into_iter().flatten();
                (None, self.all(ends.map(|end| &**end), &scope, FILTER))
            }
            LogicalPlan::Distinct(Distinct::All(_)) => (None, grouped(&input.columns)),
            LogicalPlan::Distinct(Distinct::On(distinct)) => {
                let (columns, deciding) = self.distinct_on(distinct, &scope);
                (Some(columns), deciding)
            }
            LogicalPlan::Unnest(unnest) => {
                let (columns, deciding) = unnested(unnest, &input);
                (Some(columns), deciding)
            }
            // Rows and columns go through as they are.
            _ => (None, Sources::default()),
        };
        if let Some(columns) = columns {
            input.columns = columns;
        }
        input.rows.join(&deciding);
        input
    }

    fn each(&mut self, exprs: &'p [Expr], scope: &Scope<'_, 'p>) -> Vec<Column<'p>> {
        exprs.iter().map(|expr| self.column(expr, scope)).collect()
    }

    pub(super) fn all(
        &mut self,
        exprs: impl IntoIterator<Item = &'p Expr>,
        scope: &Scope<'_, 'p>,
        role: Role,
    ) -> Sources {
        let mut found = Sources::default();
        for expr in exprs {
            found.join(&self.sources(expr, scope, role));
        }
        found
    }

    /// Groups, then in grouping sets the number of the set, then aggregates.
    fn aggregate(
        &mut self,
        node: &'p Aggregate,
        scope: &Scope<'_, 'p>,
    ) -> (Vec<Column<'p>>, Sources) {
        let deciding = self.all(&node.group_expr, scope, GROUP_BY);
        let sets = matches!(node.group_expr.as_slice(), [Expr::GroupingSet(_)]);
        let mut columns = vec![];
        // That they can't be listed shows in the number of columns.
        for expr in grouping_set_to_exprlist(&node.group_expr).unwrap_or_default() {
            let mut column = self.column(expr, scope);
            if sets {
                // NULL where the set has no such group.
                let all = std::mem::take(&mut column.sources);
                column.sources.add(Role::TRANSFORMATION, &all);
            }
            columns.push(column);
        }
        if sets {
            columns.push(Column::default());
        }
        columns.extend(self.each(&node.aggr_expr, scope));
        (columns, deciding)
    }

    fn distinct_on(
        &mut self,
        node: &'p DistinctOn,
        scope: &Scope<'_, 'p>,
    ) -> (Vec<Column<'p>>, Sources) {
        let columns = self.each(&node.select_expr, scope);
        let mut deciding = self.all(&node.on_expr, scope, GROUP_BY);
        deciding.join(&self.all(keys(node.sort_expr.as_deref().unwrap_or(&[])), scope, SORT));
        (columns, deciding)
    }

    fn join(
        &mut self,
        join: &'p Join,
        inputs: Vec<Relation<'p>>,
        outer: Option<&Scope<'_, 'p>>,
    ) -> Relation<'p> {
        let mut inputs = inputs.into_iter();
        let left = inputs.next().expect("a join has a left side");
        let right = inputs.next().unwrap_or_else(|| {
            // It names columns of the left side.
            let known = [(join.left.schema().as_ref(), &left)];
            self.relation(&join.right, Some(&Scope { inputs: &known, outer }))
        });
        let known = [(join.left.schema().as_ref(), &left), (join.right.schema().as_ref(), &right)];
        let pairs = join.on.iter().flat_map(|(left, right)| [left, right]);
        let scope = Scope { inputs: &known, outer };
        let deciding = self.all(pairs.chain(&join.filter), &scope, JOIN);
        let Relation { mut columns, mut rows } = match join.join_type {
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => right.clone(),
            _ => left.clone(),
        };
        match join.join_type {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                columns.extend(right.columns.iter().cloned());
            }
            // Whether there is a partner.
            JoinType::LeftMark | JoinType::RightMark => {
                let mut mark = Sources::default();
                mark.add(Role::Indirect(Indirect::Conditional), &deciding);
                columns.push(Column { sources: mark, made: None });
            }
            JoinType::LeftSemi | JoinType::LeftAnti => {}
            JoinType::RightSemi | JoinType::RightAnti => {}
        }
        for other in [&left.rows, &right.rows, &deciding] {
            rows.join(other);
        }
        Relation { columns, rows }
    }
}

/// The inputs that are walked before the node. A lateral side comes after the other side, and a
/// recursive query goes round by itself.
fn walked(plan: &LogicalPlan) -> Vec<&LogicalPlan> {
    match plan {
        LogicalPlan::Join(join) if lateral(&join.right) => vec![&join.left],
        LogicalPlan::RecursiveQuery(_) => vec![],
        LogicalPlan::Extension(_) => vec![],
        _ => plan.inputs(),
    }
}

fn lateral(plan: &Arc<LogicalPlan>) -> bool {
    match plan.as_ref() {
        LogicalPlan::Subquery(_) => true,
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. }) => lateral(input),
        _ => false,
    }
}

fn keys(sorts: &[SortExpr]) -> impl Iterator<Item = &Expr> {
    sorts.iter().map(|sort| &sort.expr)
}

/// Of rows that are alike in all columns one stays.
pub(super) fn grouped(columns: &[Column<'_>]) -> Sources {
    let mut deciding = Sources::default();
    for column in columns {
        deciding.add(GROUP_BY, &column.sources);
    }
    deciding
}

/// By position, whatever the columns are called.
fn union<'p>(inputs: Vec<Relation<'p>>, count: usize) -> Relation<'p> {
    let mut all = Relation::constant(count);
    for (place, input) in inputs.into_iter().enumerate() {
        for (column, more) in all.columns.iter_mut().zip(&input.columns) {
            column.sources.join(&more.sources);
            if place == 0 {
                column.made.clone_from(&more.made);
            }
        }
        all.rows.join(&input.rows);
    }
    all
}

/// A list becomes rows, as if it were joined; a struct becomes columns.
fn unnested<'p>(node: &Unnest, input: &Relation<'p>) -> (Vec<Column<'p>>, Sources) {
    let mut columns = vec![];
    let taken_apart = |place: usize| {
        let list = node.list_type_columns.iter().any(|(list, _)| *list == place);
        list || node.struct_type_columns.contains(&place)
    };
    for place in &node.dependency_indices {
        let Some(from) = input.columns.get(*place) else { continue };
        let mut column = from.clone();
        if taken_apart(*place) {
            let all = std::mem::take(&mut column.sources);
            column.sources.add(Role::TRANSFORMATION, &all);
            column.made = Some(Rc::new(Made::Unnested(column.made.take())));
        }
        columns.push(column);
    }
    let mut deciding = Sources::default();
    for (place, _) in &node.list_type_columns {
        if let Some(list) = input.columns.get(*place) {
            deciding.add(JOIN, &list.sources);
        }
    }
    (columns, deciding)
}

fn name_of(plan: &LogicalPlan) -> String {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.name().to_owned(),
        other => {
            let shown = other.display().to_string();
            shown.split([':', ' ']).next().unwrap_or_default().to_owned()
        }
    }
}

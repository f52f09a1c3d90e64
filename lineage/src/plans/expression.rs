//! From which columns an expression is made.

use std::collections::BTreeMap;
use std::rc::Rc;

use datafusion::common::{Column as ColumnName, DFSchema};
use datafusion::logical_expr::expr::{
    AggregateFunction, Exists, GroupingSet, InSubquery, ScalarFunction, SetComparison,
    WindowFunction, WindowFunctionDefinition,
};
use datafusion::logical_expr::{Expr, Subquery};

use super::Reader;
use super::sources::{Column, Relation, Role, Sources};
use super::text::{Expression, Made};
use crate::columns::{Direct, Indirect};

/// Functions of whose argument only a hash comes out.
const MASKING: [&str; 8] =
    ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "digest", "xxhash64"];

/// Aggregates that give the first argument of the row with the best second one.
const PICKING: [&str; 4] = ["min_by", "max_by", "arg_min", "arg_max"];

/// The columns that an expression may name: those of its node's inputs, and around a subquery
/// those of the query that it stands in.
pub(super) struct Scope<'a, 'p> {
    pub(super) inputs: &'a [(&'a DFSchema, &'a Relation<'p>)],
    pub(super) outer: Option<&'a Scope<'a, 'p>>,
}

impl<'a, 'p> Scope<'a, 'p> {
    fn column(&self, name: &ColumnName) -> Option<&'a Column<'p>> {
        let find = |(schema, relation): &(&'a DFSchema, &'a Relation<'p>)| {
            relation.columns.get(schema.maybe_index_of_column(name)?)
        };
        self.inputs.iter().find_map(find)
    }

    /// Whether a name says enough without its table.
    fn of_one_table(&self) -> bool {
        let mut tables =
            self.inputs.iter().flat_map(|(schema, _)| schema.iter().map(|(table, _)| table));
        let first = tables.next();
        first.is_some_and(|first| tables.all(|table| table == first))
    }

    fn outer_column(&self, name: &ColumnName) -> Option<&'a Column<'p>> {
        let outer = self.outer?;
        outer.column(name).or_else(|| outer.outer_column(name))
    }
}

/// What is still to be looked at of an expression, and what was found.
struct Walk<'p> {
    todo: Vec<(&'p Expr, Role)>,
    found: Sources,
    /// How columns in it were made, by their names.
    made: BTreeMap<&'p str, Rc<Made<'p>>>,
    parts: usize,
}

impl<'p> Walk<'p> {
    fn each(&mut self, exprs: impl IntoIterator<Item = &'p Expr>, role: Role) {
        self.todo.extend(exprs.into_iter().map(|expr| (expr, role)));
    }
}

impl<'p> Reader<'p> {
    /// The column that `expr` makes.
    pub(super) fn column(&mut self, expr: &'p Expr, scope: &Scope<'_, 'p>) -> Column<'p> {
        let mut expr = expr;
        while let Expr::Alias(alias) = expr {
            expr = &alias.expr;
        }
        if let Expr::Column(name) = expr
            && let Some(column) = scope.column(name)
        {
            return column.clone();
        }
        let walk = self.walk(expr, scope, Role::IDENTITY);
        let made = Made::By(Expression {
            expr,
            parts: walk.parts,
            plain: scope.of_one_table(),
            of: walk.made.into_iter().collect(),
        });
        Column { sources: walk.found, made: Some(Rc::new(made)) }
    }

    /// What `expr` uses in the role `role`.
    pub(super) fn sources(&mut self, expr: &'p Expr, scope: &Scope<'_, 'p>, role: Role) -> Sources {
        self.walk(expr, scope, role).found
    }

    fn walk(&mut self, expr: &'p Expr, scope: &Scope<'_, 'p>, role: Role) -> Walk<'p> {
        let mut walk = Walk {
            todo: vec![(expr, role)],
            found: Sources::default(),
            made: BTreeMap::new(),
            parts: 0,
        };
        while let Some((expr, role)) = walk.todo.pop() {
            walk.parts += 1;
            self.part(expr, role, scope, &mut walk);
        }
        walk
    }

    /// Looks at one part, and leaves what is below it to be looked at.
    #[allow(deprecated, reason = "a wildcard is a kind of expression as long as there is one")]
    fn part(&mut self, expr: &'p Expr, role: Role, scope: &Scope<'_, 'p>, walk: &mut Walk<'p>) {
        let below = role.at_least(Direct::Transformation);
        match expr {
            Expr::Alias(alias) => walk.each([&*alias.expr], role),
            Expr::Column(name) => self.named(name, scope.column(name), role, walk),
            Expr::OuterReferenceColumn(_, name) => {
                self.named(name, scope.outer_column(name), role, walk);
            }
            Expr::Literal(..) | Expr::ScalarVariable(..) | Expr::Placeholder(_) => {}
            Expr::BinaryExpr(binary) => walk.each([&*binary.left, &binary.right], below),
            Expr::Like(like) | Expr::SimilarTo(like) => {
                walk.each([&*like.expr, &like.pattern], below);
            }
            Expr::Not(expr)
            | Expr::IsNotNull(expr)
            | Expr::IsNull(expr)
            | Expr::IsTrue(expr)
            | Expr::IsFalse(expr)
            | Expr::IsUnknown(expr)
            | Expr::IsNotTrue(expr)
            | Expr::IsNotFalse(expr)
            | Expr::IsNotUnknown(expr)
            | Expr::Negative(expr) => walk.each([&**expr], below),
            Expr::Between(between) => {
                walk.each([&*between.expr, &between.low, &between.high], below);
            }
            Expr::Case(case) => {
                let deciding = role.deciding(Indirect::Conditional);
                walk.each(case.expr.as_deref(), deciding);
                for (when, then) in &case.when_then_expr {
                    walk.each([&**when], deciding);
                    walk.each([&**then], below);
                }
                walk.each(case.else_expr.as_deref(), below);
            }
            Expr::Cast(cast) => walk.each([&*cast.expr], below),
            Expr::TryCast(cast) => walk.each([&*cast.expr], below),
            Expr::ScalarFunction(function) => scalar(function, below, walk),
            Expr::AggregateFunction(function) => aggregate(function, role, walk),
            Expr::WindowFunction(function) => window(function, role, walk),
            Expr::InList(list) => walk.each(std::iter::once(&*list.expr).chain(&list.list), below),
            Expr::ScalarSubquery(query) => self.subquery(query, role, scope, walk),
            Expr::Exists(Exists { subquery, .. }) => {
                let relation = self.relation(&subquery.subquery, Some(scope));
                walk.found.join(&relation.rows);
            }
            Expr::InSubquery(InSubquery { expr, subquery, .. })
            | Expr::SetComparison(SetComparison { expr, subquery, .. }) => {
                walk.each([&**expr], below);
                self.subquery(subquery, below, scope, walk);
            }
            Expr::GroupingSet(sets) => match sets {
                GroupingSet::Rollup(exprs) | GroupingSet::Cube(exprs) => walk.each(exprs, below),
                GroupingSet::GroupingSets(sets) => walk.each(sets.iter().flatten(), below),
            },
            Expr::Unnest(unnest) => {
                walk.each([&*unnest.expr], below);
                let why = "an UNNEST stands inside of an expression";
                walk.found.join(&self.not_known(why));
            }
            Expr::Wildcard { .. } => {
                let why = "a `*` stands where its columns are not listed";
                walk.found.join(&self.not_known(why));
            }
        }
    }

    fn named(
        &mut self,
        name: &'p ColumnName,
        column: Option<&Column<'p>>,
        role: Role,
        walk: &mut Walk<'p>,
    ) {
        let Some(column) = column else {
            let why = format!("the plan names a column `{name}` that none of its inputs has");
            return walk.found.join(&self.not_known(why));
        };
        walk.found.add(role, &column.sources);
        if let Some(made) = &column.made {
            walk.made.insert(&name.name, Rc::clone(made));
        }
    }

    /// The values of a subquery in the role `role`; what decides about its rows decides here, too.
    fn subquery(
        &mut self,
        query: &'p Subquery,
        role: Role,
        scope: &Scope<'_, 'p>,
        walk: &mut Walk<'p>,
    ) {
        let relation = self.relation(&query.subquery, Some(scope));
        for column in &relation.columns {
            walk.found.add(role, &column.sources);
        }
        walk.found.join(&relation.rows);
    }
}

fn scalar<'e>(function: &'e ScalarFunction, below: Role, walk: &mut Walk<'e>) {
    let masks = MASKING.contains(&function.func.name());
    walk.each(&function.args, if masks { below.masked() } else { below });
}

fn aggregate<'e>(function: &'e AggregateFunction, role: Role, walk: &mut Walk<'e>) {
    let (name, params) = (function.func.name(), &function.params);
    walk.each(params.filter.as_deref(), role.deciding(Indirect::Filter));
    let order = params.order_by.iter().map(|sort| &sort.expr);
    walk.each(order, role.deciding(Indirect::Sort));
    let values = role.at_least(Direct::Aggregation);
    match params.args.as_slice() {
        // Which columns were grouped, not what is in them.
        _ if name == "grouping" => {}
        [value, key] if PICKING.contains(&name) => {
            walk.each([value], values);
            walk.each([key], role.deciding(Indirect::Sort));
        }
        args => walk.each(args.iter().filter(|arg| !counts_rows(name, arg)), values),
    }
}

fn window<'e>(function: &'e WindowFunction, role: Role, walk: &mut Walk<'e>) {
    let params = &function.params;
    let (name, least) = match &function.fun {
        WindowFunctionDefinition::AggregateUDF(function) => (function.name(), Direct::Aggregation),
        WindowFunctionDefinition::WindowUDF(function) => (function.name(), Direct::Transformation),
    };
    let args = params.args.iter().filter(|arg| !counts_rows(name, arg));
    walk.each(args, role.at_least(least));
    walk.each(params.filter.as_deref(), role.deciding(Indirect::Filter));
    let deciding = role.deciding(Indirect::Window);
    walk.each(&params.partition_by, deciding);
    walk.each(params.order_by.iter().map(|sort| &sort.expr), deciding);
}

/// The `*` of `count(*)`.
#[allow(deprecated, reason = "a wildcard is a kind of expression as long as there is one")]
fn counts_rows(function: &str, arg: &Expr) -> bool {
    function == "count" && matches!(arg, Expr::Wildcard { .. })
}

//! Expressions as text, for people. Turning one into text costs more than all the rest, so only
//! those are that somebody will see.

use std::rc::Rc;

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::Expr;
use datafusion::sql::unparser::Unparser;
use datafusion::sql::unparser::dialect::DefaultDialect;

/// Larger ones are no help to anybody, and turning them into text takes a deep stack.
const LARGEST: usize = 150;

/// Longer ones are cut.
const LONGEST: usize = 400;

/// How often it is said how the columns in an expression were made themselves.
const DEEPEST: usize = 3;

/// What made a column.
#[derive(Debug)]
pub(super) enum Made<'p> {
    By(Expression<'p>),
    /// In words, before the plan.
    Before(&'p str),
    Unnested(Option<Rc<Made<'p>>>),
}

/// An expression, with what has to be known to write it.
#[derive(Debug)]
pub(super) struct Expression<'p> {
    pub(super) expr: &'p Expr,
    /// How many parts it has.
    pub(super) parts: usize,
    /// Whether names of columns say enough without their tables.
    pub(super) plain: bool,
    /// How columns in it were made, by their names.
    pub(super) of: Vec<(&'p str, Rc<Made<'p>>)>,
}

impl Made<'_> {
    pub(super) fn text(&self) -> String {
        self.text_within(DEEPEST)
    }

    fn text_within(&self, depth: usize) -> String {
        match self {
            Made::Before(words) => (*words).to_owned(),
            Made::Unnested(None) => "unnest(the column)".to_owned(),
            Made::Unnested(Some(whole)) => cut(format!("unnest({})", whole.text_within(depth))),
            Made::By(expression) => cut(expression.text_within(depth)),
        }
    }
}

impl Expression<'_> {
    fn text_within(&self, depth: usize) -> String {
        let mut text = self.sql();
        if depth == 0 {
            return text;
        }
        let mut word = ", where";
        for (name, made) in &self.of {
            if text.len() > LONGEST {
                break;
            }
            let how = made.text_within(depth - 1);
            if how != *name {
                text.push_str(&format!("{word} {name} = {how}"));
                word = ",";
            }
        }
        text
    }

    fn sql(&self) -> String {
        if self.parts > LARGEST {
            return format!("an expression of {} parts", self.parts);
        }
        let unqualified = self.plain.then(|| self.expr.clone().transform(|e| Ok(without_table(e))));
        let unqualified = unqualified.and_then(Result::ok).map(|expr| expr.data);
        let expr = unqualified.as_ref().unwrap_or(self.expr);
        match Unparser::new(&DefaultDialect {}).with_pretty(true).expr_to_sql(expr) {
            Ok(sql) => sql.to_string(),
            Err(_) => expr.human_display().to_string(),
        }
    }
}

fn without_table(part: Expr) -> Transformed<Expr> {
    match part {
        Expr::Column(column) if column.relation.is_some() => {
            Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))
        }
        other => Transformed::no(other),
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((place, _)) => format!("{}…", &text[..place]),
        None => text,
    }
}

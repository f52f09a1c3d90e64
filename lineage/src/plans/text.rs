//! Expressions as text, for people.

use std::fmt::Write;

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::Expr;
use datafusion::sql::unparser::Unparser;
use datafusion::sql::unparser::dialect::DefaultDialect;

/// Larger ones are no help to anybody, and turning them into text takes a deep stack.
const LARGEST: usize = 150;

/// Longer ones are cut.
const LONGEST: usize = 400;

/// `expr`, which has `parts` parts, as SQL; with `plain` names of columns without their tables.
pub(super) fn text_of(expr: &Expr, parts: usize, plain: bool) -> String {
    if parts > LARGEST {
        return format!("an expression of {parts} parts");
    }
    let unqualified = plain.then(|| expr.clone().transform(|part| Ok(without_table(part))));
    let unqualified = unqualified.and_then(|expr| expr.ok()).map(|expr| expr.data);
    let expr = unqualified.as_ref().unwrap_or(expr);
    match Unparser::new(&DefaultDialect {}).with_pretty(true).expr_to_sql(expr) {
        Ok(sql) => cut(sql.to_string()),
        Err(_) => cut(expr.human_display().to_string()),
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

/// `text`, with how the columns in it were made.
pub(super) fn with_made(mut text: String, made: &[(&str, &str)]) -> String {
    let mut word = ", where";
    for (name, how) in made.iter().filter(|(name, how)| name != how) {
        if text.len() > LONGEST {
            break;
        }
        let _ = write!(text, "{word} {name} = {how}");
        word = ",";
    }
    cut(text)
}

fn cut(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((place, _)) => format!("{}…", &text[..place]),
        None => text,
    }
}

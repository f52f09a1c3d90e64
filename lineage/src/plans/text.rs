//! Expressions as text, for people.

use std::fmt::Write;

use datafusion::logical_expr::Expr;
use datafusion::sql::unparser::Unparser;
use datafusion::sql::unparser::dialect::DefaultDialect;

/// Larger ones are no help to anybody, and turning them into text takes a deep stack.
const LARGEST: usize = 150;

/// Longer ones are cut.
const LONGEST: usize = 400;

/// `expr`, which has `parts` parts, as SQL.
pub(super) fn text_of(expr: &Expr, parts: usize) -> String {
    if parts > LARGEST {
        return format!("an expression of {parts} parts");
    }
    match Unparser::new(&DefaultDialect {}).with_pretty(true).expr_to_sql(expr) {
        Ok(sql) => cut(sql.to_string()),
        Err(_) => cut(expr.human_display().to_string()),
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

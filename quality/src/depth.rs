//! How deep SQL is: planning descends once for each operator of a chain, and a stack that runs out
//! takes the process with it, without a word.

use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// Operators that may stand in one chain, with those around it.
const DEEPEST: usize = 1000;

/// What one list, or what stands between two brackets, adds to the depth.
#[derive(Default)]
struct Level {
    operators: usize,
    /// Queries that are put together: a comma ends no chain of them.
    queries: usize,
}

/// Refuses SQL that is deeper than the stack of a thread.
pub(crate) fn check(sql: &str) -> Result<()> {
    // What has no tokens is for the parser to explain.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else { return Ok(()) };
    let mut levels = vec![Level::default()];
    let mut depth = 0;
    for token in &tokens {
        let inner = levels.len() > 1;
        let last = levels.last_mut().expect("the outermost level stays");
        match token {
            Token::LParen => levels.push(Level::default()),
            Token::RParen if inner => {
                levels.pop();
            }
            Token::Comma => last.operators = 0,
            Token::Word(word) => match word.keyword {
                Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::JOIN => {
                    last.queries += 1;
                }
                Keyword::AND | Keyword::OR | Keyword::NOT | Keyword::IS | Keyword::LIKE => {
                    last.operators += 1;
                }
                Keyword::AT | Keyword::COLLATE | Keyword::IN | Keyword::BETWEEN => {
                    last.operators += 1;
                }
                _ => {}
            },
            Token::Whitespace(_) | Token::Number(..) | Token::RParen | Token::SemiColon => {}
            Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) => {}
            Token::Period | Token::RBracket => {}
            // Whatever else it is, it puts two things together.
            _ => last.operators += 1,
        }
        let sum: usize = levels.iter().map(|level| level.operators + level.queries).sum();
        depth = depth.max(sum + levels.len());
    }
    match depth > DEEPEST {
        true => Err(DataFusionError::Plan(format!(
            "the SQL is {depth} operators deep; {DEEPEST} can be planned: write long chains of OR \
             as IN (…), or divide the query"
        ))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{DEEPEST, check};

    #[test]
    fn a_chain_is_deep_and_a_list_is_not() {
        let many = |part: &str| vec![part; DEEPEST + 1].join("");
        for deep in [
            format!("SELECT 1{}", many(" + 1")),
            format!("SELECT 1{}", many("::int")),
            format!("SELECT * FROM a WHERE b = 1{}", many(" OR b = 2")),
            format!("SELECT 1, 2{}", many(" UNION ALL SELECT 1, 2")),
            format!("SELECT (1{}) FROM a", many(" || (1 + 1)")),
        ] {
            let error = check(&deep).unwrap_err().to_string();
            assert!(error.contains("operators deep"), "{error}");
        }
        for flat in [
            format!("SELECT 1{}", many(", a + 1")),
            format!("SELECT * FROM a WHERE b IN (1{})", many(", -1")),
            "SELECT 'not closed".to_owned(),
            many(")"),
        ] {
            check(&flat).unwrap();
        }
    }
}

//! Rules that are written as SQL, and those that only `engine: assay` knows.

use serde_json::Value;

use super::super::DataQuality;
use super::{Compiler, Manner};
use crate::Check;

/// What stands for the table, and for the column, in the text of a query.
const TABLE: [&str; 4] = ["object", "table", "model", "schema"];
const COLUMN: [&str; 3] = ["property", "column", "field"];

impl Compiler<'_> {
    /// `type: sql`: one number about all rows.
    pub(super) fn sql(
        &mut self,
        at: &str,
        column: Option<&str>,
        quality: &DataQuality,
        manner: Manner,
    ) {
        let Some(query) = &quality.query else {
            let fix = "for example `query: SELECT COUNT(*) FROM {object} WHERE …`";
            return self.mistake(at, "a sql rule lacks its `query`", fix);
        };
        let Some(threshold) = &manner.threshold else {
            return self.mistake(at, "a rule lacks its operator", "for example `mustBe: 0`");
        };
        if threshold.percent {
            let fix = "remove `unit`, and let the query compute the percentage";
            return self.mistake(&format!("{at}/unit"), "a query gives a number, not rows", fix);
        }
        if manner.condition.is_some() {
            let fix = "write it in the WHERE of the query";
            return self.mistake(at, "a query has its own condition", fix);
        }
        let place = format!("{at}/query");
        let table = format!("\"{}\".\"{}\"", self.dataset.layer(), self.dataset.name());
        let mut query = filled(query, &TABLE, &table);
        match column {
            Some(column) => query = filled(&query, &COLUMN, &quoted(column)),
            None if COLUMN.iter().any(|word| query.contains(&format!("{{{word}}}"))) => {
                let fix = "name the column, or put the rule under a property";
                return self.mistake(&place, "the query asks for a column that it has not", fix);
            }
            None => {}
        }
        let default = match (column, &manner.name) {
            (_, Some(_)) => String::new(),
            (Some(column), None) => format!("{column}.sql"),
            (None, None) => "sql".to_owned(),
        };
        let table = self.table.clone();
        self.add(&place, default, Check::Sql { query, table }, manner);
    }

    /// `type: custom, engine: assay`: an expression over the row, or something that is held against
    /// history. Other engines are not ours to run.
    pub(super) fn custom(
        &mut self,
        at: &str,
        column: Option<&str>,
        quality: &DataQuality,
        manner: Manner,
    ) {
        if quality.engine.as_deref() != Some("assay") {
            return;
        }
        let one = match &quality.implementation {
            Some(Value::Object(map)) if map.len() == 1 => map.iter().next(),
            _ => None,
        };
        match (one.map(|(key, value)| (key.as_str(), value)), &quality.implementation) {
            (_, Some(Value::String(text))) | (Some(("expression", Value::String(text))), _) => {
                self.expression(at, text, quality, manner);
            }
            (Some((word @ ("volume" | "freshness" | "drift"), Value::Object(settings))), _) => {
                self.history(at, column, (word, settings), manner);
            }
            _ => {
                let fix =
                    "`implementation: {expression: \"a <= b\"}`, SQL over the columns of a row";
                self.mistake(&format!("{at}/implementation"), "no expression to judge", fix);
            }
        }
    }

    fn expression(&mut self, at: &str, text: &str, quality: &DataQuality, manner: Manner) {
        if quality.id.is_none() {
            return self.mistake(at, "an expression needs a name", "give the rule an `id`");
        }
        let check = Check::Holds { expression: text.to_owned() };
        self.add(at, String::new(), check, manner);
    }
}

/// The text with `{word}` and `${word}` replaced.
fn filled(query: &str, words: &[&str], by: &str) -> String {
    words.iter().fold(query.to_owned(), |text, word| {
        let bare = format!("{{{word}}}");
        text.replace(&format!("${bare}"), by).replace(&bare, by)
    })
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

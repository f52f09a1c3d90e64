//! Rules that are written as SQL, and those that only `engine: assay` knows.

use serde_json::{Map, Value};

use super::super::DataQuality;
use super::{Compiler, Manner};
use crate::{Check, Season, Volume};

/// What stands for the table, and for the column, in the text of a query.
const TABLE: [&str; 4] = ["object", "table", "model", "schema"];
const COLUMN: [&str; 3] = ["property", "column", "field"];

/// Earlier batches without which a volume says nothing, unless the contract asks for others.
const BATCHES: u32 = 7;

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

    /// `type: custom, engine: assay`: an expression over the row, or the number of rows held
    /// against history. Other engines are not ours to run.
    pub(super) fn custom(&mut self, at: &str, quality: &DataQuality, manner: Manner) {
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
            (Some(("volume", Value::Object(settings))), _) => self.volume(at, settings, manner),
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

    fn volume(&mut self, at: &str, settings: &Map<String, Value>, manner: Manner) {
        let at = format!("{at}/implementation/volume");
        if manner.threshold.is_some() || manner.condition.is_some() {
            let fix = "remove the operator and `where`: `within` says how far it may be off";
            return self.mistake(&at, "a volume is held against history alone", fix);
        }
        let known = ["within", "atLeast", "season"];
        if let Some(key) = settings.keys().find(|key| !known.contains(&key.as_str())) {
            let fix = format!("use {}, or remove it", known.join(", "));
            return self.mistake(&at, format!("a volume has no setting `{key}`"), fix);
        }
        let within = settings.get("within").and_then(Value::as_f64).filter(|it| *it > 0.0);
        let at_least = match settings.get("atLeast") {
            None => Some(BATCHES),
            Some(value) => value.as_u64().and_then(|it| it.try_into().ok()).filter(|it| *it > 0),
        };
        let season = match settings.get("season").map(|value| value.as_str()) {
            None => Some(Season::None),
            Some(word) => [Season::None, Season::Weekday, Season::WeekdayHour]
                .into_iter()
                .find(|season| word == Some(season.name())),
        };
        match (within, at_least, season) {
            (Some(within_percent), Some(at_least_batches), Some(season)) => {
                let volume = Volume { within_percent, at_least_batches, season };
                self.add(&at, "volume".to_owned(), Check::Volume(volume), manner);
            }
            (None, _, _) => {
                let fix = "percent of the median, for example `within: 50`";
                self.mistake(&at, "a volume lacks how far it may be off", fix);
            }
            (_, None, _) => self.mistake(&at, "`atLeast` is no number of batches", "for example 7"),
            (_, _, None) => {
                self.mistake(&at, "unknown `season`", "none, weekday or weekdayHour");
            }
        }
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

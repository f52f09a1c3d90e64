//! Rules that hold a batch against earlier ones.

use serde_json::{Map, Value};

use super::super::{ColumnType, ContractColumn};
use super::{Compiler, Manner};
use crate::{Check, Drift, DriftBy, Lag, Season, Volume};

/// Earlier batches, or runs, without which nothing is said, unless the contract asks for others.
const BATCHES: u32 = 7;

/// A stability index from which on something has changed, as it is usually taken.
const DRIFTED: f64 = 0.2;

/// Rows that are enough to tell drift from chance.
const ROWS: u64 = 200;

/// The settings of one rule.
struct Settings<'a> {
    at: String,
    word: &'a str,
    map: &'a Map<String, Value>,
}

impl Compiler<'_> {
    pub(super) fn history(
        &mut self,
        at: &str,
        column: Option<&str>,
        (word, map): (&str, &Map<String, Value>),
        manner: Manner,
    ) {
        let settings = Settings { at: format!("{at}/implementation/{word}"), word, map };
        if manner.threshold.is_some() || manner.condition.is_some() {
            let fix = "remove the operator and `where`: the settings say how far it may be off";
            let what = format!("a rule of {word} is held against history alone");
            return self.mistake(&settings.at, what, fix);
        }
        let known: &[&str] = match word {
            "drift" => &["by", "atMost", "warnAbove", "runs", "atLeastRows", "season"],
            _ => &["within", "atLeast", "season"],
        };
        if let Some(key) = map.keys().find(|key| !known.contains(&key.as_str())) {
            let fix = format!("use {}, or remove it", known.join(", "));
            return self.mistake(&settings.at, format!("{word} has no setting `{key}`"), fix);
        }
        let (check, name) = match (word, column) {
            ("volume", _) => (self.volume(&settings), "volume".to_owned()),
            (_, None) => {
                let what = format!("a rule of {word} is about one column");
                return self.mistake(&settings.at, what, "put the rule under a property");
            }
            ("freshness", Some(column)) => {
                (self.lag(&settings, column), format!("{column}.usual_freshness"))
            }
            (_, Some(column)) => (self.drift(&settings, column), format!("{column}.drift")),
        };
        if let Some(check) = check {
            self.add(&settings.at, name, check, manner);
        }
    }

    fn volume(&mut self, settings: &Settings<'_>) -> Option<Check> {
        let (within_percent, at_least_batches, season) = self.usual(settings)?;
        Some(Check::Volume(Volume { within_percent, at_least_batches, season }))
    }

    fn lag(&mut self, settings: &Settings<'_>, column: &str) -> Option<Check> {
        let (within_percent, at_least_batches, season) = self.usual(settings)?;
        let lag = Lag { within_percent, at_least_batches, season };
        Some(Check::Lag { column: column.to_owned(), lag })
    }

    /// How far from the median, of how many batches, and of which.
    fn usual(&mut self, settings: &Settings<'_>) -> Option<(f64, u32, Season)> {
        let Settings { at, word, map } = settings;
        let within = map.get("within").and_then(Value::as_f64).filter(|it| *it > 0.0);
        if within.is_none() {
            let fix = "percent of the median, for example `within: 50`";
            self.mistake(at, format!("{word} lacks how far it may be off"), fix);
        }
        let at_least = self.whole(settings, "atLeast", u64::from(BATCHES), 2_000);
        let season = self.season(settings);
        Some((within?, u32::try_from(at_least?).ok()?, season?))
    }

    /// Which of the earlier batches, or runs.
    fn season(&mut self, settings: &Settings<'_>) -> Option<Season> {
        let Some(word) = settings.map.get("season") else { return Some(Season::None) };
        let known = [Season::None, Season::Weekday, Season::WeekdayHour];
        let season = known.into_iter().find(|season| word.as_str() == Some(season.name()));
        if season.is_none() {
            self.mistake(&settings.at, "unknown `season`", "none, weekday or weekdayHour");
        }
        season
    }

    fn drift(&mut self, settings: &Settings<'_>, column: &str) -> Option<Check> {
        let Settings { at, map, .. } = settings;
        let by = match map.get("by").map(|value| value.as_str()) {
            None | Some(Some("psi")) => DriftBy::Psi,
            Some(Some("ks")) => DriftBy::Ks,
            Some(_) => {
                self.mistake(at, "unknown measure of drift in `by`", "psi or ks");
                return None;
            }
        };
        let number = |name: &str, default: f64| match map.get(name) {
            None => Some(default),
            Some(value) => value.as_f64().filter(|it| *it > 0.0 && it.is_finite()),
        };
        let at_most = number("atMost", DRIFTED);
        let warn_above = at_most.and_then(|at_most| number("warnAbove", at_most / 2.0));
        let (Some(at_most), Some(warn_above)) = (at_most, warn_above) else {
            let fix = "for example `atMost: 0.2`, `warnAbove: 0.1`";
            self.mistake(at, "a limit of drift is no positive number", fix);
            return None;
        };
        if warn_above > at_most {
            let what = "the warning would come after the error";
            self.mistake(at, what, "let `warnAbove` be less than `atMost`");
            return None;
        }
        let runs = u32::try_from(self.whole(settings, "runs", u64::from(BATCHES), 100)?).ok()?;
        let at_least_rows = self.whole(settings, "atLeastRows", ROWS, u64::from(u32::MAX))?;
        let season = self.season(settings)?;
        let drift = Drift { by, at_most, warn_above, runs, at_least_rows, season };
        Some(Check::Drift { column: column.to_owned(), drift })
    }

    fn whole(
        &mut self,
        settings: &Settings<'_>,
        name: &str,
        default: u64,
        most: u64,
    ) -> Option<u64> {
        let Some(value) = settings.map.get(name) else { return Some(default) };
        let number = value.as_u64().filter(|it| (1..=most).contains(it));
        if number.is_none() {
            let what = format!("`{name}` is no number from 1 to {most}");
            self.mistake(&settings.at, what, format!("for example {default}"));
        }
        number
    }

    /// Drift is told of values that may be kept, and that do not move on by themselves.
    pub(super) fn check_drift(&mut self, columns: &[ContractColumn]) {
        let mut found = Vec::new();
        for rule in &self.rules {
            let Check::Drift { column, drift } = &rule.check else { continue };
            let Some(column) = columns.iter().find(|it| it.name == *column) else { continue };
            let (name, kind) = (&column.name, column.kind);
            let number = matches!(
                kind,
                ColumnType::Int
                    | ColumnType::Long
                    | ColumnType::Double
                    | ColumnType::Decimal { .. }
            );
            let problem = match kind {
                _ if column.sensitive => Some((
                    format!("no value of `{name}` is kept, for its classification"),
                    "remove the rule, or the classification",
                )),
                ColumnType::Date | ColumnType::Timestamp => Some((
                    format!("`{name}` is a time, which moves on by itself"),
                    "use `freshness`, which looks at how old the newest is",
                )),
                _ if drift.by == DriftBy::Ks && !number => Some((
                    format!("`{name}` is no number, of which alone `ks` can tell"),
                    "by: psi",
                )),
                _ => None,
            };
            found.extend(problem.map(|(what, fix)| (rule.line, what, fix)));
        }
        for (line, what, fix) in found {
            let file = self.document.file().to_owned();
            let fix = Some(fix.to_owned());
            self.mistakes.push(crate::Mistake { file, line: Some(line), what, fix });
        }
    }
}

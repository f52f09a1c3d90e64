//! Service levels that can be judged: freshness, which the standard calls `latency`, and retention.

use super::super::extension::Extension;
use super::super::{OpenDataContract, SchemaObject, SlaProperty};
use super::{Compiler, Manner};
use crate::Check;

/// Service levels that are promises between people.
const PROMISES: [&str; 10] = [
    "availability",
    "throughput",
    "errorRate",
    "generalAvailability",
    "endOfSupport",
    "endOfLife",
    "frequency",
    "timeToDetect",
    "timeToNotify",
    "timeToRepair",
];

impl Compiler<'_> {
    /// Turns `latency`, `freshness`, and `retention` of a column, into rules; other levels are
    /// promises to people and stay in the file.
    pub(super) fn service_levels(&mut self, contract: &OpenDataContract, object: &SchemaObject) {
        for (place, level) in contract.sla_properties.iter().enumerate() {
            let at = format!("/slaProperties/{place}");
            match level.property.as_str() {
                "latency" | "freshness" => self.freshness(&at, object, level),
                "retention" => self.retention(&at, object, level),
                known if PROMISES.contains(&known) => {}
                unknown => {
                    let what = format!("`{unknown}` is no service level of the standard");
                    let fix =
                        format!("latency, freshness, retention, or one of {}", PROMISES.join(", "));
                    self.mistake(&format!("{at}/property"), what, fix);
                }
            }
        }
    }

    fn freshness(&mut self, at: &str, object: &SchemaObject, level: &SlaProperty) {
        let Some((table, column)) = element(level) else {
            let fix = format!("`element: {}.<time column>`", object.name);
            return self.mistake(at, "freshness needs the column that it looks at", fix);
        };
        if table != object.name {
            return;
        }
        let Some((error_after, unit)) = self.span(at, level) else { return };
        let mut ours = Extension::at(self.document, at, &level.custom_properties);
        let warn_after: Option<f64> =
            ours.take("warnAfter", "a number in the same unit", &mut self.mistakes);
        let manner = self.level_manner(level, &mut ours);
        ours.finish("warnAfter, severity, onFail or where", &mut self.mistakes);
        let check = Check::Fresh {
            column: column.to_owned(),
            warn_after_seconds: warn_after.unwrap_or(error_after) * unit,
            error_after_seconds: error_after * unit,
        };
        self.add(at, format!("{column}.fresh"), check, manner);
    }

    /// How long rows are kept; a promise to people when it names no column.
    fn retention(&mut self, at: &str, object: &SchemaObject, level: &SlaProperty) {
        let Some((table, column)) = element(level) else { return };
        if table != object.name {
            return;
        }
        let Some((most, unit)) = self.span(at, level) else { return };
        let mut ours = Extension::at(self.document, at, &level.custom_properties);
        let manner = self.level_manner(level, &mut ours);
        ours.finish("severity, onFail or where", &mut self.mistakes);
        let check = Check::Retained { column: column.to_owned(), seconds: most * unit };
        self.add(at, format!("{column}.retained"), check, manner);
    }

    fn level_manner(&mut self, level: &SlaProperty, ours: &mut Extension<'_>) -> Manner {
        let severity =
            ours.take("severity", "info, warning, error or critical", &mut self.mistakes);
        let on_fail = ours.take("onFail", "keep or halt", &mut self.mistakes);
        let condition = self.condition(ours);
        Manner { name: level.id.clone(), severity, on_fail, condition, ..Manner::default() }
    }

    /// The value of a level and the seconds of its unit.
    fn span(&mut self, at: &str, level: &SlaProperty) -> Option<(f64, f64)> {
        let Some(unit) = seconds(level.unit.as_deref()) else {
            self.mistake(&format!("{at}/unit"), "unknown unit", "s, m, h, d, w or y");
            return None;
        };
        let value = level.value.as_f64().filter(|value| *value > 0.0);
        if value.is_none() {
            let what = format!("{} needs a positive number", level.property);
            self.mistake(&format!("{at}/value"), what, "for example 6");
        }
        Some((value?, unit))
    }
}

/// Table and column that a level speaks of.
fn element(level: &SlaProperty) -> Option<(&str, &str)> {
    level.element.as_deref().and_then(|element| element.rsplit_once('.'))
}

fn seconds(unit: Option<&str>) -> Option<f64> {
    Some(match unit.unwrap_or("d") {
        "s" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 7.0 * 86_400.0,
        "y" | "yr" | "year" | "years" => 365.0 * 86_400.0,
        _ => return None,
    })
}

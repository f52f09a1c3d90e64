//! Service levels that can be judged: freshness, which the standard calls `latency`.

use super::super::extension::Extension;
use super::super::{OpenDataContract, SchemaObject, SlaProperty};
use super::{Compiler, Manner};
use crate::Check;

/// Service levels that are promises between people.
const PROMISES: [&str; 11] = [
    "availability",
    "throughput",
    "errorRate",
    "generalAvailability",
    "endOfSupport",
    "endOfLife",
    "retention",
    "frequency",
    "timeToDetect",
    "timeToNotify",
    "timeToRepair",
];

impl Compiler<'_> {
    /// Turns `latency` and `freshness` of this object into rules; other levels are promises to
    /// people and stay in the file.
    pub(super) fn service_levels(&mut self, contract: &OpenDataContract, object: &SchemaObject) {
        for (place, level) in contract.sla_properties.iter().enumerate() {
            let at = format!("/slaProperties/{place}");
            match level.property.as_str() {
                "latency" | "freshness" => self.freshness(&at, object, level),
                known if PROMISES.contains(&known) => {}
                unknown => {
                    let what = format!("`{unknown}` is no service level of the standard");
                    let fix = format!("latency, freshness, or one of {}", PROMISES.join(", "));
                    self.mistake(&format!("{at}/property"), what, fix);
                }
            }
        }
    }

    fn freshness(&mut self, at: &str, object: &SchemaObject, level: &SlaProperty) {
        let Some((table, column)) = level.element.as_deref().and_then(|e| e.rsplit_once('.'))
        else {
            let fix = format!("`element: {}.<time column>`", object.name);
            self.mistake(at, "freshness needs the column that it looks at", fix);
            return;
        };
        if table != object.name {
            return;
        }
        let Some(unit) = seconds(level.unit.as_deref()) else {
            self.mistake(&format!("{at}/unit"), "unknown unit", "s, m, h or d");
            return;
        };
        let Some(error_after) = level.value.as_f64().filter(|value| *value > 0.0) else {
            self.mistake(
                &format!("{at}/value"),
                "freshness needs a positive number",
                "for example 6",
            );
            return;
        };
        let mut ours = Extension::at(self.document, at, &level.custom_properties);
        let warn_after: Option<f64> =
            ours.take("warnAfter", "a number in the same unit", &mut self.mistakes);
        let severity =
            ours.take("severity", "info, warning, error or critical", &mut self.mistakes);
        let on_fail = ours.take("onFail", "keep or halt", &mut self.mistakes);
        ours.finish("warnAfter, severity or onFail", &mut self.mistakes);
        let check = Check::Fresh {
            column: column.to_owned(),
            warn_after_seconds: warn_after.unwrap_or(error_after) * unit,
            error_after_seconds: error_after * unit,
        };
        let manner = Manner { name: level.id.clone(), severity, on_fail, ..Manner::default() };
        self.add(at, format!("{column}.fresh"), check, manner);
    }
}

fn seconds(unit: Option<&str>) -> Option<f64> {
    Some(match unit.unwrap_or("d") {
        "s" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return None,
    })
}

//! What a rule asks for, in words for a person.

use serde_json::Value;

use crate::{Bound, Check, Drift, Rule, Season, Threshold};

/// The promise of a check in a few words: `one of VND, USD`, `from 0 on`.
pub fn describe(check: &Check) -> String {
    match check {
        Check::NotNull { .. } => "has a value".to_owned(),
        Check::NotMissing { missing, .. } if missing.is_empty() => "has a value".to_owned(),
        Check::NotMissing { missing, .. } => format!("has a value, none of {}", list(missing)),
        Check::OneOf { values, .. } => format!("one of {}", list(values)),
        Check::Matches { pattern, .. } => format!("matches {pattern}"),
        Check::Between { min, max, .. } => range(min.as_ref(), max.as_ref()),
        Check::Length { min, max, .. } => length(*min, *max),
        Check::Holds { expression } => expression.clone(),
        Check::Valid { values, pattern, .. } => {
            format!("one of {} and matches {pattern}", list(values))
        }
        Check::References { dataset, targets, .. } => match &targets[..] {
            [target] => format!("is in {dataset}.{target}"),
            several => format!("are together in {dataset} ({})", several.join(", ")),
        },
        Check::Unique { columns } => format!("no {} twice", columns.join(" and ")),
        Check::RowCount => "number of rows".to_owned(),
        Check::Fresh { error_after_seconds, .. } => {
            format!("newest at most {} old", span(*error_after_seconds))
        }
        Check::Format { format, .. } => format!("written as {}", format.name()),
        Check::MultipleOf { of, .. } => format!("a multiple of {of}"),
        Check::Conforms { .. } => "JSON as its schema says".to_owned(),
        Check::Retained { seconds, .. } => format!("oldest at most {} old", span(*seconds)),
        Check::Sql { query, .. } => query.split_whitespace().collect::<Vec<_>>().join(" "),
        Check::Columns { exact: true } => "the columns of the contract and no others".to_owned(),
        Check::Columns { exact: false } => "the columns of the contract".to_owned(),
        Check::Volume(volume) => {
            let like = earlier("batches", volume.season);
            format!("as many rows as {like}, within {} %", volume.within_percent)
        }
        Check::Lag { lag, .. } => {
            let like = earlier("batches", lag.season);
            format!("newest as old as in {like}, at most {} % more", lag.within_percent)
        }
        Check::Drift { drift, .. } => {
            let Drift { by, at_most, runs, season, .. } = *drift;
            let like = earlier("runs", season);
            format!("like {runs} {like} ({} at most {at_most})", by.name())
        }
    }
}

fn earlier(what: &str, season: Season) -> String {
    let of = match season {
        Season::None => "",
        Season::Weekday => " of the weekday",
        Season::WeekdayHour => " of the weekday and hour",
    };
    format!("earlier {what}{of}")
}

/// The whole promise of a rule: what it asks for, of which rows, and by how much it may be broken.
pub fn promise(rule: &Rule) -> String {
    let mut promise = describe(&rule.check);
    if let Some(condition) = &rule.condition {
        promise.push_str(&format!(" where {condition}"));
    }
    match &rule.check {
        Check::RowCount | Check::Sql { .. } => format!("{promise} {}", rule.threshold.limit),
        _ if rule.threshold == Threshold::NONE => promise,
        _ => format!("{promise}, may be broken by {}", rule.threshold),
    }
}

/// A span of time in its largest whole unit.
fn span(seconds: f64) -> String {
    let units = [(86_400.0, "d"), (3_600.0, "h"), (60.0, "min")];
    let whole = units.into_iter().find(|(unit, _)| seconds >= *unit && seconds % unit == 0.0);
    let (unit, name) = whole.unwrap_or((1.0, "s"));
    format!("{} {name}", seconds / unit)
}

/// Values that are listed of many.
pub(super) const LISTED: usize = 12;

/// A few values; of long lists the first.
pub(super) fn list(values: &[Value]) -> String {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let shown: Vec<String> = values.iter().take(LISTED).map(plain).collect();
    let more = values.len().saturating_sub(LISTED);
    match more {
        0 => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}

fn range(min: Option<&Bound>, max: Option<&Bound>) -> String {
    let end = |bound: &Bound, open: &str, closed: &str| {
        let word = if bound.inclusive { closed } else { open };
        format!("{word} {}", list(std::slice::from_ref(&bound.value)))
    };
    let ends: Vec<String> = min
        .map(|min| end(min, ">", "≥"))
        .into_iter()
        .chain(max.map(|max| end(max, "<", "≤")))
        .collect();
    ends.join(" and ")
}

fn length(min: Option<u64>, max: Option<u64>) -> String {
    match (min, max) {
        (Some(min), Some(max)) if min == max => format!("{min} characters"),
        (Some(min), Some(max)) => format!("{min} to {max} characters"),
        (Some(1), None) => "not empty".to_owned(),
        (Some(min), None) => format!("at least {min} characters"),
        (None, Some(max)) => format!("at most {max} characters"),
        (None, None) => "any length".to_owned(),
    }
}

//! Rules that came, went, or ask for more or less than before.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Changes, Party};
use crate::contract::wording::{LISTED, list};
use crate::contract::{Contract, describe, promise};
use crate::{Bound, Check, Limit, OnFail, Rule, Severity, Threshold};

/// How what is asked for now stands to what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Same,
    Tighter,
    Looser,
    /// Neither contains the other, or nobody can tell.
    Other,
}

impl Turn {
    fn of(tighter: bool, looser: bool) -> Turn {
        match (tighter, looser) {
            (false, false) => Turn::Same,
            (true, false) => Turn::Tighter,
            (false, true) => Turn::Looser,
            (true, true) => Turn::Other,
        }
    }

    fn and(self, other: Turn) -> Turn {
        match (self, other) {
            (Turn::Same, turn) | (turn, Turn::Same) => turn,
            (one, other) if one == other => one,
            _ => Turn::Other,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Turn::Same | Turn::Other => "changed",
            Turn::Tighter => "tightened",
            Turn::Looser => "loosened",
        }
    }

    /// Whom it breaks that a promise turned so.
    fn breaks(self) -> &'static [Party] {
        match self {
            Turn::Same => &[Party::Judgement],
            Turn::Tighter => &[Party::Writers, Party::Judgement],
            Turn::Looser => &[Party::Readers, Party::Judgement],
            Turn::Other => &[Party::Readers, Party::Writers, Party::Judgement],
        }
    }
}

impl Changes {
    pub(super) fn rules(&mut self, schema: &str, old: &Contract, new: &Contract) {
        for rule in &old.rules {
            let place = place(schema, rule);
            match new.rules.iter().find(|now| now.name == rule.name) {
                Some(now) => self.rule(&place, rule, now),
                None if gone(rule, new) => {}
                None => {
                    let what = format!("the rule `{}` was removed: {}", rule.name, asks(rule));
                    self.turned(&place, what, Turn::Looser, binds(rule));
                }
            }
        }
        for rule in &new.rules {
            // A column that is new has no rows yet that a rule could refuse, unless it wants a value.
            let fresh = gone(rule, old) && !wants_value(rule);
            if fresh || old.rules.iter().any(|before| before.name == rule.name) {
                continue;
            }
            let what = format!("the rule `{}` was added: {}", rule.name, asks(rule));
            self.turned(&place(schema, rule), what, Turn::Tighter, binds(rule));
        }
    }

    fn rule(&mut self, place: &str, old: &Rule, new: &Rule) {
        let name = &old.name;
        let bind = binds(old) || binds(new);
        if old.check != new.check {
            let turn = turn(&old.check, &new.check);
            let (before, after) = (describe(&old.check), describe(&new.check));
            let moved = moved(&old.check, &new.check);
            let what = format!("`{name}` was {}: {before} → {after}{moved}", turn.word());
            self.turned(place, what, turn, bind);
        }
        if old.condition != new.condition {
            let turn = match (&old.condition, &new.condition) {
                (None, _) => Turn::Looser,
                (_, None) => Turn::Tighter,
                _ => Turn::Other,
            };
            let rows = |condition: &Option<String>| match condition {
                Some(condition) => format!("rows where {condition}"),
                None => "all rows".to_owned(),
            };
            let (before, after) = (rows(&old.condition), rows(&new.condition));
            self.turned(place, format!("`{name}` is about {after}, not {before}"), turn, bind);
        }
        if old.threshold != new.threshold {
            let turn = limits(old.threshold, new.threshold);
            let what = format!(
                "the threshold of `{name}` was {}: {} → {}",
                turn.word(),
                old.threshold,
                new.threshold
            );
            // Of rows it decides the verdict only; of a batch it is the promise itself.
            let of_batch = !new.check.of_rows() || new.on_fail == OnFail::Halt;
            self.turned(place, what, turn, bind && of_batch);
        }
        if old.severity != new.severity {
            let what =
                format!("the severity of `{name}` went from {} to {}", old.severity, new.severity);
            self.turned(place, what, stronger(old, new), binds(old) != binds(new));
        }
        if old.on_fail != new.on_fail {
            let turn = match (old.on_fail, new.on_fail) {
                (OnFail::Keep, _) => Turn::Tighter,
                (_, OnFail::Keep) => Turn::Looser,
                _ => Turn::Same,
            };
            let word = |on_fail: OnFail| match on_fail {
                OnFail::Keep => "keep",
                OnFail::Quarantine => "quarantine",
                OnFail::Halt => "halt",
            };
            let (before, after) = (word(old.on_fail), word(new.on_fail));
            self.turned(
                place,
                format!("onFail of `{name}` went from {before} to {after}"),
                turn,
                true,
            );
        }
    }

    /// A rule that binds nobody changes judgement alone.
    fn turned(&mut self, place: &str, what: String, turn: Turn, binds: bool) {
        let breaks = if binds { turn.breaks() } else { &[Party::Judgement] };
        self.add(place, what, breaks);
    }
}

/// Whether a row or batch that breaks the rule is more than worth a remark.
fn binds(rule: &Rule) -> bool {
    rule.severity >= Severity::Error || rule.on_fail != OnFail::Keep
}

fn stronger(old: &Rule, new: &Rule) -> Turn {
    match old.severity.cmp(&new.severity) {
        Ordering::Less => Turn::Tighter,
        Ordering::Equal => Turn::Same,
        Ordering::Greater => Turn::Looser,
    }
}

/// Whether the other version lacks a column that the rule looks at, which says it all.
fn gone(rule: &Rule, other: &Contract) -> bool {
    rule.check.columns().into_iter().any(|column| other.column(column).is_none())
}

fn wants_value(rule: &Rule) -> bool {
    matches!(rule.check, Check::NotNull { .. } | Check::NotMissing { .. })
}

fn place(schema: &str, rule: &Rule) -> String {
    match rule.check.columns()[..] {
        [column] => format!("{schema}.{column}"),
        _ => schema.to_owned(),
    }
}

fn asks(rule: &Rule) -> String {
    format!("{} ({})", promise(rule), rule.severity)
}

/// The values that went and came, where a set is too long to be shown whole.
fn moved(old: &Check, new: &Check) -> String {
    use Check::{NotMissing, OneOf, Valid};
    let (before, after) = match (old, new) {
        (OneOf { values: before, .. }, OneOf { values: after, .. })
        | (Valid { values: before, .. }, Valid { values: after, .. })
        | (NotMissing { missing: before, .. }, NotMissing { missing: after, .. }) => {
            (before, after)
        }
        _ => return String::new(),
    };
    if before.len().max(after.len()) <= LISTED {
        return String::new();
    }
    let lacks = |some: &[Value], others: &[Value]| -> Vec<Value> {
        some.iter().filter(|it| !others.contains(it)).cloned().collect()
    };
    let parts = [("removed", lacks(before, after)), ("added", lacks(after, before))];
    let parts = parts.iter().filter(|(_, values)| !values.is_empty());
    parts.map(|(word, values)| format!("; {word}: {}", list(values))).collect()
}

pub(super) fn turn(old: &Check, new: &Check) -> Turn {
    use Check::{
        Between, Columns, Drift, Fresh, Lag, Length, NotMissing, OneOf, Retained, Unique, Valid,
        Volume,
    };
    let lacks = |some: &[Value], others: &[Value]| some.iter().any(|it| !others.contains(it));
    match (old, new) {
        (old, new) if old == new => Turn::Same,
        (OneOf { values: a, .. }, OneOf { values: b, .. }) => Turn::of(lacks(a, b), lacks(b, a)),
        (NotMissing { missing: a, .. }, NotMissing { missing: b, .. }) => {
            Turn::of(lacks(b, a), lacks(a, b))
        }
        (Between { min: a, max: x, .. }, Between { min: b, max: y, .. }) => {
            end(a.as_ref(), b.as_ref(), false).and(end(x.as_ref(), y.as_ref(), true))
        }
        (Length { min: a, max: x, .. }, Length { min: b, max: y, .. }) => {
            let least = ordered(a.unwrap_or(0).cmp(&b.unwrap_or(0)), false);
            let most = ordered(x.unwrap_or(u64::MAX).cmp(&y.unwrap_or(u64::MAX)), true);
            least.and(most)
        }
        (Unique { columns: a }, Unique { columns: b }) => {
            let lacks =
                |some: &[String], others: &[String]| some.iter().any(|it| !others.contains(it));
            Turn::of(lacks(a, b), lacks(b, a))
        }
        (
            Fresh { warn_after_seconds: warn, error_after_seconds: error, .. },
            Fresh { warn_after_seconds: warn_now, error_after_seconds: error_now, .. },
        ) => {
            let error = ordered(error.total_cmp(error_now), true);
            error.and(ordered(warn.total_cmp(warn_now), true))
        }
        (Retained { seconds, .. }, Retained { seconds: now, .. }) => {
            ordered(seconds.total_cmp(now), true)
        }
        (Columns { exact }, Columns { exact: now }) => Turn::of(*now && !exact, *exact && !now),
        (Volume(old), Volume(new)) if old.season == new.season => {
            // A warm-up that is longer says less.
            let within = ordered(old.within_percent.total_cmp(&new.within_percent), true);
            within.and(ordered(old.at_least_batches.cmp(&new.at_least_batches), true))
        }
        (Lag { lag: old, .. }, Lag { lag: new, .. }) if old.season == new.season => {
            let within = ordered(old.within_percent.total_cmp(&new.within_percent), true);
            within.and(ordered(old.at_least_batches.cmp(&new.at_least_batches), true))
        }
        (Drift { drift: old, .. }, Drift { drift: new, .. })
            if (old.by, old.runs, old.season) == (new.by, new.runs, new.season) =>
        {
            let most = ordered(old.at_most.total_cmp(&new.at_most), true);
            let warn = ordered(old.warn_above.total_cmp(&new.warn_above), true);
            most.and(warn).and(ordered(old.at_least_rows.cmp(&new.at_least_rows), true))
        }
        (Valid { values: a, pattern: x, .. }, Valid { values: b, pattern: y, .. }) if x == y => {
            Turn::of(lacks(a, b), lacks(b, a))
        }
        _ => Turn::Other,
    }
}

/// What it means that an upper (or lower) end went from a value to another.
fn ordered(old_to_new: Ordering, upper: bool) -> Turn {
    match (old_to_new, upper) {
        (Ordering::Equal, _) => Turn::Same,
        (Ordering::Greater, true) | (Ordering::Less, false) => Turn::Tighter,
        (Ordering::Less, true) | (Ordering::Greater, false) => Turn::Looser,
    }
}

fn end(old: Option<&Bound>, new: Option<&Bound>, upper: bool) -> Turn {
    match (old, new) {
        (None, None) => Turn::Same,
        (None, Some(_)) => Turn::Tighter,
        (Some(_), None) => Turn::Looser,
        (Some(old), Some(new)) => match compare(&old.value, &new.value) {
            None => Turn::Other,
            Some(Ordering::Equal) => {
                Turn::of(old.inclusive && !new.inclusive, !old.inclusive && new.inclusive)
            }
            Some(order) => ordered(order, upper),
        },
    }
}

/// Numbers by size; dates and times, as texts of one form, by their letters.
fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64()?.partial_cmp(&other.as_f64()?),
        (Value::String(one), Value::String(other)) if one.len() == other.len() => {
            Some(one.cmp(other))
        }
        (one, other) => (one == other).then_some(Ordering::Equal),
    }
}

/// The values that a limit lets through, where they have no gap: the ends, and whether they are in.
fn span(limit: Limit) -> Option<((f64, bool), (f64, bool))> {
    let (least, most) = ((f64::NEG_INFINITY, true), (f64::INFINITY, true));
    Some(match limit {
        Limit::Be(x) => ((x, true), (x, true)),
        Limit::GreaterThan(x) => ((x, false), most),
        Limit::GreaterOrEqual(x) => ((x, true), most),
        Limit::LessThan(x) => (least, (x, false)),
        Limit::LessOrEqual(x) => (least, (x, true)),
        Limit::Between(low, high) => ((low, false), (high, false)),
        Limit::NotBe(_) | Limit::NotBetween(..) => return None,
    })
}

pub(super) fn limits(old: Threshold, new: Threshold) -> Turn {
    let (Some((low, high)), Some((low_now, high_now))) = (span(old.limit), span(new.limit)) else {
        return Turn::Other;
    };
    if old.percent != new.percent && [old.limit, new.limit].iter().all(|it| *it != Limit::Be(0.0)) {
        return Turn::Other;
    }
    // No count is less than none.
    let floor =
        |(value, inside): (f64, bool)| if value < 0.0 { (0.0, true) } else { (value, inside) };
    let turned = |(old, inside): (f64, bool), (new, inside_now): (f64, bool), upper| match old
        .total_cmp(&new)
    {
        Ordering::Equal => Turn::of(inside && !inside_now, !inside && inside_now),
        order => ordered(order, upper),
    };
    turned(floor(low), floor(low_now), false).and(turned(high, high_now, true))
}

//! Service levels that are promises to people. Those that are judged are among the rules.

use std::cmp::Ordering;

use super::{Changes, Party};
use crate::Check;
use crate::contract::{Contract, ContractFile, SlaProperty};

/// Levels of which more is better; of the others of the standard less is.
const MORE_IS_BETTER: [&str; 6] =
    ["availability", "throughput", "retention", "generalAvailability", "endOfSupport", "endOfLife"];

impl Contract {
    /// Whether one of its rules judges the service level.
    pub(in crate::contract) fn judges(&self, level: &SlaProperty) -> bool {
        let column = level.element.as_deref().and_then(|element| element.rsplit_once('.'));
        let named = ["latency", "freshness"].contains(&&*level.property);
        named
            && self.rules.iter().any(|rule| match (&rule.check, column) {
                (Check::Fresh { column: ours, .. }, Some((_, column))) => ours == column,
                _ => false,
            })
    }
}

impl Changes {
    pub(super) fn services(&mut self, old: &ContractFile, new: &ContractFile) {
        for level in promised(old) {
            match promised(new).find(|now| same(level, now)) {
                Some(now) => self.service(level, now),
                None => {
                    let what = format!("the service level `{}` was removed", level.property);
                    self.add(&place(level), what, &[Party::Readers]);
                }
            }
        }
        for level in promised(new).filter(|now| !promised(old).any(|level| same(level, now))) {
            let what = format!("the service level `{}` was added", level.property);
            self.add(&place(level), what, &[Party::Writers]);
        }
    }

    fn service(&mut self, old: &SlaProperty, new: &SlaProperty) {
        if (&old.value, &old.value_ext, &old.unit) == (&new.value, &new.value_ext, &new.unit) {
            return;
        }
        let shown = |level: &SlaProperty| {
            let value = level.value.as_str().map_or_else(|| level.value.to_string(), str::to_owned);
            format!("{value} {}", level.unit.as_deref().unwrap_or_default()).trim().to_owned()
        };
        let order = match (old.value.as_f64(), new.value.as_f64(), old.unit == new.unit) {
            (Some(before), Some(after), true) => before.partial_cmp(&after),
            _ => None,
        };
        let more = MORE_IS_BETTER.contains(&&*old.property);
        let breaks: &[Party] = match (order, more) {
            (Some(Ordering::Less), true) | (Some(Ordering::Greater), false) => &[Party::Writers],
            (Some(Ordering::Greater), true) | (Some(Ordering::Less), false) => &[Party::Readers],
            _ => &[Party::Readers, Party::Writers],
        };
        let what = format!(
            "the service level `{}` went from {} to {}",
            old.property,
            shown(old),
            shown(new)
        );
        self.add(&place(old), what, breaks);
    }
}

fn promised(file: &ContractFile) -> impl Iterator<Item = &SlaProperty> {
    let judged =
        |level: &&SlaProperty| file.contracts.iter().any(|contract| contract.judges(level));
    file.body.sla_properties.iter().filter(move |level| !judged(level))
}

fn same(one: &SlaProperty, other: &SlaProperty) -> bool {
    match (&one.id, &other.id) {
        (Some(one), Some(other)) => one == other,
        _ => (&one.property, &one.element) == (&other.property, &other.element),
    }
}

fn place(level: &SlaProperty) -> String {
    level.element.clone().unwrap_or_else(|| "the contract".to_owned())
}

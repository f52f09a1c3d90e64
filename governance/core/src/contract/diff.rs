//! What changed between two versions of a contract, and whom it breaks.

mod rules;
mod services;

use serde::Serialize;

use super::{ColumnType, Contract, ContractColumn, ContractFile, SchemaObject};

/// Who can be broken by a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    /// Those who read the data: something that they could rely on is promised no more.
    Readers,
    /// Those who write the data: what was good before may be refused now.
    Writers,
    /// Scores and verdicts: those of before and after can't be compared.
    Judgement,
}

/// One thing that is otherwise in the new version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// The schema, with the column where it is about one.
    pub place: String,
    pub what: String,
    /// Whom it breaks; nobody, when it is compatible.
    pub breaks: Vec<Party>,
}

impl Change {
    pub fn breaks(&self, party: Party) -> bool {
        self.breaks.contains(&party)
    }
}

/// All changes from `old` to `new`, by place.
pub fn diff(old: &ContractFile, new: &ContractFile) -> Vec<Change> {
    let mut changes = Changes::default();
    for (before, promised) in old.schemas() {
        match new.schemas().find(|(after, _)| after.name == before.name) {
            Some((after, promises)) => {
                changes.schema(before, after);
                changes.columns(&before.name, promised, promises);
                changes.scores(&before.name, promised, promises);
                changes.rules(&before.name, promised, promises);
            }
            None => changes.add(&before.name, "the schema was removed", &[Party::Readers]),
        }
    }
    for (after, _) in new.schemas() {
        if !old.schemas().any(|(before, _)| before.name == after.name) {
            changes.add(&after.name, "the schema was added", &[]);
        }
    }
    changes.services(old, new);
    let Changes(mut all) = changes;
    all.sort();
    all
}

#[derive(Debug, Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, place: &str, what: impl Into<String>, breaks: &[Party]) {
        let (place, what) = (place.to_owned(), what.into());
        self.0.push(Change { place, what, breaks: breaks.to_vec() });
    }

    fn schema(&mut self, old: &SchemaObject, new: &SchemaObject) {
        let name = |object: &SchemaObject| {
            object.physical_name.clone().unwrap_or_else(|| object.name.clone())
        };
        let (before, after) = (name(old), name(new));
        if before != after {
            let what = format!("the physicalName went from {before} to {after}");
            self.add(&old.name, what, &[Party::Readers, Party::Writers]);
        }
    }

    fn columns(&mut self, schema: &str, old: &Contract, new: &Contract) {
        for column in &old.columns {
            let place = format!("{schema}.{}", column.name);
            match new.column(&column.name) {
                Some(now) if now.kind != column.kind => self.retyped(&place, column, now),
                Some(_) => {}
                // Nobody may write a column that the contract does not have.
                None => {
                    self.add(&place, "the column was removed", &[Party::Readers, Party::Writers]);
                }
            }
        }
        for column in new.columns.iter().filter(|column| old.column(&column.name).is_none()) {
            let place = format!("{schema}.{}", column.name);
            self.add(&place, format!("the column was added ({})", column.kind.name()), &[]);
        }
        let order = |contract: &Contract, other: &Contract| -> Vec<String> {
            let both = contract.columns.iter().filter(|it| other.column(&it.name).is_some());
            both.map(|column| column.name.clone()).collect()
        };
        if order(old, new) != order(new, old) {
            self.add(schema, "the columns are in another order", &[]);
        }
    }

    fn retyped(&mut self, place: &str, old: &ContractColumn, new: &ContractColumn) {
        let (from, to) = (old.kind.name(), new.kind.name());
        if holds(new.kind, old.kind) {
            let what = format!("the type was widened from {from} to {to}");
            self.add(place, what, &[Party::Readers]);
        } else if holds(old.kind, new.kind) {
            let what = format!("the type was narrowed from {from} to {to}");
            self.add(place, what, &[Party::Writers]);
        } else {
            let what = format!("the type went from {from} to {to}");
            self.add(place, what, &[Party::Readers, Party::Writers]);
        }
    }

    fn scores(&mut self, place: &str, old: &Contract, new: &Contract) {
        let shown =
            |score: Option<f64>| score.map_or_else(|| "none".to_owned(), |score| score.to_string());
        let limits = [
            ("warnBelow", old.thresholds.warn_below, new.thresholds.warn_below, false),
            ("haltBelow", old.thresholds.halt_below, new.thresholds.halt_below, true),
        ];
        for (name, before, after, halts) in limits {
            if before == after {
                continue;
            }
            let tighter = after.unwrap_or(-1.0) > before.unwrap_or(-1.0);
            let party = if tighter { Party::Writers } else { Party::Readers };
            let breaks = if halts { vec![party, Party::Judgement] } else { vec![Party::Judgement] };
            let what = format!("{name} went from {} to {}", shown(before), shown(after));
            self.add(place, what, &breaks);
        }
    }
}

/// Whether every value of the type `narrow` is one of the type `wide`, unchanged.
fn holds(wide: ColumnType, narrow: ColumnType) -> bool {
    use ColumnType::{Date, Decimal, Double, Int, Long, Timestamp};
    match (narrow, wide) {
        (Int, Long | Double) | (Date, Timestamp) => true,
        (Int, Decimal { precision, scale }) => i16::from(precision) - i16::from(scale) >= 10,
        (Long, Decimal { precision, scale }) => i16::from(precision) - i16::from(scale) >= 19,
        (Decimal { precision: p, scale: s }, Decimal { precision, scale }) => {
            scale >= s && i16::from(precision) - i16::from(scale) >= i16::from(p) - i16::from(s)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;

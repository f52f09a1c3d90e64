use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::distinct::Distinct;
use crate::judge::Found;
use crate::measure::Measured;
use crate::{Mask, SpoolError};

/// What judging found so far, small enough to carry: the rows of a batch in any order and any
/// division give the same tally.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Where keys go that do not fit in memory.
    pub(crate) folder: Option<Arc<Path>>,
    pub(crate) rows: u64,
    /// Mask of the rules that a row broke → number of rows. Rows that broke none are there too.
    pub(crate) masks: BTreeMap<Mask, u64>,
    /// Place of a rule with a condition → rows that it looked at.
    pub(crate) applied: BTreeMap<usize, u64>,
    /// Place of a rule → rows on which it could not be evaluated.
    pub(crate) unevaluated: BTreeMap<usize, Unevaluated>,
    pub(crate) written: u64,
    /// Place of a rule → the newest, or the oldest, time written, in microseconds.
    pub(crate) newest: BTreeMap<usize, i64>,
    pub(crate) oldest: BTreeMap<usize, i64>,
    /// Place of a rule → the keys written.
    pub(crate) keys: BTreeMap<usize, KeysWritten>,
    /// Place of a rule → its query, as far as it is computed.
    pub(crate) measured: BTreeMap<usize, Measured>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unevaluated {
    pub(crate) why: &'static str,
    pub(crate) rows: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KeysWritten {
    /// Rows that have a key.
    pub(crate) rows: u64,
    pub(crate) distinct: Distinct,
}

impl Tally {
    /// An empty tally, which keeps in `folder` what does not fit in memory.
    pub fn new(folder: &Path) -> Tally {
        Tally { folder: Some(Arc::from(folder)), ..Tally::default() }
    }

    /// Rows judged.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows observed on their way into the draft.
    pub fn rows_written(&self) -> u64 {
        self.written
    }

    /// How many rows broke exactly the rules of each mask.
    pub fn masks(&self) -> impl Iterator<Item = (&Mask, u64)> {
        self.masks.iter().map(|(mask, rows)| (mask, *rows))
    }

    /// Adds what another tally of the same suite found.
    pub fn merge(&mut self, other: Tally) -> Result<(), SpoolError> {
        self.rows += other.rows;
        self.written += other.written;
        for (mask, rows) in other.masks {
            *self.masks.entry(mask).or_default() += rows;
        }
        for (place, rows) in other.applied {
            *self.applied.entry(place).or_default() += rows;
        }
        for (place, unevaluated) in other.unevaluated {
            self.note(place, unevaluated);
        }
        for (place, newest) in other.newest {
            self.note_newest(place, newest);
        }
        for (place, oldest) in other.oldest {
            self.note_oldest(place, oldest);
        }
        for (place, keys) in other.keys {
            let ours = self.keys_of(place);
            ours.rows += keys.rows;
            ours.distinct.merge(keys.distinct)?;
        }
        for (place, theirs) in other.measured {
            match self.measured.entry(place) {
                std::collections::btree_map::Entry::Vacant(free) => {
                    free.insert(theirs);
                }
                std::collections::btree_map::Entry::Occupied(mut ours) => {
                    ours.get_mut().merge(theirs);
                }
            }
        }
        Ok(())
    }

    /// The keys written, for the rule at that place.
    pub(crate) fn keys_of(&mut self, place: usize) -> &mut KeysWritten {
        let new = || KeysWritten { rows: 0, distinct: Distinct::new(self.folder.clone()) };
        self.keys.entry(place).or_insert_with(new)
    }

    /// Rows that broke the rule of a bit.
    pub(crate) fn broken(&self, bit: usize) -> u64 {
        self.masks().filter(|(mask, _)| mask.has(bit)).map(|(_, rows)| rows).sum()
    }

    /// Takes down the rows that a rule looks at because of its condition; where that could not be
    /// told it counts as if it did.
    pub(crate) fn apply(&mut self, place: usize, condition: &Found) {
        let rows = condition.hits.count_set_bits() + condition.failed.len();
        *self.applied.entry(place).or_default() += rows as u64;
    }

    pub(crate) fn note(&mut self, place: usize, found: Unevaluated) {
        let ours = self.unevaluated.entry(place).or_insert(Unevaluated { rows: 0, ..found });
        ours.rows += found.rows;
        // Of several reasons always the same one, so that the order of merging does not matter.
        ours.why = ours.why.min(found.why);
    }

    pub(crate) fn note_newest(&mut self, place: usize, newest: i64) {
        let ours = self.newest.entry(place).or_insert(newest);
        *ours = newest.max(*ours);
    }

    pub(crate) fn note_oldest(&mut self, place: usize, oldest: i64) {
        let ours = self.oldest.entry(place).or_insert(oldest);
        *ours = oldest.min(*ours);
    }
}

impl KeysWritten {
    /// Copies beyond the first of each key.
    pub(crate) fn extra(&self) -> Result<u64, SpoolError> {
        Ok(self.rows - self.distinct.count()?)
    }

    /// What holding them took.
    pub(crate) fn cost(&self) -> String {
        let spilled = self.distinct.on_disk();
        format!("{} keys of 16 bytes compared, {spilled} of them on disk", self.rows)
    }
}

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::SpoolError;
use crate::distinct::Distinct;

/// What judging found so far, small enough to carry: the rows of a batch in any order and any
/// division give the same tally.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Where keys go that do not fit in memory.
    pub(crate) folder: Option<Arc<Path>>,
    pub(crate) rows: u64,
    /// Mask of the rules that a row broke → number of rows. Rows that broke none are there too.
    pub(crate) masks: BTreeMap<u128, u64>,
    /// Place of a rule → rows on which it could not be evaluated.
    pub(crate) unevaluated: BTreeMap<usize, Unevaluated>,
    pub(crate) written: u64,
    /// Place of a rule → the newest time written, in microseconds.
    pub(crate) newest: BTreeMap<usize, i64>,
    /// Place of a rule → the keys written.
    pub(crate) keys: BTreeMap<usize, KeysWritten>,
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
    pub fn masks(&self) -> impl Iterator<Item = (u128, u64)> {
        self.masks.iter().map(|(mask, rows)| (*mask, *rows))
    }

    /// Adds what another tally of the same suite found.
    pub fn merge(&mut self, other: Tally) -> Result<(), SpoolError> {
        self.rows += other.rows;
        self.written += other.written;
        for (mask, rows) in other.masks {
            *self.masks.entry(mask).or_default() += rows;
        }
        for (place, unevaluated) in other.unevaluated {
            self.note(place, unevaluated);
        }
        for (place, newest) in other.newest {
            self.note_time(place, newest);
        }
        for (place, keys) in other.keys {
            let ours = self.keys_of(place);
            ours.rows += keys.rows;
            ours.distinct.merge(keys.distinct)?;
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
        self.masks().filter(|(mask, _)| mask >> bit & 1 == 1).map(|(_, rows)| rows).sum()
    }

    pub(crate) fn note(&mut self, place: usize, found: Unevaluated) {
        let ours = self.unevaluated.entry(place).or_insert(Unevaluated { rows: 0, ..found });
        ours.rows += found.rows;
        // Of several reasons always the same one, so that the order of merging does not matter.
        ours.why = ours.why.min(found.why);
    }

    pub(crate) fn note_time(&mut self, place: usize, newest: i64) {
        let ours = self.newest.entry(place).or_insert(newest);
        *ours = newest.max(*ours);
    }
}

impl KeysWritten {
    /// Copies beyond the first of each key.
    pub(crate) fn extra(&self) -> Result<u64, SpoolError> {
        Ok(self.rows - self.distinct.count()?)
    }
}

//! Rows that could not be read, or do not fit the types that they should have.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::Serialize;

/// Reasons that are kept apart; of more the rest is summed up.
const REASONS: usize = 50;

/// Rows of one reason, which names kinds and places and never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedRows {
    pub why: String,
    pub rows: u64,
    /// The first line with it, where rows have lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

/// Where readers put what they refuse; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Refused(Arc<Mutex<Counted>>);

/// Reason → rows, and the first line.
type Counted = BTreeMap<String, (u64, Option<u64>)>;

impl Refused {
    pub(super) fn add(&self, why: &str, line: Option<u64>) {
        self.all(|all| {
            let why = match all.contains_key(why) || all.len() < REASONS {
                true => why,
                false => "other reasons",
            };
            let known = all.entry(why.to_owned()).or_insert((0, line));
            known.0 += 1;
        });
    }

    /// Forgets what an earlier scan refused.
    pub(super) fn clear(&self) {
        self.all(Counted::clear);
    }

    /// All that was refused, most rows first.
    pub(super) fn rows(&self) -> Vec<RefusedRows> {
        let mut found: Vec<RefusedRows> = self.all(|all| {
            let each = |(why, (rows, line)): (&String, &(u64, Option<u64>))| RefusedRows {
                why: why.clone(),
                rows: *rows,
                line: *line,
            };
            all.iter().map(each).collect()
        });
        found.sort_by_key(|refused| std::cmp::Reverse(refused.rows));
        found
    }

    fn all<T>(&self, with: impl FnOnce(&mut Counted) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

//! What several rules need of one chunk is computed once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::buffer::BooleanBuffer;

use super::search::evaluate;
use crate::range::marked;
use crate::suite::{Compiled, Test};
use crate::text::{Few, TextTest, numbers};

#[derive(Default)]
pub(super) struct Once {
    /// Column → its texts as numbers.
    numbers: BTreeMap<usize, Option<Vec<u64>>>,
    /// The first of rules that test alike → the rows that do not pass.
    misses: BTreeMap<usize, BooleanBuffer>,
}

impl Once {
    /// The rows that do not pass a test, whatever the condition of its rule; none where that can't
    /// be told of all of them at once.
    pub(super) fn misses(&mut self, rule: &Compiled, rows: &RecordBatch) -> Option<BooleanBuffer> {
        let known = rule.twin.and_then(|twin| self.misses.get(&twin));
        if let Some(known) = known {
            return Some(known.clone());
        }
        let found = match &rule.test {
            Test::Breaks(expression) => evaluate(expression.as_ref(), rows).ok()?,
            Test::Outside { column, range } => range.misses(rows.column(*column)).ok()?,
            Test::Null { column } => match rows.column(*column).logical_nulls() {
                Some(there) => !there.inner(),
                None => BooleanBuffer::new_unset(rows.num_rows()),
            },
            Test::Text { column, test } => {
                let texts = rows.column(*column);
                let few = match test {
                    TextTest::OneOf(few) if few.all_short() => self.none_of(few, *column, texts),
                    _ => None,
                };
                match few {
                    Some(found) => found,
                    None => test.misses(texts).ok()?,
                }
            }
            _ => return None,
        };
        if let Some(twin) = rule.twin {
            self.misses.insert(twin, found.clone());
        }
        Some(found)
    }

    fn none_of(&mut self, few: &Few, column: usize, texts: &ArrayRef) -> Option<BooleanBuffer> {
        let numbers = match self.numbers.entry(column) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(numbers(texts)),
        };
        let found = marked(numbers.as_ref()?, |number| !few.knows(number));
        Some(match texts.nulls() {
            Some(there) => &found & there.inner(),
            None => found,
        })
    }
}

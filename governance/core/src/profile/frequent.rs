use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Values that are remembered of one column.
const KEPT: usize = 32;

/// Values that are held before those that come rarely are forgotten.
pub const HELD: usize = 4 * KEPT;

/// Longer values are prose: they count, and are not remembered.
const LONGEST: usize = 64;

/// The values that come most often, after Misra and Gries: a count is short by at most `short`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frequent {
    /// All values counted.
    pub counted: u64,
    pub short: u64,
    values: BTreeMap<String, u64>,
}

impl Frequent {
    /// Takes in different values, each with how often it came. `counted` is how many there were,
    /// with those that are not among them.
    pub fn add<'a>(&mut self, counted: u64, values: impl IntoIterator<Item = (&'a str, u64)>) {
        self.counted += counted;
        for (value, times) in values {
            match self.values.get_mut(value) {
                Some(known) => *known += times,
                None if value.len() <= LONGEST => {
                    self.values.insert(value.to_owned(), times);
                }
                None => {}
            }
        }
        if self.values.len() > HELD {
            self.shrink();
        }
    }

    pub fn merge(&mut self, other: &Frequent) {
        let theirs = other.values.iter().map(|(value, times)| (value.as_str(), *times));
        self.add(other.counted, theirs);
        self.short += other.short;
        self.shrink();
    }

    /// Forgets all but the values that come most often.
    pub fn shrink(&mut self) {
        self.forget(rarest(self.values.values().copied(), KEPT));
    }

    /// Forgets everything: the values are too many, or not to be seen.
    pub fn clear(&mut self) {
        *self = Frequent::default();
    }

    /// The values, the most frequent first, each with the share of all that it has.
    pub fn shares(&self) -> Vec<(&str, f64)> {
        let mut shares: Vec<(&str, u64)> =
            self.values.iter().map(|(value, times)| (value.as_str(), *times)).collect();
        shares.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        let all = self.counted.max(1) as f64;
        shares.into_iter().map(|(value, times)| (value, times as f64 / all)).collect()
    }

    pub fn share(&self, value: &str) -> f64 {
        let times = self.values.get(value).copied().unwrap_or_default();
        times as f64 / self.counted.max(1) as f64
    }

    fn forget(&mut self, times: u64) {
        if times > 0 {
            self.short += times;
            self.values.retain(|_, known| {
                *known = known.saturating_sub(times);
                *known > 0
            });
        }
    }
}

/// What has to be taken off all counts so that no more than `kept` are left.
pub fn rarest(counts: impl Iterator<Item = u64>, kept: usize) -> u64 {
    let mut counts: Vec<u64> = counts.collect();
    if counts.len() <= kept {
        return 0;
    }
    let (_, times, _) = counts.select_nth_unstable_by_key(kept, |times| std::cmp::Reverse(*times));
    *times
}

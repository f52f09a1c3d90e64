use serde::{Deserialize, Serialize};

/// Values that the upper levels hold; ranks are then off by about one percent.
const WIDTH: usize = 128;

/// The least that a level holds.
const NARROWEST: usize = 8;

/// Where numbers lie, in bounded memory: a sketch after Karnin, Lang and Liberty. A value at level
/// *n* stands for 2ⁿ values; a level that is full gives every other one of its sorted values to the
/// next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    levels: Vec<Vec<f64>>,
    /// How often a level was full, which decides the half that stays.
    turns: u64,
}

impl Quantiles {
    /// Takes in a finite number that stands for 2^`level` of them.
    pub fn add(&mut self, value: f64, level: usize) {
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Vec::new);
        }
        self.levels[level].push(value);
        self.relieve(level);
    }

    /// Takes in what another one was shown.
    pub fn merge(&mut self, other: &Quantiles) {
        if self.levels.len() < other.levels.len() {
            self.levels.resize_with(other.levels.len(), Vec::new);
        }
        for (ours, theirs) in self.levels.iter_mut().zip(&other.levels) {
            ours.extend(theirs);
        }
        self.turns = self.turns.wrapping_add(other.turns);
        for level in 0..self.levels.len() {
            self.relieve(level);
        }
    }

    /// Its values in order, each with the number that it stands for.
    pub fn weighted(&self) -> Vec<(f64, u64)> {
        let of_level = |(level, values): (usize, &Vec<f64>)| {
            values.iter().map(move |value| (*value, 1_u64 << level)).collect::<Vec<_>>()
        };
        let mut all: Vec<(f64, u64)> = self.levels.iter().enumerate().flat_map(of_level).collect();
        all.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        all
    }

    /// Numbers that it holds, of all that it was shown.
    pub fn held(&self) -> usize {
        self.levels.iter().map(Vec::len).sum()
    }

    /// Passes on what a level has too much of, and what the next ones then have.
    fn relieve(&mut self, from: usize) {
        let mut level = from;
        while level < self.levels.len() && self.levels[level].len() > self.room(level) {
            if self.levels.len() == level + 1 {
                self.levels.push(Vec::new());
            }
            let mut values = std::mem::take(&mut self.levels[level]);
            values.sort_unstable_by(f64::total_cmp);
            // Of an odd number one stays, so that nothing is lost.
            let alone = if values.len() % 2 == 1 { values.pop() } else { None };
            self.levels[level].extend(alone);
            let half = (scattered(self.turns) & 1) as usize;
            self.turns = self.turns.wrapping_add(1);
            self.levels[level + 1].extend(values.into_iter().skip(half).step_by(2));
            level += 1;
        }
    }

    /// How much a level may hold: two thirds of the one above it.
    fn room(&self, level: usize) -> usize {
        let below_top = self.levels.len() - 1 - level;
        let room = (0..below_top.min(16)).fold(WIDTH, |room, _| room * 2 / 3);
        room.max(NARROWEST)
    }
}

/// The share of numbers that are at most `value`, of what [`Quantiles::weighted`] gave.
pub(super) fn share_upto(weighted: &[(f64, u64)], value: f64) -> f64 {
    let all: u64 = weighted.iter().map(|(_, weight)| weight).sum();
    let upto = weighted.partition_point(|(it, _)| *it <= value);
    let weight: u64 = weighted[..upto].iter().map(|(_, weight)| weight).sum();
    if all == 0 { 0.0 } else { weight as f64 / all as f64 }
}

/// The number that this share of all numbers does not exceed.
pub(super) fn quantile(weighted: &[(f64, u64)], share: f64) -> Option<f64> {
    let all: u64 = weighted.iter().map(|(_, weight)| weight).sum();
    let wanted = share * all as f64;
    let mut sum = 0;
    let reaches = |(_, weight): &&(f64, u64)| {
        sum += weight;
        sum as f64 >= wanted
    };
    weighted.iter().find(reaches).or(weighted.last()).map(|(value, _)| *value)
}

/// A number that looks like chance and is always the same.
pub fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

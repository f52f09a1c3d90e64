use serde::{Deserialize, Serialize};

use super::Quantiles;
use super::quantiles::{quantile, share_upto};

/// Beyond it the sum of squares is no number any more.
const GREATEST: f64 = 1e140;

/// What the numbers of a column have in common; times count as microseconds, dates as days.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    pub count: u64,
    /// NaN, infinities and numbers beyond 10¹⁴⁰, which count for nothing else.
    pub odd: u64,
    pub mean: f64,
    /// The sum of squared distances from the mean.
    pub squares: f64,
    /// The least and the greatest.
    pub range: Option<(f64, f64)>,
    pub quantiles: Quantiles,
}

impl Numbers {
    /// Takes in numbers, but for their quantiles.
    pub fn add_all(&mut self, values: impl Iterator<Item = f64>) {
        let mut values = values.filter(|value| {
            let plain = value.abs() <= GREATEST;
            self.odd += u64::from(!plain);
            plain
        });
        // Distances from some number of them keep their digits.
        let Some(first) = values.next() else { return };
        let (mut count, mut sum, mut squares) = (1_u64, 0.0, 0.0);
        let (mut least, mut greatest) = (first, first);
        for value in values {
            let off = value - first;
            count += 1;
            sum += off;
            squares += off * off;
            least = f64::min(least, value);
            greatest = f64::max(greatest, value);
        }
        let off = sum / count as f64;
        let squares = (squares - off * sum).max(0.0);
        self.join(count, first + off, squares, (least, greatest));
    }

    /// Takes in a number that stands for 2^`level` of them, for the quantiles alone.
    pub fn sample(&mut self, value: f64, level: usize) {
        if value.abs() <= GREATEST {
            self.quantiles.add(value, level);
        }
    }

    pub fn merge(&mut self, other: &Numbers) {
        self.odd += other.odd;
        self.quantiles.merge(&other.quantiles);
        if let Some(range) = other.range {
            self.join(other.count, other.mean, other.squares, range);
        }
    }

    /// The standard deviation of all of them.
    pub fn deviation(&self) -> Option<f64> {
        (self.count > 0).then(|| (self.squares / self.count as f64).sqrt())
    }

    /// The number that this share of all does not exceed.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let (least, greatest) = self.range?;
        let found = quantile(&self.quantiles.weighted(), share)?;
        Some(found.clamp(least, greatest))
    }

    /// The shares of so many ranges of equal width between the least and the greatest.
    pub fn histogram(&self, bins: usize) -> Vec<f64> {
        let Some((least, greatest)) = self.range.filter(|_| bins > 0) else { return Vec::new() };
        let weighted = self.quantiles.weighted();
        let width = (greatest - least) / bins as f64;
        let mut before = 0.0;
        let share = |bin: usize| {
            let end = if bin == bins { greatest } else { least + width * bin as f64 };
            let upto = share_upto(&weighted, end);
            let share = upto - before;
            before = upto;
            share
        };
        (1..=bins).map(share).collect()
    }

    fn join(&mut self, count: u64, mean: f64, squares: f64, (least, greatest): (f64, f64)) {
        let all = (self.count + count) as f64;
        let off = mean - self.mean;
        let share = count as f64 / all;
        self.squares += squares + off * off * self.count as f64 * share;
        self.mean = if self.count == 0 { mean } else { self.mean + off * share };
        self.count += count;
        let (low, high) = self.range.unwrap_or((least, greatest));
        self.range = Some((low.min(least), high.max(greatest)));
    }
}

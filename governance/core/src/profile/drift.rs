//! How far the values of a column have moved from those of before.

use super::quantiles::{quantile, share_upto};
use super::{ColumnProfile, Frequent, Numbers, Values};

/// Ranges into which numbers are divided, so that each had as many of them before.
const RANGES: usize = 10;

/// A share that is nothing would make any change endless.
const LEAST_SHARE: f64 = 1e-4;

/// The population stability index: 0 where all shares are as before; from 0.1 on one looks, from
/// 0.2 on something has changed. Numbers are compared in ten ranges that had equal shares, texts by
/// the values that came most often; NULL is a share of its own. None where nothing was kept.
pub fn stability(before: &ColumnProfile, now: &ColumnProfile) -> Option<f64> {
    if before.rows == 0 || now.rows == 0 {
        return None;
    }
    let mut pairs = vec![(before.null_share(), now.null_share())];
    let (there_before, there_now) = (1.0 - pairs[0].0, 1.0 - pairs[0].1);
    let shares = match (&before.values, &now.values) {
        _ if before.nulls == before.rows || now.nulls == now.rows => vec![(1.0, 1.0)],
        (Values::Numbers(before), Values::Numbers(now)) => of_numbers(before, now)?,
        (Values::Texts(before), Values::Texts(now)) => of_texts(before, now)?,
        _ => return None,
    };
    pairs.extend(shares.into_iter().map(|(a, b)| (a * there_before, b * there_now)));
    let index = |(before, now): (f64, f64)| {
        let (before, now) = (before.max(LEAST_SHARE), now.max(LEAST_SHARE));
        (now - before) * (now / before).ln()
    };
    Some(pairs.into_iter().map(index).sum())
}

/// The greatest distance between the two distributions (Kolmogorov and Smirnov), 0 to 1. None
/// where one has no number.
pub fn distance(before: &ColumnProfile, now: &ColumnProfile) -> Option<f64> {
    let (Values::Numbers(before), Values::Numbers(now)) = (&before.values, &now.values) else {
        return None;
    };
    let (before, now) = (before.quantiles.weighted(), now.quantiles.weighted());
    if before.is_empty() || now.is_empty() {
        return None;
    }
    let places = before.iter().chain(&now).map(|(value, _)| *value);
    let apart = |at: f64| (share_upto(&before, at) - share_upto(&now, at)).abs();
    Some(places.map(apart).fold(0.0, f64::max))
}

fn of_numbers(before: &Numbers, now: &Numbers) -> Option<Vec<(f64, f64)>> {
    let (before, now) = (before.quantiles.weighted(), now.quantiles.weighted());
    if before.is_empty() || now.is_empty() {
        return None;
    }
    let mut ends: Vec<f64> =
        (1..RANGES).filter_map(|range| quantile(&before, range as f64 / RANGES as f64)).collect();
    ends.dedup();
    ends.push(f64::INFINITY);
    let (mut old, mut new) = (0.0, 0.0);
    let shares = |end: f64| {
        let upto = (share_upto(&before, end), share_upto(&now, end));
        let pair = (upto.0 - old, upto.1 - new);
        (old, new) = upto;
        pair
    };
    Some(ends.into_iter().map(shares).collect())
}

fn of_texts(before: &Frequent, now: &Frequent) -> Option<Vec<(f64, f64)>> {
    if before.counted == 0 || now.counted == 0 {
        return None;
    }
    let mut shares: Vec<(f64, f64)> =
        before.shares().into_iter().map(|(value, share)| (share, now.share(value))).collect();
    let (old, new) = shares.iter().fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    // Values that are rare or new are one.
    shares.push((1.0 - old, 1.0 - new));
    Some(shares)
}

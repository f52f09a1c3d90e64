//! From families to the text that Prometheus scrapes, within bounds.

use std::collections::BTreeMap;

use prometheus::TextEncoder;
use prometheus::proto::{MetricFamily, MetricType};

use crate::exposition::{RenderError, labels, number, plain};
use crate::names;

/// So many series one answer has at most. Labels are closed sets, so this is reached by a mistake:
/// names of pipelines or topics that somebody makes by the thousand.
const MOST_SERIES: usize = 10_000;

/// So many characters a label's value has at most.
const LONGEST_VALUE: usize = 200;

/// The text of families, in the order of their names; an empty one is left out. `elsewhere` so many
/// series were left out of other parts of the same answer.
pub(crate) fn text(families: Vec<MetricFamily>, elsewhere: usize) -> Result<String, RenderError> {
    encode(&whole(families, elsewhere))
}

/// The families of one answer, bounded, with what stands beside them.
pub(crate) fn whole(mut families: Vec<MetricFamily>, elsewhere: usize) -> Vec<MetricFamily> {
    let dropped = elsewhere + bound(&mut families, MOST_SERIES);
    families.push(plain(
        &names::SERIES_DROPPED,
        BTreeMap::from([(BTreeMap::new(), number(dropped as u64))]),
    ));
    let version = labels(&names::BUILD_INFO, &[env!("CARGO_PKG_VERSION")]);
    families.push(plain(&names::BUILD_INFO, BTreeMap::from([(version, 1.0)])));
    in_order(families)
}

/// The same without what stands beside the others, and how many series were left out of it.
pub(crate) fn part(mut families: Vec<MetricFamily>) -> Result<(String, usize), RenderError> {
    let dropped = bound(&mut families, MOST_SERIES);
    Ok((encode(&in_order(families))?, dropped))
}

fn in_order(mut families: Vec<MetricFamily>) -> Vec<MetricFamily> {
    families.retain(|family| !family.get_metric().is_empty());
    families.sort_by(|a, b| a.name().cmp(b.name()));
    families
}

fn encode(families: &[MetricFamily]) -> Result<String, RenderError> {
    let text = TextEncoder::new().encode_to_string(families);
    text.map_err(|error| RenderError(error.to_string()))
}

/// Cuts the largest families until all have at most `most` series; returns how many went. One that
/// ran away does not hide the others, and the same ones stay as long as nothing new comes.
fn bound(families: &mut [MetricFamily], most: usize) -> usize {
    let mut order: Vec<usize> = (0..families.len()).collect();
    order.sort_by_key(|place| series(&families[*place]));
    let (mut room, mut dropped) = (most, 0);
    for (done, place) in order.iter().enumerate() {
        let family = &mut families[*place];
        let (has, each) = (series(family), series_of_sample(family));
        let share = room / (order.len() - done);
        if has > share {
            let mut samples = family.take_metric();
            samples.truncate(share / each);
            family.set_metric(samples);
            dropped += has - series(family);
        }
        room -= series(family);
    }
    dropped
}

fn series(family: &MetricFamily) -> usize {
    family.get_metric().len() * series_of_sample(family)
}

/// A histogram has a series for each bucket, the infinite one, the sum and the count.
fn series_of_sample(family: &MetricFamily) -> usize {
    match (family.get_field_type(), family.get_metric().first()) {
        (MetricType::HISTOGRAM, Some(first)) => first.get_histogram().get_bucket().len() + 3,
        _ => 1,
    }
}

/// A label's value as it is shown: one that is too long is cut, and ends with a checksum of the
/// whole, so that two of them stay two.
pub(crate) fn shown(value: String) -> String {
    match value.char_indices().nth(LONGEST_VALUE) {
        None => value,
        Some((end, _)) => format!("{}…{:08x}", &value[..end], crc32fast::hash(value.as_bytes())),
    }
}

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use assay_core::TraceContext;

/// So many requests may wait with their traces; those beyond are sent without.
const MOST: usize = 10_000;

/// So many traces a message says it comes from.
const OF_A_MESSAGE: usize = 32;

/// The traces of requests whose records are not sent yet, by the partition and the sequence number
/// of the first. They are in memory only: what an earlier process left is sent without.
#[derive(Debug, Default)]
pub(crate) struct Traces(Mutex<BTreeMap<(u32, u64), TraceContext>>);

impl Traces {
    pub(super) fn note(&self, place: (u32, u64), trace: &TraceContext) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MOST {
            known.insert(place, trace.clone());
        }
    }

    /// Those of a message of so many records.
    pub(crate) fn of(&self, (partition, first): (u32, u64), count: usize) -> Vec<TraceContext> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = first.saturating_add(count as u64);
        let mut traces: Vec<TraceContext> = vec![];
        for trace in known.range((partition, first)..(partition, end)).map(|(_, trace)| trace) {
            if traces.len() < OF_A_MESSAGE && !traces.contains(trace) {
                traces.push(trace.clone());
            }
        }
        traces
    }

    /// Everything of a partition before a sequence number is sent.
    pub(crate) fn forget(&self, partition: u32, before: u64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<_> =
            known.range((partition, 0)..(partition, before)).map(|(place, _)| *place).collect();
        for place in gone {
            known.remove(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(number: u8) -> TraceContext {
        TraceContext::of([number; 16], [number; 8], 1, None)
    }

    #[test]
    fn a_message_has_the_traces_of_its_own_records_until_it_is_sent() {
        let traces = Traces::default();
        for (place, number) in [((0, 10), 1), ((0, 12), 2), ((1, 12), 3), ((0, 15), 2)] {
            traces.note(place, &trace(number));
        }
        assert_eq!(traces.of((0, 10), 5), [trace(1), trace(2)]);
        assert_eq!(traces.of((0, 11), 9), [trace(2)]);
        traces.forget(0, 15);
        assert_eq!(traces.of((0, 0), 100), [trace(2)]);
        assert_eq!(traces.of((1, 0), 100), [trace(3)]);
    }

    #[test]
    fn they_are_bounded_whatever_waits() {
        let traces = Traces::default();
        (0..20_000).for_each(|number| traces.note((0, number), &trace(1)));
        assert_eq!(traces.0.lock().unwrap().len(), MOST);
    }
}

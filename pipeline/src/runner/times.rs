//! Which rows are late: held against the latest row before them in their own partition, as the
//! position has it, so that it is the same whether or not a worker died in between.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use assay_core::{Position, Slice};
use chrono::DateTime;

use crate::stage::{EventTime, Reads, Stage};

pub(super) struct Times<'a> {
    time: &'a EventTime,
    topic: &'a str,
    /// Of each partition the latest time, in microseconds, of a row that was not set aside.
    latest: BTreeMap<i32, i64>,
}

impl<'a> Times<'a> {
    pub(super) fn new(stage: &'a Stage, from: &Position) -> Option<Times<'a>> {
        let (Some(time), Reads::Topic(topic)) = (&stage.event_time, &stage.reads) else {
            return None;
        };
        let name = topic.dataset.name();
        let latest = (0..topic.partitions).filter_map(|partition| {
            let mark = from.mark(&Slice::partition(name, partition))?;
            Some((i32::try_from(partition).ok()?, mark.event_time?.timestamp_micros()))
        });
        Some(Times { time, topic: name, latest: latest.collect() })
    }

    /// For each of the good rows whether it is late. `input` are their places in `read`.
    pub(super) fn late(
        &mut self,
        good: &RecordBatch,
        input: &[u32],
        read: &RecordBatch,
    ) -> Vec<bool> {
        let none = || vec![false; good.num_rows()];
        let times = good.column_by_name(&self.time.column);
        let times = times.and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        let partitions = read.column_by_name("_partition");
        let partitions = partitions.and_then(|column| column.as_primitive_opt::<Int32Type>());
        let (Some(times), Some(partitions)) = (times, partitions) else { return none() };
        let allowed = self.time.late_after.num_microseconds().unwrap_or(i64::MAX);
        let mut late = none();
        for (row, place) in input.iter().enumerate().filter(|(row, _)| times.is_valid(*row)) {
            let at = times.value(row);
            let latest = self.latest.entry(partitions.value(*place as usize)).or_insert(at);
            late[row] = at < latest.saturating_sub(allowed);
            *latest = at.max(*latest);
        }
        late
    }

    /// Why a row is set aside that is.
    pub(super) fn why(&self) -> String {
        let seconds = self.time.late_after.num_seconds();
        format!("`{}` is more than {seconds} s behind a row before it", self.time.column)
    }

    /// Writes into a position what was seen up to there.
    pub(super) fn stamp(&self, position: &mut Position) {
        for (partition, latest) in &self.latest {
            let slice = Slice::partition(self.topic, partition.cast_unsigned());
            if let Some(mark) = position.0.get_mut(&slice) {
                mark.event_time = DateTime::from_timestamp_micros(*latest);
            }
        }
    }
}

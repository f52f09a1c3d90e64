//! Which rows are late: held against the latest row before them in their own partition, as the
//! position has it, so that it is the same whether or not a worker died in between. What claims to
//! be of a time to come is not among them.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use assay_core::{Position, Slice};
use chrono::{DateTime, TimeDelta, Utc};

use crate::stage::EventTime;

/// When a row comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timing {
    OnTime,
    Late,
    /// Before it can have happened: its sender's clock is wrong.
    Ahead,
}

pub(super) struct Times<'a> {
    time: &'a EventTime,
    topic: &'a str,
    /// Of each partition the latest time, in microseconds, of a row that was not set aside.
    latest: BTreeMap<i32, i64>,
    /// Whether rows that came back are judged, of which none is late.
    again: bool,
}

impl<'a> Times<'a> {
    pub(super) fn new(time: &'a EventTime, topic: &'a str, from: &Position) -> Times<'a> {
        let latest = from.0.iter().filter_map(|(slice, mark)| {
            Some((partition(topic, slice)?, mark.event_time?.timestamp_micros()))
        });
        Times { time, topic, latest: latest.collect(), again: false }
    }

    /// From here on no row is late.
    pub(super) fn never_late(&mut self) {
        self.again = true;
    }

    /// When each of the good rows comes. `input` are their places in `read`, of which a topic
    /// that takes the senders' word for it may say that it is of a time to come: hence `now`.
    pub(super) fn judge(
        &mut self,
        good: &RecordBatch,
        input: &[u32],
        read: &RecordBatch,
        now: DateTime<Utc>,
    ) -> Vec<Timing> {
        let mut timings = vec![Timing::OnTime; good.num_rows()];
        let time = |rows: &RecordBatch, name: &str| {
            rows.column_by_name(name)?.as_primitive_opt::<TimestampMicrosecondType>().cloned()
        };
        let partitions = read.column_by_name("_partition");
        let partitions = partitions.and_then(|column| column.as_primitive_opt::<Int32Type>());
        let (Some(times), Some(taken), Some(partitions)) =
            (time(good, &self.time.column), time(read, "_timestamp"), partitions)
        else {
            return timings;
        };
        let micros = |span: TimeDelta| span.num_microseconds().unwrap_or(i64::MAX);
        let (behind, ahead) = (micros(self.time.late_after), micros(self.time.ahead_after));
        for (row, place) in input.iter().enumerate().filter(|(row, _)| times.is_valid(*row)) {
            let (at, place) = (times.value(row), *place as usize);
            let now = now.timestamp_micros();
            // Messages of the oldest kind have no time.
            let taken = Some(taken.value(place)).filter(|at| *at > 0).map_or(now, |at| at.min(now));
            if at > taken.saturating_add(ahead) {
                timings[row] = Timing::Ahead;
                continue;
            }
            let latest = self.latest.entry(partitions.value(place)).or_insert(at);
            if at < latest.saturating_sub(behind) && !self.again {
                timings[row] = Timing::Late;
            }
            *latest = at.max(*latest);
        }
        timings
    }

    /// Why a row is set aside that is.
    pub(super) fn why(&self, timing: Timing) -> String {
        let EventTime { column, late_after, ahead_after, .. } = self.time;
        match timing {
            Timing::Ahead => {
                let seconds = ahead_after.num_seconds();
                format!(
                    "`{column}` is more than {seconds} s ahead of the log, or of the clock here"
                )
            }
            Timing::OnTime | Timing::Late => {
                let seconds = late_after.num_seconds();
                format!("`{column}` is more than {seconds} s behind a row before it")
            }
        }
    }

    /// Writes into a position what was seen up to there.
    pub(super) fn stamp(&self, position: &mut Position) {
        if self.again {
            return;
        }
        for (partition, latest) in &self.latest {
            let slice = Slice::partition(self.topic, partition.cast_unsigned());
            if let Some(mark) = position.0.get_mut(&slice) {
                mark.event_time = DateTime::from_timestamp_micros(*latest);
            }
        }
    }
}

/// Which partition of the topic a slice is, however many the pipeline says that there are.
fn partition(topic: &str, slice: &Slice) -> Option<i32> {
    slice.as_str().strip_prefix(topic)?.strip_prefix('/')?.parse().ok()
}

#[cfg(test)]
mod tests;

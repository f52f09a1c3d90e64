//! How good the rows of each window of time are.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use assay_core::{DatasetName, WindowScore};
use chrono::{DateTime, Utc};

use super::super::times::Timing;
use crate::stage::{EventTime, Stage, Windows};

/// Windows of one batch that are told of, the latest: a day of minutes. Who reads a topic of years
/// with a row now and then has a window for each row.
const MOST: usize = 1440;

/// What rules found of the rows of a chunk.
pub(super) struct Marked {
    pub(super) rows: RecordBatch,
    /// What rules took from a row, 0–1, of those that broke one.
    pub(super) lost: Vec<(u32, f64)>,
    /// Rows that leave as dead letters.
    pub(super) rejected: Vec<u32>,
    /// The other rows.
    pub(super) good: Vec<u32>,
}

/// Sums up, for each table that has windows, what was found of the rows in each.
pub(super) struct WindowScores<'a> {
    /// What says when a row happened.
    time: &'a EventTime,
    tables: Vec<(&'a DatasetName, Windows, BTreeMap<i64, Sum>)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    rows: u64,
    rejected: u64,
    lost: f64,
}

impl<'a> WindowScores<'a> {
    /// None where the stage has no windows.
    pub(super) fn of(stage: &'a Stage) -> Option<WindowScores<'a>> {
        let time = stage.event_time.as_ref()?;
        let windowed = stage
            .also
            .iter()
            .filter_map(|also| Some((&also.writes.dataset, also.windows?, BTreeMap::new())));
        let tables: Vec<_> = windowed.collect();
        (!tables.is_empty()).then_some(WindowScores { time, tables })
    }

    /// Takes in the rows of a chunk, but for those that are not on time, which the good ones are
    /// told of: no window has them yet. Nor has one the rows that were rejected and say that they
    /// happen long after `now`.
    pub(super) fn take(&mut self, marked: &Marked, timings: &[Timing], now: DateTime<Utc>) {
        let horizon = now.checked_add_signed(self.time.ahead_after).unwrap_or(now);
        let horizon = horizon.timestamp_micros();
        let times = marked.rows.column_by_name(&self.time.column);
        let times = times.and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        let Some(times) = times else { return };
        let mut rows = vec![Some(Sum { rows: 1, ..Sum::default() }); marked.rows.num_rows()];
        for (row, timing) in marked.good.iter().zip(timings) {
            if *timing != Timing::OnTime {
                rows[*row as usize] = None;
            }
        }
        for row in &marked.rejected {
            rows[*row as usize].iter_mut().for_each(|sum| sum.rejected = 1);
        }
        for (row, lost) in &marked.lost {
            rows[*row as usize].iter_mut().for_each(|sum| sum.lost = *lost);
        }
        for (row, sum) in rows.into_iter().enumerate().filter(|(row, _)| times.is_valid(*row)) {
            let Some(sum) = sum.filter(|_| times.value(row) <= horizon) else { continue };
            for (_, windows, sums) in &mut self.tables {
                for start in windows.starts(times.value(row)) {
                    sums.entry(start).or_default().add(sum);
                }
            }
        }
    }

    pub(super) fn finish(self) -> Vec<WindowScore> {
        let mut all = Vec::new();
        for (dataset, windows, sums) in self.tables {
            let latest = sums.into_iter().rev().take(MOST);
            let score = |(start, Sum { rows, rejected, lost }): (i64, Sum)| {
                let start: DateTime<Utc> = DateTime::from_timestamp_micros(start)?;
                let end = start.checked_add_signed(windows.length)?;
                let dataset = dataset.clone();
                Some(WindowScore { dataset, start, end, rows, rejected, lost })
            };
            all.extend(latest.filter_map(score));
        }
        all
    }
}

impl Sum {
    fn add(&mut self, other: Sum) {
        self.rows += other.rows;
        self.rejected += other.rejected;
        self.lost += other.lost;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::TimestampMicrosecondArray;
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn rows_on_time_count_in_every_window_that_they_are_in() {
        let dataset: DatasetName = "gold.hops".parse().unwrap();
        let windows = Windows { length: TimeDelta::seconds(10), every: TimeDelta::seconds(5) };
        let time = EventTime {
            column: "at".to_owned(),
            late_after: TimeDelta::seconds(1),
            ahead_after: TimeDelta::seconds(60),
            idle_after: TimeDelta::seconds(1),
        };
        let tables = vec![(&dataset, windows, BTreeMap::new())];
        let mut scores = WindowScores { time: &time, tables };
        let seconds = [Some(11), Some(12), None, Some(16), Some(3), Some(81)];
        let times = seconds.iter().map(|at| at.map(|at| at * 1_000_000));
        let times = Arc::new(times.collect::<TimestampMicrosecondArray>());
        let rows = RecordBatch::try_from_iter_with_nullable([("at", times as _, true)]).unwrap();
        // The second breaks a rule and leaves, the fourth breaks one and stays, the fifth is late.
        let marked = Marked {
            rows,
            lost: vec![(1, 1.0), (3, 0.25), (5, 1.0)],
            rejected: vec![1, 2, 5],
            good: vec![0, 3, 4],
        };
        let now = DateTime::from_timestamp(20, 0).unwrap();
        scores.take(&marked, &[Timing::OnTime, Timing::OnTime, Timing::Late], now);
        let told = scores
            .finish()
            .into_iter()
            .map(|window| (window.start.timestamp(), window.rows, window.rejected, window.lost));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [(15, 1, 0, 0.25), (10, 3, 1, 1.25), (5, 2, 1, 1.0)],
            "the latest window comes first"
        );
    }
}

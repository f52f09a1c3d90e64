use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, TimestampMicrosecondArray};
use assay_core::Mark;

use super::Timing::{Ahead, Late, OnTime};
use super::*;

fn time() -> EventTime {
    EventTime {
        column: "happened".to_owned(),
        late_after: TimeDelta::seconds(300),
        ahead_after: TimeDelta::seconds(300),
        idle_after: TimeDelta::seconds(60),
    }
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

/// Rows as (partition, when it happened, when the log took it), in seconds.
fn judged(times: &mut Times<'_>, rows: &[(i32, i64, i64)], now: i64) -> Vec<Timing> {
    let micros = |seconds: Vec<i64>| -> ArrayRef {
        let values = seconds.into_iter().map(|second| second * 1_000_000);
        Arc::new(TimestampMicrosecondArray::from_iter_values(values))
    };
    let good = micros(rows.iter().map(|row| row.1).collect());
    let good = RecordBatch::try_from_iter([("happened", good)]).unwrap();
    let partitions: ArrayRef = Arc::new(Int32Array::from_iter_values(rows.iter().map(|r| r.0)));
    let taken = micros(rows.iter().map(|row| row.2).collect());
    let read = [("_partition", partitions), ("_timestamp", taken)];
    let input: Vec<u32> = (0..u32::try_from(rows.len()).unwrap()).collect();
    times.judge(&good, &input, &RecordBatch::try_from_iter(read).unwrap(), at(now))
}

#[test]
fn a_clock_that_is_far_ahead_makes_nothing_late() {
    let time = time();
    let mut times = Times::new(&time, "events", &Position::default());
    let day = 86_400;
    let rows = [(0, 1000, 1000), (0, 1000 + day, 1001), (0, 1002, 1002), (0, 701, 1003)];
    assert_eq!(judged(&mut times, &rows, 1003), [OnTime, Ahead, OnTime, Late]);
    // Up to the bound it counts, and what other clocks say is on time still.
    assert_eq!(judged(&mut times, &[(0, 1304, 1004), (0, 1004, 1004)], 1004), [OnTime; 2]);
    assert_eq!(judged(&mut times, &[(0, 1305, 1004)], 1004), [Ahead]);
}

#[test]
fn a_log_that_says_what_the_sender_said_is_held_against_our_clock() {
    let time = time();
    let mut times = Times::new(&time, "events", &Position::default());
    assert_eq!(judged(&mut times, &[(0, 9000, 9000), (0, 1000, 1000)], 1001), [Ahead, OnTime]);
    assert_eq!(judged(&mut times, &[(0, 1000, 0), (0, 9000, 0)], 1001), [OnTime, Ahead]);
}

#[test]
fn the_latest_time_of_every_partition_goes_on_however_many_were_declared() {
    let time = time();
    let mark = |second| Mark { event_time: Some(at(second)), ..Mark::default() };
    let slice = |partition| Slice::partition("events", partition);
    let other = Slice::partition("events_of_others", 7);
    let from = Position([(slice(7), mark(5000)), (other, mark(1))].into());
    let mut times = Times::new(&time, "events", &from);
    let rows = [(7, 4000, 5001), (7, 4900, 5001), (8, 4000, 5001)];
    assert_eq!(judged(&mut times, &rows, 5001), [Late, OnTime, OnTime]);
    let mut upto = Position([(slice(7), Mark::default()), (slice(8), Mark::default())].into());
    times.stamp(&mut upto);
    assert_eq!(upto.mark(&slice(7)).unwrap().event_time, Some(at(5000)));
    assert_eq!(upto.mark(&slice(8)).unwrap().event_time, Some(at(4000)));
}

#[test]
fn what_comes_back_is_not_late_and_may_still_be_ahead() {
    let time = time();
    let mut times = Times::new(&time, "events", &Position::default());
    times.never_late();
    let rows = [(0, 5000, 5000), (0, 1000, 5000), (0, 9000, 5000)];
    assert_eq!(judged(&mut times, &rows, 5000), [OnTime, OnTime, Ahead]);
}

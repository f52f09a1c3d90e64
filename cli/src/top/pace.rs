use std::collections::{BTreeMap, VecDeque};

use assay_core::RunId;
use chrono::{DateTime, TimeDelta, Utc};

use super::look::{Look, State, rate};

/// So far back is looked to say how fast a stage is.
const WINDOW: TimeDelta = TimeDelta::minutes(1);

/// How many rows the running stages had written at the looks before.
#[derive(Debug, Default)]
pub(super) struct Pace {
    stages: BTreeMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    run: RunId,
    rows: VecDeque<(DateTime<Utc>, u64)>,
}

impl Pace {
    /// Says of each stage that runs how many rows a second it wrote in the last minute; at the
    /// first look since its run began.
    pub(super) fn take_in(&mut self, look: &mut Look) {
        let running = |stage: &&mut super::look::Stage| stage.state == State::Running;
        let mut seen = BTreeMap::new();
        for stage in look.stages.iter_mut().filter(running) {
            let before = self.stages.remove(&stage.name).filter(|seen| seen.run == stage.run);
            let mut rows = before.map(|seen| seen.rows).unwrap_or_default();
            if rows.is_empty() {
                rows.push_back((stage.started_at, 0));
            }
            rows.push_back((look.at, stage.written));
            // One that is older stays: it is where the window begins.
            while rows.get(1).is_some_and(|(at, _)| look.at - *at >= WINDOW) {
                rows.pop_front();
            }
            if let Some((at, then)) = rows.front() {
                let took = (look.at - *at).as_seconds_f64();
                stage.rows_per_second = Some(rate(stage.written.saturating_sub(*then), took));
            }
            seen.insert(stage.name.clone(), Seen { run: stage.run, rows });
        }
        self.stages = seen;
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::Pace;
    use crate::top::look::{Look, Stage, State};

    fn look(seconds: i64, run: u128, written: u64) -> Look {
        let start = DateTime::UNIX_EPOCH;
        let stage = Stage {
            name: "p/s".to_owned(),
            state: State::Running,
            run: uuid::Uuid::from_u128(run).to_string().parse().unwrap(),
            started_at: start,
            ended_at: None,
            read: written,
            written,
            rejected: 0,
            rows_per_second: None,
            why: None,
        };
        Look { at: start + TimeDelta::seconds(seconds), stages: vec![stage], ..Look::default() }
    }

    #[test]
    fn a_stage_is_as_fast_as_it_was_in_the_last_minute() {
        let mut pace = Pace::default();
        let mut at = |seconds, run, written| {
            let mut look = look(seconds, run, written);
            pace.take_in(&mut look);
            look.stages[0].rows_per_second.unwrap()
        };
        assert!((at(100, 1, 1000) - 10.0).abs() < 1e-9, "since it began");
        assert!((at(130, 1, 4000) - 30.77).abs() < 0.01, "the beginning is the window's");
        assert!((at(160, 1, 7000) - 100.0).abs() < 1e-9);
        assert!((at(220, 1, 7000) - 0.0).abs() < 1e-9, "it stands");
        assert!((at(230, 2, 2300) - 10.0).abs() < 1e-9, "another run begins anew");
    }
}

use std::collections::BTreeMap;

use assay_core::{
    Counts, DatasetName, DraftId, Evaluated, Governed, Position, Quality, Report, Run, RunId,
    RunStatus, StageId, Verdict,
};
use assay_store::{Event, EventKind, Increment, RunEnd, Store, Telling};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::home::Home;

/// A store of its own.
pub(crate) async fn store() -> (Home, Store) {
    let home = Home::new();
    let store = home.open().await;
    (home, store)
}

/// So many seconds after noon of a certain day.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    let noon: DateTime<Utc> = "2026-11-21T12:00:00.123456789Z".parse().unwrap();
    noon + TimeDelta::seconds(seconds)
}

pub(crate) fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(7, number)
}

pub(crate) fn dataset(name: &str) -> DatasetName {
    name.parse().unwrap()
}

pub(crate) fn run(number: u64, stage: &str) -> Run {
    Run {
        id: RunId(id(number)),
        stage: StageId { pipeline: "github_events".into(), stage: stage.into() },
        started_at: at(i64::try_from(number).unwrap()),
        governed: Governed::ALL,
        following: false,
    }
}

pub(crate) fn end(run: &Run, status: RunStatus) -> RunEnd {
    RunEnd {
        run: run.clone(),
        status,
        ended_at: at(100),
        counts: Counts { read: 7, written: 7, ..Counts::default() },
        batches: 3,
        message: None,
    }
}

/// A batch of ten rows, one of which was rejected, judged `seconds` after noon.
pub(crate) fn report(run: &Run, draft: u64, seconds: i64) -> Report {
    Report {
        run: run.clone(),
        draft: DraftId(id(1_000_000 + draft)),
        judged_at: at(seconds),
        inputs: vec![dataset("bronze.github_events")],
        output: dataset("silver.github_events"),
        columns: vec![],
        contract: None,
        counts: Counts { read: 10, written: 9, rejected: 1, ..Counts::default() },
        rows_out: None,
        rejected_by: BTreeMap::new(),
        letters: BTreeMap::new(),
        quality: Evaluated::Judged(Quality {
            score: Some(97.5),
            verdict: Verdict::Warn,
            because: vec![],
            rows: 10,
            rules: vec![],
            dimensions: vec![],
        }),
        from: Position::default(),
        upto: Position::default(),
        accepted_at: None,
        recomputed: None,
        closed: Default::default(),
        remembered: None,
        trace: None,
        windows: Vec::new(),
    }
}

pub(crate) fn event(number: u64, run: &Run, kind: EventKind, seconds: i64) -> Event {
    Event {
        id: id(2_000_000 + number),
        run: run.id,
        kind,
        at: at(seconds),
        body: json!({"eventType": "RUNNING", "b": 1, "a": 2}),
        inputs: vec!["bronze.github_events".into()],
        outputs: vec!["silver.github_events".into()],
    }
}

pub(crate) fn increment(by: f64) -> Increment {
    let labels = BTreeMap::from([("stage".to_owned(), "parse".to_owned())]);
    Increment { name: "records_processed_total", labels, by }
}

/// The commit number `sequence` of `silver.github_events`: one event, nine rows.
pub(crate) fn telling(run: &Run, sequence: u64) -> Telling {
    let seconds = i64::try_from(sequence).unwrap();
    Telling {
        target: dataset("silver.github_events"),
        sequence,
        snapshot: -seconds,
        report: report(run, sequence, seconds),
        events: vec![event(sequence, run, EventKind::Transformation, seconds)],
        totals: vec![increment(9.0)],
    }
}

/// The one total that the samples add to; 0 when there is none.
pub(crate) async fn processed(store: &Store) -> f64 {
    store.totals().await.unwrap().first().map_or(0.0, |total| total.value)
}

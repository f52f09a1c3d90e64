//! How long an answer of `/metrics` takes with as many series as there may be, and what metrics add
//! to what a run writes into the store: `./dev bench metrics`.
#![allow(clippy::unwrap_used, reason = "a bench that can't go on panics")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use assay_core::{
    Counts, DraftId, Evaluated, Governed, Outcome, Position, Quality, Report, RuleResult, Run,
    RunId, RunStatus, Severity, StageId, Verdict,
};
use assay_metrics::{Observed, of_batch, of_run, render};
use assay_store::{Event, EventKind, RunEnd, Store, Telling};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// Stages whose runs have a histogram for each way to end: together 10,000 series, less a few.
const STAGES: u64 = 131;

/// Batches with metrics, and as many without.
const BATCHES: u64 = 400;

/// Rules of the contract that a batch is judged by.
const RULES: usize = 30;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db")).await.unwrap();
    answers(&store).await;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db")).await.unwrap();
    batches(&store).await;
}

/// `/metrics`, from the store to the text.
async fn answers(store: &Store) {
    for number in 0..STAGES {
        let run = run(number, &format!("s{number:03}"), Governed::ALL);
        let end = end(&run);
        store.tell(&telling(&report(&run, number), number)).await.unwrap();
        store.end_run(&end, &[], &of_run(&end)).await.unwrap();
    }
    let (mut both, mut text, mut series, mut bytes) = (vec![], vec![], 0, 0);
    for _ in 0..50 {
        let begun = Instant::now();
        let observed = Observed::of(store, at(3600)).await.unwrap();
        let seen = Instant::now();
        let answer = render(&observed).unwrap();
        text.push(seen.elapsed());
        both.push(begun.elapsed());
        series = answer.lines().filter(|line| !line.starts_with('#')).count();
        bytes = answer.len();
    }
    println!("/metrics with {series} series, {} kB:", bytes / 1000);
    println!("  from the store to the text {}", shown(&mut both));
    println!("  the text alone             {}", shown(&mut text));
}

/// What the store takes for a batch and for a run, with metrics and without, taken in turn so that
/// both have the same disk.
async fn batches(store: &Store) {
    let (mut batch, mut ends) = ([vec![], vec![]], [vec![], vec![]]);
    for number in 0..BATCHES * 2 {
        let measured = number % 2 == 1;
        let governed = Governed { metrics: measured, ..Governed::ALL };
        let run = run(1_000 + number, &format!("s{}", number % 8 / 2), governed);
        let report = report(&run, 1_000 + number);
        let begun = Instant::now();
        store.tell(&telling(&report, 1_000 + number)).await.unwrap();
        batch[usize::from(measured)].push(begun.elapsed());
        let end = end(&run);
        let begun = Instant::now();
        store.end_run(&end, &[], &of_run(&end)).await.unwrap();
        ends[usize::from(measured)].push(begun.elapsed());
    }
    let mut all = Duration::ZERO;
    for (name, [without, with]) in [("a batch", &mut batch), ("the end of a run", &mut ends)] {
        println!("{name}: without metrics {}, with {}", shown(without), shown(with));
        all += middle(with).saturating_sub(middle(without));
    }
    println!("metrics add {all:?} to a run of one batch: 1 % of one of {:?}", all * 100);
}

fn middle(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn shown(times: &mut [Duration]) -> String {
    let middle = middle(times);
    format!("{middle:.1?} (of 100 the slowest {:.1?})", times[times.len() * 99 / 100])
}

fn at(seconds: i64) -> DateTime<Utc> {
    let noon: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
    noon + TimeDelta::seconds(seconds)
}

fn run(number: u64, stage: &str, governed: Governed) -> Run {
    let stage = StageId { pipeline: "github_events".into(), stage: stage.into() };
    let id = RunId(Uuid::from_u64_pair(7, number));
    Run { id, stage, started_at: at(0), governed, following: false }
}

fn end(run: &Run) -> RunEnd {
    RunEnd {
        run: run.clone(),
        status: RunStatus::Complete,
        ended_at: at(12),
        counts: Counts::default(),
        batches: 1,
        message: None,
    }
}

fn report(run: &Run, number: u64) -> Report {
    let rule = |_| RuleResult {
        rule: "a rule".into(),
        columns: vec![],
        dimension: "completeness".into(),
        severity: Severity::Error,
        outcome: Outcome::Passed,
        failed: 0,
        observed: None,
        expected: String::new(),
        lost: 0.0,
        cost: None,
    };
    Report {
        run: run.clone(),
        draft: DraftId(Uuid::from_u64_pair(8, number)),
        judged_at: at(1),
        inputs: vec![],
        output: format!("silver.{}", run.stage.stage).parse().unwrap(),
        columns: vec![],
        contract: None,
        counts: Counts { read: 400, written: 390, rejected: 10, ..Counts::default() },
        rows_out: None,
        rejected_by: BTreeMap::new(),
        letters: BTreeMap::new(),
        quality: Evaluated::Judged(Quality {
            score: Some(97.5),
            verdict: Verdict::Pass,
            because: vec![],
            rows: 400,
            rules: (0..RULES).map(rule).collect(),
            dimensions: vec![],
        }),
        from: Position::default(),
        upto: Position::default(),
        accepted_at: None,
        recomputed: None,
        closed: BTreeMap::new(),
        remembered: None,
        trace: None,
        windows: Vec::new(),
    }
}

fn telling(report: &Report, sequence: u64) -> Telling {
    let event = Event {
        id: Uuid::from_u64_pair(9, sequence),
        run: report.run.id,
        kind: EventKind::Transformation,
        at: at(1),
        body: serde_json::Value::default(),
        inputs: vec![],
        outputs: vec![report.output.to_string()],
    };
    Telling {
        target: report.output.clone(),
        sequence: sequence + 1,
        snapshot: 1,
        events: vec![event],
        totals: of_batch(report),
        report: report.clone(),
    }
}

//! What Prometheus gets to see, from runs and batches through the store to the text.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::{BTreeMap, BTreeSet};

use assay_core::{
    Counts, DatasetName, Dimension, DimensionScore, DraftId, Evaluated, Governed, Outcome,
    Position, Quality, Report, RuleResult, Run, RunId, RunStatus, Severity, StageId, Verdict,
};
use assay_metrics::names::{self, Kind};
use assay_metrics::{DeadLetters, Lag, Observed, of_batch, of_halt, of_run, render};
use assay_store::{Event, EventKind, RunEnd, Store, Telling, Total};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::{prop_assert_eq, proptest};
use uuid::Uuid;

fn at(seconds: i64) -> DateTime<Utc> {
    let noon: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
    noon + TimeDelta::seconds(seconds)
}

fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(7, number)
}

fn run(number: u64, governed: Governed) -> Run {
    let stage = StageId { pipeline: "github_events".into(), stage: "parse".into() };
    Run { id: RunId(id(number)), stage, started_at: at(0), governed, following: false }
}

fn end(run: &Run, status: RunStatus, milliseconds: i64) -> RunEnd {
    RunEnd {
        run: run.clone(),
        status,
        ended_at: run.started_at + TimeDelta::milliseconds(milliseconds),
        counts: Counts::default(),
        batches: 1,
        message: None,
    }
}

fn rule(severity: Severity, outcome: Outcome) -> RuleResult {
    RuleResult {
        rule: "a rule".into(),
        columns: vec![],
        dimension: "completeness".into(),
        severity,
        outcome,
        failed: 0,
        observed: None,
        expected: String::new(),
        lost: 0.0,
        cost: None,
    }
}

fn report(run: &Run, number: u64, score: Option<f64>) -> Report {
    Report {
        run: run.clone(),
        draft: DraftId(id(1000 + number)),
        judged_at: at(i64::try_from(number).unwrap()),
        inputs: vec![],
        output: "silver.github_events".parse::<DatasetName>().unwrap(),
        columns: vec![],
        contract: None,
        counts: Counts { read: 400, written: 390, rejected: 10, ..Counts::default() },
        rows_out: None,
        rejected_by: BTreeMap::new(),
        letters: BTreeMap::new(),
        quality: Evaluated::Judged(Quality {
            score,
            verdict: Verdict::Warn,
            because: vec![],
            rows: 400,
            rules: vec![
                rule(Severity::Error, Outcome::Passed),
                rule(Severity::Error, Outcome::Failed),
                rule(Severity::Error, Outcome::NotEvaluated { why: "no column".into() }),
                rule(Severity::Warning, Outcome::Passed),
            ],
            dimensions: vec![DimensionScore {
                dimension: Dimension::Completeness,
                score: score.map(|score| score + 1.0),
                lost: 0.0,
                rules: 4,
            }],
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

fn event(number: u64, run: &Run, kind: EventKind) -> Event {
    let (inputs, outputs) = (vec![], vec![]);
    let body = Default::default();
    Event { id: id(2000 + number), run: run.id, kind, at: at(1), body, inputs, outputs }
}

/// Two runs: one that committed two batches and completed, one that was halted.
async fn observed() -> Observed {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("assay.db")).await.unwrap();
    let store = store.sending_to(&["marquez".to_owned()], at(0)).await.unwrap();
    let good = run(1, Governed::ALL);
    for sequence in [1, 2] {
        let report = report(&good, sequence, Some(97.5));
        let telling = Telling {
            target: report.output.clone(),
            sequence,
            snapshot: 1,
            events: vec![event(sequence, &good, EventKind::Transformation)],
            totals: of_batch(&report),
            report,
        };
        assert!(store.tell(&telling).await.unwrap());
    }
    let complete = end(&good, RunStatus::Complete, 42_500);
    let told = [event(3, &good, EventKind::JobEnd)];
    store.end_run(&complete, &told, &of_run(&complete)).await.unwrap();

    let bad = run(2, Governed::ALL);
    let halt = report(&bad, 3, Some(12.25));
    store.halted(&halt, &[], &of_halt(&halt)).await.unwrap();
    let halted = end(&bad, RunStatus::Halted, 90);
    store.end_run(&halted, &[], &of_run(&halted)).await.unwrap();

    let sent = store.deliverable("marquez", at(3600), 10).await.unwrap();
    store.delivered(&sent[0], at(50)).await.unwrap();
    store.park(&sent[1], at(51), "it answered 422").await.unwrap();

    let mut observed = Observed::of(&store, at(3600)).await.unwrap();
    let lag = |partition, seconds| Lag {
        group: "github_events/land".into(),
        topic: "raw_metrics_avro".into(),
        partition,
        messages: 12,
        seconds,
    };
    observed.log_up = Some(true);
    observed.lags = vec![lag(1, None), lag(0, Some(3.5))];
    observed.letters = vec![DeadLetters {
        topic: "dlq_processing_errors".into(),
        reason: "rule \"a\\b\"\nbroken".into(),
        waiting: 20,
        oldest_age_seconds: Some(61.0),
    }];
    observed
}

#[tokio::test]
async fn the_exposition_shows_all_that_is_known() {
    insta::assert_snapshot!(render(&observed().await).unwrap());
}

#[tokio::test]
async fn every_metric_that_is_declared_is_fed_and_no_other_is_shown() {
    let text = render(&observed().await).unwrap();
    let shown: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let mut declared: Vec<_> = names::ALL
        .iter()
        .chain(&names::OUTBOX)
        .chain(&names::REPLAYS)
        .chain(&names::BESIDE)
        .map(|metric| format!("{} {}", metric.name, metric.kind.name()))
        .collect();
    declared.sort();
    assert_eq!(shown, declared);
}

#[tokio::test]
async fn the_text_keeps_the_rules_of_promtool() {
    let text = render(&observed().await).unwrap();
    let (mut helped, mut series) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            assert!(helped.insert(help.split(' ').next().unwrap()), "twice: {line}");
        } else if !line.starts_with('#') {
            let (labels, value) = line.rsplit_once(' ').unwrap();
            assert!(series.insert(labels), "twice: {line}");
            assert!(value.parse::<f64>().unwrap() >= 0.0, "{line}");
        }
    }
    for metric in &names::ALL {
        assert!(helped.contains(metric.name), "{} has no help", metric.name);
        assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter);
    }
}

#[test]
fn a_store_that_knows_nothing_shows_no_rate_and_no_score() {
    let text = render(&Observed::default()).unwrap();
    insta::assert_snapshot!(text, @r#"
    # HELP assay_build_info The version that answers
    # TYPE assay_build_info gauge
    assay_build_info{version="0.1.0"} 1
    # HELP assay_metrics_series_dropped Series left out of this answer, since there are more than 10,000
    # TYPE assay_metrics_series_dropped gauge
    assay_metrics_series_dropped 0
    # HELP assay_replay_jobs Jobs that send dead letters back and are not over
    # TYPE assay_replay_jobs gauge
    assay_replay_jobs{state="failed"} 0
    assay_replay_jobs{state="running"} 0
    assay_replay_jobs{state="stopped"} 0
    assay_replay_jobs{state="waiting"} 0
    # HELP assay_replay_silence_seconds How long the job that waits or runs and was heard of longest ago has been silent; 0 when there is none
    # TYPE assay_replay_silence_seconds gauge
    assay_replay_silence_seconds 0
    # HELP event_breakdown Lineage events kept, per kind
    # TYPE event_breakdown gauge
    event_breakdown{event_type="api_request"} 0
    event_breakdown{event_type="ingestion"} 0
    event_breakdown{event_type="job_end"} 0
    event_breakdown{event_type="job_start"} 0
    event_breakdown{event_type="transformation"} 0
    # HELP total_lineage_events Lineage events kept; the sum of `event_breakdown`
    # TYPE total_lineage_events gauge
    total_lineage_events 0
    "#);
}

#[tokio::test]
async fn a_dataset_without_a_score_and_a_stage_without_recent_runs_are_absent() {
    let mut observed = observed().await;
    observed.judged.clear();
    for health in &mut observed.health {
        (health.finished, health.complete) = (0, 0);
    }
    let text = render(&observed).unwrap();
    assert!(!text.contains("data_quality_score"), "{text}");
    assert!(!text.contains("job_success_rate_percent"), "{text}");
    assert!(text.contains("job_last_success_timestamp_seconds{"), "{text}");
}

#[test]
fn a_run_that_was_not_asked_for_metrics_adds_nothing() {
    let silent = run(1, Governed { metrics: false, ..Governed::ALL });
    assert_eq!(of_batch(&report(&silent, 1, None)), []);
    assert_eq!(of_halt(&report(&silent, 1, None)), []);
    assert_eq!(of_run(&end(&silent, RunStatus::Complete, 10)), []);
}

#[test]
fn a_batch_that_was_not_judged_counts_rows_but_no_checks() {
    let mut report = report(&run(1, Governed::ALL), 1, None);
    report.quality = Evaluated::NotEvaluated;
    let names: Vec<_> = of_batch(&report).iter().map(|increment| increment.name).collect();
    assert_eq!(names, ["records_processed_total", "records_failed_total"]);
    assert_eq!(of_halt(&report), []);
}

#[test]
fn what_is_fed_has_exactly_the_labels_that_are_declared() {
    let run = run(1, Governed::ALL);
    let mut increments = of_batch(&report(&run, 1, None));
    increments.extend(of_run(&end(&run, RunStatus::Complete, 10)));
    for increment in increments {
        let of_histogram = increment.name.starts_with("job_duration_seconds_");
        let declared = |name| names::ALL.iter().find(|metric| metric.name == name).unwrap();
        let metric = declared(if of_histogram { "job_duration_seconds" } else { increment.name });
        let mut labels: BTreeSet<_> = metric.labels.iter().map(ToString::to_string).collect();
        if increment.name.ends_with("_bucket") {
            labels.insert("le".into());
        }
        assert_eq!(increment.labels.into_keys().collect::<BTreeSet<_>>(), labels);
    }
}

#[tokio::test]
async fn a_stage_that_never_failed_has_failed_zero_times() {
    let text = render(&observed().await).unwrap();
    let count = |status: &str| {
        format!(
            "job_duration_seconds_count{{pipeline=\"github_events\",stage=\"parse\",status=\"{status}\"}}"
        )
    };
    assert!(text.contains(&format!("{} 0\n", count("failed"))), "{text}");
    assert!(text.contains(&format!("{} 1\n", count("halted"))), "{text}");
}

fn lag(topic: &str, partition: u32) -> Lag {
    let (group, topic) = ("a/b".to_owned(), topic.to_owned());
    Lag { group, topic, partition, messages: 1, seconds: None }
}

/// What a reader of the format makes of the label's value.
fn read_back(text: &str, name: &str, label: &str) -> Vec<String> {
    let samples = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    let value = |line: &str| {
        let (_, from) = line.split_once(&format!("{label}=\"")).unwrap();
        let (mut value, mut escaped) = (String::new(), false);
        for c in from.chars() {
            match (escaped, c) {
                (false, '"') => return value,
                (false, '\\') => escaped = true,
                (true, 'n') => (value, escaped) = (value + "\n", false),
                (_, c) => (value, escaped) = (format!("{value}{c}"), false),
            }
        }
        panic!("the value does not end: {line}");
    };
    samples.map(value).collect()
}

#[test]
fn label_values_come_back_as_they_were_and_long_ones_are_cut_and_stay_apart() {
    let plain = ["a/b", "say \"no\"", "two\nlines", "back\\slash", "📈 ü", ""];
    let long = ["x", "y"].map(|last| format!("{}{last}", "ü".repeat(10_000)));
    let lags = plain.iter().map(|topic| lag(topic, 0)).chain(long.iter().map(|t| lag(t, 0)));
    let observed = Observed { lags: lags.collect(), ..Observed::default() };
    let text = render(&observed).unwrap();
    let mut shown = read_back(&text, names::LAG_MESSAGES.name, "topic");
    assert_eq!(shown.len(), 8);
    shown.dedup();
    assert_eq!(shown.len(), 8, "two that differ at the end are two series");
    for value in plain {
        assert!(shown.iter().any(|shown| shown == value), "{value:?} is not in {shown:?}");
    }
    let cut: Vec<_> = shown.iter().filter(|shown| shown.contains("üü")).collect();
    assert!(cut.iter().all(|value| value.chars().count() == 209), "{cut:?}");
}

#[test]
fn of_too_many_series_the_largest_metric_loses_and_the_rest_is_counted() {
    let lags = (0..12_000).map(|partition| lag("many", partition)).collect();
    let letters = vec![DeadLetters {
        topic: "dlq_processing_errors".into(),
        reason: "late".into(),
        waiting: 1,
        oldest_age_seconds: None,
    }];
    let observed = Observed { lags, letters, ..Observed::default() };
    let text = render(&observed).unwrap();
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(series, 10_000 + names::BESIDE.len());
    assert!(text.contains("assay_dead_letters{"), "the small ones stay");
    let shown =
        text.lines().filter(|line| line.starts_with("kafka_consumer_lag_messages{")).count();
    let dropped = format!("\nassay_metrics_series_dropped {}\n", 12_000 - shown);
    assert!(text.contains(&dropped), "{dropped} is not said");
}

/// Whether it is this series of the runs that completed.
fn of_complete(line: &str, series: &str) -> bool {
    line.starts_with(&format!("job_duration_seconds_{series}{{"))
        && line.contains("status=\"complete\"")
}

proptest! {
    /// Whatever the durations: buckets never fall, each counts the runs within its bound, and the
    /// last one and the count are the number of runs.
    #[test]
    fn the_histogram_is_cumulative(
        mut durations in proptest::collection::vec(0_i64..30_000_000, 1..40)
    ) {
        // A run that took exactly as long as a bound is within it.
        durations.extend([100, 1_000, 21_600_000]);
        let mut sums: BTreeMap<(String, BTreeMap<String, String>), f64> = BTreeMap::new();
        for milliseconds in &durations {
            for increment in of_run(&end(&run(1, Governed::ALL), RunStatus::Complete, *milliseconds)) {
                *sums.entry((increment.name.into(), increment.labels)).or_default() += increment.by;
            }
        }
        let totals = sums.into_iter().map(|((name, labels), value)| Total { name, labels, value });
        let observed = Observed { totals: totals.collect(), ..Observed::default() };
        let text = render(&observed).unwrap();
        let value = |line: &str| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap();
        let buckets: Vec<_> =
            text.lines().filter(|line| of_complete(line, "bucket")).collect();
        let within = |bound: f64| {
            durations.iter().filter(|milliseconds| **milliseconds as f64 / 1000.0 <= bound).count() as f64
        };
        let expected: Vec<_> = names::DURATION_BUCKETS
            .into_iter()
            .chain([f64::INFINITY])
            .map(within)
            .collect();
        let shown: Vec<_> = buckets.iter().map(|line| value(line)).collect();
        prop_assert_eq!(shown, expected);
        let count = text.lines().find(|line| of_complete(line, "count")).unwrap();
        prop_assert_eq!(value(count), within(f64::INFINITY));
    }
}

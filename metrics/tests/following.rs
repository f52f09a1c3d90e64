//! What Prometheus gets to see of a worker.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::BTreeSet;

use assay_core::{Counts, StageId};
use assay_metrics::names;
use assay_metrics::{Following, Lag, render_following};
use assay_store::TargetHealth;
use chrono::DateTime;

fn stage() -> StageId {
    StageId { pipeline: "app_events".into(), stage: "land".into() }
}

fn target() -> TargetHealth {
    TargetHealth {
        target: "marquez".to_owned(),
        since: DateTime::UNIX_EPOCH,
        waiting: 4,
        parked: 1,
        oldest: Some("2026-11-21T12:00:00Z".parse().unwrap()),
        delivered: 9,
        failures: 2,
        last_success_at: None,
        held_until: None,
        reason: None,
    }
}

#[test]
fn a_worker_shows_what_it_did_and_how_far_it_is_behind() {
    let mut following = Following::new(stage());
    following.batches = 2;
    following.counts = Counts { read: 10, written: 7, rejected: 2, duplicates: 1, filtered: 0 };
    following.commits.observe(0.02);
    following.commits.observe(0.3);
    following.last_success_at = Some("2026-11-21T12:00:00.5Z".parse().unwrap());
    following.partitions = 3;
    let at = "2026-11-21T12:00:10Z".parse().unwrap();
    let lag = Lag {
        group: "app_events/land".into(),
        topic: "topic_clickstream".into(),
        partition: 1,
        messages: 5,
        seconds: Some(1.5),
    };
    let text = render_following(&[following], &[lag], &[target()], at).unwrap();
    for line in [
        "assay_worker_batches_total{pipeline=\"app_events\",stage=\"land\"} 2",
        "assay_worker_rows_total{pipeline=\"app_events\",stage=\"land\",outcome=\"rejected\"} 2",
        "assay_worker_commit_seconds_bucket{pipeline=\"app_events\",stage=\"land\",le=\"0.025\"} 1",
        "assay_worker_commit_seconds_count{pipeline=\"app_events\",stage=\"land\"} 2",
        "kafka_consumer_lag_messages{group=\"app_events/land\",topic=\"topic_clickstream\",partition=\"1\"} 5",
        "assay_outbox_depth{target=\"marquez\",state=\"parked\"} 1",
        "assay_outbox_oldest_age_seconds{target=\"marquez\"} 10",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
    let shown: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let lags = [names::LAG_MESSAGES, names::LAG_SECONDS];
    let declared = names::FOLLOWING
        .iter()
        .chain(&lags)
        .chain(&names::OUTBOX)
        .chain(&names::BESIDE)
        .map(|metric| metric.name)
        .collect();
    assert_eq!(shown, declared);
}

#[test]
fn a_worker_that_has_done_nothing_yet_shows_zeros_and_no_success() {
    let text =
        render_following(&[Following::new(stage())], &[], &[], DateTime::UNIX_EPOCH).unwrap();
    assert!(text.contains("assay_worker_batches_total{pipeline=\"app_events\",stage=\"land\"} 0"));
    assert!(!text.contains(names::FOLLOW_LAST_SUCCESS.name), "{text}");
}

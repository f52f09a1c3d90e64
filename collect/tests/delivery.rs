//! What was accepted reaches the log, whatever the log does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use assay_collect::Durability;
use assay_core::{Clock, SystemClock};
use assay_dlq::{Filter, LogQueue, Reason};
use chrono::{DateTime, TimeDelta, Utc};

use crate::desk::{Desk, Open};

/// A clock that somebody sets a day back and forth all the time.
struct Jumping(AtomicUsize);

impl Clock for Jumping {
    fn now(&self) -> DateTime<Utc> {
        let days = [0, -1, 1, -400][self.0.fetch_add(1, Ordering::Relaxed) % 4];
        SystemClock.now() + TimeDelta::days(days)
    }
}

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("{number:05}")).collect()
}

async fn send(open: &Open, range: std::ops::Range<usize>) {
    for id in ids(range) {
        assert_eq!(open.event(&id).await.status, 202);
    }
}

fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_away_gets_everything_in_order_when_it_is_back() {
    let desk = Desk::new().await;
    let open = desk.open().await;
    desk.log.failing.store(usize::MAX, Ordering::SeqCst);
    send(&open, 0..30).await;
    let begun = Instant::now();
    while open.get("/health").await.json()["status"] != "spilling" {
        assert!(begun.elapsed() < Duration::from_secs(20), "three retries take 3.5 seconds");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    send(&open, 30..60).await;
    let metrics = open.get("/metrics").await.text;
    assert_eq!(metric(&metrics, "kafka_worker_active"), 0.0);
    assert!(metric(&metrics, "kafka_retry_count_total") >= 3.0);
    assert!(metric(&metrics, "kafka_batches_failed_total") >= 1.0);
    assert!(metric(&metrics, "kafka_fallback_batches_total") >= 1.0);
    assert_eq!(metric(&metrics, "metric_queue_size"), 60.0);
    assert!(metric(&metrics, "assay_collector_backlog_age_seconds") > 3.0);
    desk.log.failing.store(0, Ordering::SeqCst);
    assert_eq!(desk.wait_for(60).await, ids(0..60));
    assert_eq!(open.get("/health").await.json()["status"], "healthy");
    assert_eq!(open.close().await.kept, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_hangs_or_lies_is_tried_again_and_counts_once() {
    let desk = Desk::new().await;
    let open = desk.open().await;
    desk.log.hanging.store(1, Ordering::SeqCst);
    desk.log.doing_it_anyway.store(2, Ordering::SeqCst);
    send(&open, 0..20).await;
    assert_eq!(desk.wait_for(20).await, ids(0..20));
    send(&open, 20..40).await;
    assert_eq!(desk.wait_for(40).await, ids(0..40));
    assert!(desk.messages().await.len() >= 4, "the lies are in the log");
    open.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_could_not_send_the_next_one_sends() {
    let mut desk = Desk::new().await;
    desk.settings.drain_seconds = 1;
    for (round, durability) in [Durability::Power, Durability::Process].into_iter().enumerate() {
        desk.settings.durability = durability;
        let before = round * 50;
        let open = desk.open().await;
        desk.log.failing.store(usize::MAX, Ordering::SeqCst);
        send(&open, before..before + 50).await;
        let drained = open.close().await;
        assert_eq!((drained.sent, drained.kept), (0, 50));
        desk.log.failing.store(0, Ordering::SeqCst);
        let open = desk.open().await;
        assert_eq!(desk.wait_for(before + 50).await, ids(0..before + 50));
        assert_eq!(open.close().await.kept, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_divided_until_the_log_takes_them_and_what_it_never_takes_is_a_dead_letter() {
    let desk = Desk::new().await;
    desk.log.largest.store(20_000, Ordering::SeqCst);
    let open = desk.open().await;
    // Digits that do not shrink to nothing.
    let mut noise = 7u64;
    let mut digits = |count: usize| -> String {
        let next = |_| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'a' + ((noise >> 33) % 26) as u8)
        };
        (0..count).map(next).collect()
    };
    let mut event = |id: &str, bytes: usize| {
        format!(r#"{{"id":"{id}","type":"PushEvent","payload":{{"x":"{}"}}}}"#, digits(bytes))
    };
    let mut lines: Vec<String> = ids(0..40).iter().map(|id| event(id, 2_000)).collect();
    lines.insert(20, event("large", 100_000));
    let answer = open.post("application/x-ndjson", lines.join("\n").as_bytes()).await;
    assert_eq!(answer.json()["accepted"], 41);
    assert_eq!(desk.wait_for(40).await, ids(0..40));
    assert_eq!(open.close().await.kept, 0);
    let letters = LogQueue::new(desk.log.clone());
    let letters = letters.list(&Filter::default()).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason, Some(Reason::TooLarge));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_backlog_refuses_and_loses_nothing_that_was_accepted() {
    let mut desk = Desk::new().await;
    desk.settings.backlog_mb = 8;
    let open = desk.open().await;
    desk.log.failing.store(usize::MAX, Ordering::SeqCst);
    let padding = "x".repeat(100_000);
    let event =
        |id: &str| format!(r#"{{"id":"{id}","type":"PushEvent","payload":{{"x":"{padding}"}}}}"#);
    let mut accepted = vec![];
    let refused = loop {
        let id = format!("{:05}", accepted.len());
        let answer = open.post("application/json", event(&id).as_bytes()).await;
        if answer.status != 202 {
            break answer;
        }
        accepted.push(id);
    };
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    assert!((70..84).contains(&accepted.len()), "{}", accepted.len());
    desk.log.failing.store(0, Ordering::SeqCst);
    assert_eq!(desk.wait_for(accepted.len()).await, accepted);
    let answer = open.post("application/json", event("again").as_bytes()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    open.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_clients_at_once_are_answered_and_land_once() {
    for durability in [Durability::Power, Durability::Process] {
        let mut desk = Desk::new().await;
        desk.settings.durability = durability;
        let open = Arc::new(desk.open().await);
        let clients = (0..100).map(|client| {
            let open = Arc::clone(&open);
            tokio::spawn(async move { send(&open, client * 10..client * 10 + 10).await })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.unwrap();
        }
        let open = Arc::into_inner(open).unwrap();
        let drained = open.close().await;
        assert_eq!((drained.sent, drained.kept), (1000, 0));
        assert_eq!(desk.landed().await, ids(0..1000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_delays_nothing_and_loses_nothing() {
    let mut desk = Desk::new().await;
    desk.clock = Arc::new(Jumping(AtomicUsize::new(0)));
    let open = desk.open().await;
    send(&open, 0..20).await;
    assert_eq!(desk.wait_for(20).await, ids(0..20));
    for _ in 0..4 {
        let metrics = open.get("/metrics").await.text;
        assert!(metric(&metrics, "assay_collector_backlog_age_seconds") >= 0.0);
    }
    assert_eq!(open.close().await.kept, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_hangs_keeps_nobody_from_stopping() {
    let mut desk = Desk::new().await;
    (desk.settings.send_timeout_seconds, desk.settings.drain_seconds) = (60, 1);
    let open = desk.open().await;
    desk.log.hanging.store(usize::MAX, Ordering::SeqCst);
    send(&open, 0..5).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let begun = Instant::now();
    assert_eq!(open.close().await.kept, 5);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

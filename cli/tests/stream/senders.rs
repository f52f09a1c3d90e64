//! What senders do that a shop does not: clocks that are wrong, amounts that are not to the cent,
//! more late events than others.

use std::sync::Arc;

use assay_core::{Clock, SystemClock};
use assay_log::{EmbeddedLog, Log, NewRecord, TopicSpec};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::shop::{Shop, shop};

const RUN: [&str; 4] = ["run", "stream", "--pipeline", "ecommerce"];

fn governed(shop: &Shop) -> Value {
    shop.json(&[&RUN[..], &["--governed"]].concat())
}

/// An event of an hour ago, as a sender would write it.
fn event(id: &str, seconds: i64, amount: &str) -> String {
    let at = SystemClock.now() - TimeDelta::hours(1) + TimeDelta::seconds(seconds);
    format!(
        r#"{{"id":"{id}","eventTime":"{}","eventType":"payment_success","orderId":"ORD1","amount":{amount}}}"#,
        at.to_rfc3339_opts(SecondsFormat::Millis, true)
    )
}

/// Sends messages to the partition as they are.
fn send(shop: &Shop, partition: u32, messages: &[String]) {
    let record = |message: &String| NewRecord {
        partition: Some(partition),
        key: None,
        value: Some(message.clone().into()),
        headers: Vec::new(),
    };
    let records = messages.iter().map(record).collect();
    let file = shop.path("data").join("log.db");
    let topic = TopicSpec { name: "events_raw".to_owned(), partitions: 3, retention: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let log = EmbeddedLog::open(&file, Arc::new(SystemClock)).await.unwrap();
        log.create(&topic).await.unwrap();
        log.append("events_raw", records).await.unwrap();
    });
}

/// Offsets of the messages that are dead letters of that reason.
fn dead(shop: &Shop, reason: &str) -> Vec<u64> {
    let letters = shop.json(&["dlq", "list", "--reason", reason, "--limit", "0"]);
    let offset = |letter: &Value| letter["source"]["offset"].as_u64().unwrap();
    let mut offsets: Vec<u64> = letters.as_array().unwrap().iter().map(offset).collect();
    offsets.sort_unstable();
    offsets
}

#[test]
fn a_clock_that_is_a_day_ahead_makes_no_event_late_without_quality_checks() {
    let Some(shop) = shop("ahead") else { return };
    let run = [&RUN[..], &["--enable-dlq"]].concat();
    send(&shop, 0, &[event("a", 0, "1"), event("wrong", 90_000, "1"), event("b", 1, "1")]);
    shop.done(&run);
    send(&shop, 0, &[event("c", 2, "1"), event("old", -400, "1")]);
    shop.done(&run);
    assert_eq!(shop.sql("SELECT string_agg(id, ',' ORDER BY id) FROM events_clean"), "a,b,c");
    assert_eq!(dead(&shop, "ahead"), [1]);
    assert_eq!(dead(&shop, "late"), [4]);
    // Sent back it is as far ahead as it was.
    let carried = shop.json(&["dlq", "replay", "--reason", "ahead", "--yes"]);
    assert_eq!(carried["outcome"], json!({"again": 1}), "{carried}");
}

#[test]
fn most_of_a_batch_may_be_late() {
    let Some(shop) = shop("mostly_late") else { return };
    shop.generates(&["--count", "600", "--defects", "2%", "--late", "75%", "--duplicates", "0%"]);
    let runs = governed(&shop);
    assert_eq!(runs[0]["counts"]["read"], 600);
    assert!(shop.verified()["late"].as_u64() > Some(350));
    // Ungoverned too.
    shop.generates(&["--count", "400", "--defects", "0%", "--late", "75%", "--duplicates", "0%"]);
    shop.done(&[&RUN[..], &["--enable-dlq"]].concat());
    assert!(shop.verified()["late"].as_u64() > Some(600));
}

#[test]
fn a_generator_that_begins_in_the_past_of_another_one_knows_what_is_late() {
    let Some(shop) = shop("twice") else { return };
    for _ in 0..2 {
        shop.generates(&["--count", "1000"]);
    }
    governed(&shop);
    assert!(shop.verified()["events"].as_u64() > Some(1900));
    shop.generates(&["--count", "500", "--late", "5%"]);
    governed(&shop);
    shop.verified();
}

#[test]
fn an_amount_is_what_is_written_to_the_cent() {
    let Some(shop) = shop("cents") else { return };
    let good = [("1.005", "1.01"), ("2.675", "2.68"), ("0.004", "0.00"), ("-0.0", "0.00")]
        .into_iter()
        .chain([("1.5e3", "1500.00"), ("9999999999.99", "9999999999.99"), ("7", "7.00")]);
    let good: Vec<(&str, &str)> = good.collect();
    let bad = ["-0.004", "-1", "10000000000", "1e15", "1e30", "1e999", "\"12\"", "null"];
    let amounts = good.iter().map(|(sent, _)| *sent).chain(bad);
    let events: Vec<String> =
        amounts.enumerate().map(|(place, amount)| event(&format!("e{place}"), 0, amount)).collect();
    send(&shop, 1, &events);
    governed(&shop);
    let stored = shop.sql("SELECT string_agg(amount::text, ' ' ORDER BY id) FROM events_clean");
    let expected: Vec<&str> = good.iter().map(|(_, stored)| *stored).collect();
    assert_eq!(stored, expected.join(" "));
    let letters = shop.json(&["dlq", "list", "--limit", "0"]);
    assert_eq!(letters.as_array().map(Vec::len), Some(bad.len()));
    assert_eq!(
        shop.sql(
            "SELECT (SELECT sum(amount) FROM events_clean) = (SELECT sum(revenue) FROM kpi_1m)"
        ),
        "t"
    );
}

#[test]
fn what_a_run_without_checks_can_not_write_is_said_with_the_flags_that_set_it_aside() {
    let Some(shop) = shop("flags") else { return };
    send(&shop, 2, &[event("a", 0, "1").replace("\"a\"", "null"), event("b", 0, "1")]);
    let error = shop.fails(&RUN);
    assert!(error.contains("a value is missing"), "{error}");
    assert!(error.contains("--enable-quality-checks --enable-dlq"), "{error}");
    shop.done(&[&RUN[..], &["--enable-quality-checks", "--enable-dlq"]].concat());
    assert_eq!(shop.sql("SELECT string_agg(id, ',') FROM events_clean"), "b");
}

#[test]
fn what_lateness_is_held_against_is_what_happened_on_time() {
    let Some(shop) = shop("marks") else { return };
    send(&shop, 0, &[event("a", 0, "1"), event("wrong", 90_000, "1")]);
    governed(&shop);
    let seen = shop.sql(
        "SELECT mark::jsonb ->> 'event_time' FROM assay.positions WHERE slice = 'events_raw/0'",
    );
    let seen: DateTime<Utc> = seen.parse().unwrap();
    assert!(seen < SystemClock.now(), "{seen}");
}

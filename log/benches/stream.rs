//! The least that a stream into Postgres can cost: consume, parse, binary COPY into the tables of the
//! pipeline `ecommerce`, with their indexes. No rules, no duplicates, no windows, no exactly once.
//!
//! `./dev bench stream` runs it beside the stream: `stream --kafka HOST:PORT --postgres URL --count N`.
#![allow(clippy::unwrap_used, reason = "a benchmark that can't go on panics")]

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

const TOPIC: &str = "events_raw";
const PARTITIONS: i32 = 3;

/// When it commits, as the pipeline does.
const EVERY: Duration = Duration::from_millis(500);

/// Between the first day of Unix and that of Postgres.
const MICROS: i64 = 946_684_800_000_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    id: &'a str,
    event_time: DateTime<Utc>,
    event_type: &'a str,
    order_id: &'a str,
    user_id: &'a str,
    amount: f64,
    currency: &'a str,
    status: &'a str,
}

#[tokio::main]
async fn main() {
    let asked = |name: &str| {
        let mut arguments = std::env::args().skip_while(|argument| argument != name);
        arguments.nth(1).unwrap_or_else(|| panic!("{name} is missing"))
    };
    let count: usize = asked("--count").parse().unwrap();
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", asked("--kafka"))
        .set("group.id", "bare")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(TOPIC, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let options: PgConnectOptions = asked("--postgres").parse().unwrap();
    let mut postgres = options.connect().await.unwrap();
    let (mut done, mut first) = (0, None);
    while done < count {
        done += batch(&consumer, &mut postgres, count - done).await;
        // What starting costs is not counted, as with the stream.
        first.get_or_insert((Instant::now(), done));
    }
    let (begun, before) = first.unwrap();
    let rate = (done - before) as f64 / begun.elapsed().as_secs_f64();
    println!("{{\"events\": {}, \"rate\": {rate:.0}}}", done - before);
}

/// Takes what comes until it is time to commit.
async fn batch(consumer: &StreamConsumer, to: &mut PgConnection, most: usize) -> usize {
    let (mut events, mut traces, mut rows) = (head(), head(), 0);
    let mut until = None;
    while rows < most {
        let left = until.map_or(EVERY * 100, |until: Instant| until - Instant::now());
        let Ok(message) = tokio::time::timeout(left, consumer.recv()).await else { break };
        until.get_or_insert(Instant::now() + EVERY);
        take(&message.unwrap(), &mut events, &mut traces);
        rows += 1;
        if until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
    }
    let mut transaction = to.begin().await.unwrap();
    for (table, mut rows) in [
        ("events_clean", events),
        ("event_traces (event_id, t_generated, t_kafka_sent, t_processed)", traces),
    ] {
        rows.extend((-1i16).to_be_bytes());
        let sql = format!("COPY {table} FROM STDIN (FORMAT binary)");
        let mut copy = transaction.copy_in_raw(&sql).await.unwrap();
        copy.send(rows).await.unwrap();
        copy.finish().await.unwrap();
    }
    transaction.commit().await.unwrap();
    rows
}

fn head() -> Vec<u8> {
    b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec()
}

fn take(message: &BorrowedMessage<'_>, events: &mut Vec<u8>, traces: &mut Vec<u8>) {
    let event: Event<'_> = serde_json::from_slice(message.payload().unwrap()).unwrap();
    let sent = message.timestamp().to_millis().unwrap() * 1000;
    let generated = message.headers().unwrap().get(0).value.unwrap();
    let generated: DateTime<Utc> = std::str::from_utf8(generated).unwrap().parse().unwrap();

    events.extend(9i16.to_be_bytes());
    field(events, event.id.as_bytes());
    time(events, event.event_time.timestamp_micros());
    for text in [event.event_type, event.order_id, event.user_id] {
        field(events, text.as_bytes());
    }
    field(events, &cents((event.amount * 100.0).round() as u64));
    for text in [event.currency, event.status] {
        field(events, text.as_bytes());
    }
    time(events, sent);

    traces.extend(4i16.to_be_bytes());
    field(traces, event.id.as_bytes());
    time(traces, generated.timestamp_micros());
    time(traces, sent);
    time(traces, sent);
}

fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(i32::try_from(bytes.len()).unwrap().to_be_bytes());
    out.extend(bytes);
}

fn time(out: &mut Vec<u8>, micros: i64) {
    field(out, &(micros - MICROS).to_be_bytes());
}

/// A numeric with two digits behind the point, in groups of four.
fn cents(cents: u64) -> Vec<u8> {
    let mut left = cents / 100;
    let mut groups = vec![u16::try_from(cents % 100 * 100).unwrap()];
    while left > 0 {
        groups.push(u16::try_from(left % 10_000).unwrap());
        left /= 10_000;
    }
    let count = i16::try_from(groups.len()).unwrap();
    let mut out = Vec::with_capacity(8 + 2 * groups.len());
    for word in [count, count - 2, 0, 2] {
        out.extend(word.to_be_bytes());
    }
    groups.iter().rev().for_each(|group| out.extend(group.to_be_bytes()));
    out
}

//! Workers that share a topic come, go and die: every message is one row.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::clicks::{Clicks, TOPIC, Worker, follow, rows, wait_for_rows};
use crate::long;
use crate::office::Office;

#[test]
fn workers_that_join_leave_stall_and_die_lose_and_double_nothing() {
    let Some(broker) = Broker::start() else { return };
    let mut clicks = Clicks::open(&broker);
    let office = Office::open(&broker.log());
    let one = follow(&office);
    clicks.write(2_000);
    wait_for_rows(&office, 2_000);

    let mut two = follow(&office);
    for _ in 0..20 {
        clicks.write(200);
        std::thread::sleep(Duration::from_millis(100));
    }
    wait_for_rows(&office, 6_000);
    // Both have their share, and Kafka's own tool shows it.
    let described = broker.tool(
        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        &["--describe", "--group", "clicks/land", "--members"],
    );
    let members: BTreeSet<&str> =
        described.lines().filter(|line| line.contains("assay-")).collect();
    assert_eq!(members.len(), 2, "{described}");

    drop(one);
    clicks.write(1_000);
    // The dead one's partitions come to the other when it was silent for ten seconds.
    wait_for_rows(&office, 7_000);

    let mut three = follow(&office);
    clicks.write(500);
    wait_for_rows(&office, 7_500);
    two.signal("STOP");
    clicks.write(500);
    wait_for_rows(&office, 8_000);
    // Awake again, it finds its place taken, and nothing twice.
    two.signal("CONT");
    clicks.write(500);
    wait_for_rows(&office, 8_500);
    assert_eq!((two.end(), three.end()), (Some(0), Some(0)));
    assert_eq!(rows(&office), (clicks.written, clicks.written));
    assert_eq!(clicks.topic.ends(), clicks.written);
}

#[test]
fn a_broker_that_is_killed_under_a_worker_costs_nothing() {
    let Some(broker) = Broker::start() else { return };
    let mut clicks = Clicks::open(&broker);
    let office = Office::open(&broker.log());
    let mut worker = follow(&office);
    for round in 1..=2 {
        clicks.write(1_000);
        broker.command("kill");
        std::thread::sleep(Duration::from_secs(2));
        assert!(broker.command("start").status.success());
        wait_for_rows(&office, round * 1_000);
    }
    assert_eq!(worker.end(), Some(0));
}

#[test]
fn partitions_that_are_added_under_a_worker_are_landed_from_their_first_record() {
    let Some(broker) = Broker::start() else { return };
    let mut clicks = Clicks::open(&broker);
    let office = Office::open(&broker.log());
    let mut worker = follow(&office);
    clicks.write(300);
    wait_for_rows(&office, 300);
    broker.topics(&["--alter", "--topic", TOPIC, "--partitions", "7"]);
    // One writer that has not heard of them, and one that has.
    clicks.write(300);
    let mut more = Clicks::in_partitions(&broker, 7);
    more.written = clicks.written;
    more.write(700);
    wait_for_rows(&office, 1_300);
    more.write(700);
    wait_for_rows(&office, 2_000);
    assert_eq!(worker.end(), Some(0));
    assert_eq!(more.topic.ends(), 2_000);
}

#[test]
fn killed_again_and_again_workers_take_every_click_once() {
    let Some(broker) = Broker::start() else { return };
    let mut clicks = Clicks::open(&broker);
    let office = Office::open(&broker.log());
    let mut workers: VecDeque<Worker> = (0..3).map(|_| follow(&office)).collect();
    // Not random, but nothing here is in step with it.
    let pauses = [1_700, 300, 2_900, 900, 2_300, 4_100, 700];
    for number in 0..if long() { 20 } else { 5 } {
        let until = Instant::now() + Duration::from_millis(pauses[number % pauses.len()]);
        while Instant::now() < until {
            clicks.write(150);
            std::thread::sleep(Duration::from_millis(100));
        }
        workers.pop_front().unwrap().kill();
        workers.push_back(follow(&office));
    }
    // The partitions of the dead come to the others when they were silent for ten seconds.
    wait_for_rows(&office, clicks.written);
    for mut worker in workers {
        assert_eq!(worker.end(), Some(0));
    }
    assert_eq!(rows(&office), (clicks.written, clicks.written));
}

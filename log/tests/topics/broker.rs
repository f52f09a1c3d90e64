//! What a broker does to us, and a topic that somebody else made.

use std::time::{Duration, Instant};

use assay_core::{Fault, SystemClock};
use assay_log::{KafkaLog, Log, LogError, NewRecord};
use rdkafka::admin::{AdminOptions, NewPartitions, NewTopic, TopicReplication};

use crate::desk::{ALL, Desk, admin, delete, plain, spec, value};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_a_topic_does_not_take_is_refused_with_the_limit_and_the_setting() {
    let Some(desk) = Desk::kafka() else { return };
    let topic = desk.name("strict");
    let spec = NewTopic::new(&topic, 1, TopicReplication::Fixed(1));
    admin().create_topics([&spec], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    let large = value(vec![0; 2_000_000]);
    let error = desk.log.append(&topic, vec![value("a"), large]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Permanent);
    let text = error.to_string();
    assert!(text.contains("2000000 bytes") && text.contains("1048588"), "{text}");
    assert!(text.contains("max.message.bytes"), "{text}");
    assert_eq!(desk.log.ends(&topic).await.unwrap()[0].end, 0);
    // Many small ones are more than it takes at once, and all go in.
    let many = (0..5000).map(|n| value(format!("{n:01000}"))).collect();
    desk.log.append(&topic, many).await.unwrap();
    assert_eq!(desk.log.ends(&topic).await.unwrap()[0].end, 5000);
    desk.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_takes_little_gets_small_batches() {
    let Some(desk) = Desk::kafka() else { return };
    let topic = desk.name("little");
    let spec =
        NewTopic::new(&topic, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "2000");
    admin().create_topics([&spec], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    wait_for(|| async { desk.log.ends(&topic).await.is_ok() }).await;
    let random = |n: u64| (0..90).map(move |m| (n * 7919 + m * 104_729) % 251);
    let many = (0..500).map(|n| value(random(n).map(|b| b as u8).collect::<Vec<_>>())).collect();
    desk.log.append(&topic, many).await.unwrap();
    assert_eq!(desk.all(&topic, 0, 0).await.len(), 500);
    desk.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_was_made_anew_is_noticed_by_readers_and_writers() {
    let Some(desk) = Desk::kafka() else { return };
    let topic = desk.topic("anew", 1).await;
    desk.append(&topic, &["a", "b", "c"]).await;
    assert_eq!(desk.values(&topic, 0, 0).await, ["a", "b", "c"]);
    delete(&[&topic]).await;
    wait_for(|| async { desk.log.ends(&topic).await.is_err() }).await;
    let error = desk.log.read(&topic, 0, 3, ALL).await.unwrap_err();
    assert!(matches!(error, LogError::UnknownTopic { .. }), "{error}");

    desk.log.create(&spec(&topic, 2)).await.unwrap();
    let error = desk.log.read(&topic, 0, 3, ALL).await.unwrap_err();
    assert!(matches!(error, LogError::OutOfRange { from: 3, start: 0, end: 0, .. }), "{error}");
    assert!(error.to_string().contains("the topic was made anew"), "{error}");
    let at = |partition| NewRecord { partition: Some(partition), ..value("new") };
    // The first append may still be meant for the old one.
    wait_for(|| async { desk.log.append(&topic, vec![at(0), at(1)]).await.is_ok() }).await;
    assert_eq!(desk.values(&topic, 0, 0).await[0], "new");
    assert_eq!(desk.values(&topic, 1, 0).await[0], "new");
    desk.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_are_added_are_seen() {
    let Some(desk) = Desk::kafka() else { return };
    let topic = desk.topic("grows", 1).await;
    desk.append(&topic, &["a"]).await;
    let more = NewPartitions::new(&topic, 3);
    admin().create_partitions([&more], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    wait_for(|| async { desk.log.ends(&topic).await.is_ok_and(|ends| ends.len() == 3) }).await;
    assert_eq!(desk.log.read(&topic, 2, 0, ALL).await.unwrap(), []);
    desk.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_not_there_is_a_transient_fault_that_says_what_to_check() {
    // Of a port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let log = KafkaLog::open(&plain(free), &SystemClock).unwrap();
    let asked_at = Instant::now();
    let error = log.topics().await.unwrap_err();
    assert_eq!(error.fault(), Fault::Transient, "{error}");
    let text = error.to_string();
    assert!(text.contains("Connection refused") && text.contains("that the brokers run"), "{text}");
    assert!(asked_at.elapsed() < Duration::from_secs(30), "{:?}", asked_at.elapsed());
}

async fn wait_for<F: Future<Output = bool>>(done: impl Fn() -> F) {
    let until = Instant::now() + Duration::from_secs(30);
    while !done().await {
        assert!(Instant::now() < until, "it did not happen within 30 s");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;

use super::*;

/// A clock that moves only when it is told to.
struct Hand(Mutex<DateTime<Utc>>);

impl Hand {
    fn at_noon() -> Arc<Hand> {
        Arc::new(Hand(Mutex::new("2026-02-12T12:00:00Z".parse().unwrap())))
    }

    fn forward(&self, hours: i64) {
        *self.0.lock().unwrap() += TimeDelta::hours(hours);
    }
}

impl Clock for Hand {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

async fn open(directory: &TempDir) -> EmbeddedLog {
    EmbeddedLog::open(&directory.path().join("log.db"), Hand::at_noon()).await.unwrap()
}

fn topic(name: &str, partitions: u32) -> TopicSpec {
    TopicSpec { name: name.to_owned(), partitions, retention: None }
}

fn value(bytes: impl Into<Bytes>) -> NewRecord {
    NewRecord { value: Some(bytes.into()), ..NewRecord::default() }
}

/// Deletes what is older than so many hours, and counts it.
async fn expire(log: &EmbeddedLog, clock: &Hand, hours: i64) -> u64 {
    let since = Some(clock.now() - TimeDelta::hours(hours));
    let mut deleted = 0;
    for ends in log.ends("t").await.unwrap() {
        let keep = Keep { since, ..Keep::default() };
        let head = log.head("t", ends.partition, keep).await.unwrap();
        deleted += log.delete_before("t", ends.partition, head.until).await.unwrap();
    }
    deleted
}

const ALL: Fetch = Fetch { max_records: usize::MAX, max_bytes: usize::MAX };

#[tokio::test]
async fn null_and_empty_stay_two_different_things() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory).await;
    log.create(&topic("t", 1)).await.unwrap();
    let empty = Some(Bytes::new());
    let records = vec![
        NewRecord { key: empty.clone(), value: None, ..NewRecord::default() },
        NewRecord { key: None, value: empty.clone(), ..NewRecord::default() },
    ];
    log.append("t", records).await.unwrap();
    let read = log.read("t", 0, 0, ALL).await.unwrap();
    assert_eq!((&read[0].key, &read[0].value), (&empty, &None));
    assert_eq!((&read[1].key, &read[1].value), (&None, &empty));
}

#[tokio::test]
async fn two_handles_on_one_file_lose_nothing_and_leave_no_gap() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = tokio::join!(open(&directory), open(&directory));
    one.create(&topic("t", 2)).await.unwrap();
    let write = |log: EmbeddedLog, name: &'static str| async move {
        for batch in 0..25 {
            let records = (0..4).map(|n| value(format!("{name} {batch} {n}"))).collect();
            log.append("t", records).await.unwrap();
        }
    };
    let writers = [tokio::spawn(write(one, "one")), tokio::spawn(write(two, "two"))];
    for writer in writers {
        writer.await.unwrap();
    }
    let log = open(&directory).await;
    let mut values = BTreeSet::new();
    for ends in log.ends("t").await.unwrap() {
        let records = log.read("t", ends.partition, 0, ALL).await.unwrap();
        let offsets: Vec<u64> = records.iter().map(|record| record.offset).collect();
        assert_eq!(offsets, (0..ends.end).collect::<Vec<_>>());
        values.extend(records.into_iter().map(|record| record.value.unwrap()));
    }
    assert_eq!(values.len(), 200);
}

#[tokio::test]
async fn an_append_that_fails_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory).await;
    log.create(&topic("t", 1)).await.unwrap();
    let astray = NewRecord { partition: Some(7), ..value("b") };
    let error = log.append("t", vec![value("a"), astray]).await.unwrap_err();
    assert!(matches!(error, LogError::UnknownPartition { partition: 7, .. }), "{error}");
    let large = value(vec![0; crate::MAX_RECORD_BYTES + 1]);
    let error = log.append("t", vec![value("a"), large]).await.unwrap_err();
    assert!(matches!(error, LogError::TooLarge { .. }), "{error}");
    assert_eq!(log.ends("t").await.unwrap(), [Ends { partition: 0, start: 0, end: 0 }]);
}

#[tokio::test]
async fn a_payload_of_sixty_megabytes_comes_back_and_comes_alone() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory).await;
    log.create(&topic("t", 1)).await.unwrap();
    let large = Bytes::from(vec![7; 60 << 20]);
    log.append("t", vec![value("small"), value(large.clone()), value("last")]).await.unwrap();
    let fetch = Fetch { max_records: 10, max_bytes: 1 << 20 };
    let mut lengths: Vec<Vec<usize>> = Vec::new();
    let mut from = 0;
    while from < 3 {
        let read = log.read("t", 0, from, fetch).await.unwrap();
        from += read.len() as u64;
        lengths.push(read.iter().map(|record| record.value.as_ref().unwrap().len()).collect());
    }
    assert_eq!(lengths, [vec![5], vec![60 << 20], vec![4]]);
    let again = log.read("t", 0, 1, fetch).await.unwrap();
    assert!(again[0].value.as_ref() == Some(&large));
}

#[tokio::test]
async fn a_place_that_is_not_there_is_an_error_with_the_places_that_are() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory).await;
    log.create(&topic("t", 1)).await.unwrap();
    log.append("t", vec![value("a")]).await.unwrap();
    assert_eq!(log.read("t", 0, 1, ALL).await.unwrap(), []);
    let error = log.read("t", 0, 2, ALL).await.unwrap_err();
    insta::assert_snapshot!(error, @"offset 2 of topic `t`, partition 0, is not there: it holds 0 to before 1; either retention deleted what was not read yet, or the topic was made anew: check the reader's position before going on");
    assert!(matches!(
        log.read("t", 1, 0, ALL).await,
        Err(LogError::UnknownPartition { partitions: 1, .. })
    ));
    assert!(matches!(log.read("u", 0, 0, ALL).await, Err(LogError::UnknownTopic { .. })));
}

#[tokio::test]
async fn retention_deletes_the_old_and_never_gives_an_offset_twice() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Hand::at_noon();
    let path = directory.path().join("log.db");
    let log = EmbeddedLog::open(&path, clock.clone()).await.unwrap();
    log.create(&topic("t", 1)).await.unwrap();
    log.append("t", vec![value("a"), value("b")]).await.unwrap();
    clock.forward(20);
    log.append("t", vec![value("c")]).await.unwrap();
    assert_eq!(expire(&log, &clock, 24).await, 0);

    clock.forward(5);
    assert_eq!(expire(&log, &clock, 24).await, 2);
    assert_eq!(log.ends("t").await.unwrap(), [Ends { partition: 0, start: 2, end: 3 }]);
    assert!(matches!(log.read("t", 0, 1, ALL).await, Err(LogError::OutOfRange { start: 2, .. })));
    let info = &log.topics().await.unwrap()[0];
    assert_eq!((info.records, info.bytes), (Some(1), Some(1)));
    assert_eq!(info.oldest, Some("2026-02-13T08:00:00Z".parse().unwrap()));

    clock.forward(100);
    assert_eq!(expire(&log, &clock, 24).await, 1);
    let reopened = EmbeddedLog::open(&path, clock).await.unwrap();
    assert_eq!(reopened.ends("t").await.unwrap(), [Ends { partition: 0, start: 3, end: 3 }]);
    assert_eq!(reopened.append("t", vec![value("d")]).await.unwrap(), [(0, 3)]);
    assert!(reopened.topics().await.unwrap()[0].oldest.is_some());
}

#[tokio::test]
async fn a_topic_keeps_its_partitions_and_takes_a_new_retention() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory).await;
    log.create(&topic("t", 3)).await.unwrap();
    let day = TopicSpec { retention: Some(Duration::from_hours(24)), ..topic("t", 3) };
    log.create(&day).await.unwrap();
    assert_eq!(log.topics().await.unwrap()[0].retention, day.retention);
    let error = log.create(&topic("t", 4)).await.unwrap_err();
    insta::assert_snapshot!(error, @"topic `t` has 3 partitions, not 4: a topic keeps the number it was made with, so ask for 3, or give the new topic another name");
    for name in ["", "a b", "..", "ü"] {
        let error = log.create(&topic(name, 1)).await.unwrap_err();
        assert!(matches!(error, LogError::InvalidName { .. }), "{name}");
    }
    let error = log.create(&topic("none", 0)).await.unwrap_err();
    assert!(matches!(error, LogError::InvalidPartitions { .. }));
}

#[tokio::test]
async fn keys_stay_together_and_the_others_take_turns_over_processes() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory).await;
    log.create(&topic("t", 3)).await.unwrap();
    let keyed = NewRecord { key: Some(Bytes::from("foobar")), ..NewRecord::default() };
    let places = log.append("t", vec![keyed.clone(), value("x"), keyed]).await.unwrap();
    assert_eq!(places[0].0, places[2].0);

    log.create(&topic("turns", 3)).await.unwrap();
    let mut partitions = Vec::new();
    for _ in 0..6 {
        let places = open(&directory).await.append("turns", vec![value("x")]).await.unwrap();
        partitions.push(places[0].0);
    }
    assert_eq!(partitions, [0, 1, 2, 0, 1, 2]);
}

#[tokio::test]
async fn the_namespace_names_the_file_wherever_it_was_opened_from() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory).await;
    let file = directory.path().join("log.db");
    assert_eq!(log.namespace(), format!("assay-log://{}", file.display()));
}

#[tokio::test]
async fn what_is_too_much_for_one_transaction_expires_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Hand::at_noon();
    let log = EmbeddedLog::open(&directory.path().join("log.db"), clock.clone()).await.unwrap();
    log.create(&topic("t", 2)).await.unwrap();
    log.append("t", vec![value("x"); 40_001]).await.unwrap();
    clock.forward(2);
    log.append("t", vec![value("y")]).await.unwrap();
    assert_eq!(expire(&log, &clock, 1).await, 40_001);
    let info = &log.topics().await.unwrap()[0];
    assert_eq!((info.records, info.bytes), (Some(1), Some(1)));
}

#[tokio::test]
async fn nothing_rides_along_with_a_record_that_is_larger_than_the_fetch() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory).await;
    log.create(&topic("t", 1)).await.unwrap();
    log.append("t", vec![value("large"), value("")]).await.unwrap();
    let read = log.read("t", 0, 0, Fetch { max_records: 9, max_bytes: 2 }).await.unwrap();
    assert_eq!(read.len(), 1);
}

#[tokio::test]
async fn what_has_to_stay_is_what_is_young_enough_light_enough_or_held() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Hand::at_noon();
    let log = EmbeddedLog::open(&directory.path().join("log.db"), clock.clone()).await.unwrap();
    log.create(&topic("t", 1)).await.unwrap();
    for _ in 0..4 {
        log.append("t", vec![value("0123456789")]).await.unwrap();
        clock.forward(1);
    }
    let noon: DateTime<Utc> = "2026-02-12T12:00:00Z".parse().unwrap();
    let until = async |since: Option<i64>, bytes, from| {
        let since = since.map(|hours| noon + TimeDelta::hours(hours));
        let head = log.head("t", 0, Keep { since, bytes, from }).await.unwrap();
        assert_eq!((head.records, head.bytes), (head.until, Some(10 * head.until)));
        assert_eq!(head.oldest, (head.records > 0).then_some(noon));
        head.until
    };
    assert_eq!(until(None, None, None).await, 0);
    assert_eq!(until(Some(2), None, None).await, 2);
    assert_eq!(until(Some(2), None, Some(1)).await, 1);
    assert_eq!(until(None, Some(25), None).await, 2);
    assert_eq!(until(None, Some(40), None).await, 0);
    assert_eq!(until(Some(1), Some(10), None).await, 3);
    assert_eq!(until(Some(9), Some(0), Some(99)).await, 4);
    assert_eq!(until(Some(9), None, Some(0)).await, 0);
}

#[tokio::test]
async fn what_lies_before_an_offset_is_deleted_once_and_the_end_stays() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory).await;
    log.create(&topic("t", 2)).await.unwrap();
    let at = |partition| NewRecord { partition: Some(partition), ..value("xyz") };
    log.append("t", vec![at(0), at(0), at(0), at(1)]).await.unwrap();
    assert_eq!(log.delete_before("t", 0, 2).await.unwrap(), 2);
    assert_eq!(log.delete_before("t", 0, 1).await.unwrap(), 0);
    assert_eq!(log.delete_before("t", 0, 99).await.unwrap(), 1);
    let ends = log.ends("t").await.unwrap();
    assert_eq!((ends[0].start, ends[0].end, ends[1].start), (3, 3, 0));
    assert_eq!(log.append("t", vec![at(0)]).await.unwrap(), [(0, 3)]);
    assert_eq!(log.topics().await.unwrap()[0].bytes, Some(6));
    assert!(matches!(
        log.delete_before("t", 7, 1).await,
        Err(LogError::UnknownPartition { partition: 7, .. })
    ));
}

#[tokio::test]
async fn room_is_given_back_while_others_append() {
    let directory = tempfile::tempdir().unwrap();
    let log = Arc::new(open(&directory).await);
    log.create(&topic("t", 1)).await.unwrap();
    for _ in 0..8 {
        log.append("t", vec![value(vec![7; 8 << 20])]).await.unwrap();
    }
    assert_eq!(log.delete_before("t", 0, 8).await.unwrap(), 8);
    let other = Arc::clone(&log);
    let appending = tokio::spawn(async move {
        for _ in 0..20 {
            other.append("t", vec![value("small")]).await.unwrap();
        }
    });
    let given = log.reclaim().await.unwrap();
    appending.await.unwrap();
    assert!(given > 60 << 20, "{given}");
    assert_eq!(log.reclaim().await.unwrap(), 0);
    let size = std::fs::metadata(directory.path().join("log.db")).unwrap().len();
    assert!(size < 4 << 20, "{size}");
    assert_eq!(log.read("t", 0, 8, ALL).await.unwrap().len(), 20);
}

#[tokio::test]
async fn a_member_has_all_partitions_and_waits_for_what_comes() {
    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(20);
    let directory = tempfile::tempdir().unwrap();
    let log = open(&directory).await;
    log.create(&topic("t", 2)).await.unwrap();
    let mut member = log.join("g", "t").await.unwrap();
    assert_eq!(member.assignment().await.unwrap(), BTreeSet::from([0, 1]));
    let start = BTreeMap::from([(0, 0), (1, 0)]);
    let asked = tokio::time::Instant::now();
    member.wait(&start, SHORT).await.unwrap();
    assert!(asked.elapsed() >= SHORT, "nothing came, and yet it did not wait");

    let append = async {
        tokio::time::sleep(SHORT).await;
        let record = NewRecord { partition: Some(1), ..value("a") };
        log.append("t", vec![record]).await.unwrap();
    };
    let asked = tokio::time::Instant::now();
    tokio::join!(append, async { member.wait(&start, LONG).await.unwrap() });
    assert!((SHORT..LONG).contains(&asked.elapsed()), "it woke after {:?}", asked.elapsed());

    let read = BTreeMap::from([(0, 0), (1, 1)]);
    member.committed(&read).await.unwrap();
    let asked = tokio::time::Instant::now();
    member.wait(&read, SHORT).await.unwrap();
    assert!(asked.elapsed() >= SHORT, "what was read is no news");
    member.leave().await.unwrap();
    let unknown = log.join("g", "u").await.err().unwrap().to_string();
    assert!(unknown.contains("topic `u` is not in the log"), "{unknown}");
}

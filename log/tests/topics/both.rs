//! Each case once on the embedded log, once on a broker.

use std::collections::BTreeSet;
use std::time::Duration;

use assay_log::{Ends, Fetch, Keep, LogError, MAX_RECORD_BYTES, NewRecord, TopicSpec};
use bytes::Bytes;

use crate::desk::{ALL, Desk, spec, text, value};

macro_rules! on_both {
    ($($case:ident)*) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(&super::Desk::embedded().await).await;
            })*
        }
        mod kafka {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let Some(desk) = super::Desk::kafka() else { return };
                super::$case(&desk).await;
                desk.clear().await;
            })*
        }
    };
}

on_both! {
    a_record_comes_back_with_all_that_it_had
    an_append_that_is_refused_leaves_nothing_behind
    a_large_record_comes_back_and_comes_alone
    a_place_that_is_not_there_is_an_error_with_the_places_that_are
    a_topic_keeps_its_partitions_and_takes_a_new_retention
    a_name_that_kafka_would_refuse_is_refused
    keys_stay_together_and_the_others_go_everywhere
    several_writers_lose_nothing
    readers_of_one_partition_do_not_move_each_other
    what_lies_before_an_offset_is_deleted_and_the_end_stays
    what_is_old_is_measured_by_time
    a_reader_that_waits_at_the_end_sees_what_comes
}

async fn a_record_comes_back_with_all_that_it_had(desk: &Desk) {
    let topic = desk.topic("whole", 2).await;
    let header = |name: &str, value: &'static str| (name.to_owned(), Bytes::from(value));
    let record = NewRecord {
        partition: Some(1),
        key: Some(Bytes::from("key")),
        value: Some(Bytes::from(vec![0, 255, 10])),
        headers: vec![header("a", "1"), header("b", ""), header("a", "2")],
    };
    let empty = NewRecord { value: Some(Bytes::new()), ..record.clone() };
    let tombstone = NewRecord { value: None, headers: vec![], ..record.clone() };
    let appended = vec![record, empty, tombstone, NewRecord { key: None, ..value("x") }];
    let places = desk.log.append(&topic, appended.clone()).await.unwrap();
    assert_eq!(places[..3], [(1, 0), (1, 1), (1, 2)]);

    let read = desk.all(&topic, 1, 0).await;
    for (record, appended) in read.iter().zip(&appended[..3]) {
        assert_eq!(record.partition, 1);
        assert_eq!(
            (&record.key, &record.value, &record.headers),
            (&appended.key, &appended.value, &appended.headers)
        );
    }
    assert_eq!(read[0].header("a"), Some(&Bytes::from("2")));
    assert!(read[0].timestamp <= read[2].timestamp);
    let info = desk.log.topics().await.unwrap();
    let info = info.iter().find(|info| info.name == topic).unwrap();
    assert_eq!((info.partitions, info.records, info.retention), (2, 4, None));
}

async fn an_append_that_is_refused_leaves_nothing_behind(desk: &Desk) {
    let topic = desk.topic("refused", 1).await;
    let astray = NewRecord { partition: Some(7), ..value("b") };
    let error = desk.log.append(&topic, vec![value("a"), astray]).await.unwrap_err();
    assert!(matches!(error, LogError::UnknownPartition { partition: 7, partitions: 1, .. }));
    let large = value(vec![0; MAX_RECORD_BYTES + 1]);
    let error = desk.log.append(&topic, vec![value("a"), large]).await.unwrap_err();
    assert!(matches!(error, LogError::TooLarge { .. }), "{error}");
    let error = desk.log.append(&desk.name("none"), vec![value("a")]).await.unwrap_err();
    assert!(matches!(error, LogError::UnknownTopic { .. }), "{error}");
    assert_eq!(desk.log.ends(&topic).await.unwrap(), [Ends { partition: 0, start: 0, end: 0 }]);
    assert_eq!(desk.append(&topic, &["a"]).await, [(0, 0)]);
}

async fn a_large_record_comes_back_and_comes_alone(desk: &Desk) {
    let topic = desk.topic("large", 1).await;
    // Of no pattern, so that no compression makes it small.
    let large: Vec<u8> = (0..5_000_000u64)
        .flat_map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24).to_le_bytes()[..4].to_vec())
        .collect();
    let large = Bytes::from(large);
    let records = vec![value("small"), value(large.clone()), value("last")];
    desk.log.append(&topic, records).await.unwrap();
    let fetch = Fetch { max_records: 10, max_bytes: 1 << 20 };
    let mut lengths = Vec::new();
    let mut from = 0;
    while from < 3 {
        let read = desk.log.read(&topic, 0, from, fetch).await.unwrap();
        from += read.len() as u64;
        lengths.push(read.iter().map(|one| one.value.as_ref().unwrap().len()).collect::<Vec<_>>());
    }
    assert_eq!(lengths, [vec![5], vec![20_000_000], vec![4]]);
    let again = desk.log.read(&topic, 0, 1, fetch).await.unwrap();
    assert!(again[0].value.as_ref() == Some(&large));
}

async fn a_place_that_is_not_there_is_an_error_with_the_places_that_are(desk: &Desk) {
    let topic = desk.topic("places", 1).await;
    desk.append(&topic, &["a"]).await;
    assert_eq!(desk.log.read(&topic, 0, 1, ALL).await.unwrap(), []);
    let error = desk.log.read(&topic, 0, 2, ALL).await.unwrap_err();
    assert!(matches!(error, LogError::OutOfRange { from: 2, start: 0, end: 1, .. }), "{error}");
    let error = desk.log.read(&topic, 1, 0, ALL).await.unwrap_err();
    assert!(matches!(error, LogError::UnknownPartition { partitions: 1, .. }), "{error}");
    let none = desk.name("none");
    let error = desk.log.read(&none, 0, 0, ALL).await.unwrap_err();
    assert!(matches!(error, LogError::UnknownTopic { .. }), "{error}");
    let error = desk.log.ends(&none).await.unwrap_err();
    assert!(matches!(error, LogError::UnknownTopic { .. }), "{error}");
    assert!(error.to_string().contains("create it, or correct its name"), "{error}");
}

async fn a_topic_keeps_its_partitions_and_takes_a_new_retention(desk: &Desk) {
    let topic = desk.topic("kept", 3).await;
    let day = TopicSpec { retention: Some(Duration::from_hours(24)), ..spec(&topic, 3) };
    desk.log.create(&day).await.unwrap();
    desk.log.create(&day).await.unwrap();
    let info = desk.log.topics().await.unwrap();
    let info = info.iter().find(|info| info.name == topic).unwrap();
    assert_eq!((info.partitions, info.retention), (3, day.retention));
    let error = desk.log.create(&spec(&topic, 4)).await.unwrap_err();
    assert!(matches!(error, LogError::OtherPartitions { has: 3, wanted: 4, .. }), "{error}");
    // What it takes has not changed with its retention.
    let most = value(vec![0; 5 << 20]);
    desk.log.append(&topic, vec![most]).await.unwrap();
}

async fn a_name_that_kafka_would_refuse_is_refused(desk: &Desk) {
    for name in ["", "a b", "..", "ü"] {
        let error = desk.log.create(&spec(name, 1)).await.unwrap_err();
        assert!(matches!(error, LogError::InvalidName { .. }), "{name}");
    }
    let error = desk.log.create(&spec("none", 0)).await.unwrap_err();
    assert!(matches!(error, LogError::InvalidPartitions { .. }));
}

async fn keys_stay_together_and_the_others_go_everywhere(desk: &Desk) {
    let topic = desk.topic("keys", 3).await;
    let keyed = NewRecord { key: Some(Bytes::from("foobar")), ..NewRecord::default() };
    let mut records = vec![keyed.clone(), value("x"), keyed];
    records.extend((0..6).map(|_| value("x")));
    let places = desk.log.append(&topic, records).await.unwrap();
    // The place that Kafka's own clients give this key: murmur2 is -790332482, and without its sign a multiple of three.
    assert_eq!((places[0].0, places[2].0), (0, 0));
    // The embedded log turns with what was written, so each append fills one partition.
    for _ in 0..6 {
        desk.append(&topic, &["y"]).await;
    }
    let ends = desk.log.ends(&topic).await.unwrap();
    assert!(ends.iter().all(|ends| ends.end > 0), "{ends:?}");
    assert_eq!(ends.iter().map(|ends| ends.end).sum::<u64>(), 15);
}

async fn several_writers_lose_nothing(desk: &Desk) {
    let topic = desk.topic("writers", 2).await;
    let write = |name: &'static str| {
        let (log, topic) = (desk.log.clone(), topic.clone());
        async move {
            for batch in 0..25 {
                let records = (0..4).map(|n| value(format!("{name} {batch} {n}"))).collect();
                log.append(&topic, records).await.unwrap();
            }
        }
    };
    let writers = ["one", "two", "three"].map(|name| tokio::spawn(write(name)));
    for writer in writers {
        writer.await.unwrap();
    }
    let mut values = BTreeSet::new();
    for ends in desk.log.ends(&topic).await.unwrap() {
        let records = desk.all(&topic, ends.partition, 0).await;
        let offsets: Vec<u64> = records.iter().map(|record| record.offset).collect();
        assert_eq!(offsets, (0..ends.end).collect::<Vec<_>>());
        values.extend(records.into_iter().map(|record| record.value.unwrap()));
    }
    assert_eq!(values.len(), 300);
}

async fn readers_of_one_partition_do_not_move_each_other(desk: &Desk) {
    let topic = desk.topic("readers", 1).await;
    let all: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    desk.append(&topic, &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let read = |step: usize| {
        let (log, topic) = (desk.log.clone(), topic.clone());
        async move {
            let mut seen = Vec::new();
            while seen.len() < 500 {
                let fetch = Fetch { max_records: step, max_bytes: 1 << 20 };
                let records = log.read(&topic, 0, seen.len() as u64, fetch).await.unwrap();
                assert!(!records.is_empty() && records.len() <= step);
                seen.extend(records.iter().map(text));
            }
            seen
        }
    };
    let (one, two, three) = tokio::join!(read(1), read(70), read(33));
    assert!(one == all && two == all && three == all);
}

async fn what_lies_before_an_offset_is_deleted_and_the_end_stays(desk: &Desk) {
    let topic = desk.topic("deleted", 2).await;
    let at = |partition| NewRecord { partition: Some(partition), ..value("xyz") };
    desk.log.append(&topic, vec![at(0), at(0), at(0), at(1)]).await.unwrap();
    assert_eq!(desk.log.delete_before(&topic, 0, 2).await.unwrap(), 2);
    assert_eq!(desk.log.delete_before(&topic, 0, 1).await.unwrap(), 0);
    let error = desk.log.read(&topic, 0, 1, ALL).await.unwrap_err();
    assert!(matches!(error, LogError::OutOfRange { start: 2, end: 3, .. }), "{error}");
    assert_eq!(desk.log.delete_before(&topic, 0, 99).await.unwrap(), 1);
    let ends = desk.log.ends(&topic).await.unwrap();
    assert_eq!((ends[0].start, ends[0].end, ends[1].start), (3, 3, 0));
    assert_eq!(desk.log.append(&topic, vec![at(0)]).await.unwrap(), [(0, 3)]);
    let error = desk.log.delete_before(&topic, 7, 1).await.unwrap_err();
    assert!(matches!(error, LogError::UnknownPartition { partition: 7, .. }), "{error}");
}

async fn what_is_old_is_measured_by_time(desk: &Desk) {
    let topic = desk.topic("old", 1).await;
    for text in ["a", "b", "c"] {
        desk.append(&topic, &[text]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let records = desk.all(&topic, 0, 0).await;
    let until = async |since, from| {
        let keep = Keep { since, bytes: None, from };
        let head = desk.log.head(&topic, 0, keep).await.unwrap();
        assert_eq!(head.records, head.until);
        assert_eq!(head.oldest, (head.until > 0).then_some(records[0].timestamp));
        head.until
    };
    let of = |at: usize| Some(records[at].timestamp);
    assert_eq!(until(None, None).await, 0);
    assert_eq!(until(of(0), None).await, 0);
    assert_eq!(until(of(2), None).await, 2);
    assert_eq!(until(of(2), Some(1)).await, 1);
    assert_eq!(until(of(2).map(|at| at + Duration::from_hours(1)), None).await, 3);
}

async fn a_reader_that_waits_at_the_end_sees_what_comes(desk: &Desk) {
    let topic = desk.topic("waits", 1).await;
    for n in 0..10 {
        assert_eq!(desk.log.read(&topic, 0, n, ALL).await.unwrap(), []);
        desk.append(&topic, &[&n.to_string()]).await;
        assert_eq!(desk.values(&topic, 0, n).await, [n.to_string()]);
    }
    assert_eq!(desk.values(&topic, 0, 3).await.len(), 7);
}

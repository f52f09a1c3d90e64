use assay_log::{Ends, Fetch, NewRecord, Record};
use bytes::Bytes;
use proptest::prelude::*;

use crate::desk::Desk;

const PARTITIONS: u32 = 3;

fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..most).prop_map(Bytes::from)
}

fn records() -> impl Strategy<Value = Vec<NewRecord>> {
    let record = (
        prop::option::of(0..PARTITIONS),
        prop::option::of(bytes(5)),
        prop::option::of(bytes(300)),
        prop::collection::vec(("[a-z.]{1,9}", bytes(9)), 0..3),
    )
        .prop_map(|(partition, key, value, headers)| NewRecord {
            partition,
            key,
            value,
            headers,
        });
    prop::collection::vec(record, 0..100)
}

#[derive(Debug, Clone)]
struct Case {
    batches: Vec<Vec<NewRecord>>,
    fetch: Fetch,
}

fn cases() -> impl Strategy<Value = Case> {
    (prop::collection::vec(records(), 0..4), 0usize..40, 0usize..2000).prop_map(
        |(batches, max_records, max_bytes)| Case {
            batches,
            fetch: Fetch { max_records, max_bytes },
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_the_embedded_log_was_given_is_read_in_order_with_any_fetch(case in cases()) {
        waiting(async { check(&Desk::embedded().await, &case).await })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn what_kafka_was_given_is_read_in_order_with_any_fetch(case in cases()) {
        waiting(async {
            let Some(desk) = Desk::kafka() else { return Ok(()) };
            let held = check(&desk, &case).await;
            desk.clear().await;
            held
        })?;
    }
}

fn waiting<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(what)
}

async fn check(desk: &Desk, case: &Case) -> Result<(), TestCaseError> {
    let topic = desk.topic("law", PARTITIONS).await;
    let mut expected = vec![Vec::new(); PARTITIONS as usize];
    for batch in &case.batches {
        let places = desk.log.append(&topic, batch.clone()).await.unwrap();
        prop_assert_eq!(places.len(), batch.len());
        for ((partition, offset), record) in places.into_iter().zip(batch) {
            let lane = &mut expected[partition as usize];
            prop_assert_eq!(offset, lane.len() as u64);
            prop_assert!(record.partition.is_none_or(|asked| asked == partition));
            lane.push(record.clone());
        }
    }
    for (ends, expected) in desk.log.ends(&topic).await.unwrap().iter().zip(&expected) {
        prop_assert_eq!(ends.end, expected.len() as u64);
        let read = read_all(desk, &topic, *ends, case.fetch).await;
        prop_assert_eq!(read.len(), expected.len());
        for (record, expected) in read.iter().zip(expected) {
            prop_assert_eq!(&record.key, &expected.key);
            prop_assert_eq!(&record.value, &expected.value);
            prop_assert_eq!(&record.headers, &expected.headers);
        }
    }
    let topics = desk.log.topics().await.unwrap();
    let info = topics.iter().find(|info| info.name == topic).unwrap();
    let appended = expected.iter().flatten();
    // Only a log of our own knows what it holds.
    let held = info.records.is_some();
    prop_assert_eq!(info.records, held.then_some(appended.clone().count() as u64));
    prop_assert_eq!(
        info.bytes,
        held.then_some(appended.map(NewRecord::bytes).sum::<usize>() as u64)
    );
    Ok(())
}

/// Reads to the end, and checks on the way that no read brings more than it may.
async fn read_all(desk: &Desk, topic: &str, ends: Ends, fetch: Fetch) -> Vec<Record> {
    let mut all = Vec::new();
    let mut from = ends.start;
    while from < ends.end {
        let read = desk.log.read(topic, ends.partition, from, fetch).await.unwrap();
        assert!(!read.is_empty());
        let bytes: usize = read.iter().map(weigh).sum();
        assert!(read.len() == 1 || (read.len() <= fetch.max_records && bytes <= fetch.max_bytes));
        assert!(read.iter().zip(from..).all(|(record, offset)| record.offset == offset));
        from += read.len() as u64;
        all.extend(read);
    }
    all
}

fn weigh(record: &Record) -> usize {
    NewRecord {
        partition: None,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.clone(),
    }
    .bytes()
}

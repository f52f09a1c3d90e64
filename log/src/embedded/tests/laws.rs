use super::*;

fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..most).prop_map(Bytes::from)
}

fn records() -> impl Strategy<Value = Vec<NewRecord>> {
    let record = (
        prop::option::of(0..PARTITIONS),
        prop::option::of(bytes(5)),
        prop::option::of(bytes(300)),
        prop::collection::vec(("[a-z.]{0,9}", bytes(9)), 0..3),
    )
        .prop_map(|(partition, key, value, headers)| NewRecord {
            partition,
            key,
            value,
            headers,
        });
    prop::collection::vec(record, 0..100)
}

const PARTITIONS: u32 = 3;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_appended_is_read_in_order_with_any_fetch(
        batches in prop::collection::vec(records(), 0..4),
        max_records in 0usize..40,
        max_bytes in 0usize..2000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let log = open(&directory).await;
            log.create(&topic("t", PARTITIONS)).await.unwrap();
            let mut expected = vec![Vec::new(); PARTITIONS as usize];
            for batch in &batches {
                let places = log.append("t", batch.clone()).await.unwrap();
                prop_assert_eq!(places.len(), batch.len());
                for ((partition, offset), record) in places.into_iter().zip(batch) {
                    let lane = &mut expected[partition as usize];
                    prop_assert_eq!(offset, lane.len() as u64);
                    prop_assert!(record.partition.is_none_or(|asked| asked == partition));
                    lane.push(record.clone());
                }
            }
            let fetch = Fetch { max_records, max_bytes };
            for (ends, expected) in log.ends("t").await.unwrap().iter().zip(&expected) {
                prop_assert_eq!(ends.end, expected.len() as u64);
                let read = read_all(&log, *ends, fetch).await;
                prop_assert_eq!(read.len(), expected.len());
                for (record, expected) in read.iter().zip(expected) {
                    prop_assert_eq!(&record.key, &expected.key);
                    prop_assert_eq!(&record.value, &expected.value);
                    prop_assert_eq!(&record.headers, &expected.headers);
                }
            }
            let info = &log.topics().await.unwrap()[0];
            let records = expected.iter().flatten();
            prop_assert_eq!(info.records, records.clone().count() as u64);
            let bytes: usize = records.map(NewRecord::bytes).sum();
            prop_assert_eq!(info.bytes, Some(bytes as u64));
            Ok(())
        })?;
    }
}

/// Reads to the end, and checks on the way that no read brings more than it may.
async fn read_all(log: &EmbeddedLog, ends: Ends, fetch: Fetch) -> Vec<Record> {
    let mut all = Vec::new();
    let mut from = ends.start;
    while from < ends.end {
        let read = log.read("t", ends.partition, from, fetch).await.unwrap();
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

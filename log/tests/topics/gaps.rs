//! Offsets that have no record: markers of transactions, what they aborted, what compaction took.

use std::time::Duration;

use assay_log::{Ends, Fetch};
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::desk::{ALL, Desk, admin, client};

const WAIT: Duration = Duration::from_secs(20);

/// Somebody who writes in transactions.
struct Writer {
    producer: BaseProducer,
    topic: String,
}

impl Writer {
    fn new(topic: &str) -> Writer {
        let producer: BaseProducer =
            client().set("transactional.id", format!("writer of {topic}")).create().unwrap();
        producer.init_transactions(WAIT).unwrap();
        Writer { producer, topic: topic.to_owned() }
    }

    fn begin(&self, values: &[&str]) {
        self.producer.begin_transaction().unwrap();
        for value in values {
            let record: BaseRecord<'_, [u8], str> = BaseRecord::to(&self.topic).payload(*value);
            assert!(self.producer.send(record.partition(0)).is_ok());
        }
        self.producer.flush(WAIT).unwrap();
    }

    fn commit(&self, values: &[&str]) {
        self.begin(values);
        self.producer.commit_transaction(WAIT).unwrap();
    }

    fn abort(&self, values: &[&str]) {
        self.begin(values);
        self.producer.abort_transaction(WAIT).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_aborted_is_not_read_and_markers_stop_nobody() {
    let Some(desk) = Desk::kafka() else { return };
    let topic = desk.topic("transactions", 1).await;
    let writer = Writer::new(&topic);
    writer.commit(&["a", "b"]);
    writer.abort(&["x", "y", "z"]);
    writer.commit(&["c"]);
    writer.abort(&["w"]);
    // Two and a marker, three and a marker, one and a marker, one and a marker.
    let until = std::time::Instant::now() + WAIT;
    let all = [Ends { partition: 0, start: 0, end: 11 }];
    // The last marker is written behind the answer.
    while desk.log.ends(&topic).await.unwrap() != all {
        assert!(std::time::Instant::now() < until);
    }
    assert_eq!(desk.values(&topic, 0, 0).await, ["a", "b", "c"]);

    // One at a time, as many readers go, to behind the last one.
    let one = Fetch { max_records: 1, max_bytes: 1 };
    let mut from = 0;
    let mut offsets = Vec::new();
    while let Some(record) = desk.log.read(&topic, 0, from, one).await.unwrap().pop() {
        offsets.push(record.offset);
        from = record.offset + 1;
    }
    assert_eq!(offsets, [0, 1, 7]);
    // Nothing is there behind it, and that costs no time, also when asked again.
    let asked_at = std::time::Instant::now();
    for from in [8, 8, 9, 10, 8] {
        assert_eq!(desk.log.read(&topic, 0, from, ALL).await.unwrap(), []);
    }
    assert!(asked_at.elapsed() < Duration::from_secs(5), "{:?}", asked_at.elapsed());
    writer.commit(&["d"]);
    assert_eq!(desk.values(&topic, 0, 8).await, ["d"]);
    desk.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_open_transaction_holds_back_comes_when_it_is_committed() {
    let Some(desk) = Desk::kafka() else { return };
    let topic = desk.topic("open", 1).await;
    let writer = Writer::new(&topic);
    writer.commit(&["a"]);
    writer.begin(&["b"]);
    desk.append(&topic, &["c"]).await;
    assert_eq!(desk.log.ends(&topic).await.unwrap()[0].end, 2);
    assert_eq!(desk.values(&topic, 0, 0).await, ["a"]);
    assert_eq!(desk.values(&topic, 0, 2).await, [""; 0]);
    writer.producer.commit_transaction(WAIT).unwrap();
    // The marker is written behind the answer.
    let until = std::time::Instant::now() + WAIT;
    while desk.log.ends(&topic).await.unwrap()[0].end < 5 {
        assert!(std::time::Instant::now() < until);
    }
    assert_eq!(desk.values(&topic, 0, 2).await, ["b", "c"]);
    desk.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_compaction_left_out_is_passed_over() {
    let Some(desk) = Desk::kafka() else { return };
    let topic = desk.name("compacted");
    let spec = NewTopic::new(&topic, 1, TopicReplication::Fixed(1))
        .set("cleanup.policy", "compact")
        .set("segment.ms", "100")
        .set("max.compaction.lag.ms", "100")
        .set("min.cleanable.dirty.ratio", "0.001");
    admin().create_topics([&spec], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
    let until = std::time::Instant::now() + Duration::from_secs(60);
    let mut appended = 0;
    let read = loop {
        let record = assay_log::NewRecord {
            key: Some("same".into()),
            ..crate::desk::value(appended.to_string())
        };
        desk.log.append(&topic, vec![record]).await.unwrap();
        appended += 1;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let read = desk.all(&topic, 0, 0).await;
        if (read.len() as u64) < appended || std::time::Instant::now() > until {
            break read;
        }
    };
    assert!((read.len() as u64) < appended, "nothing was compacted");
    assert_eq!(read.last().unwrap().offset, appended - 1);
    desk.clear().await;
}

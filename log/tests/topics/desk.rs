use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use assay_core::{Ids, RandomIds, SystemClock};
use assay_log::{EmbeddedLog, Fetch, KafkaLog, KafkaSettings, Log, NewRecord, Record, TopicSpec};
use bytes::Bytes;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use tempfile::TempDir;

pub(crate) const ALL: Fetch = Fetch { max_records: 100_000, max_bytes: 256 << 20 };

/// A log, and names of topics that nobody else has.
pub(crate) struct Desk {
    pub(crate) log: Arc<dyn Log>,
    mark: String,
    /// Where the embedded log is.
    folder: Option<TempDir>,
}

impl Desk {
    pub(crate) async fn embedded() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.db");
        let log = EmbeddedLog::open(&file, Arc::new(SystemClock)).await.unwrap();
        Desk { log: Arc::new(log), mark: mark(), folder: Some(folder) }
    }

    /// None when there is no broker, and none is required.
    pub(crate) fn kafka() -> Option<Desk> {
        let log = KafkaLog::open(&plain(broker()?), &SystemClock).unwrap();
        Some(Desk { log: Arc::new(log), mark: mark(), folder: None })
    }

    pub(crate) fn name(&self, name: &str) -> String {
        format!("{name}-{}", self.mark)
    }

    /// Makes a topic, and says its name.
    pub(crate) async fn topic(&self, name: &str, partitions: u32) -> String {
        let name = self.name(name);
        self.log.create(&spec(&name, partitions)).await.unwrap();
        name
    }

    pub(crate) async fn append(&self, topic: &str, values: &[&str]) -> Vec<(u32, u64)> {
        let records = values.iter().map(|text| value(text.to_string())).collect();
        self.log.append(topic, records).await.unwrap()
    }

    /// All that a partition has from there on.
    pub(crate) async fn all(&self, topic: &str, partition: u32, mut from: u64) -> Vec<Record> {
        let mut all = Vec::new();
        loop {
            let read = self.log.read(topic, partition, from, ALL).await.unwrap();
            let Some(last) = read.last() else { return all };
            from = last.offset + 1;
            all.extend(read);
        }
    }

    /// The values of a partition from there on.
    pub(crate) async fn values(&self, topic: &str, partition: u32, from: u64) -> Vec<String> {
        self.all(topic, partition, from).await.iter().map(text).collect()
    }

    /// Deletes what the test made.
    pub(crate) async fn clear(self) {
        if self.folder.is_none() {
            let topics = self.log.topics().await.unwrap();
            let ours = topics.iter().map(|topic| topic.name.as_str());
            delete(&ours.filter(|name| name.ends_with(&self.mark)).collect::<Vec<_>>()).await;
        }
    }
}

pub(crate) async fn delete(topics: &[&str]) {
    if !topics.is_empty() {
        for deleted in admin().delete_topics(topics, &AdminOptions::new()).await.unwrap() {
            deleted.unwrap();
        }
    }
}

pub(crate) fn admin() -> AdminClient<DefaultClientContext> {
    client().create().unwrap()
}

/// A client that is not ours.
pub(crate) fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker().unwrap().to_string());
    config
}

/// Where the broker for tests listens.
pub(crate) fn broker() -> Option<SocketAddr> {
    let given = std::env::var_os("ASSAY_TEST_KAFKA");
    let text = given.map_or("127.0.0.1:19092".to_owned(), |text| text.into_string().unwrap());
    let address: SocketAddr = text.parse().unwrap();
    if TcpStream::connect_timeout(&address, Duration::from_secs(5)).is_ok() {
        return Some(address);
    }
    let required = std::env::var_os("ASSAY_REQUIRE").unwrap_or_default();
    let required = required.to_string_lossy().split(',').any(|name| name == "kafka");
    assert!(!required, "no broker at {address}: ./dev services start kafka");
    println!("skipped: no broker at {address}; ./dev services start kafka");
    None
}

/// A file that came with the broker.
pub(crate) fn certificate(name: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache");
    cache.unwrap_or_else(home).join("assay-tools/services/kafka/tls").join(name)
}

pub(crate) fn plain(broker: SocketAddr) -> KafkaSettings {
    let brokers = format!("kafka://{broker}").parse().unwrap();
    KafkaSettings { brokers, sasl: None, tls: None }
}

pub(crate) fn spec(name: &str, partitions: u32) -> TopicSpec {
    TopicSpec { name: name.to_owned(), partitions, retention: None }
}

pub(crate) fn value(bytes: impl Into<Bytes>) -> NewRecord {
    NewRecord { value: Some(bytes.into()), ..NewRecord::default() }
}

pub(crate) fn text(record: &Record) -> String {
    String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap()
}

fn mark() -> String {
    RandomIds.next().simple().to_string()
}

use assay_core::SystemClock;
use assay_log::{KafkaLog, KafkaSettings, Log, NewRecord, TopicSpec};

use crate::broker::Broker;

/// A topic as those know it who write to it.
pub(crate) struct Topic {
    log: KafkaLog,
    runtime: tokio::runtime::Runtime,
    name: String,
}

impl Topic {
    /// Makes it when it is not there.
    pub(crate) fn open(broker: &Broker, name: &str, partitions: u32) -> Topic {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let brokers = broker.log().parse().unwrap();
        let settings = KafkaSettings { brokers, sasl: None, tls: None };
        let log = KafkaLog::open(&settings, &SystemClock).unwrap();
        let name = name.to_owned();
        let spec = TopicSpec { name: name.clone(), partitions, retention: None };
        runtime.block_on(log.create(&spec)).unwrap();
        Topic { log, runtime, name }
    }

    /// Says where each of them is.
    pub(crate) fn append(&self, records: Vec<NewRecord>) -> Vec<(u32, u64)> {
        self.runtime.block_on(self.log.append(&self.name, records)).unwrap()
    }

    /// How many offsets were given.
    pub(crate) fn ends(&self) -> u64 {
        let ends = self.runtime.block_on(self.log.ends(&self.name)).unwrap();
        ends.iter().map(|ends| ends.end).sum()
    }
}

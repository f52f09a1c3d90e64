use std::sync::Arc;

use async_trait::async_trait;

use assay_core::Clock;

use crate::{
    Ends, Fetch, Head, Keep, Log, LogError, Membership, NewRecord, Record, TopicInfo, TopicSpec,
};

mod append;
mod client;
mod council;
mod expire;
mod failure;
mod lookup;
mod membership;
mod read;
mod reading;
mod settings;
mod topics;

use append::Producers;
use client::Clients;
use lookup::Lookup;
use membership::Member;
use reading::Shelf;

pub use settings::{Brokers, KafkaSettings, Mechanism, Sasl, Secret, Tls};

/// The log in Apache Kafka.
///
/// What an aborted transaction wrote is not read. Offsets may have gaps: markers of transactions take
/// one each, and compaction leaves some out.
pub struct KafkaLog {
    clients: Clients,
    lookup: Arc<Lookup>,
    producers: Producers,
    /// Readers that go on from where they were.
    long: Shelf,
    /// Readers of one record at a time, so that looking does not move those that go on.
    short: Shelf,
}

impl KafkaLog {
    /// Prepares what speaks to the brokers; the first call that needs them connects.
    pub fn open(settings: &KafkaSettings, clock: &dyn Clock) -> Result<Self, LogError> {
        let clients = Clients::new(settings)?;
        Ok(KafkaLog {
            lookup: Arc::new(Lookup::open(&clients)?),
            producers: Producers::new(&clients, clock.now()),
            long: Shelf::long(&clients),
            short: Shelf::short(&clients),
            clients,
        })
    }
}

#[async_trait]
impl Log for KafkaLog {
    async fn create(&self, topic: &TopicSpec) -> Result<(), LogError> {
        topics::create(self, topic).await
    }

    async fn append(
        &self,
        topic: &str,
        records: Vec<NewRecord>,
    ) -> Result<Vec<(u32, u64)>, LogError> {
        let known = self.lookup.known(topic).await?;
        let appended = self.producers.append(topic, &known, records).await;
        if appended.is_err() {
            // The topic may be another one now.
            self.lookup.forget(topic);
        }
        appended
    }

    async fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        fetch: Fetch,
    ) -> Result<Vec<Record>, LogError> {
        let shelf = if fetch.max_records <= 1 { &self.short } else { &self.long };
        read::read(shelf, &self.lookup, (topic, partition), from, fetch).await
    }

    async fn join(&self, group: &str, topic: &str) -> Result<Box<dyn Membership>, LogError> {
        Ok(Box::new(Member::join(&self.clients, &self.lookup, group, topic).await?))
    }

    async fn ends(&self, topic: &str) -> Result<Vec<Ends>, LogError> {
        self.lookup.ends(topic).await
    }

    async fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        topics::list(self).await
    }

    async fn head(&self, topic: &str, partition: u32, keep: Keep) -> Result<Head, LogError> {
        expire::head(self, topic, partition, keep).await
    }

    async fn delete_before(
        &self,
        topic: &str,
        partition: u32,
        offset: u64,
    ) -> Result<u64, LogError> {
        expire::delete_before(self, topic, partition, offset).await
    }

    /// Kafka gives room back by itself.
    async fn reclaim(&self) -> Result<u64, LogError> {
        Ok(0)
    }

    fn namespace(&self) -> String {
        format!("kafka://{}", self.clients.brokers().first())
    }
}

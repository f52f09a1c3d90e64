use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer, PurgeConfig};
use tokio::time::{sleep, timeout};

use assay_core::Fault;

use super::client::{Clients, Heard, most_bytes};
use super::failure::{PATIENCE, failed, timed_out};
use super::lookup::{Known, number};
use crate::{LogError, MAX_RECORD_BYTES, NewRecord, placement};

/// What a batch of small records weighs at most, as long as the topic takes that much.
const BATCH_BYTES: usize = 1 << 20;

/// What a record, and a batch of one, weigh beside key, value and headers.
const RECORD_BYTES: usize = 128;
const HEADER_BYTES: usize = 10;

type Client = Arc<FutureProducer<Heard>>;

/// Those who write. Each keeps the order of what it is given, without a gap: it never gives up a
/// record and goes on with the next, and after a failure it is put away and another one is made.
pub(super) struct Producers {
    clients: Clients,
    /// By the weight of a batch.
    made: Mutex<BTreeMap<usize, Client>>,
    turn: AtomicU64,
}

impl Producers {
    /// `now` decides where the first record without a key goes.
    pub(super) fn new(clients: &Clients, now: DateTime<Utc>) -> Producers {
        let turn = AtomicU64::new(now.timestamp_micros().unsigned_abs());
        Producers { clients: clients.clone(), made: Mutex::default(), turn }
    }

    pub(super) async fn append(
        &self,
        topic: &str,
        known: &Known,
        records: Vec<NewRecord>,
    ) -> Result<Vec<(u32, u64)>, LogError> {
        check_sizes(topic, known, &records)?;
        let place = |record| self.place(topic, known.partitions, record);
        let partitions = records.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let doing = format!("append to topic `{topic}`");
        let batch = BATCH_BYTES.min(known.most_bytes);
        let producer = self.of(batch)?;
        let error = match timeout(PATIENCE, send(&producer, topic, &records, &partitions)).await {
            Ok(Ok(places)) => return Ok(places),
            Ok(Err(error)) => self.explain(topic, known, &records, &doing, error),
            Err(_) => timed_out(&self.clients, &doing),
        };
        self.put_away(batch, producer);
        Err(error)
    }

    fn place(&self, topic: &str, partitions: u32, record: &NewRecord) -> Result<u32, LogError> {
        match (record.partition, &record.key) {
            (Some(partition), _) if partition >= partitions => {
                let topic = topic.to_owned();
                Err(LogError::UnknownPartition { topic, partition, partitions })
            }
            (Some(partition), _) => Ok(partition),
            (None, Some(key)) => Ok(placement::of_key(key, partitions)),
            (None, None) => {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed);
                Ok(u32::try_from(turn % u64::from(partitions)).unwrap_or(0))
            }
        }
    }

    fn of(&self, batch: usize) -> Result<Client, LogError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(producer) = made.get(&batch) {
            return Ok(Arc::clone(producer));
        }
        let producer: Client = Arc::new(self.clients.make(&[
            ("enable.idempotence", "true"),
            ("acks", "all"),
            // A record that is refused stops those behind it.
            ("enable.gapless.guarantee", "true"),
            // Only an append as a whole runs out of time.
            ("message.timeout.ms", "0"),
            ("linger.ms", "1"),
            ("compression.type", "lz4"),
            ("batch.size", &batch.to_string()),
            ("message.max.bytes", &most_bytes()),
            ("queue.buffering.max.kbytes", "262144"),
        ])?);
        made.insert(batch, Arc::clone(&producer));
        Ok(producer)
    }

    /// Nothing that it still holds is sent; what is on its way may arrive.
    fn put_away(&self, batch: usize, producer: Client) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.get(&batch).is_some_and(|known| Arc::ptr_eq(known, &producer)) {
            made.remove(&batch);
        }
        drop(made);
        // It waits for its threads.
        tokio::task::spawn_blocking(move || {
            producer.purge(PurgeConfig::default().queue().inflight());
            drop(producer);
        });
    }

    fn explain(
        &self,
        topic: &str,
        known: &Known,
        records: &[NewRecord],
        doing: &str,
        error: KafkaError,
    ) -> LogError {
        use RDKafkaErrorCode as Code;
        let topic = topic.to_owned();
        match error.rdkafka_error_code() {
            Some(Code::MessageSizeTooLarge) => {
                let bytes = records.iter().map(NewRecord::bytes).max().unwrap_or(0);
                LogError::TooLargeForTopic { topic, bytes, limit: known.most_bytes }
            }
            // The producer has not heard of it yet: the next one will have.
            Some(Code::UnknownPartition) => LogError::Failed {
                doing: doing.to_owned(),
                log: self.clients.brokers().to_string(),
                advice: "",
                fault: Fault::Transient,
                source: error.into(),
            },
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition) => {
                LogError::UnknownTopic { log: self.clients.brokers().to_string(), topic }
            }
            _ => failed(&self.clients, doing, error),
        }
    }
}

fn check_sizes(topic: &str, known: &Known, records: &[NewRecord]) -> Result<(), LogError> {
    for record in records {
        let (topic, bytes) = (topic.to_owned(), record.bytes());
        if bytes > MAX_RECORD_BYTES {
            return Err(LogError::TooLarge { topic, bytes, limit: MAX_RECORD_BYTES });
        }
        if bytes + RECORD_BYTES + HEADER_BYTES * record.headers.len() > known.most_bytes {
            return Err(LogError::TooLargeForTopic { topic, bytes, limit: known.most_bytes });
        }
    }
    Ok(())
}

/// Hands all records over, and waits until every one is where it should be.
async fn send(
    producer: &FutureProducer<Heard>,
    topic: &str,
    records: &[NewRecord],
    partitions: &[u32],
) -> Result<Vec<(u32, u64)>, KafkaError> {
    let mut places = Vec::with_capacity(records.len());
    let mut waiting = VecDeque::with_capacity(records.len());
    for (record, partition) in records.iter().zip(partitions) {
        loop {
            let full = match producer.send_result(compose(topic, *partition, record)) {
                Ok(delivery) => {
                    waiting.push_back(delivery);
                    break;
                }
                Err((error, _)) => error,
            };
            if full.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(full);
            }
            match waiting.pop_front() {
                Some(delivery) => places.push(delivered(delivery).await?),
                None => sleep(Duration::from_millis(5)).await,
            }
        }
    }
    for delivery in waiting {
        places.push(delivered(delivery).await?);
    }
    Ok(places)
}

fn compose<'a>(
    topic: &'a str,
    partition: u32,
    record: &'a NewRecord,
) -> FutureRecord<'a, [u8], [u8]> {
    let mut composed = FutureRecord::to(topic).partition(number(partition));
    if let Some(key) = &record.key {
        composed = composed.key(key.as_ref());
    }
    if let Some(value) = &record.value {
        composed = composed.payload(value.as_ref());
    }
    if !record.headers.is_empty() {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: Some(value.as_ref()) });
        }
        composed = composed.headers(headers);
    }
    composed
}

async fn delivered(delivery: DeliveryFuture) -> Result<(u32, u64), KafkaError> {
    match delivery.await {
        Ok(Ok(at)) => Ok((at.partition.unsigned_abs(), at.offset.unsigned_abs())),
        Ok(Err((error, _))) => Err(error),
        Err(_) => Err(KafkaError::Canceled),
    }
}

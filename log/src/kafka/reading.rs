use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::DateTime;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::Mutex as AsyncMutex;

use super::client::{Clients, Heard};
use super::failure::PATIENCE;
use super::lookup::number;
use crate::record::weigh;
use crate::{Fetch, LogError, Record};

/// Partitions that are read ahead of at the same time.
const OPEN: usize = 32;

/// After so long without an answer the brokers are asked again.
const SILENCE: Duration = Duration::from_secs(3);

/// What all readers have in common.
const COMMON: [(&str, &str); 9] = [
    // Partitions are given out by us; no member of a group is ever made of it.
    ("group.id", "assay-reader"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_committed"),
    ("enable.partition.eof", "true"),
    ("fetch.wait.max.ms", "100"),
    // Otherwise a second goes by after every time that enough was read ahead.
    ("fetch.queue.backoff.ms", "2"),
    ("receive.message.max.bytes", "268435456"),
];

const LONG: [(&str, &str); 3] = [
    ("fetch.message.max.bytes", "8388608"),
    ("fetch.max.bytes", "67108864"),
    // Of each partition.
    ("queued.max.messages.kbytes", "24576"),
];

const SHORT: [(&str, &str); 3] = [
    ("fetch.message.max.bytes", "65536"),
    ("queued.min.messages", "1"),
    ("queued.max.messages.kbytes", "64"),
];

/// Keeps readers of partitions, so that the next read goes on where the last one ended, with what
/// was fetched meanwhile.
pub(super) struct Shelf {
    clients: Clients,
    own: &'static [(&'static str, &'static str)],
    consumer: Mutex<Option<Arc<BaseConsumer<Heard>>>>,
    /// The one that was used last is the last.
    open: Mutex<Vec<(TopicPartition, Arc<AsyncMutex<Reading>>)>>,
}

type TopicPartition = (String, u32);

/// Reads one partition.
pub(super) struct Reading {
    place: (String, u32),
    consumer: Arc<BaseConsumer<Heard>>,
    /// Absent until it was first told where to begin.
    queue: Option<PartitionQueue<Heard>>,
    /// What the queue brings next; absent after a failure.
    next: Option<u64>,
    /// Where the partition ended when that was last looked up.
    pub(super) end: u64,
    /// The end up to which there is nothing behind `next`: markers of transactions only.
    drained: Option<u64>,
    /// Taken from the queue, and too much for the read before.
    held: Option<Record>,
}

/// Why a read brought nothing.
pub(super) enum Stopped {
    Failed(KafkaError),
    /// No answer came.
    Silence,
}

impl Shelf {
    pub(super) fn long(clients: &Clients) -> Shelf {
        Shelf::new(clients, &LONG)
    }

    pub(super) fn short(clients: &Clients) -> Shelf {
        Shelf::new(clients, &SHORT)
    }

    fn new(clients: &Clients, own: &'static [(&'static str, &'static str)]) -> Shelf {
        let clients = clients.clone();
        Shelf { clients, own, consumer: Mutex::default(), open: Mutex::default() }
    }

    pub(super) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The reader of that partition. Of too many, those that nobody uses are let go.
    pub(super) fn reader(
        &self,
        (topic, partition): (&str, u32),
    ) -> Result<Arc<AsyncMutex<Reading>>, LogError> {
        let consumer = self.consumer()?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (topic.to_owned(), partition);
        let known = open.iter().position(|(place, _)| *place == name);
        let reading = match known {
            Some(at) => open.remove(at).1,
            None => Arc::new(AsyncMutex::new(Reading::new(name.clone(), consumer))),
        };
        if open.len() >= OPEN
            && let Some(idle) = open.iter().position(|(_, one)| Arc::strong_count(one) == 1)
        {
            open.remove(idle);
        }
        open.push((name, Arc::clone(&reading)));
        Ok(reading)
    }

    fn consumer(&self) -> Result<Arc<BaseConsumer<Heard>>, LogError> {
        let mut made = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(consumer) = made.as_ref() {
            return Ok(Arc::clone(consumer));
        }
        let settings: Vec<_> = COMMON.iter().chain(self.own).copied().collect();
        let consumer = Arc::new(self.clients.make(&settings)?);
        *made = Some(Arc::clone(&consumer));
        Ok(consumer)
    }
}

impl Reading {
    fn new(place: (String, u32), consumer: Arc<BaseConsumer<Heard>>) -> Reading {
        Reading { place, consumer, queue: None, next: None, end: 0, drained: None, held: None }
    }

    /// Whether a read from there needs no look at the ends first.
    pub(super) fn goes_on(&self, from: u64) -> bool {
        self.next == Some(from) && from < self.end && self.drained.is_none()
    }

    /// Whether between there and that end is known to be nothing.
    pub(super) fn drained(&self, from: u64, end: u64) -> bool {
        self.next == Some(from) && self.drained == Some(end)
    }

    /// Reads on from `from`; blocks until something comes, or the partition ends.
    pub(super) fn read(&mut self, from: u64, fetch: Fetch) -> Result<Vec<Record>, Stopped> {
        let read = self.take(from, fetch);
        if read.is_err() {
            self.next = None;
            self.held = None;
            // The next read begins as if there had been none.
            self.let_go();
        }
        read
    }

    fn take(&mut self, from: u64, fetch: Fetch) -> Result<Vec<Record>, Stopped> {
        let mut moved = self.next != Some(from);
        if moved {
            self.go_to(from).map_err(Stopped::Failed)?;
        }
        self.drained = None;
        // What went wrong meanwhile is heard only here, and explains a silence later.
        self.consumer.poll(Duration::ZERO);
        let until = Instant::now() + PATIENCE;
        let mut asked_at = Instant::now();
        let mut taken = Taken::new(fetch);
        loop {
            if let Some(record) = self.held.take()
                && let Err(record) = taken.offer(record)
            {
                self.held = Some(record);
                break;
            }
            match self.poll(if taken.records.is_empty() { SILENCE } else { Duration::ZERO }) {
                Some(Ok(record)) if record.offset >= from => self.held = Some(record),
                // It was on its way when the reader was moved.
                Some(Ok(_)) => {}
                // It may be about an end that was passed since: only one that comes after the reader
                // was moved says that nothing is there.
                Some(Err(KafkaError::PartitionEOF(_))) if taken.records.is_empty() && !moved => {
                    self.go_to(from).map_err(Stopped::Failed)?;
                    moved = true;
                }
                Some(Err(KafkaError::PartitionEOF(_))) if taken.records.is_empty() => {
                    self.drained = Some(self.end);
                    break;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) => return Err(Stopped::Failed(error)),
                None if !taken.records.is_empty() => break,
                None if Instant::now() > until => return Err(Stopped::Silence),
                None if asked_at.elapsed() >= SILENCE => {
                    self.go_to(from).map_err(Stopped::Failed)?;
                    asked_at = Instant::now();
                }
                None => {}
            }
        }
        if let Some(last) = taken.records.last() {
            self.next = Some(last.offset + 1);
        }
        Ok(taken.records)
    }

    fn poll(&mut self, at_most: Duration) -> Option<KafkaResult<Record>> {
        let queue = self.queue.as_ref()?;
        let message = queue.poll(at_most)?;
        Some(message.map(|message| record(&message)))
    }

    fn go_to(&mut self, from: u64) -> KafkaResult<()> {
        let (topic, partition) = (self.place.0.clone(), number(self.place.1));
        let at = Offset::Offset(i64::try_from(from).unwrap_or(i64::MAX));
        self.held = None;
        self.next = None;
        if self.queue.is_some() && self.consumer.seek(&topic, partition, at, PATIENCE).is_ok() {
            self.next = Some(from);
            return Ok(());
        }
        self.let_go();
        // Before fetching begins, so that nothing goes to the common queue.
        self.queue = self.consumer.split_partition_queue(&topic, partition);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, partition, at)?;
        self.consumer.incremental_assign(&list)?;
        self.next = Some(from);
        Ok(())
    }

    fn let_go(&mut self) {
        if self.queue.take().is_some() {
            let mut list = TopicPartitionList::new();
            list.add_partition(&self.place.0, number(self.place.1));
            if let Err(error) = self.consumer.incremental_unassign(&list) {
                tracing::debug!(%error, "a partition was not ours to let go");
            }
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// The records of one read.
struct Taken {
    records: Vec<Record>,
    fetch: Fetch,
    bytes: usize,
}

impl Taken {
    fn new(fetch: Fetch) -> Taken {
        Taken { records: Vec::new(), fetch, bytes: 0 }
    }

    /// Gives back what is too much. The first one never is.
    fn offer(&mut self, record: Record) -> Result<(), Record> {
        let bytes = self.bytes + weigh(&record);
        let most = self.fetch.max_records.max(1);
        let full = self.records.len() >= most || bytes > self.fetch.max_bytes;
        if full && !self.records.is_empty() {
            return Err(record);
        }
        self.bytes = bytes;
        self.records.push(record);
        Ok(())
    }
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        let copy = |value: Option<&[u8]>| value.map(Bytes::copy_from_slice).unwrap_or_default();
        headers.iter().map(|header| (header.key.to_owned(), copy(header.value))).collect()
    });
    let millis = message.timestamp().to_millis().unwrap_or(0);
    Record {
        partition: message.partition().unsigned_abs(),
        offset: message.offset().unsigned_abs(),
        timestamp: DateTime::from_timestamp_millis(millis).unwrap_or_default(),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers,
    }
}

//! Packs records into messages that the topic takes, spread over its partitions in a way that
//! the same input always repeats.

use apache_avro::Writer;
use apache_avro::types::Value;
use assay_core::TraceContext;
use assay_log::NewRecord;
use bytes::Bytes;

use crate::avro::container;
use crate::definition::IngestSpec;
use crate::source::{COLLECTOR, COUNT, FIRST_SEQUENCE};

pub(super) struct Packer<'a> {
    spec: &'a IngestSpec,
    collector: String,
    open: Writer<'a, Vec<u8>>,
    events: usize,
    bytes: usize,
    /// Messages made so far; the next one's partition follows from it.
    made: u64,
    sent: u64,
    /// The next sequence number of each partition.
    sequences: Vec<u64>,
    ready: Vec<NewRecord>,
}

impl<'a> Packer<'a> {
    /// The input's hash is its name as a collector.
    pub(super) fn new(spec: &'a IngestSpec, hash: &str) -> Packer<'a> {
        Packer {
            collector: hash.chars().take(32).collect(),
            open: container(spec.topic.schema.avro()),
            events: 0,
            bytes: 0,
            made: 0,
            sent: 0,
            sequences: vec![0; spec.topic.partitions as usize],
            ready: Vec::new(),
            spec,
        }
    }

    /// Messages handed out so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn push(&mut self, record: Value) -> Result<(), String> {
        let size = weight(&record);
        if self.events > 0 && self.bytes + size > self.spec.message_bytes {
            self.close();
        }
        self.open
            .append_value_ref(&record)
            .map_err(|error| format!("a record does not fit its own schema: {error}"))?;
        self.events += 1;
        self.bytes += size;
        if self.events >= self.spec.events_per_message || self.bytes >= self.spec.message_bytes {
            self.close();
        }
        Ok(())
    }

    /// Closes the message that is open.
    pub(super) fn finish(&mut self) {
        if self.events > 0 {
            self.close();
        }
    }

    /// The messages that are complete.
    pub(super) fn ready(&mut self) -> Vec<NewRecord> {
        self.sent += self.ready.len() as u64;
        std::mem::take(&mut self.ready)
    }

    fn close(&mut self) {
        let full = std::mem::replace(&mut self.open, container(self.spec.topic.schema.avro()));
        let value = full.into_inner().expect("a container in memory takes what was checked");
        let partition = usize::try_from(self.made % self.sequences.len() as u64).unwrap_or(0);
        let first = self.sequences[partition];
        let place = u32::try_from(partition).unwrap_or(0);
        let count = self.events as u64;
        self.ready.push(message(&self.collector, place, (first, count), Bytes::from(value)));
        self.sequences[partition] += self.events as u64;
        self.made += 1;
        self.events = 0;
        self.bytes = 0;
    }
}

/// A message of so many records that a collector took in one after the other, from a sequence
/// number on: a stage that has taken them drops them when they come again.
pub fn message(
    collector: &str,
    partition: u32,
    (first, count): (u64, u64),
    value: Bytes,
) -> NewRecord {
    let header = |name: &str, text: String| (name.to_owned(), Bytes::from(text));
    NewRecord {
        partition: Some(partition),
        key: None,
        value: Some(value),
        headers: vec![
            header(COLLECTOR, collector.to_owned()),
            header(FIRST_SEQUENCE, first.to_string()),
            header(COUNT, count.to_string()),
        ],
    }
}

/// Names the trace that a message is part of, for those who read it.
pub fn part_of(message: &mut NewRecord, trace: Option<&TraceContext>) {
    let headers = trace.into_iter().flat_map(TraceContext::headers);
    let owned = |(name, value): (&str, &str)| (name.to_owned(), Bytes::from(value.to_owned()));
    message.headers.extend(headers.map(owned));
}

/// What a record weighs before compression, about.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 5,
        Value::Union(_, inner) => 1 + weight(inner),
        Value::Record(fields) => fields.iter().map(|(_, value)| weight(value)).sum(),
        Value::Null => 0,
        _ => 9,
    }
}

use std::time::Instant;

use assay_pipeline::RecordSchema;
use uuid::Uuid;

use super::lanes::MessageSize;

/// Records that go to the log together: those of one partition, in the order of their numbers.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) collector: Uuid,
    pub(crate) schema: RecordSchema,
    pub(crate) partition: u32,
    /// The sequence number of the first record.
    pub(crate) first: u64,
    pub(crate) datums: Vec<u8>,
    /// Where each record ends.
    ends: Vec<usize>,
    /// When its first record was accepted, in microseconds since 1970.
    pub(crate) accepted_at: i64,
    /// When its first record was read.
    pub(super) begun_at: Instant,
}

impl Message {
    pub(super) fn new(
        (collector, schema): (Uuid, RecordSchema),
        (partition, first): (u32, u64),
        (accepted_at, begun_at): (i64, Instant),
    ) -> Message {
        let (datums, ends) = (vec![], vec![]);
        Message { collector, schema, partition, first, datums, ends, accepted_at, begun_at }
    }

    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    /// Whether records that begin at a place of the sequence can go with these.
    pub(super) fn goes_on(
        &self,
        (collector, schema): &(Uuid, RecordSchema),
        (partition, first): (u32, u64),
        (count, bytes): (usize, usize),
        size: MessageSize,
    ) -> bool {
        self.partition == partition
            && self.collector == *collector
            && std::ptr::eq(self.schema.text(), schema.text())
            && self.first + self.count() as u64 == first
            && self.count() + count <= size.events
            && self.datums.len() + bytes <= size.bytes
    }

    pub(super) fn add(&mut self, lengths: impl Iterator<Item = usize>, datums: &[u8]) {
        let mut end = self.datums.len();
        self.ends.extend(lengths.map(|length| {
            end += length;
            end
        }));
        self.datums.extend_from_slice(datums);
    }

    /// Two messages of half the records each, or the message itself when it has one record.
    pub(crate) fn halves(self) -> Result<(Message, Message), Box<Message>> {
        let middle = self.count() / 2;
        if middle == 0 {
            return Err(Box::new(self));
        }
        let cut = self.ends[middle - 1];
        let second = Message {
            first: self.first + middle as u64,
            datums: self.datums[cut..].to_vec(),
            ends: self.ends[middle..].iter().map(|end| end - cut).collect(),
            ..self.clone()
        };
        let (datums, ends) = (self.datums[..cut].to_vec(), self.ends[..middle].to_vec());
        Ok((Message { datums, ends, ..self }, second))
    }
}

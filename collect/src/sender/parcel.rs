use std::time::{Duration, Instant};

use assay_log::NewRecord;
use assay_pipeline::message;
use bytes::Bytes;
use uuid::Uuid;

use crate::segment::Message;

/// A message, and how the log takes it.
pub(super) struct Parcel {
    pub(super) message: Message,
    pub(super) record: NewRecord,
    /// How long packing took.
    pub(super) took: Duration,
}

impl Parcel {
    /// The same records make the same parcel.
    pub(super) fn new(message: Message) -> Parcel {
        let begun = Instant::now();
        let count = message.count();
        let marker = Uuid::new_v5(&message.collector, &message.first.to_be_bytes()).into_bytes();
        let value = message.schema.pack(message.datums.clone(), count, marker);
        let collector = message.collector.simple().to_string();
        let numbers = (message.first, count as u64);
        let record = self::message(&collector, message.partition, numbers, Bytes::from(value));
        Parcel { message, record, took: begun.elapsed() }
    }
}

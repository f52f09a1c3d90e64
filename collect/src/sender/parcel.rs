use std::time::{Duration, Instant};

use assay_log::NewRecord;
use assay_pipeline::{message, part_of};
use assay_trace::{Kind, Span};
use bytes::Bytes;
use uuid::Uuid;

use crate::segment::{Message, Traces};

/// A message, and how the log takes it.
pub(super) struct Parcel {
    pub(super) message: Message,
    pub(super) record: NewRecord,
    /// How long packing took.
    pub(super) took: Duration,
    /// Until the log has it.
    span: Option<Span>,
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
        Parcel { message, record, took: begun.elapsed(), span: None }
    }

    /// It goes on from the first of the requests that its records came with.
    pub(super) fn trace(&mut self, traces: &Traces, topic: &str) {
        let message = &self.message;
        let came_with = traces.of((message.partition, message.first), message.count());
        let mut span = Span::begin("send", Kind::Producer, came_with.first());
        came_with.iter().skip(1).for_each(|other| span.link(other));
        if span.recording() {
            span.set("messaging.destination.name", topic.to_owned());
            span.set("messaging.destination.partition.id", message.partition.to_string());
            span.count("assay.events", message.count() as u64);
        }
        part_of(&mut self.record, span.context());
        self.span = Some(span);
    }
}

//! Messages that are Avro containers, gathered into a chunk that knows where its rows came from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use assay_dlq::{Origin, PayloadKind, Source as Place};
use bytes::Bytes;

use super::rows::origin_of;
use super::topic::{CHUNK_BYTES, CHUNK_ROWS};
use super::{Chunk, Provenance, Refused, SourceError};
use crate::avro::Datums;
use crate::definition::TopicSpec;

/// A chunk while it fills.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) messages: Vec<Message>,
    pub(super) batches: Vec<RecordBatch>,
    pub(super) refused: Vec<Refused>,
    pub(super) repeated: u64,
    pub(super) bytes: usize,
}

impl Gathered {
    pub(super) fn full(&self) -> bool {
        let rows: usize = self.batches.iter().map(RecordBatch::num_rows).sum();
        rows >= CHUNK_ROWS || self.bytes >= CHUNK_BYTES || self.refused.len() >= CHUNK_ROWS
    }

    pub(super) fn finish(
        self,
        schema: &SchemaRef,
        topic: &Arc<TopicSpec>,
    ) -> Result<Chunk, SourceError> {
        let rows = concat_batches(schema, &self.batches).map_err(|error| SourceError::Refused {
            what: topic.dataset.to_string(),
            why: format!("its messages do not make one table: {error}"),
        })?;
        let mut starts = BTreeMap::new();
        let mut next = 0;
        for (message, batch) in self.messages.into_iter().zip(&self.batches) {
            if batch.num_rows() > 0 {
                starts.insert(next, message);
            }
            next += batch.num_rows();
        }
        let opened = Mutex::new(None);
        let provenance = TopicRows { topic: Arc::clone(topic), rows: rows.clone(), starts, opened };
        Ok(Chunk {
            rows,
            provenance: Arc::new(provenance),
            refused: self.refused,
            repeated: self.repeated,
        })
    }
}

pub(super) struct Message {
    pub(super) bytes: Bytes,
    pub(super) place: Place,
    /// Records at its beginning that are not in the chunk.
    pub(super) skipped: usize,
}

/// Rows of a topic: each is a record of a message.
struct TopicRows {
    topic: Arc<TopicSpec>,
    rows: RecordBatch,
    /// The chunk's row with which each message begins.
    starts: BTreeMap<usize, Message>,
    /// The message opened last and its records: bad rows come in crowds.
    opened: Mutex<Option<(usize, Datums)>>,
}

impl TopicRows {
    /// The message of a row, the row with which it begins, and the row's place in it.
    fn message(&self, row: usize) -> Option<(&Message, usize, usize)> {
        let (start, message) = self.starts.range(..=row).next_back()?;
        Some((message, *start, row - start + message.skipped))
    }

    fn refused(&self, why: impl Into<String>) -> SourceError {
        let what = format!("a record of {} to set it aside", self.topic.dataset);
        SourceError::Refused { what, why: why.into() }
    }
}

impl Provenance for TopicRows {
    fn origin(&self, row: usize) -> Result<Origin, SourceError> {
        origin_of(&self.rows, &self.topic.origin, row).map(Origin)
    }

    fn place(&self, row: usize) -> Option<Place> {
        self.message(row).map(|(message, ..)| message.place.clone())
    }

    fn payload(&self, row: usize) -> Result<(Bytes, PayloadKind), SourceError> {
        let (message, start, index) =
            self.message(row).ok_or_else(|| self.refused("its message is gone"))?;
        let mut opened = self.opened.lock().map_err(|_| self.refused("another letter failed"))?;
        let opened = match &mut *opened {
            Some((known, datums)) if *known == start => datums,
            other => {
                let datums = Datums::of(&message.bytes);
                &mut other.insert((start, datums.map_err(|why| self.refused(why.to_string()))?)).1
            }
        };
        let alone = opened.alone(index).ok_or_else(|| self.refused("it is not in its message"))?;
        Ok((Bytes::from(alone), PayloadKind::Avro))
    }
}

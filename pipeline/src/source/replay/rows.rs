//! From a letter's payload to the rows that its stage received, and who they are.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::json::ReaderBuilder;
use assay_dlq::{LetterView, Origin, PayloadKind, Source as Place};
use assay_log::Record;
use bytes::Bytes;

use super::super::json::JsonRows;
use super::super::rows::origin_of;
use super::super::topic::{located, topic_schema};
use super::{Again, Replayed, SourceError, again};
use crate::avro::Datums;
use crate::definition::{MessageFormat, TopicSpec};
use crate::source::Provenance;
use crate::stage::Reads;

/// The rows of a letter; `changed` is what stands for its payload. Else what is wrong with it.
pub(super) fn decode(
    reads: &Reads,
    letter: &LetterView,
    changed: Option<Vec<u8>>,
) -> Result<RecordBatch, String> {
    let payload = match (changed, &letter.payload) {
        (Some(changed), _) => Cow::Owned(changed),
        (None, Some(payload)) => Cow::Borrowed(&payload[..]),
        (None, None) => return Err("a tombstone: the message has no value".to_owned()),
    };
    match reads {
        Reads::Topic(topic) => message(topic, letter, &payload),
        Reads::Table(spec) => {
            let mut decoder = ReaderBuilder::new(Arc::clone(&spec.schema))
                .with_batch_size(2)
                .build_decoder()
                .map_err(|_| "the table has columns that JSON can't hold".to_owned())?;
            // What arrow says may quote the value.
            let wrong = |_| format!("its payload is no row of {} any more", spec.dataset);
            decoder.decode(&payload).map_err(wrong)?;
            let rows = decoder.flush().map_err(wrong)?;
            match rows.filter(|rows| rows.num_rows() == 1) {
                Some(rows) => Ok(rows),
                None => Err("its payload is not one JSON object".to_owned()),
            }
        }
    }
}

/// The rows of a message, or of one record of it, where it stood.
fn message(
    topic: &Arc<TopicSpec>,
    letter: &LetterView,
    payload: &[u8],
) -> Result<RecordBatch, String> {
    let schema = topic_schema(topic.schema.arrow());
    let place = letter.source.as_ref();
    let record = Record {
        partition: place.map_or(0, |place| place.partition),
        offset: place.map_or(0, |place| place.offset),
        // The time of the message itself is not in the letter.
        timestamp: letter.first_failed_at,
        key: letter.key.clone(),
        value: Some(Bytes::copy_from_slice(payload)),
        headers: Vec::new(),
    };
    if topic.format == MessageFormat::Json {
        let mut rows = JsonRows::new(1, payload.len(), &topic.headers);
        rows.push(&record)?;
        return Ok(rows.finish(&schema, topic));
    }
    let rows = topic.schema.decode(payload).map_err(|error| error.to_string())?;
    let all = 0..rows.num_rows();
    Ok(located(&schema, &record, topic, &rows, all))
}

/// Rows of letters that came back. A row that fails again is the same letter.
pub(super) struct ReplayedRows {
    origin: Vec<String>,
    rows: RecordBatch,
    letters: Vec<LetterView>,
    replayed: Vec<Replayed>,
}

impl ReplayedRows {
    pub(super) fn new(
        reads: &Reads,
        rows: RecordBatch,
        letters: Vec<LetterView>,
        replayed: Vec<Replayed>,
    ) -> ReplayedRows {
        ReplayedRows { origin: reads.origin().to_vec(), rows, letters, replayed }
    }

    /// The letter of a row, and the row's place among those of the letter.
    fn letter(&self, row: usize) -> Option<(&LetterView, &Replayed, usize)> {
        let at = self.replayed.partition_point(|letter| letter.rows.end <= row);
        let replayed = self.replayed.get(at)?;
        Some((&self.letters[at], replayed, row - replayed.rows.start))
    }
}

impl Provenance for ReplayedRows {
    fn origin(&self, row: usize) -> Result<Origin, SourceError> {
        match self.letter(row) {
            Some((LetterView { origin: Some(origin), .. }, replayed, _)) if !replayed.splits => {
                Ok(origin.clone())
            }
            _ => origin_of(&self.rows, &self.origin, row).map(Origin),
        }
    }

    fn place(&self, row: usize) -> Option<Place> {
        self.letter(row)?.0.source.clone()
    }

    /// As it came at first: what a transformation made of it is not kept.
    fn payload(&self, row: usize) -> Result<(Bytes, PayloadKind), SourceError> {
        let refused = |why: String| SourceError::Refused {
            what: "a letter to set it aside again".to_owned(),
            why,
        };
        let (letter, replayed, index) =
            self.letter(row).ok_or_else(|| refused("it is gone".to_owned()))?;
        let payload = letter.payload.clone().unwrap_or_default();
        if !replayed.splits {
            return Ok((payload, letter.payload_kind.unwrap_or(PayloadKind::Bytes)));
        }
        let datums = Datums::of(&payload).map_err(|why| refused(why.to_string()))?;
        let alone = datums.alone(index);
        let alone = alone.ok_or_else(|| refused("it is not in its message".to_owned()))?;
        Ok((Bytes::from(alone), PayloadKind::Avro))
    }

    fn again(&self, row: usize) -> Option<Again> {
        let (letter, replayed, _) = self.letter(row)?;
        (!replayed.splits).then(|| again(letter))
    }

    fn replayed(&self) -> &[Replayed] {
        &self.replayed
    }
}

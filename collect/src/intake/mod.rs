//! From the body of a request to records of the topic, and what became of each event.

mod events;

use std::sync::Arc;

use assay_core::Ids;
use assay_dlq::Reason;
use assay_pipeline::{EventEncoder, IngestSpec, Wrong};
use serde::Serialize;
use uuid::Uuid;

use crate::segment::Records;

use events::Event;
pub(crate) use events::Form;

/// Takes events apart, and gives each an id.
pub(crate) struct Intake {
    encoder: EventEncoder,
    max_event_bytes: usize,
    ids: Arc<dyn Ids>,
}

/// The events of a request.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Those that are good.
    pub(crate) records: Records,
    /// What became of each, in their order.
    pub(crate) outcomes: Vec<Result<Uuid, Refusal>>,
    /// It was one event, not a list of one.
    pub(crate) single: bool,
}

/// Why an event, or a whole body, is not taken: where in the body, never what stood there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Refusal {
    pub(crate) reason: Refused,
    pub(crate) detail: String,
    /// Counted from 1.
    pub(crate) line: usize,
    /// Counted from 0, in the unpacked body.
    pub(crate) byte: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refused {
    InvalidJson,
    /// It is JSON, but no event of this topic.
    Schema,
    TooLarge,
}

impl Refused {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Refused::InvalidJson => "invalid_json",
            Refused::Schema => "schema",
            Refused::TooLarge => "too_large",
        }
    }
}

impl Intake {
    pub(crate) fn new(spec: &IngestSpec, ids: Arc<dyn Ids>) -> Intake {
        let encoder = EventEncoder::new(spec);
        Intake { encoder, max_event_bytes: spec.max_event_bytes, ids }
    }

    /// Makes records of the events of a body. A body that can't be divided into events is refused
    /// as a whole; of the others each event is judged for itself.
    pub(crate) fn take(&self, form: Form, body: &[u8]) -> Result<Taken, Refusal> {
        let (events, single) = events::divide(form, body)?;
        let mut taken = Taken { single, ..Taken::default() };
        let mut lines = Lines { body, line: 1, byte: 0 };
        for event in events {
            let outcome = event.and_then(|event| self.record(&event, &mut taken.records.datums));
            if outcome.is_ok() {
                taken.records.ends.push(taken.records.datums.len());
            }
            taken.outcomes.push(outcome.map_err(|refusal| lines.place(refusal)));
        }
        Ok(taken)
    }

    fn record(&self, event: &Event<'_>, to: &mut Vec<u8>) -> Result<Uuid, Refusal> {
        let length = event.text.len();
        if length > self.max_event_bytes {
            let limit = self.max_event_bytes;
            let detail = format!("{length} bytes; an event may have {limit}");
            return Err(Refusal::at(Refused::TooLarge, detail, event.at));
        }
        let id = self.ids.next();
        let mut shown = Uuid::encode_buffer();
        let shown = id.hyphenated().encode_lower(&mut shown);
        let wrong = |wrong: Wrong| {
            let reason = match wrong.reason {
                Reason::Undecodable => Refused::InvalidJson,
                _ => Refused::Schema,
            };
            Refusal::at(reason, wrong.detail, event.at + wrong.at.unwrap_or(0))
        };
        let encoded = self.encoder.encode(event.text, &event.beside, shown, to);
        encoded.map(|()| id).map_err(wrong)
    }
}

impl Refusal {
    fn at(reason: Refused, detail: String, byte: usize) -> Refusal {
        Refusal { reason, detail, line: 1, byte }
    }
}

/// Counts the lines of a body, from one refusal to the next.
struct Lines<'b> {
    body: &'b [u8],
    line: usize,
    byte: usize,
}

impl Lines<'_> {
    /// The refusal with the line that its byte is in; those before it come first.
    fn place(&mut self, refusal: Refusal) -> Refusal {
        let upto = refusal.byte.clamp(self.byte, self.body.len());
        let between = &self.body[self.byte..upto];
        self.line += between.iter().filter(|byte| **byte == b'\n').count();
        self.byte = upto;
        Refusal { line: self.line, ..refusal }
    }
}

#[cfg(test)]
mod tests;

//! Payloads as programs and people can read them.

use apache_avro::Reader;
use serde_json::Value;

use crate::{LetterView, PayloadKind, view};

impl LetterView {
    /// The payload as JSON, where it is JSON or Avro.
    pub fn json(&self) -> Option<Value> {
        let bytes = self.payload.as_ref()?;
        match self.payload_kind {
            Some(PayloadKind::Avro) => avro(bytes),
            _ => serde_json::from_slice(bytes).ok(),
        }
    }

    /// The letter with the beginning of its payload only.
    pub fn beginning(mut self, keep: usize) -> LetterView {
        if let Some(payload) = self.payload.take_if(|payload| payload.len() > keep) {
            self.payload = Some(view::beginning(&payload, keep));
            self.payload_truncated = true;
        }
        self
    }

    /// The letter as one value; a payload that is JSON is not quoted once more.
    pub fn value(&self) -> Result<Value, serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        if let Some(json) = self.json() {
            value["payload"] = json;
        }
        Ok(value)
    }
}

/// The one record of a container.
fn avro(container: &[u8]) -> Option<Value> {
    let record = Reader::new(container).ok()?.next()?.ok()?;
    Value::try_from(record).ok()
}

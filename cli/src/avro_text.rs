//! Payloads as a person can read them.

use assay_dlq::{LetterView, PayloadKind};
use serde_json::Value;

use crate::output::printable;

/// The payload as JSON where it is JSON or Avro, else as text, else in hexadecimal.
pub(crate) fn payload(letter: &LetterView) -> String {
    let Some(bytes) = &letter.payload else { return "(none: a tombstone)".to_owned() };
    let pretty = match letter.payload_kind {
        Some(PayloadKind::Avro | PayloadKind::Json) => letter.json(),
        _ => None,
    };
    if let Some(text) = pretty.and_then(|value: Value| serde_json::to_string_pretty(&value).ok()) {
        return text;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => printable(text),
        Err(_) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

//! The index of dead letters: what their topics say, taken in partition by partition.

mod feed;
mod find;
mod place;
mod take;
mod words;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, Serializer};

pub use feed::{LetterBatch, LetterClosing};
pub(crate) use find::conditions;
pub use find::{LetterFilter, LetterGroup, LetterOfReplay};
pub use place::LetterPlace;
pub use words::LetterWord;

/// A letter as its topic has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterRow {
    pub id: String,
    pub attempt: u32,
    /// Empty where there is none.
    pub draft: String,
    pub topic: String,
    pub part: u32,
    pub place: u64,
    pub fingerprint: String,
    pub run: Option<String>,
    pub detail: Option<String>,
    pub contract: Option<String>,
    pub origin: Option<String>,
    pub source_topic: Option<String>,
    pub source_part: Option<u32>,
    pub source_place: Option<u64>,
    #[serde(serialize_with = "sortable")]
    pub failed_at: DateTime<Utc>,
    #[serde(serialize_with = "sortable")]
    pub first_failed_at: DateTime<Utc>,
    pub rows_held: u64,
    pub payload_kind: Option<String>,
    pub payload_bytes: u64,
}

/// What letters have in common that died of the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterCause {
    pub fingerprint: String,
    pub topic: String,
    pub dialect: String,
    pub stage: Option<String>,
    pub dataset: Option<String>,
    pub reason: Option<String>,
    pub rules: Vec<String>,
    pub class: Option<String>,
    pub wrote: Option<String>,
    pub detail: Option<String>,
}

/// A letter with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterRecord {
    pub letter: LetterRow,
    pub cause: LetterCause,
    pub state: LetterState,
    pub closed: Option<LetterClosed>,
}

/// How a letter was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LetterClosed {
    pub fate: String,
    pub at: DateTime<Utc>,
    /// The draft whose commit closed it; empty where none did.
    pub draft: String,
    pub job: Option<String>,
    /// Where the payload was sent, as JSON.
    pub sent_to: Option<String>,
}

/// Whether a letter waits for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LetterState {
    Open,
    /// Its draft was never committed.
    Void,
    /// Another letter of the same id counts.
    Older,
    Closed,
}

impl LetterState {
    pub fn name(self) -> &'static str {
        match self {
            LetterState::Open => "open",
            LetterState::Void => "void",
            LetterState::Older => "older",
            LetterState::Closed => "closed",
        }
    }

    fn from_name(name: &str) -> LetterState {
        match name {
            "void" => LetterState::Void,
            "older" => LetterState::Older,
            "closed" => LetterState::Closed,
            _ => LetterState::Open,
        }
    }
}

/// As [`from_time`](crate::column::from_time) keeps it: it sorts as the times do.
pub(crate) fn sortable<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Nanos, true))
}

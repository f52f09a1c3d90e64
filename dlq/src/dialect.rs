//! Whose words a dead letter is written in. Other systems name the same things by other headers.

use assay_log::Record;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{Reason, Source, headers};

/// Who wrote a letter, as its headers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    Assay,
    KafkaConnect,
    Spring,
    KafkaStreams,
    /// The share groups of Kafka (KIP-1191).
    ShareGroup,
    SmallRye,
    /// It has no headers that we know.
    Unknown,
}

/// What a letter of another system says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) source: Option<Source>,
    pub(crate) reason: Option<Reason>,
    pub(crate) class: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) wrote: Option<String>,
    pub(crate) attempt: Option<u32>,
    pub(crate) failed_at: Option<DateTime<Utc>>,
}

/// The headers of a dialect; of several, the first that is there.
struct Names {
    dialect: Dialect,
    /// What tells it: headers that begin so.
    marks: &'static [&'static str],
    topic: &'static [&'static str],
    partition: &'static [&'static str],
    offset: &'static [&'static str],
    class: &'static [&'static str],
    message: &'static [&'static str],
    wrote: &'static [&'static str],
    attempt: &'static [&'static str],
    /// When it failed, in milliseconds.
    at: &'static [&'static str],
}

const NAMES: [Names; 5] = [
    Names {
        dialect: Dialect::KafkaConnect,
        marks: &["__connect.errors."],
        topic: &[headers::TOPIC],
        partition: &[headers::PARTITION],
        offset: &[headers::OFFSET],
        class: &["__connect.errors.exception.class.name", headers::CLASS],
        message: &[headers::MESSAGE],
        wrote: &["__connect.errors.connector.name"],
        attempt: &[],
        at: &[],
    },
    Names {
        dialect: Dialect::Spring,
        marks: &["kafka_dlt-", "kafka_original-", "kafka_exception-"],
        topic: &["kafka_dlt-original-topic", "kafka_original-topic"],
        partition: &["kafka_dlt-original-partition", "kafka_original-partition"],
        offset: &["kafka_dlt-original-offset", "kafka_original-offset"],
        class: &[
            "kafka_dlt-exception-cause-fqcn",
            "kafka_dlt-exception-fqcn",
            "kafka_dlt-key-exception-fqcn",
            "kafka_exception-cause-fqcn",
            "kafka_exception-fqcn",
        ],
        message: &[
            "kafka_dlt-exception-message",
            "kafka_dlt-key-exception-message",
            "kafka_exception-message",
        ],
        wrote: &["kafka_dlt-original-consumer-group", "kafka_original-consumer-group"],
        attempt: &["kafka_deliveryAttempt"],
        at: &[],
    },
    Names {
        dialect: Dialect::KafkaStreams,
        marks: &["__streams.errors."],
        topic: &["__streams.errors.topic"],
        partition: &["__streams.errors.partition"],
        offset: &["__streams.errors.offset"],
        class: &["__streams.errors.exception"],
        message: &["__streams.errors.message"],
        wrote: &[],
        attempt: &[],
        at: &[],
    },
    Names {
        dialect: Dialect::ShareGroup,
        marks: &["__dlq.errors."],
        topic: &["__dlq.errors.topic"],
        partition: &["__dlq.errors.partition"],
        offset: &["__dlq.errors.offset"],
        class: &[],
        message: &["__dlq.errors.message"],
        wrote: &["__dlq.errors.group"],
        attempt: &["__dlq.errors.delivery.count"],
        at: &[],
    },
    Names {
        dialect: Dialect::SmallRye,
        marks: &["dead-letter-"],
        topic: &["dead-letter-topic"],
        partition: &["dead-letter-partition"],
        offset: &["dead-letter-offset"],
        class: &["dead-letter-exception-class-name"],
        message: &["dead-letter-reason", "dead-letter-cause"],
        wrote: &[],
        attempt: &[],
        at: &[],
    },
];

impl Dialect {
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Assay => "assay",
            Dialect::KafkaConnect => "kafka-connect",
            Dialect::Spring => "spring",
            Dialect::KafkaStreams => "kafka-streams",
            Dialect::ShareGroup => "share-group",
            Dialect::SmallRye => "small-rye",
            Dialect::Unknown => "unknown",
        }
    }

    pub(crate) fn from_name(name: &str) -> Dialect {
        let known = NAMES.iter().map(|names| names.dialect).chain([Dialect::Assay]);
        known.into_iter().find(|known| known.name() == name).unwrap_or(Dialect::Unknown)
    }

    /// The dialect of a record's headers.
    pub(crate) fn of(record: &Record) -> Dialect {
        if record.header(headers::ID).is_some() {
            return Dialect::Assay;
        }
        names_of(record).map_or(Dialect::Unknown, |names| names.dialect)
    }
}

/// Reads what another system wrote; what is broken in it is as if it were not there.
pub(crate) fn told(record: &Record) -> Told {
    let Some(names) = names_of(record) else { return Told::default() };
    let text = |these: &[&str]| first(record, these).map(plain).filter(|text| !text.is_empty());
    let number = |these: &[&str]| first(record, these).and_then(|bytes| number(bytes));
    let source = || {
        Some(Source {
            topic: text(names.topic)?,
            partition: u32::try_from(number(names.partition)?).ok()?,
            offset: u64::try_from(number(names.offset)?).ok()?,
        })
    };
    let class = text(names.class);
    Told {
        source: source(),
        reason: reason(record, class.as_deref()),
        detail: text(names.message).map(|text| one_line(&text)),
        wrote: text(names.wrote),
        attempt: number(names.attempt).and_then(|attempt| u32::try_from(attempt).ok()),
        failed_at: number(names.at).and_then(DateTime::from_timestamp_millis),
        class,
    }
}

/// Whether a header says how a record died, or is ours; others were there before.
pub(crate) fn tells_of_death(name: &str) -> bool {
    name.starts_with("assay.")
        || name == "kafka_deliveryAttempt"
        || NAMES.iter().any(|names| names.marks.iter().any(|mark| name.starts_with(mark)))
}

fn names_of(record: &Record) -> Option<&'static Names> {
    let marked = |names: &&Names| {
        let mut headers = record.headers.iter();
        headers.any(|(name, _)| names.marks.iter().any(|mark| name.starts_with(mark)))
    };
    NAMES.iter().find(marked)
}

fn first<'a>(record: &'a Record, names: &[&str]) -> Option<&'a Bytes> {
    names.iter().find_map(|name| record.header(name))
}

fn plain(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// A number as text, or as Spring writes it: four or eight bytes, the greatest first.
fn number(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok());
    text.or_else(|| match bytes.len() {
        4 => Some(i64::from(i32::from_be_bytes(bytes.try_into().ok()?))),
        8 => Some(i64::from_be_bytes(bytes.try_into().ok()?)),
        _ => None,
    })
}

/// The first line, without the stack that some append to it.
fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches([':', ' ']).to_owned()
}

/// Their reason in our words, where that is certain.
fn reason(record: &Record, class: Option<&str>) -> Option<Reason> {
    match record.header(headers::CONNECT_STAGE).map(|stage| &stage[..]) {
        Some(b"KEY_CONVERTER" | b"VALUE_CONVERTER" | b"HEADER_CONVERTER") => {
            return Some(Reason::Undecodable);
        }
        Some(b"TRANSFORMATION") => return Some(Reason::Untransformable),
        Some(b"TASK_PUT") => return Some(Reason::LoadFailed),
        _ => {}
    }
    let decoding = |class: &str| class.contains("Serializ") || class.contains("Deserializ");
    class.is_some_and(decoding).then_some(Reason::Undecodable)
}

#[cfg(test)]
mod tests;

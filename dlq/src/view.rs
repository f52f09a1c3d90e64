use std::fmt::{Display, Write};
use std::str::FromStr;

use bytes::Bytes;
use chrono::{DateTime, Datelike, Utc};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use assay_core::{DatasetName, DraftId, RunId, StageId};
use assay_log::Record;

use crate::{
    Dialect, Fate, LetterId, MOST_ATTEMPTS, Origin, PayloadKind, Reason, Source, TOPICS, dialect,
    forward, headers,
};

/// A dead letter as it is found in its topic, with what is known of it.
///
/// A record that is not ours is a letter too: it gets an id from its place, and has what its headers
/// say in the words of whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LetterView {
    #[serde(serialize_with = "as_text")]
    pub id: LetterId,
    pub attempt: u32,
    /// Its draft was never committed: the row was read again, this letter does not count.
    pub void: bool,
    /// It waits for nobody any more.
    pub closed: bool,
    /// Another letter of the same id counts.
    pub older: bool,
    /// How it was closed, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    pub dialect: Dialect,
    /// Where the letter itself lies.
    pub at: Source,
    #[serde(serialize_with = "as_text_or_null")]
    pub draft: Option<DraftId>,
    #[serde(serialize_with = "as_text_or_null")]
    pub stage: Option<StageId>,
    pub dataset: Option<DatasetName>,
    pub source: Option<Source>,
    pub origin: Option<Origin>,
    #[serde(serialize_with = "as_text_or_null")]
    pub run: Option<RunId>,
    pub reason: Option<Reason>,
    pub rules: Vec<String>,
    pub detail: Option<String>,
    /// The kind of the error, in the words of whoever wrote it.
    pub class: Option<String>,
    /// The connector or group that wrote it, where it was not us.
    pub wrote: Option<String>,
    pub contract: Option<String>,
    pub failed_at: DateTime<Utc>,
    pub first_failed_at: DateTime<Utc>,
    pub count: u64,
    #[serde(serialize_with = "as_readable")]
    pub key: Option<Bytes>,
    /// Fields of the payload that the contract shows to few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sensitive: Vec<String>,
    pub payload_kind: Option<PayloadKind>,
    pub payload_bytes: u64,
    /// All of it, or only the beginning.
    #[serde(serialize_with = "as_readable")]
    pub payload: Option<Bytes>,
    /// There is more of the payload than is here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub payload_truncated: bool,
}

/// What became of a letter, and by which commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    pub fate: Fate,
    pub at: DateTime<Utc>,
    #[serde(serialize_with = "as_text_or_null")]
    pub draft: Option<DraftId>,
    pub job: Option<Uuid>,
    /// Where the payload is now, where it was sent to a topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_to: Option<Source>,
}

/// A record that closes letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closing {
    /// Each with where its payload was sent, if it was.
    pub(crate) letters: Vec<(LetterId, Option<Source>)>,
    /// Counts once it is committed; at once where there is none.
    pub(crate) draft: Option<DraftId>,
    pub(crate) at: DateTime<Utc>,
    pub(crate) fate: Fate,
    pub(crate) job: Option<Uuid>,
}

impl LetterView {
    /// Reads a record of a dead letter topic, with at most `keep` bytes of the payload.
    pub(crate) fn of(topic: &str, record: &Record, keep: usize) -> LetterView {
        let dialect = Dialect::of(record);
        let told = match dialect {
            Dialect::Assay => dialect::Told::default(),
            _ => dialect::told(record),
        };
        let failed_at = parsed(record, headers::FAILED_AT).or(told.failed_at);
        let failed_at = failed_at.filter(writable).unwrap_or(record.timestamp);
        let failed_at = Some(failed_at).filter(writable).unwrap_or(DateTime::UNIX_EPOCH);
        let first_failed_at = parsed(record, headers::FIRST_FAILED_AT).filter(writable);
        let attempt: Option<u32> = parsed(record, headers::ATTEMPT);
        LetterView {
            id: id_of(topic, record),
            attempt: attempt.or(told.attempt).map_or(1, |attempt| attempt.min(LAST_ATTEMPT)),
            void: false,
            closed: false,
            older: false,
            outcome: None,
            dialect,
            at: Source {
                topic: topic.to_owned(),
                partition: record.partition,
                offset: record.offset,
            },
            draft: parsed(record, headers::DRAFT).map(DraftId),
            stage: text(record, headers::STAGE).and_then(stage),
            dataset: parsed(record, headers::DATASET),
            source: source(record).or(told.source).filter(countable),
            origin: text(record, headers::ORIGIN).map(|origin| Origin(origin.to_owned())),
            run: parsed(record, headers::RUN),
            reason: reason(topic, record).or(told.reason),
            rules: text(record, headers::RULES).map(rules).unwrap_or_default(),
            detail: match dialect {
                Dialect::Assay => text(record, headers::MESSAGE).map(str::to_owned),
                _ => told.detail,
            },
            class: told.class,
            wrote: told.wrote,
            contract: text(record, headers::CONTRACT).map(str::to_owned),
            failed_at,
            first_failed_at: first_failed_at.unwrap_or(failed_at),
            count: parsed(record, headers::COUNT).map_or(1, |count: u64| count.clamp(1, MOST_ROWS)),
            key: record.key.as_ref().map(|key| beginning(key, keep)),
            sensitive: sensitive(record),
            payload_kind: text(record, headers::PAYLOAD).and_then(PayloadKind::from_name),
            payload_bytes: record.value.as_ref().map_or(0, |value| value.len() as u64),
            payload: record.value.as_ref().map(|value| beginning(value, keep)),
            payload_truncated: record.value.as_ref().is_some_and(|value| value.len() > keep),
        }
    }
}

/// A letter of others that came back from where we sent it, again and again, is parked.
fn reason(topic: &str, record: &Record) -> Option<Reason> {
    if !TOPICS.contains(&topic) && forward::sends(record) >= MOST_ATTEMPTS {
        return Some(Reason::AttemptsExhausted);
    }
    parsed(record, headers::REASON)
}

/// The id of the letter in that record. In a topic of others nobody vouches for ids, and every
/// record is a letter of its own.
pub(crate) fn id_of(topic: &str, record: &Record) -> LetterId {
    let told = TOPICS.contains(&topic).then(|| parsed(record, headers::ID)).flatten();
    told.unwrap_or_else(|| LetterId::of_place(topic, record.partition, record.offset))
}

/// Fields of the payload that the contract shows to few.
pub(crate) fn sensitive(record: &Record) -> Vec<String> {
    text(record, headers::SENSITIVE).map(rules).unwrap_or_default()
}

/// The draft that the record says is committed, if it is such a record.
pub(crate) fn committed(record: &Record) -> Option<DraftId> {
    parsed(record, headers::COMMITTED).map(DraftId)
}

/// What the record closes, if it is such a record.
pub(crate) fn closing(record: &Record) -> Option<Closing> {
    let ids = text(record, headers::CLOSES)?.split(',').map(str::parse);
    let ids: Vec<LetterId> = ids.collect::<Result<_, _>>().ok()?;
    let mut places = sent_to(record).into_iter();
    Some(Closing {
        letters: ids.into_iter().map(|id| (id, places.next().flatten())).collect(),
        draft: parsed(record, headers::DRAFT).map(DraftId),
        at: parsed(record, headers::FAILED_AT)?,
        fate: parsed(record, headers::FATE).unwrap_or(Fate::Recomputed),
        job: parsed(record, headers::JOB),
    })
}

/// About how many letters a record tells of.
pub(crate) fn tells_of(record: &Record) -> usize {
    1 + record.header(headers::CLOSES).map_or(0, |ids| ids.len() / uuid::fmt::Hyphenated::LENGTH)
}

/// Where letters were sent that a record closes: of one letter, or of each.
fn sent_to(record: &Record) -> Vec<Option<Source>> {
    let Some(places) = text(record, headers::SENT_TO) else { return Vec::new() };
    match places.starts_with('[') {
        true => serde_json::from_str(places).unwrap_or_default(),
        false => vec![serde_json::from_str(places).ok()],
    }
}

/// Headers are anybody's bytes; the index adds up what they count.
const MOST_ROWS: u64 = 1 << 40;
const LAST_ATTEMPT: u32 = 1 << 20;

/// A time whose year has four digits, as the index keeps times.
fn writable(at: &DateTime<Utc>) -> bool {
    (1..=9998).contains(&at.year())
}

fn countable(source: &Source) -> bool {
    i64::try_from(source.offset).is_ok()
}

fn text<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    std::str::from_utf8(record.header(name)?).ok()
}

pub(crate) fn parsed<T: FromStr>(record: &Record, name: &str) -> Option<T> {
    text(record, name)?.parse().ok()
}

fn source(record: &Record) -> Option<Source> {
    Some(Source {
        topic: text(record, headers::TOPIC)?.to_owned(),
        partition: parsed(record, headers::PARTITION)?,
        offset: parsed(record, headers::OFFSET)?,
    })
}

pub(crate) fn stage(text: &str) -> Option<StageId> {
    let (pipeline, stage) = text.split_once('/')?;
    Some(StageId { pipeline: pipeline.to_owned(), stage: stage.to_owned() })
}

fn rules(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_default()
}

/// The first bytes, without a half character at their end. A copy, so that the rest can go.
pub(crate) fn beginning(bytes: &Bytes, keep: usize) -> Bytes {
    if bytes.len() <= keep {
        return bytes.clone();
    }
    let mut end = keep;
    while end > 0 && keep - end < 4 && bytes[end] & 0b1100_0000 == 0b1000_0000 {
        end -= 1;
    }
    Bytes::copy_from_slice(&bytes[..end])
}

fn as_text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn as_text_or_null<T: Display, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

/// Text as text, anything else as `{"hex": "…"}`.
fn as_readable<S: Serializer>(bytes: &Option<Bytes>, serializer: S) -> Result<S::Ok, S::Error> {
    let Some(bytes) = bytes else { return serializer.serialize_none() };
    if let Ok(text) = std::str::from_utf8(bytes) {
        return serializer.serialize_str(text);
    }
    let hex = bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        // Writing to a text can't fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry("hex", &hex)?;
    map.end()
}

#[cfg(test)]
mod tests;

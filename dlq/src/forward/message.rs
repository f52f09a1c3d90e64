//! What a letter becomes in a topic: its key and payload, the headers that were not about its
//! death, and ours.

use assay_log::{NewRecord, Record};
use bytes::Bytes;
use uuid::Uuid;

use crate::dialect::tells_of_death;
use crate::view::parsed;
use crate::{Dialect, LetterView, headers};

/// The message that carries a letter; its payload is taken out of the letter.
pub(super) fn message(
    letter: &mut LetterView,
    carried: Vec<(String, Bytes)>,
    (job, number, sends): (Uuid, u64, u32),
    partitions: u32,
) -> NewRecord {
    let key = letter.key.take();
    // Records of one key go to one partition. Those without one stay as they were beside each other.
    let place = letter.source.as_ref().map_or(letter.at.partition, |source| source.partition);
    let partition = key.is_none().then_some(place % partitions);
    let mut named = carried;
    named.extend([
        headers::text(headers::LETTER, letter.id.to_string()),
        headers::text(headers::JOB, job.to_string()),
        headers::text(headers::NUMBER, number.to_string()),
        headers::text(headers::SENDS, sends.to_string()),
    ]);
    NewRecord { partition, key, value: letter.payload.take(), headers: named }
}

/// The headers of a letter that others gave it before it died.
pub(crate) fn carried_along(record: &Record) -> Vec<(String, Bytes)> {
    if Dialect::of(record) == Dialect::Assay {
        return Vec::new();
    }
    let kept = record.headers.iter().filter(|(name, _)| !tells_of_death(name));
    kept.cloned().collect()
}

/// How often the letter of a record was sent to a topic before it came to lie there.
pub(crate) fn sends(record: &Record) -> u32 {
    parsed(record, headers::SENDS).unwrap_or(0)
}

/// The job that sent a message, and which of its letters that is.
pub(super) fn job_and_number(record: &Record) -> Option<(Uuid, u64)> {
    Some((parsed(record, headers::JOB)?, parsed(record, headers::NUMBER)?))
}

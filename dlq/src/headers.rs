use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use assay_core::DraftId;
use assay_log::NewRecord;

use crate::{DeadLetter, Fate, LetterId, PayloadKind, Source};

// What Kafka Connect writes too.
pub(crate) const TOPIC: &str = "__connect.errors.topic";
pub(crate) const PARTITION: &str = "__connect.errors.partition";
pub(crate) const OFFSET: &str = "__connect.errors.offset";
pub(crate) const CONNECT_STAGE: &str = "__connect.errors.stage";
pub(crate) const CLASS: &str = "__connect.errors.class.name";
pub(crate) const MESSAGE: &str = "__connect.errors.exception.message";

// What is ours.
pub(crate) const ID: &str = "assay.id";
pub(crate) const ATTEMPT: &str = "assay.attempt";
pub(crate) const DRAFT: &str = "assay.draft";
pub(crate) const RUN: &str = "assay.run";
pub(crate) const STAGE: &str = "assay.stage";
pub(crate) const DATASET: &str = "assay.dataset";
pub(crate) const REASON: &str = "assay.reason";
pub(crate) const RULES: &str = "assay.rules";
pub(crate) const CONTRACT: &str = "assay.contract";
pub(crate) const ORIGIN: &str = "assay.origin";
pub(crate) const FAILED_AT: &str = "assay.failed_at";
pub(crate) const FIRST_FAILED_AT: &str = "assay.first_failed_at";
pub(crate) const PAYLOAD: &str = "assay.payload";
pub(crate) const COUNT: &str = "assay.count";
pub(crate) const SENSITIVE: &str = "assay.sensitive";

/// On a record without a value: the draft whose letters are valid from now on.
pub(crate) const COMMITTED: &str = "assay.committed";

/// On a record without a value: the letters that are closed, with commas between, by the draft that
/// is named beside them.
pub(crate) const CLOSES: &str = "assay.closes";
/// Beside them: what became of the rows, and the job that sent them back.
pub(crate) const FATE: &str = "assay.fate";
pub(crate) const JOB: &str = "assay.job";
/// And where the payloads were sent: JSON of a topic, a partition and an offset, or a list of these,
/// one for each letter.
pub(crate) const SENT_TO: &str = "assay.sent_to";

/// On a message that a letter became: the letter, its number in the job, and how often it was sent.
pub(crate) const LETTER: &str = "assay.letter";
pub(crate) const NUMBER: &str = "assay.number";
pub(crate) const SENDS: &str = "assay.sends";

/// Makes the record that carries a letter.
pub(crate) fn record(letter: DeadLetter, draft: Option<DraftId>, partitions: u32) -> NewRecord {
    let partition = letter.id.0.as_u128() % u128::from(partitions.max(1));
    NewRecord {
        partition: Some(u32::try_from(partition).unwrap_or(0)),
        headers: headers(&letter, draft),
        value: (letter.payload_kind != PayloadKind::Tombstone).then_some(letter.payload),
        key: letter.key,
    }
}

/// Makes the record that says that a draft is committed.
pub(crate) fn marker(draft: DraftId) -> NewRecord {
    NewRecord {
        partition: Some(0),
        headers: vec![text(COMMITTED, draft.to_string())],
        ..NewRecord::default()
    }
}

/// Makes the record that says that letters are closed, once the draft is committed; without one,
/// from now on. Those that were sent to a topic have their places there.
pub(crate) fn closing(
    letters: &[(LetterId, Option<&Source>)],
    (fate, job): (Fate, Option<Uuid>),
    draft: Option<DraftId>,
    at: DateTime<Utc>,
) -> NewRecord {
    let ids: Vec<String> = letters.iter().map(|(id, _)| id.to_string()).collect();
    let mut headers = vec![text(CLOSES, ids.join(","))];
    headers.extend(draft.map(|draft| text(DRAFT, draft.to_string())));
    headers.push(text(FAILED_AT, instant(at)));
    headers.push(word(FATE, fate.name()));
    headers.extend(job.map(|job| text(JOB, job.to_string())));
    let places: Vec<Option<&Source>> = letters.iter().map(|(_, place)| *place).collect();
    if places.iter().any(Option::is_some) {
        let place = match &places[..] {
            [place] => serde_json::json!(place),
            places => serde_json::json!(places),
        };
        headers.push(text(SENT_TO, place.to_string()));
    }
    NewRecord { headers, ..NewRecord::default() }
}

fn headers(letter: &DeadLetter, draft: Option<DraftId>) -> Vec<(String, Bytes)> {
    let failed_at = Bytes::from(instant(letter.failed_at));
    let first_failed_at = match letter.first_failed_at == letter.failed_at {
        true => failed_at.clone(),
        false => Bytes::from(instant(letter.first_failed_at)),
    };
    let mut headers = vec![
        text(ID, letter.id.to_string()),
        text(ATTEMPT, letter.attempt.to_string()),
        text(RUN, letter.run.to_string()),
        text(STAGE, letter.stage.to_string()),
        text(DATASET, letter.dataset.to_string()),
        word(REASON, letter.reason.name()),
        text(RULES, rules(&letter.rules)),
        text(ORIGIN, letter.origin.to_string()),
        (FAILED_AT.to_owned(), failed_at),
        (FIRST_FAILED_AT.to_owned(), first_failed_at),
        word(PAYLOAD, letter.payload_kind.name()),
        text(COUNT, letter.count.to_string()),
        word(CONNECT_STAGE, letter.reason.connect_stage()),
        text(CLASS, format!("assay.{}", letter.reason)),
        // One line, whatever made it.
        text(MESSAGE, letter.detail.replace(['\r', '\n'], " ")),
    ];
    headers.extend(draft.map(|draft| text(DRAFT, draft.to_string())));
    if !letter.sensitive.is_empty() {
        headers.push(text(SENSITIVE, rules(&letter.sensitive)));
    }
    headers.extend(letter.contract.clone().map(|version| text(CONTRACT, version)));
    if let Some(source) = &letter.source {
        headers.push(text(TOPIC, source.topic.clone()));
        headers.push(text(PARTITION, source.partition.to_string()));
        headers.push(text(OFFSET, source.offset.to_string()));
    }
    headers
}

pub(crate) fn text(name: &str, value: impl Into<String>) -> (String, Bytes) {
    (name.to_owned(), Bytes::from(value.into()))
}

/// One of our own words, of which no copy is needed.
fn word(name: &str, value: &'static str) -> (String, Bytes) {
    (name.to_owned(), Bytes::from_static(value.as_bytes()))
}

/// A JSON array, since a rule's name may have any character in it.
fn rules(names: &[String]) -> String {
    serde_json::Value::from(names).to_string()
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use assay_core::{DatasetName, RunId, StageId};

/// The most that a payload may weigh.
pub const MAX_PAYLOAD_BYTES: usize = 64 << 20;

/// Names a dead letter: the same row of the same stage has the same id, however often it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LetterId(pub Uuid);

impl LetterId {
    /// The namespace of all letter ids.
    const SPACE: Uuid = Uuid::from_u128(0x5b6a_0c1e_7f0d_5f4c_9a51_d0f4_3c2b_8e17);

    /// Makes the id from what tells a row from all others that its stage reads.
    pub fn of(stage: &StageId, origin: &Origin) -> LetterId {
        LetterId::from_parts(&[&stage.pipeline, &stage.stage, &origin.0])
    }

    /// Makes an id for a record that came without one.
    pub(crate) fn of_place(topic: &str, partition: u32, offset: u64) -> LetterId {
        LetterId::from_parts(&[topic, &partition.to_string(), &offset.to_string()])
    }

    /// Makes the id of one of several rows that share an origin and differ in what they carry.
    pub(crate) fn of_twin(self, body: u128) -> LetterId {
        LetterId(Uuid::new_v5(&self.0, &body.to_be_bytes()))
    }

    fn from_parts(parts: &[&str]) -> LetterId {
        LetterId(Uuid::new_v5(&LetterId::SPACE, parts.join("\0").as_bytes()))
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LetterId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(LetterId)
    }
}

/// What tells a row from all others that a stage reads: a trace id, a place in a file, a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin(pub String);

impl Origin {
    /// The origin of what begins at a byte of a file, which is named by its hash.
    pub fn in_file(sha256: &str, offset: u64) -> Origin {
        Origin(format!("{sha256}:{offset}"))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The record that a row was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub topic: String,
    pub partition: u32,
    pub offset: u64,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {} of topic `{}`, partition {}", self.offset, self.topic, self.partition)
    }
}

/// What the payload is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PayloadKind {
    Json,
    Avro,
    Bytes,
    /// The record had no value, which is not the same as an empty one.
    Tombstone,
}

impl PayloadKind {
    pub fn name(self) -> &'static str {
        match self {
            PayloadKind::Json => "json",
            PayloadKind::Avro => "avro",
            PayloadKind::Bytes => "bytes",
            PayloadKind::Tombstone => "tombstone",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<PayloadKind> {
        [PayloadKind::Json, PayloadKind::Avro, PayloadKind::Bytes, PayloadKind::Tombstone]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// A row that was set aside, with all that is needed to understand it and to send it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    pub id: LetterId,
    /// 1 when the row fails for the first time.
    pub attempt: u32,
    pub stage: StageId,
    /// Where the row was going.
    pub dataset: DatasetName,
    pub source: Option<Source>,
    pub origin: Origin,
    pub run: RunId,
    pub reason: crate::Reason,
    /// The rules that it broke.
    pub rules: Vec<String>,
    /// One line: what is wrong, and where.
    pub detail: String,
    /// The version of the contract that judged.
    pub contract: Option<String>,
    /// The bytes that the stage received; empty for a tombstone.
    #[serde(skip)]
    pub payload: Bytes,
    pub payload_kind: PayloadKind,
    #[serde(skip)]
    pub key: Option<Bytes>,
    pub failed_at: DateTime<Utc>,
    pub first_failed_at: DateTime<Utc>,
    /// Rows that this letter stands for.
    pub count: u64,
    /// Fields of the payload that the contract shows to few.
    #[serde(default)]
    pub sensitive: Vec<String>,
}

impl DeadLetter {
    /// Says where the row was read, without showing what is in it.
    pub(crate) fn place(&self) -> String {
        match (&self.source, self.origin.0.split_once(':')) {
            (Some(source), _) => source.to_string(),
            (None, Some((file, at))) if is_sha256(file) && at.parse::<u64>().is_ok() => {
                format!("byte {at} of the file with sha256 {file}")
            }
            _ => format!("the row with letter id {}", self.id),
        }
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A letter for tests.
#[cfg(test)]
pub(crate) fn example(origin: &str, payload: &str) -> DeadLetter {
    let stage = StageId { pipeline: "app_events".to_owned(), stage: "clean".to_owned() };
    let origin = Origin(origin.to_owned());
    DeadLetter {
        id: LetterId::of(&stage, &origin),
        attempt: 1,
        stage,
        dataset: "silver.app_events_cleaned".parse().unwrap(),
        source: None,
        origin,
        run: RunId(Uuid::from_u128(7)),
        reason: crate::Reason::RuleBroken,
        rules: vec!["amount_positive".to_owned()],
        detail: "amount is below 0".to_owned(),
        contract: Some("1.2.0".to_owned()),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        payload_kind: PayloadKind::Json,
        key: None,
        failed_at: DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000),
        first_failed_at: DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000),
        count: 1,
        sensitive: vec![],
    }
}

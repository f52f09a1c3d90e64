use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::LogError;

/// The most partitions that a topic may have.
const MAX_PARTITIONS: u32 = 1024;

/// The longest name that Kafka takes.
const MAX_NAME: usize = 249;

/// What a topic should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    pub name: String,
    pub partitions: u32,
    /// How long records are kept, by whoever deletes them; absent: for ever.
    pub retention: Option<Duration>,
}

impl TopicSpec {
    /// Refuses what Kafka would refuse too, so that a topic can move there under its name.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let named = !self.name.is_empty()
            && self.name.len() <= MAX_NAME
            && self.name != "."
            && self.name != ".."
            && self.name.chars().all(plain);
        if !named {
            return Err(LogError::InvalidName { topic: self.name.clone() });
        }
        if !(1..=MAX_PARTITIONS).contains(&self.partitions) {
            return Err(LogError::InvalidPartitions {
                topic: self.name.clone(),
                wanted: self.partitions,
                most: MAX_PARTITIONS,
            });
        }
        Ok(())
    }
}

/// What one partition holds: the offsets from `start` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ends {
    pub partition: u32,
    /// The oldest offset that is kept.
    pub start: u64,
    /// The offset that will be written next.
    pub end: u64,
}

/// What a topic holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicInfo {
    pub name: String,
    pub partitions: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Duration>,
    /// Records kept, of all partitions; in Kafka with the gaps between them.
    pub records: u64,
    /// What they weigh: keys, values and headers; absent where the log does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When the oldest record that is kept was appended; absent too where the log does not say.
    pub oldest: Option<DateTime<Utc>>,
}

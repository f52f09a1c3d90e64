use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{Ends, LogError, Membership, NewRecord, Record, TopicInfo, TopicSpec};

/// How much one read may bring. At least one record comes, even if it is larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    pub max_records: usize,
    pub max_bytes: usize,
}

impl Default for Fetch {
    fn default() -> Self {
        Fetch { max_records: 10_000, max_bytes: 16 << 20 }
    }
}

/// What of a partition has to stay. By default that is everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// What was appended from then on.
    pub since: Option<DateTime<Utc>>,
    /// The newest so many bytes, where the log weighs its records.
    pub bytes: Option<u64>,
    /// The offsets from there on, whatever their age and weight.
    pub from: Option<u64>,
}

/// The oldest records of a partition, those before an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Head {
    pub until: u64,
    pub records: u64,
    /// Absent where the log does not weigh its records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When the first of them was appended.
    pub oldest: Option<DateTime<Utc>>,
}

/// Keeps topics: records in partitions, each partition in the order of its appends.
///
/// Offsets start at 0, rise and are never given twice. The embedded log leaves no gap between them.
#[async_trait]
pub trait Log: Send + Sync {
    /// Makes a topic, or gives an existing one the retention of `topic`.
    ///
    /// An existing topic with another number of partitions is an error. One in Kafka keeps its
    /// retention when none is asked for.
    async fn create(&self, topic: &TopicSpec) -> Result<(), LogError>;

    /// Appends all of `records`, and returns the partition and offset of each.
    ///
    /// On return they survive a loss of power; in Kafka, the loss of all copies but one. After an
    /// error the embedded log has none of them. Kafka may have the first ones of each partition,
    /// and appending all of them again puts these there twice, but never in another order.
    async fn append(
        &self,
        topic: &str,
        records: Vec<NewRecord>,
    ) -> Result<Vec<(u32, u64)>, LogError>;

    /// Reads records from `from` on, in order; none when nothing lies between `from` and the end.
    ///
    /// A place before the start or beyond the end is an error: nothing is skipped silently.
    async fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        fetch: Fetch,
    ) -> Result<Vec<Record>, LogError>;

    /// Makes the caller a member of the group of readers of that name, with a share of the topic's
    /// partitions.
    async fn join(&self, group: &str, topic: &str) -> Result<Box<dyn Membership>, LogError>;

    /// Says what each partition of the topic holds, in the order of the partitions.
    async fn ends(&self, topic: &str) -> Result<Vec<Ends>, LogError>;

    /// Lists all topics by name.
    async fn topics(&self) -> Result<Vec<TopicInfo>, LogError>;

    /// Measures the records at the start of a partition that are too old, or too much, to stay.
    async fn head(&self, topic: &str, partition: u32, keep: Keep) -> Result<Head, LogError>;

    /// Deletes the records of a partition that lie before `offset`, and counts them. The end stays.
    async fn delete_before(
        &self,
        topic: &str,
        partition: u32,
        offset: u64,
    ) -> Result<u64, LogError>;

    /// Gives room that deleted records left back to the disk, and says how many bytes that was.
    async fn reclaim(&self) -> Result<u64, LogError>;

    /// The name of a log that only this host reaches, whatever its place is called; none of one that
    /// all hosts do.
    async fn identity(&self) -> Result<Option<String>, LogError> {
        Ok(None)
    }

    /// Names the log in lineage: the OpenLineage namespace of its topics.
    fn namespace(&self) -> String;
}

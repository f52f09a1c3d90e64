//! Which messages of the log may go: those that are past their topic's limits and that every
//! reader has read. Dead letters are not messages; their queue knows what may go of them.

use std::collections::BTreeSet;
use std::time::Duration;

use assay_dlq::TOPICS;
use assay_log::{Keep, Log, LogError, TopicInfo};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::ledger::Ledger;
use crate::pending::{Behind, behind};
use crate::postgres::Places;
use crate::source::SourceError;

/// What of one topic goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DueMessages {
    pub topic: String,
    /// How long the topic keeps its messages; absent: for ever.
    pub retention: Option<Duration>,
    pub messages: u64,
    /// Absent where the log does not weigh its records.
    pub bytes: Option<u64>,
    pub oldest: Option<DateTime<Utc>>,
    /// Past the limits and kept, since not everyone has read them.
    pub unread: u64,
    /// Who has not; empty when nobody has read the topic yet.
    pub unread_by: BTreeSet<String>,
    /// The first offset that stays, of each partition.
    #[serde(skip)]
    cuts: Vec<(u32, u64)>,
}

/// What pruning would delete now. `topic_bytes` is what a topic may weigh, shared equally by its
/// partitions. The ledger knows who reads into a database; of whom the database says nothing, or
/// which is not named, has read nothing.
pub async fn due_messages(
    places: &Places,
    log: &dyn Log,
    ledger: &dyn Ledger,
    topic_bytes: Option<u64>,
) -> Result<Vec<DueMessages>, SourceError> {
    if let Some(postgres) = &places.postgres {
        // Whoever can't be asked may not have read them yet.
        postgres.positions().await?;
    }
    let mut readers = behind(places, log).await?;
    readers.extend(elsewhere(places, log, ledger, &readers).await?);
    let mut all = Vec::new();
    for topic in log.topics().await? {
        if !TOPICS.contains(&topic.name.as_str()) {
            all.push(due_of(log, &topic, &readers, topic_bytes, places.lake.clock.now()).await?);
        }
    }
    Ok(all)
}

/// Deletes what is due, and says what that was. Room is given back by the log.
pub async fn prune_messages(
    places: &Places,
    log: &dyn Log,
    ledger: &dyn Ledger,
    topic_bytes: Option<u64>,
) -> Result<Vec<DueMessages>, SourceError> {
    let all = due_messages(places, log, ledger, topic_bytes).await?;
    for due in &all {
        for (partition, cut) in &due.cuts {
            log.delete_before(&due.topic, *partition, *cut).await?;
        }
    }
    Ok(all)
}

/// Readers whose position is in a database that was not asked, or does not know them.
async fn elsewhere(
    places: &Places,
    log: &dyn Log,
    ledger: &dyn Ledger,
    known: &[Behind],
) -> Result<Vec<Behind>, SourceError> {
    let mut found = Vec::new();
    for (reader, topic) in ledger.database_readers().await? {
        let same = |behind: &Behind| {
            behind.topic == topic && behind.reader.as_deref() == Some(reader.0.as_str())
        };
        if known.iter().any(same) {
            continue;
        }
        let why = match &places.postgres {
            None => "its position is in Postgres: set ASSAY_POSTGRES".to_owned(),
            Some(postgres) => format!("{} has no position of it", postgres.place()),
        };
        let ends = match log.ends(&topic).await {
            Err(LogError::UnknownTopic { .. }) => continue,
            ends => ends?,
        };
        found.extend(ends.into_iter().map(|ends| Behind {
            reader: Some(format!("{reader} ({why})")),
            topic: topic.clone(),
            partition: ends.partition,
            next: ends.start,
            messages: ends.end.saturating_sub(ends.start),
            seconds: None,
        }));
    }
    Ok(found)
}

async fn due_of(
    log: &dyn Log,
    topic: &TopicInfo,
    readers: &[Behind],
    topic_bytes: Option<u64>,
    now: DateTime<Utc>,
) -> Result<DueMessages, SourceError> {
    let mut due = DueMessages {
        topic: topic.name.clone(),
        retention: topic.retention,
        messages: 0,
        bytes: None,
        oldest: None,
        unread: 0,
        unread_by: BTreeSet::new(),
        cuts: Vec::new(),
    };
    // Longer than time can be told is for ever.
    let age = topic.retention.and_then(|keep| TimeDelta::from_std(keep).ok());
    let since = age.and_then(|age| now.checked_sub_signed(age));
    let bytes = topic_bytes.map(|bytes| bytes / u64::from(topic.partitions.max(1)));
    for partition in 0..topic.partitions {
        let of_partition =
            |behind: &&Behind| behind.topic == topic.name && behind.partition == partition;
        let readers: Vec<&Behind> = readers.iter().filter(of_partition).collect();
        // A topic that was made a moment ago has no reader in the list yet.
        let unread = readers.iter().map(|behind| behind.next).min().unwrap_or(0);
        let past = log.head(&topic.name, partition, Keep { since, bytes, from: None }).await?;
        let head =
            log.head(&topic.name, partition, Keep { since, bytes, from: Some(unread) }).await?;
        due.messages += head.records;
        due.bytes = due.bytes.map_or(head.bytes, |sum| Some(sum + head.bytes?));
        due.oldest = due.oldest.into_iter().chain(head.oldest).min();
        due.cuts.push((partition, head.until));
        if past.until > head.until {
            due.unread += past.until - head.until;
            let late = readers.into_iter().filter(|behind| behind.next < past.until);
            due.unread_by.extend(late.filter_map(|behind| behind.reader.clone()));
        }
    }
    Ok(due)
}

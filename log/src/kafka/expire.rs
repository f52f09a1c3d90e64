use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::KafkaLog;
use super::failure::failed;
use super::lookup::{number, options};
use crate::{Fetch, Head, Keep, Log, LogError};

/// Finds by its times what is too old. What is too much is for the topic's own `retention.bytes`:
/// Kafka does not say what records weigh.
pub(super) async fn head(
    log: &KafkaLog,
    topic: &str,
    partition: u32,
    keep: Keep,
) -> Result<Head, LogError> {
    let ends = log.lookup.ends_at(topic, partition).await?;
    let mut until = ends.start;
    if let Some(since) = keep.since {
        let doing = format!("measure topic `{topic}`, partition {partition}");
        let at = Offset::Offset(since.timestamp_millis().max(0));
        let found = log.lookup.offsets(&doing, &[(topic.to_owned(), partition)], at).await?;
        let young = found.into_iter().next().flatten().unwrap_or(ends.end);
        until = young.min(keep.from.unwrap_or(u64::MAX)).clamp(ends.start, ends.end);
    }
    let mut oldest = None;
    if until > ends.start {
        let one = Fetch { max_records: 1, max_bytes: 1 };
        let first = log.read(topic, partition, ends.start, one).await?.into_iter().next();
        oldest = first.filter(|first| first.offset < until).map(|first| first.timestamp);
    }
    Ok(Head { until, records: until - ends.start, bytes: None, oldest })
}

pub(super) async fn delete_before(
    log: &KafkaLog,
    topic: &str,
    partition: u32,
    offset: u64,
) -> Result<u64, LogError> {
    let ends = log.lookup.ends_at(topic, partition).await?;
    let until = offset.min(ends.end);
    if until <= ends.start {
        return Ok(0);
    }
    let doing = format!("delete from topic `{topic}`, partition {partition}");
    let failed = |error: KafkaError| failed(log.lookup.clients(), &doing, error);
    let mut before = TopicPartitionList::new();
    let at = Offset::Offset(i64::try_from(until).unwrap_or(i64::MAX));
    before.add_partition_offset(topic, number(partition), at).map_err(failed)?;
    let done = log.lookup.admin().delete_records(&before, &options()).await.map_err(failed)?;
    for one in done.elements() {
        one.error().map_err(failed)?;
    }
    Ok(until - ends.start)
}

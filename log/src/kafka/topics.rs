use std::time::Duration;

use rdkafka::admin::{AlterConfig, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::time::{Instant, sleep};

use super::KafkaLog;
use super::client::most_bytes;
use super::failure::{PATIENCE, failed, timed_out};
use super::lookup::{number, options};
use crate::{LogError, TopicInfo, TopicSpec};

const RETENTION: &str = "retention.ms";

/// Topics that brokers keep for themselves.
const INTERNAL: [&str; 4] =
    ["__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"];

/// Makes the topic, or leaves one that is there as it is, but for a retention that was asked for.
pub(super) async fn create(log: &KafkaLog, spec: &TopicSpec) -> Result<(), LogError> {
    spec.check()?;
    let has = match log.lookup.find(&spec.name).await? {
        Some(has) => has,
        None if make(log, spec).await? => return appear(log, spec).await,
        // Somebody else made it at the same time.
        None => log.lookup.partitions(&spec.name).await?,
    };
    if has != spec.partitions {
        let (topic, wanted) = (spec.name.clone(), spec.partitions);
        return Err(LogError::OtherPartitions { topic, has, wanted });
    }
    match spec.retention {
        Some(keep) => retain(log, &spec.name, &millis(keep)).await,
        None => Ok(()),
    }
}

/// Returns whether it was us who made it.
async fn make(log: &KafkaLog, spec: &TopicSpec) -> Result<bool, LogError> {
    let doing = format!("make topic `{}`", spec.name);
    let failed = |error| failed(log.lookup.clients(), &doing, error);
    let (keep, most) = (spec.retention.map_or("-1".to_owned(), millis), most_bytes());
    // As many copies as the cluster makes of its topics.
    let copies = TopicReplication::Fixed(-1);
    let topic = NewTopic::new(&spec.name, number(spec.partitions), copies)
        .set(RETENTION, &keep)
        .set("max.message.bytes", &most)
        .set("message.timestamp.type", "LogAppendTime");
    let made = log.lookup.admin().create_topics([&topic], &options()).await.map_err(failed)?;
    match made.into_iter().next() {
        None | Some(Ok(_)) => Ok(true),
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
        Some(Err((_, code))) => Err(failed(KafkaError::AdminOp(code))),
    }
}

/// Waits until every partition has somebody who answers for it.
async fn appear(log: &KafkaLog, spec: &TopicSpec) -> Result<(), LogError> {
    let until = Instant::now() + PATIENCE;
    loop {
        let there = log.lookup.find(&spec.name).await?;
        if there == Some(spec.partitions) && log.lookup.ends(&spec.name).await.is_ok() {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(timed_out(log.lookup.clients(), &format!("make topic `{}`", spec.name)));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Changes one setting. Kafka takes them all at once, so the others are sent along.
async fn retain(log: &KafkaLog, topic: &str, keep: &str) -> Result<(), LogError> {
    let found = log.lookup.settings(&[topic]).await?;
    let Some(settings) = found.first() else { return Ok(()) };
    if settings.get(RETENTION).and_then(|known| known.value.as_deref()) == Some(keep) {
        return Ok(());
    }
    let own = settings.entries.iter().filter(|entry| entry.source == ConfigSource::DynamicTopic);
    let mut changed = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(RETENTION, keep);
    for entry in own.filter(|entry| entry.name != RETENTION) {
        if let Some(value) = &entry.value {
            changed = changed.set(&entry.name, value);
        }
    }
    let doing = format!("set how long topic `{topic}` keeps its records");
    let failed = |error| failed(log.lookup.clients(), &doing, error);
    let done = log.lookup.admin().alter_configs([&changed], &options()).await.map_err(failed)?;
    match done.into_iter().next() {
        Some(Err((_, code))) => Err(failed(KafkaError::AdminOp(code))),
        None | Some(Ok(_)) => Ok(()),
    }
}

pub(super) async fn list(log: &KafkaLog) -> Result<Vec<TopicInfo>, LogError> {
    let doing = "list the topics";
    let mut found = log
        .lookup
        .ask(doing, |consumer| {
            let metadata = consumer.fetch_metadata(None, PATIENCE)?;
            let topics = metadata.topics().iter().filter(|topic| topic.error().is_none());
            let topics = topics.filter_map(|topic| {
                let partitions = u32::try_from(topic.partitions().len()).ok()?;
                Some((topic.name().to_owned(), partitions))
            });
            Ok(topics.collect::<Vec<_>>())
        })
        .await?;
    found.retain(|(name, _)| !INTERNAL.contains(&name.as_str()));
    found.sort();

    let all = found.iter().flat_map(|(name, partitions)| {
        (0..*partitions).map(move |partition| (name.clone(), partition))
    });
    let mut ends = log.lookup.ends_of(doing, all.collect()).await?.into_iter();
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let settings = log.lookup.settings(&names).await?;
    let retention = |name: &str| {
        let of_topic = |specifier: &rdkafka::admin::OwnedResourceSpecifier| matches!(specifier, rdkafka::admin::OwnedResourceSpecifier::Topic(of) if of == name);
        let found = settings.iter().find(|found| of_topic(&found.specifier))?;
        found.get(RETENTION)?.value.as_deref()?.parse().ok().map(Duration::from_millis)
    };
    let info = |(name, partitions): &(String, u32)| TopicInfo {
        name: name.clone(),
        partitions: *partitions,
        retention: retention(name),
        records: ends.by_ref().take(*partitions as usize).map(|ends| ends.end - ends.start).sum(),
        bytes: None,
        oldest: None,
    };
    Ok(found.iter().map(info).collect())
}

fn millis(keep: Duration) -> String {
    i64::try_from(keep.as_millis()).unwrap_or(i64::MAX).to_string()
}

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use assay_core::Fault;

use super::client::{Clients, Heard};
use super::failure::{PATIENCE, failed, moving, unknown};
use crate::{Ends, LogError, MAX_RECORD_BYTES};

/// What may have happened between two questions and is worth hearing.
const EVENTS: usize = 8;

/// How often a topic is looked for before it is unknown, and the pauses between.
const LOOKS: u32 = 3;
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// How long writers rely on what they know of a topic.
const FRESH: Duration = Duration::from_secs(30);

/// Asks brokers what there is. It reads no records.
pub(super) struct Lookup {
    clients: Clients,
    consumer: Arc<BaseConsumer<Heard>>,
    admin: AdminClient<Heard>,
    known: Mutex<HashMap<String, (Instant, Known)>>,
}

/// What a writer has to know of a topic.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) partitions: u32,
    /// The most that a batch of records may weigh.
    pub(super) most_bytes: usize,
}

impl Lookup {
    pub(super) fn open(clients: &Clients) -> Result<Lookup, LogError> {
        Ok(Lookup {
            // An end is where readers end, in front of transactions that are open.
            consumer: Arc::new(clients.make(&[("isolation.level", "read_committed")])?),
            // Nobody reads what it logs.
            admin: clients.make(&[("log_level", "0")])?,
            clients: clients.clone(),
            known: Mutex::default(),
        })
    }

    pub(super) fn clients(&self) -> &Clients {
        &self.clients
    }

    pub(super) fn admin(&self) -> &AdminClient<Heard> {
        &self.admin
    }

    /// What a writer has to know, up to half a minute old.
    pub(super) async fn known(&self, topic: &str) -> Result<Known, LogError> {
        if let Some((since, known)) = self.remembered(topic)
            && since.elapsed() < FRESH
        {
            return Ok(known);
        }
        let partitions = self.partitions(topic).await?;
        let limit = self.setting(topic, "max.message.bytes").await?;
        let most_bytes = limit.and_then(|limit| limit.parse().ok()).unwrap_or(MAX_RECORD_BYTES);
        let known = Known { partitions, most_bytes };
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(topic.to_owned(), (Instant::now(), known.clone()));
        Ok(known)
    }

    fn remembered(&self, topic: &str) -> Option<(Instant, Known)> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(topic).cloned()
    }

    pub(super) fn forget(&self, topic: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(topic);
    }

    /// How many partitions a topic has now. A broker may hear of a new topic, or of all of them
    /// after its start, a moment later than others.
    pub(super) async fn partitions(&self, topic: &str) -> Result<u32, LogError> {
        for _ in 1..LOOKS {
            if let Some(partitions) = self.find(topic).await? {
                return Ok(partitions);
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        match self.find(topic).await? {
            Some(partitions) => Ok(partitions),
            None => {
                let (log, topic) = (self.clients.brokers().to_string(), topic.to_owned());
                Err(LogError::UnknownTopic { log, topic })
            }
        }
    }

    /// As `partitions`; none when there is no such topic.
    pub(super) async fn find(&self, topic: &str) -> Result<Option<u32>, LogError> {
        let doing = format!("look for topic `{topic}`");
        let name = topic.to_owned();
        self.ask(&doing, move |consumer| {
            let metadata = consumer.fetch_metadata(Some(&name), PATIENCE)?;
            let Some(topic) = metadata.topics().first() else { return Ok(None) };
            match topic.error().map(RDKafkaErrorCode::from) {
                None => Ok(u32::try_from(topic.partitions().len()).ok().filter(|some| *some > 0)),
                Some(RDKafkaErrorCode::UnknownTopicOrPartition) => Ok(None),
                Some(code) => Err(KafkaError::MetadataFetch(code)),
            }
        })
        .await
    }

    /// A setting of a topic; none when we may not see it.
    pub(super) async fn setting(
        &self,
        topic: &str,
        name: &str,
    ) -> Result<Option<String>, LogError> {
        let found = self.settings(&[topic]).await?;
        let value = found.first().and_then(|found| found.get(name)?.value.clone());
        Ok(value)
    }

    /// The settings of those of the topics that we may see.
    pub(super) async fn settings(&self, topics: &[&str]) -> Result<Vec<ConfigResource>, LogError> {
        let wanted: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
        if wanted.is_empty() {
            return Ok(vec![]);
        }
        let found = self.admin.describe_configs(&wanted, &options()).await;
        let doing = "look up the settings of topics";
        let found = found.map_err(|error| failed(&self.clients, doing, error))?;
        Ok(found.into_iter().filter_map(Result::ok).collect())
    }

    pub(super) async fn ends(&self, topic: &str) -> Result<Vec<Ends>, LogError> {
        let partitions = self.partitions(topic).await?;
        let all: Vec<_> = (0..partitions).map(|partition| (topic.to_owned(), partition)).collect();
        self.ends_of(&format!("find the ends of topic `{topic}`"), all).await
    }

    /// What one partition holds.
    pub(super) async fn ends_at(&self, topic: &str, partition: u32) -> Result<Ends, LogError> {
        let partitions = self.partitions(topic).await?;
        if partition >= partitions {
            let topic = topic.to_owned();
            return Err(LogError::UnknownPartition { topic, partition, partitions });
        }
        let doing = format!("find the ends of topic `{topic}`, partition {partition}");
        let ends = self.ends_of(&doing, vec![(topic.to_owned(), partition)]).await?;
        Ok(ends.first().copied().unwrap_or(Ends { partition, start: 0, end: 0 }))
    }

    /// The ends of many partitions, in their order, with two questions to each broker.
    pub(super) async fn ends_of(
        &self,
        doing: &str,
        partitions: Vec<(String, u32)>,
    ) -> Result<Vec<Ends>, LogError> {
        let starts = self.offsets(doing, &partitions, Offset::Beginning).await?;
        let ends = self.offsets(doing, &partitions, Offset::End).await?;
        let both = starts.into_iter().zip(ends).zip(partitions);
        Ok(both
            .map(|((start, end), (_, partition))| {
                let start = start.unwrap_or(0);
                Ends { partition, start, end: end.unwrap_or(0).max(start) }
            })
            .collect())
    }

    /// The first offsets at a time, or at an end; none where nothing is as young as that.
    pub(super) async fn offsets(
        &self,
        doing: &str,
        partitions: &[(String, u32)],
        at: Offset,
    ) -> Result<Vec<Option<u64>>, LogError> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.offsets_now(doing, partitions, at).await {
                // The topic is gone, or a partition is so new that its leader does not know it yet.
                Err(error) if unknown(&error) && Instant::now() < until => {
                    for topic in partitions.iter().map(|(topic, _)| topic).collect::<BTreeSet<_>>()
                    {
                        self.partitions(topic).await?;
                    }
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                }
                found => return found,
            }
        }
    }

    async fn offsets_now(
        &self,
        doing: &str,
        partitions: &[(String, u32)],
        at: Offset,
    ) -> Result<Vec<Option<u64>>, LogError> {
        if partitions.is_empty() {
            return Ok(vec![]);
        }
        let partitions = partitions.to_vec();
        self.ask(doing, move |consumer| {
            let mut wanted = TopicPartitionList::with_capacity(partitions.len());
            for (topic, partition) in &partitions {
                wanted.add_partition_offset(topic, number(*partition), at)?;
            }
            let found = consumer.offsets_for_times(wanted, PATIENCE)?;
            let of = |(topic, partition): &(String, u32)| {
                let Some(found) = found.find_partition(topic, number(*partition)) else {
                    return Ok(None);
                };
                found.error()?;
                Ok(match found.offset() {
                    Offset::Offset(offset) => u64::try_from(offset).ok(),
                    _ => None,
                })
            };
            partitions.iter().map(of).collect()
        })
        .await
    }

    /// Asks with a call that blocks, on a thread that may. While brokers agree on who leads, they
    /// are asked again, as every client of Kafka does.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        doing: &str,
        question: impl Fn(&BaseConsumer<Heard>) -> KafkaResult<T> + Send + Sync + 'static,
    ) -> Result<T, LogError> {
        let question = Arc::new(question);
        let until = Instant::now() + PATIENCE;
        loop {
            let (consumer, question) = (Arc::clone(&self.consumer), Arc::clone(&question));
            let answer = blocking(&self.clients, doing, move || {
                let answer = question(&consumer);
                listen(&consumer, answer.is_err());
                answer
            })
            .await?;
            match answer {
                Ok(answer) => {
                    self.clients.heard().forget();
                    return Ok(answer);
                }
                Err(error) if moving(&error) && Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => return Err(failed(&self.clients, doing, error)),
            }
        }
    }
}

/// What went wrong on the way is heard only here, one thing with each poll.
fn listen(consumer: &BaseConsumer<Heard>, failed: bool) {
    let at_most = Duration::from_millis(if failed { 20 } else { 0 });
    for _ in 0..EVENTS {
        consumer.poll(at_most);
    }
}

/// Lets a call wait on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    clients: &Clients,
    doing: &str,
    call: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LogError> {
    tokio::task::spawn_blocking(call).await.map_err(|error| LogError::Failed {
        doing: doing.to_owned(),
        log: clients.brokers().to_string(),
        advice: "",
        fault: Fault::Permanent,
        source: error.into(),
    })
}

/// Kafka's own way to number partitions.
pub(super) fn number(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

/// What a question to an administrator may take.
pub(super) fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

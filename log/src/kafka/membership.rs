use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::{Instant, sleep, timeout};

use super::client::Clients;
use super::council::Council;
use super::failure::{PATIENCE, failed};
use super::lookup::{Lookup, blocking, number};
use crate::{LogError, Membership};

/// Between two looks at the ends, at first and at most.
const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_millis(200);

/// How often the group's decisions are asked for.
const POLL: Duration = Duration::from_millis(100);

/// A member of a consumer group, by which partitions are shared out. It fetches no records.
pub(super) struct Member {
    lookup: Arc<Lookup>,
    group: String,
    topic: String,
    consumer: Arc<BaseConsumer<Council>>,
    /// Listens to the group until it is told to stop.
    listener: Option<JoinHandle<()>>,
    stopped: Arc<AtomicBool>,
    owned: BTreeSet<u32>,
}

impl Member {
    /// Joins, and waits a while for the group's first decision.
    pub(super) async fn join(
        clients: &Clients,
        lookup: &Arc<Lookup>,
        group: &str,
        topic: &str,
    ) -> Result<Member, LogError> {
        lookup.partitions(topic).await?;
        let council = Council::new(clients.heard().clone());
        let settings = [
            ("group.id", group),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "latest"),
            // Who is silent for so long has lost its partitions.
            ("session.timeout.ms", "10000"),
            ("heartbeat.interval.ms", "2000"),
            // Partitions that are added are shared out after so long at most.
            ("topic.metadata.refresh.interval.ms", "10000"),
            // So long the group waits for a batch to end. It is also how long a request to join
            // waits on a connection that went silent: until then the member reads nothing.
            ("max.poll.interval.ms", "60000"),
        ];
        let consumer: BaseConsumer<Council> = clients.make_with(&settings, council)?;
        let consumer = Arc::new(consumer);
        let doing = format!("join group `{group}`");
        consumer.subscribe(&[topic]).map_err(|error| failed(clients, &doing, error))?;
        let stopped = Arc::new(AtomicBool::new(false));
        let listener = listen(&consumer, &stopped);
        let member = Member {
            lookup: Arc::clone(lookup),
            group: group.to_owned(),
            topic: topic.to_owned(),
            consumer,
            listener: Some(listener.map_err(|error| LogError::Failed {
                doing,
                log: clients.brokers().to_string(),
                advice: "",
                fault: assay_core::Fault::Transient,
                source: error.into(),
            })?),
            stopped,
            owned: BTreeSet::new(),
        };
        if !member.council().waits() {
            // When it runs out, the others have not made room yet: what is ours comes later.
            let _ = timeout(PATIENCE, member.council().news()).await;
        }
        member.check()?;
        Ok(member)
    }

    fn council(&self) -> &Council {
        self.consumer.client().context()
    }

    fn check(&self) -> Result<(), LogError> {
        match self.council().failure() {
            Some(error) => Err(self.failed("be a member", error)),
            None => Ok(()),
        }
    }

    fn failed(&self, doing: &str, error: KafkaError) -> LogError {
        failed(self.lookup.clients(), &format!("{doing} of group `{}`", self.group), error)
    }

    /// Whether a partition of ours has something that the reader has not seen.
    async fn news(&self, next: &BTreeMap<u32, u64>) -> Result<bool, LogError> {
        let doing = format!("look for news in topic `{}`", self.topic);
        let ours: Vec<_> = self.owned.iter().map(|of| (self.topic.clone(), *of)).collect();
        let ends = match self.owned.iter().all(|of| next.contains_key(of)) {
            true => self.lookup.offsets(&doing, &ours, Offset::End).await?,
            false => {
                let both = self.lookup.ends_of(&doing, ours).await?;
                // Who has read nothing begins at the start.
                both.into_iter().map(|ends| (ends.end > ends.start).then_some(ends.end)).collect()
            }
        };
        let place = |partition| next.get(partition).copied().unwrap_or(0);
        let mut all = self.owned.iter().zip(ends);
        Ok(all.any(|(partition, end)| end.is_some_and(|end| end > place(partition))))
    }

    /// Gives everything up and ends the listener, which then leaves the group.
    fn stop(&mut self) -> Option<JoinHandle<()>> {
        self.council().leave();
        if let Err(error) = self.council().answer(&self.consumer) {
            tracing::debug!(%error, "a group was left without an answer");
        }
        self.stopped.store(true, Ordering::SeqCst);
        self.listener.take()
    }
}

#[async_trait]
impl Membership for Member {
    async fn assignment(&mut self) -> Result<BTreeSet<u32>, LogError> {
        self.check()?;
        let answered = self.council().answer(&self.consumer);
        answered.map_err(|error| self.failed("take on the decisions", error))?;
        let owned = self.consumer.assignment();
        let owned = owned.map_err(|error| self.failed("learn the decisions", error))?;
        self.owned = owned
            .elements_for_topic(&self.topic)
            .iter()
            .filter_map(|element| u32::try_from(element.partition()).ok())
            .collect();
        Ok(self.owned.clone())
    }

    fn changed(&self) -> bool {
        self.council().waits()
    }

    async fn wait(&mut self, next: &BTreeMap<u32, u64>, at_most: Duration) -> Result<(), LogError> {
        let until = Instant::now() + at_most;
        let mut pause = SHORT;
        loop {
            self.check()?;
            if self.changed() || self.news(next).await? {
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            tokio::select! {
                () = self.council().news() => {}
                () = sleep(pause.min(left)) => {}
            }
            pause = (pause * 2).min(LONG);
        }
    }

    async fn committed(&mut self, next: &BTreeMap<u32, u64>) -> Result<(), LogError> {
        let mut reached = TopicPartitionList::new();
        for (partition, next) in next.iter().filter(|(of, _)| self.owned.contains(of)) {
            let at = Offset::Offset(i64::try_from(*next).unwrap_or(i64::MAX));
            let added = reached.add_partition_offset(&self.topic, number(*partition), at);
            added.map_err(|error| self.failed("tell the place", error))?;
        }
        if reached.count() > 0
            && let Err(error) = self.consumer.commit(&reached, CommitMode::Async)
        {
            tracing::debug!(%error, "a group was not told how far commits reach");
        }
        Ok(())
    }

    async fn leave(mut self: Box<Self>) -> Result<(), LogError> {
        let clients = self.lookup.clients().clone();
        let doing = format!("leave group `{}`", self.group);
        let listener = self.stop();
        // The last one who holds the consumer says goodbye, and waits for the answer.
        blocking(&clients, &doing, move || {
            drop(self);
            listener.map(JoinHandle::join)
        })
        .await
        .map(|_| ())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Serves the group for as long as the member is one: a long batch is no silence.
fn listen(
    consumer: &Arc<BaseConsumer<Council>>,
    stopped: &Arc<AtomicBool>,
) -> std::io::Result<JoinHandle<()>> {
    let (consumer, stopped) = (Arc::clone(consumer), Arc::clone(stopped));
    std::thread::Builder::new().name("kafka-group".to_owned()).spawn(move || {
        while !stopped.load(Ordering::SeqCst) {
            // Records that were on their way before the partition was paused are not for us.
            if let Some(Err(error)) = consumer.poll(POLL) {
                consumer.client().context().hear(error);
            }
        }
    })
}

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, Statistics, TopicPartitionList};
use tokio::sync::Notify;

use super::client::Heard;
use super::failure::hopeless;

/// What the group has decided and the member has not taken on yet.
///
/// The group waits for the answer. So a member in the middle of a batch keeps what it has, and gives
/// it up when the batch is committed.
pub(super) struct Council {
    heard: Heard,
    asked: Mutex<Vec<Asked>>,
    /// What no waiting mends.
    failure: Mutex<Option<KafkaError>>,
    news: Notify,
    /// Whoever leaves gives up at once what he is asked for.
    leaving: AtomicBool,
}

/// Partitions to be taken or given up.
enum Asked {
    Take(TopicPartitionList),
    GiveUp(TopicPartitionList),
}

impl Council {
    pub(super) fn new(heard: Heard) -> Council {
        Council {
            heard,
            asked: Mutex::default(),
            failure: Mutex::default(),
            news: Notify::new(),
            leaving: AtomicBool::new(false),
        }
    }

    /// Whether the group waits for an answer.
    pub(super) fn waits(&self) -> bool {
        !self.asked.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Ends when the group has decided something, or has failed.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    pub(super) fn failure(&self) -> Option<KafkaError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::SeqCst);
    }

    /// Does all that the group has asked for until now.
    pub(super) fn answer(&self, consumer: &BaseConsumer<Council>) -> KafkaResult<()> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner));
        asked.into_iter().try_for_each(|asked| asked.carry_out(consumer))
    }

    /// Hears what the group said outside of its decisions.
    pub(super) fn hear(&self, error: KafkaError) {
        if hopeless(&error) {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            self.news.notify_one();
        }
    }
}

impl Asked {
    fn carry_out(self, consumer: &BaseConsumer<Council>) -> KafkaResult<()> {
        match self {
            Asked::Take(mut partitions) => {
                // Records are read elsewhere, from where the reader's own position is.
                partitions.set_all_offsets(Offset::End)?;
                consumer.incremental_assign(&partitions)?;
                match partitions.count() {
                    0 => Ok(()),
                    _ => consumer.pause(&partitions),
                }
            }
            Asked::GiveUp(partitions) => consumer.incremental_unassign(&partitions),
        }
    }
}

impl ClientContext for Council {
    fn log(&self, level: RDKafkaLogLevel, what: &str, line: &str) {
        self.heard.log(level, what, line);
    }

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.heard.error(error, reason);
    }
}

impl ConsumerContext for Council {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Council>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let asked = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Asked::Take(partitions.clone()),
            _ => Asked::GiveUp(partitions.clone()),
        };
        if self.leaving.load(Ordering::SeqCst) {
            if let Err(error) = asked.carry_out(consumer) {
                tracing::debug!(%error, "a group was left without giving up its partitions");
            }
            return;
        }
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        self.news.notify_one();
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            // The next one says it again; nobody goes on from there.
            tracing::debug!(%error, "a group was not told how far commits reach");
        }
    }
}

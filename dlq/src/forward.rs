//! Letters on their way to a topic: the payloads as they were, in order, each once where that can
//! be told.
//!
//! A message names its job and the number of its letter. Whoever goes on with a job reads what the
//! topic gained since the job was made, and leaves out what is there.

use std::time::Duration;

use assay_core::{Clock, StageId};
use assay_log::{Fetch, Log, LogError, NewRecord};
use assay_store::{LetterFilter, Replay, ReplayTopic};
use async_trait::async_trait;
use tokio::task::JoinHandle;

use crate::begun::finish;
use crate::{
    Closed, DeadLetterQueue, DlqError, Fate, Index, LetterId, LetterView, ReplaySet, Sent, Source,
    TOPICS,
};

mod message;

use message::job_and_number;
pub(crate) use message::{carried_along, sends};

/// Letters that are on their way together, and about what they weigh.
const LETTERS: u32 = 2000;
const BYTES: u64 = 8 << 20;

/// What is in memory at once of what the topic gained.
const FETCH: Fetch = Fetch { max_records: 5000, max_bytes: 8 << 20 };

/// Letters that are shown of those that could not be sent.
const SAMPLES: usize = 5;

/// What sending letters to a topic did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forwarded {
    pub sent: u64,
    /// The topic had them before: whoever had the job sent them.
    pub there: u64,
    /// Letters whose topics do not have them any more.
    pub gone: u64,
    /// Letters that could not be changed as it was asked for, or that the topic does not take. They
    /// stay where they are.
    pub refused: u64,
    pub samples: Vec<(LetterId, String)>,
    /// Why a letter may be in the topic twice; absent where each is there once.
    pub twice: Option<String>,
}

/// Hears how a job gets on, and says whether it may go on.
#[async_trait]
pub trait Forwarding: Send + Sync {
    async fn goes_on(&self, so_far: &Forwarded) -> bool;

    /// What is sent in place of a payload; nothing where it is sent as it is.
    fn changed(&self, letter: &LetterView) -> Result<Option<Vec<u8>>, String>;
}

/// Why letters were not all sent to a topic.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    #[error(
        "`{0}` is a topic of dead letters: what is sent there would be a dead letter for ever; name \
         the topic of those who read it"
    )]
    Loop(String),
    #[error("stopped behind letter {0}")]
    Interrupted(u64),
    #[error(transparent)]
    Letters(#[from] DlqError),
}

/// A job that sends letters to a topic.
pub struct Forward<'a> {
    pub index: &'a Index,
    pub job: &'a Replay,
    pub to: &'a ReplayTopic,
    pub clock: &'a dyn Clock,
}

/// How far it is.
struct Way {
    partitions: u32,
    /// By the number of a letter, where the topic has it.
    there: Vec<Option<(u32, u64)>>,
    /// A message of so many bytes is more than the topic takes.
    too_large: usize,
    done: Forwarded,
}

type Page = JoinHandle<Result<Vec<Sent>, DlqError>>;

/// What stands for the stage of a job that sends letters to a topic: they have none in common, nor
/// need they have any.
pub fn stage_of_topic(topic: &str) -> StageId {
    StageId { pipeline: "to".to_owned(), stage: topic.to_owned() }
}

impl Index {
    /// Where the letters that fit are to be sent, and what that topic has already.
    pub async fn forward_to(
        &self,
        topic: &str,
        which: &LetterFilter,
    ) -> Result<ReplayTopic, ForwardError> {
        let groups = self.store().letter_groups(which, u32::MAX).await.map_err(DlqError::from)?;
        let from_there = groups.iter().any(|group| group.cause.topic == topic);
        if TOPICS.contains(&topic) || which.topics.iter().any(|from| from == topic) || from_there {
            return Err(ForwardError::Loop(topic.to_owned()));
        }
        let ends = self.log().ends(topic).await.map_err(|error| failed(topic, error))?;
        let starts = ends.into_iter().map(|ends| ends.end).collect();
        Ok(ReplayTopic { topic: topic.to_owned(), starts })
    }
}

impl Forward<'_> {
    /// Sends what is left of the job's letters, and closes each.
    pub async fn send(&self, watch: &dyn Forwarding) -> Result<Forwarded, ForwardError> {
        let set = self.index.letters_of(self.job.id);
        // A row may have been taken after all while the job waited for a worker.
        set.catch_up().await?;
        let mut way = self.begin().await?;
        let (mut at, mut next) = (0, self.read(&set, 0));
        loop {
            let page = finish(next).await?;
            let Some(last) = page.last() else { return Ok(way.done) };
            let (many, upto) = (page.len(), last.number + 1);
            // The next ones are read while these are written.
            next = self.read(&set, upto);
            let before = way.done.clone();
            match self.page(page, &mut way, watch).await {
                Ok(()) => at = upto,
                // One must not keep the others back: again without those that are as large.
                Err(error) => match too_large(&error).filter(|bytes| *bytes < way.too_large) {
                    Some(bytes) => {
                        (way.too_large, way.done) = (bytes, before);
                        self.find(&mut way).await?;
                        next = self.read(&set, at);
                        continue;
                    }
                    None => return Err(error.into()),
                },
            }
            if let Some(rate) = self.job.options.rate.filter(|_| !self.job.dry) {
                tokio::time::sleep(Duration::from_secs_f64(many as f64 / f64::from(rate.max(1))))
                    .await;
            }
            if !watch.goes_on(&way.done).await {
                return Err(ForwardError::Interrupted(at));
            }
        }
    }

    fn read(&self, set: &ReplaySet, at: u64) -> Page {
        let most = LETTERS.min(self.job.options.rate.unwrap_or(u32::MAX).max(1));
        let set = set.clone();
        tokio::spawn(async move { set.next(at, most, BYTES).await })
    }

    async fn page(
        &self,
        page: Vec<Sent>,
        way: &mut Way,
        watch: &dyn Forwarding,
    ) -> Result<(), DlqError> {
        let (mut messages, mut closed) = (Vec::new(), Vec::new());
        for sent in page {
            self.one(sent, way, watch, (&mut messages, &mut closed));
        }
        match self.job.dry {
            true => Ok(()),
            false => self.take_effect(messages, closed).await,
        }
    }

    async fn begin(&self) -> Result<Way, ForwardError> {
        let topic = &self.to.topic;
        let ends = self.log().ends(topic).await.map_err(|error| failed(topic, error))?;
        let mut way = Way {
            partitions: u32::try_from(ends.len()).unwrap_or(u32::MAX).max(1),
            there: Vec::new(),
            too_large: usize::MAX,
            done: Forwarded::default(),
        };
        // Before the first worker nobody sent anything.
        if !self.job.dry && self.job.beat_at.is_some() {
            self.find(&mut way).await?;
        }
        Ok(way)
    }

    /// Finds what of the job the topic has.
    async fn find(&self, way: &mut Way) -> Result<(), DlqError> {
        let topic = &self.to.topic;
        let letters = usize::try_from(self.job.letters).unwrap_or(usize::MAX);
        way.there = vec![None; letters];
        let ends = self.log().ends(topic).await.map_err(|error| failed(topic, error))?;
        for (number, ends) in ends.into_iter().enumerate() {
            let from = self.to.starts.get(number).copied().unwrap_or(0);
            if ends.start > from || ends.end < from {
                way.done.twice = Some(format!(
                    "topic `{topic}` does not have all any more that it gained since the job was \
                     made: what was sent before and deleted since is sent again"
                ));
            }
            let from = if ends.end < from { ends.start } else { from.max(ends.start) };
            self.look(way, ends.partition, (from, ends.end)).await?;
        }
        Ok(())
    }

    async fn look(
        &self,
        way: &mut Way,
        partition: u32,
        (mut from, end): (u64, u64),
    ) -> Result<(), DlqError> {
        let topic = &self.to.topic;
        let mut missing = false;
        while from < end {
            let records = match self.log().read(topic, partition, from, FETCH).await {
                Ok(records) => records,
                // Retention was here since we looked.
                Err(LogError::OutOfRange { start, .. }) if start > from => {
                    (from, missing) = (start, true);
                    continue;
                }
                Err(error) => return Err(failed(topic, error)),
            };
            let Some(last) = records.last() else { break };
            missing |= last.offset + 1 - from > records.len() as u64;
            from = last.offset + 1;
            for record in &records {
                if let Some((job, number)) = job_and_number(record)
                    && job == self.job.id
                    && let Ok(number) = usize::try_from(number)
                    && let Some(there) = way.there.get_mut(number)
                {
                    *there = Some((record.partition, record.offset));
                }
            }
        }
        if missing {
            way.done.twice.get_or_insert_with(|| {
                format!(
                    "partition {partition} of topic `{topic}` has gaps in what it gained since the \
                     job was made, as compaction and transactions leave them: what was sent before \
                     and is not there any more is sent again"
                )
            });
        }
        Ok(())
    }

    fn one(
        &self,
        sent: Sent,
        way: &mut Way,
        watch: &dyn Forwarding,
        (messages, closed): (&mut Vec<NewRecord>, &mut Vec<(Closed, LetterView)>),
    ) {
        let Sent { number, letter, carried, sends } = sent;
        let Some(mut letter) = letter else {
            way.done.gone += 1;
            return;
        };
        if letter.closed || letter.older {
            return;
        }
        let known = usize::try_from(number).ok().and_then(|number| way.there.get(number));
        let there = known.copied().flatten();
        if there.is_some() {
            way.done.there += 1;
        } else {
            match watch.changed(&letter) {
                Ok(None) => {}
                Ok(Some(changed)) => letter.payload = Some(changed.into()),
                Err(why) => return way.refuse(&letter, why),
            }
            let of = (self.job.id, number, sends + 1);
            let message = message::message(&mut letter, carried, of, way.partitions);
            let bytes = message.bytes();
            if bytes >= way.too_large {
                return way.refuse(&letter, format!("{bytes} bytes are more than the topic takes"));
            }
            way.done.sent += 1;
            messages.push(message);
        }
        let (topic, partition) = (letter.at.topic.clone(), letter.at.partition);
        let sent_to = there.map(|place| self.place(place));
        let fate = Fate::Sent;
        closed.push((Closed { id: letter.id, topic, partition, fate, sent_to }, letter));
    }

    /// Letters are closed last: closed too early they would be lost, too late they are found in the
    /// topic.
    async fn take_effect(
        &self,
        messages: Vec<NewRecord>,
        mut closed: Vec<(Closed, LetterView)>,
    ) -> Result<(), DlqError> {
        let topic = &self.to.topic;
        if !messages.is_empty() {
            let places = self.log().append(topic, messages).await;
            let mut places = places.map_err(|error| failed(topic, error))?.into_iter();
            for (closed, _) in closed.iter_mut().filter(|(closed, _)| closed.sent_to.is_none()) {
                closed.sent_to = places.next().map(|place| self.place(place));
            }
        }
        let now = self.clock.now();
        // A letter may say that it fails in the future; it has to be closed behind that.
        let (late, closed): (Vec<_>, Vec<_>) =
            closed.into_iter().partition(|(_, letter)| letter.failed_at > now);
        let closed: Vec<Closed> = closed.into_iter().map(|(closed, _)| closed).collect();
        self.index.queue().sent(&closed, self.job.id, now).await?;
        for (closed, letter) in late {
            self.index.queue().sent(&[closed], self.job.id, letter.failed_at).await?;
        }
        Ok(())
    }

    fn place(&self, (partition, offset): (u32, u64)) -> Source {
        Source { topic: self.to.topic.clone(), partition, offset }
    }

    fn log(&self) -> &dyn Log {
        self.index.log()
    }
}

impl Way {
    fn refuse(&mut self, letter: &LetterView, why: String) {
        self.done.refused += 1;
        if self.done.samples.len() < SAMPLES {
            self.done.samples.push((letter.id, why));
        }
    }
}

/// The bytes of a message that is more than the topic takes, where that is what is wrong.
fn too_large(error: &DlqError) -> Option<usize> {
    let DlqError::Log { source, .. } = error else { return None };
    match source {
        LogError::TooLarge { bytes, .. } | LogError::TooLargeForTopic { bytes, .. } => Some(*bytes),
        _ => None,
    }
}

fn failed(topic: &str, source: LogError) -> DlqError {
    DlqError::Log { doing: format!("send letters to topic `{topic}`"), source }
}

#[cfg(test)]
mod tests;

//! Letters on their way to a topic: the payloads as they were, in order, each once where that can
//! be told.
//!
//! A message names its job and the number of its letter. Whoever goes on with a job reads what the
//! topic gained since the job was made, and leaves out what is there.

use std::time::Duration;

use assay_core::Clock;
use assay_log::{Fetch, Log, LogError, NewRecord};
use assay_store::{Replay, ReplayTopic};
use async_trait::async_trait;
use tokio::task::JoinHandle;

use crate::{Closed, DeadLetterQueue, DlqError, Fate, Index, LetterId, LetterView, ReplaySet, Sent};

mod message;

pub(crate) use message::{carried_along, sends};
use message::job_and_number;

/// Letters that are on their way together, and about what they weigh.
const LETTERS: u32 = 2000;
const BYTES: u64 = 8 << 20;

/// What is in memory at once of what the topic gained.
const FETCH: Fetch = Fetch { max_records: 5000, max_bytes: 8 << 20 };

/// Letters that are shown of those that could not be changed as it was asked for.
const SAMPLES: usize = 5;

/// What sending letters to a topic did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forwarded {
    pub sent: u64,
    /// The topic had them before: whoever had the job sent them.
    pub there: u64,
    /// Letters whose topics do not have them any more.
    pub gone: u64,
    /// Letters that could not be changed as it was asked for. They stay where they are.
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
    /// By the number of a letter, whether the topic has it.
    there: Vec<bool>,
    done: Forwarded,
}

type Page = JoinHandle<Result<Vec<Sent>, DlqError>>;

impl Index {
    /// Where letters are to be sent, and what that topic has already.
    pub async fn forward_to(
        &self,
        topic: &str,
        from: &[String],
    ) -> Result<ReplayTopic, ForwardError> {
        if crate::TOPICS.contains(&topic) || from.iter().any(|from| from == topic) {
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
        let mut way = self.begin().await?;
        let (mut at, mut next) = (0, self.read(&set, 0));
        loop {
            let page = finish(&mut next).await?;
            let Some(last) = page.last() else { return Ok(way.done) };
            at = at.max(last.number + 1);
            // The next ones are read while these are written.
            next = self.read(&set, at);
            let (mut messages, mut closed) = (Vec::new(), Vec::new());
            let many = page.len();
            for sent in page {
                self.one(sent, &mut way, watch, (&mut messages, &mut closed));
            }
            if !self.job.dry {
                self.take_effect(messages, closed).await?;
            }
            if let Some(rate) = self.job.options.rate {
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

    /// Finds what an earlier worker of the job has sent.
    async fn begin(&self) -> Result<Way, ForwardError> {
        let topic = &self.to.topic;
        let ends = self.log().ends(topic).await.map_err(|error| failed(topic, error))?;
        let partitions = u32::try_from(ends.len()).unwrap_or(u32::MAX).max(1);
        let letters = usize::try_from(self.job.letters).unwrap_or(usize::MAX);
        let mut way = Way { partitions, there: Vec::new(), done: Forwarded::default() };
        if self.job.dry || self.job.beat_at.is_none() {
            return Ok(way);
        }
        way.there = vec![false; letters];
        for (number, ends) in ends.into_iter().enumerate() {
            let from = self.to.starts.get(number).copied().unwrap_or(0);
            if ends.start > from || ends.end < from {
                way.done.twice = Some(format!(
                    "topic `{topic}` does not have all any more that it gained since the job was \
                     made: what was sent before and deleted since is sent again"
                ));
            }
            let from = if ends.end < from { ends.start } else { from.max(ends.start) };
            self.look(&mut way, ends.partition, (from, ends.end)).await?;
        }
        Ok(way)
    }

    async fn look(
        &self,
        way: &mut Way,
        partition: u32,
        (mut from, end): (u64, u64),
    ) -> Result<(), ForwardError> {
        let topic = &self.to.topic;
        while from < end {
            let records = match self.log().read(topic, partition, from, FETCH).await {
                Ok(records) => records,
                // Retention was here since we looked.
                Err(LogError::OutOfRange { start, .. }) if start > from => {
                    from = start;
                    continue;
                }
                Err(error) => return Err(failed(topic, error).into()),
            };
            let Some(last) = records.last() else { break };
            from = last.offset + 1;
            for record in &records {
                if let Some((job, number)) = job_and_number(record)
                    && job == self.job.id
                    && let Ok(number) = usize::try_from(number)
                    && let Some(there) = way.there.get_mut(number)
                {
                    *there = true;
                }
            }
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
        if known.copied().unwrap_or(false) {
            way.done.there += 1;
        } else {
            match watch.changed(&letter) {
                Ok(None) => {}
                Ok(Some(changed)) => letter.payload = Some(changed.into()),
                Err(why) => {
                    way.done.refused += 1;
                    if way.done.samples.len() < SAMPLES {
                        way.done.samples.push((letter.id, why));
                    }
                    return;
                }
            }
            way.done.sent += 1;
            let of = (self.job.id, number, sends + 1);
            messages.push(message::message(&mut letter, carried, of, way.partitions));
        }
        let (topic, partition) = (letter.at.topic.clone(), letter.at.partition);
        closed.push((Closed { id: letter.id, topic, partition, fate: Fate::Sent }, letter));
    }

    /// Letters are closed last: closed too early they would be lost, too late they are found in the
    /// topic.
    async fn take_effect(
        &self,
        messages: Vec<NewRecord>,
        closed: Vec<(Closed, LetterView)>,
    ) -> Result<(), ForwardError> {
        let topic = &self.to.topic;
        if !messages.is_empty() {
            self.log().append(topic, messages).await.map_err(|error| failed(topic, error))?;
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

    fn log(&self) -> &dyn Log {
        self.index.log()
    }
}

async fn finish(page: &mut Page) -> Result<Vec<Sent>, DlqError> {
    match page.await {
        Ok(page) => page,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and whoever waits here with it.
            Err(_) => std::future::pending().await,
        },
    }
}

fn failed(topic: &str, source: LogError) -> DlqError {
    DlqError::Log { doing: format!("send letters to topic `{topic}`"), source }
}

#[cfg(test)]
mod tests;

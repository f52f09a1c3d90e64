//! Follows a topic as one of a group: what comes in is cut into batches of so many rows, bytes or
//! seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use assay_core::{Position, ReaderId, Slice, TraceContext};
use assay_log::{Log, Membership};
use async_trait::async_trait;
use tokio::time::Instant;

use super::{Chunk, Extent, Source, SourceError, TopicSource};
use crate::definition::TopicSpec;
use crate::runner::Pace;
use crate::stop::Stop;

/// A wait ends after so long, so that a request to stop is heard.
const LISTEN: Duration = Duration::from_secs(1);

/// How long an open batch lets messages gather before it takes the next chunk.
const GATHER: Duration = Duration::from_millis(20);

/// The share of a topic that is ours, batch after batch.
pub(crate) struct FollowedTopic {
    log: Arc<dyn Log>,
    topic: Arc<TopicSpec>,
    member: Box<dyn Membership>,
    pace: Pace,
    stop: Stop,
    own: BTreeSet<u32>,
    /// None while nobody has said from where to read.
    reading: Option<TopicSource>,
    open: Open,
}

/// What the batch at hand has taken so far.
struct Open {
    since: Instant,
    rows: u64,
    bytes: u64,
}

impl Open {
    fn now() -> Open {
        Open { since: Instant::now(), rows: 0, bytes: 0 }
    }
}

impl FollowedTopic {
    /// Joins those who read the topic for `reader`.
    pub(crate) async fn join(
        log: &Arc<dyn Log>,
        topic: &Arc<TopicSpec>,
        reader: &ReaderId,
        pace: Pace,
        stop: Stop,
    ) -> Result<FollowedTopic, SourceError> {
        let member = log.join(&reader.0, topic.dataset.name()).await?;
        let (log, topic, own) = (Arc::clone(log), Arc::clone(topic), BTreeSet::new());
        Ok(FollowedTopic { log, topic, member, pace, stop, own, reading: None, open: Open::now() })
    }

    /// Whether it has to be settled and placed before it can be read.
    pub(crate) fn unsettled(&self) -> bool {
        self.reading.is_none() || self.member.changed()
    }

    /// Takes on the partitions that the group has given us.
    pub(crate) async fn settle(&mut self) -> Result<&BTreeSet<u32>, SourceError> {
        self.reading = None;
        self.own = self.member.assignment().await?;
        Ok(&self.own)
    }

    /// What of a position is about partitions of ours.
    pub(crate) fn own_of(&self, position: &Position) -> Position {
        position.only(|slice| self.own.iter().any(|partition| self.slice(*partition) == *slice))
    }

    /// Reads on from there.
    pub(crate) async fn place(&mut self, from: &Position) -> Result<(), SourceError> {
        let (log, topic) = (Arc::clone(&self.log), Arc::clone(&self.topic));
        let mut source = TopicSource::open(log, topic, from, &Extent::New).await?;
        source.keep_to(&self.own);
        self.reading = Some(source);
        Ok(())
    }

    /// Forgets where it was: what was read is not what the table goes on from.
    pub(crate) fn displace(&mut self) {
        self.reading = None;
    }

    /// Whether there is something to read; waits for it, but not long. A batch begins then.
    pub(crate) async fn news(&mut self) -> Result<bool, SourceError> {
        self.open = Open::now();
        let Some(source) = &mut self.reading else { return Ok(false) };
        if source.behind() {
            return Ok(true);
        }
        source.wait(self.member.as_mut(), LISTEN).await?;
        source.look(&self.own).await?;
        self.open = Open::now();
        Ok(source.behind())
    }

    /// Tells the group how far the commits reach.
    pub(crate) async fn committed(&mut self, position: &Position) -> Result<(), SourceError> {
        let next: BTreeMap<u32, u64> = self
            .own
            .iter()
            .filter_map(|partition| Some((*partition, position.mark(&self.slice(*partition))?.at)))
            .collect();
        Ok(self.member.committed(&next).await?)
    }

    pub(crate) async fn leave(self) -> Result<(), SourceError> {
        Ok(self.member.leave().await?)
    }

    fn slice(&self, partition: u32) -> Slice {
        Slice::partition(self.topic.dataset.name(), partition)
    }

    /// Whether the batch has what it may have.
    fn full(&self) -> bool {
        self.open.rows >= self.pace.rows
            || self.open.bytes >= self.pace.bytes
            || self.open.since.elapsed() >= self.pace.every
            || self.member.changed()
            || self.stop.draining()
    }
}

#[async_trait]
impl Source for FollowedTopic {
    /// The next chunk of the batch at hand; none when the batch has all that it may have.
    async fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        loop {
            if self.open.rows > 0 && self.full() {
                return Ok(None);
            }
            let Some(source) = &mut self.reading else { return Ok(None) };
            if let Some(chunk) = source.next_chunk().await? {
                let other = chunk.refused.len() as u64 + chunk.repeated;
                self.open.rows += chunk.rows.num_rows() as u64 + other;
                self.open.bytes += chunk.rows.get_array_memory_size() as u64;
                return Ok(Some(chunk));
            }
            if self.open.rows == 0 {
                return Ok(None);
            }
            let left = self.pace.every.saturating_sub(self.open.since.elapsed());
            source.wait(self.member.as_mut(), left.min(LISTEN)).await?;
            // What comes bit by bit is better taken in a few pieces.
            tokio::time::sleep(left.min(GATHER)).await;
            source.look(&self.own).await?;
        }
    }

    fn upto(&self) -> Position {
        self.reading.as_ref().map(Source::upto).unwrap_or_default()
    }

    fn read(&self) -> u64 {
        self.reading.as_ref().map(Source::read).unwrap_or_default()
    }

    async fn confirm(&mut self) -> Result<(), SourceError> {
        match &mut self.reading {
            Some(source) => source.confirm().await,
            None => Ok(()),
        }
    }

    fn came_from(&mut self) -> Vec<TraceContext> {
        self.reading.as_mut().map(Source::came_from).unwrap_or_default()
    }
}

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use assay_core::{Position, ReaderId};
use tokio::time::Instant;

use super::follow::Pace;
use super::{RunError, Runner};
use crate::definition::TopicSpec;
use crate::source::FollowedTopic;
use crate::stage::{Reads, Stage};

/// A look at a table costs a query: no more of them than that.
const LOOK: Duration = Duration::from_secs(1);

/// The longest time for which a worker that was fenced off lets the other go on alone.
const STAND_BACK: Duration = Duration::from_secs(5);

/// What a stage follows.
pub(super) enum Feed {
    /// Our share of a topic; none before it was joined.
    Topic { topic: Option<Box<FollowedTopic>>, pace: Pace },
    Table {
        pace: Pace,
        placed: bool,
        /// The snapshot that was looked at last.
        seen: Option<i64>,
        worked_at: Option<Instant>,
    },
}

impl Feed {
    pub(super) fn of(stage: &Stage, pace: Pace) -> Feed {
        match &stage.reads {
            Reads::Topic(_) => Feed::Topic { topic: None, pace },
            Reads::Table(_) => Feed::Table { pace, placed: false, seen: None, worked_at: None },
        }
    }

    /// Whether it has to be joined and placed before there is news.
    pub(super) fn unsettled(&self) -> bool {
        match self {
            Feed::Topic { topic, .. } => topic.as_ref().is_none_or(|topic| topic.unsettled()),
            Feed::Table { placed, .. } => !placed,
        }
    }

    /// Becomes one of the topic's readers, and takes on the partitions that are ours now.
    pub(super) async fn join(
        &mut self,
        runner: &Runner,
        spec: &Arc<TopicSpec>,
        reader: &ReaderId,
    ) -> Result<Option<&BTreeSet<u32>>, RunError> {
        let Feed::Topic { topic, pace } = self else { return Ok(None) };
        if topic.is_none() {
            let stop = runner.stop.clone();
            let joined = FollowedTopic::join(&runner.log, spec, reader, *pace, stop).await?;
            *topic = Some(Box::new(joined));
        }
        match topic {
            Some(topic) => Ok(Some(topic.settle().await?)),
            None => Ok(None),
        }
    }

    /// Gives up what the group wants back, so that a paused worker is in nobody's way.
    pub(super) async fn settle_while_paused(&mut self) -> Result<(), RunError> {
        if let Feed::Topic { topic: Some(topic), .. } = self
            && topic.unsettled()
        {
            topic.settle().await?;
        }
        Ok(())
    }

    /// What of a position is ours.
    pub(super) fn own_of(&self, position: &Position) -> Position {
        match self {
            Feed::Topic { topic: Some(topic), .. } => topic.own_of(position),
            _ => position.clone(),
        }
    }

    /// Reads on from there.
    pub(super) async fn place(&mut self, from: &Position) -> Result<(), RunError> {
        match self {
            Feed::Topic { topic: Some(topic), .. } => topic.place(from).await?,
            Feed::Topic { topic: None, .. } => {}
            Feed::Table { placed, .. } => *placed = true,
        }
        Ok(())
    }

    /// Forgets where it was.
    pub(super) fn displace(&mut self) {
        match self {
            Feed::Topic { topic: Some(topic), .. } => topic.displace(),
            Feed::Topic { topic: None, .. } => {}
            Feed::Table { placed, seen, .. } => (*placed, *seen) = (false, None),
        }
    }

    /// Whether there is something to read; waits for it, but not long.
    pub(super) async fn news(&mut self, runner: &Runner, stage: &Stage) -> Result<bool, RunError> {
        let (pace, seen, worked_at) = match self {
            Feed::Topic { topic: Some(topic), .. } => return Ok(topic.news().await?),
            Feed::Topic { topic: None, .. } => return Ok(false),
            Feed::Table { pace, seen, worked_at, .. } => (pace, seen, worked_at),
        };
        let early = worked_at.map_or(Duration::ZERO, |at| pace.every.saturating_sub(at.elapsed()));
        if !early.is_zero() {
            runner.stop.sleep(early.min(LOOK)).await;
            return Ok(false);
        }
        let table = runner.lake.existing(stage.reads.dataset()).await?;
        let newest = table.metadata().current_snapshot_id();
        if newest == *seen {
            runner.stop.sleep(LOOK).await;
            return Ok(false);
        }
        (*seen, *worked_at) = (newest, Some(Instant::now()));
        Ok(true)
    }

    /// Tells the group how far the commits reach. Nobody goes on from there, so it may fail.
    pub(super) async fn committed(&mut self, position: &Position) {
        if let Feed::Topic { topic: Some(topic), .. } = self
            && let Err(error) = topic.committed(position).await
        {
            tracing::warn!(%error, "the group can't be told how far the commits reach");
        }
    }

    /// How long a worker that was fenced off lets the other go on alone.
    pub(super) fn stand_back(&self) -> Duration {
        let (Feed::Topic { pace, .. } | Feed::Table { pace, .. }) = self;
        pace.every.min(STAND_BACK)
    }

    /// Lets others take over at once. What can't be said is found out by our silence.
    pub(super) async fn leave(&mut self) {
        if let Feed::Topic { topic, .. } = self
            && let Some(topic) = topic.take()
            && let Err(error) = topic.leave().await
        {
            tracing::warn!(%error, "the group can't be told that this worker leaves");
        }
    }
}

use std::sync::Arc;

use assay_core::{Position, ReaderId};
use assay_quality::Breaker;

use super::{RunError, Runner};
use crate::source::{
    AggregateSource, Chunk, DaySource, Extent, FollowedTopic, ReplaySource, Source, TableSource,
    TopicSource,
};
use crate::stage::{Reads, Stage};
use crate::target::{Day, Write};

/// A stage's source, and how what comes out of it is written.
pub(super) struct Opened<'a> {
    pub(super) source: Box<dyn Source + 'a>,
    pub(super) write: Write,
    /// The day that is computed anew.
    pub(super) day: Option<Day>,
    /// Whether it is exactly a batch that was halted before.
    exact: bool,
    /// Whose position moves, and when the batch is halted, where these are not the stage's.
    pub(super) apart: Option<(ReaderId, Breaker)>,
}

impl<'a> Opened<'a> {
    /// The next batch of what is followed.
    pub(super) fn follow(source: &'a mut FollowedTopic) -> Opened<'a> {
        Opened {
            source: Box::new(source),
            write: Write::Append,
            day: None,
            exact: false,
            apart: None,
        }
    }

    /// Letters that come back.
    pub(super) fn replay(
        source: &'a mut ReplaySource<'_>,
        apart: (ReaderId, Breaker),
    ) -> Opened<'a> {
        let (source, apart) = (Box::new(source), Some(apart));
        Opened { source, write: Write::Append, day: None, exact: false, apart }
    }

    pub(super) async fn open(
        runner: &Runner,
        stage: &Stage,
        from: &Position,
        extent: &Extent,
    ) -> Result<Opened<'static>, RunError> {
        let exact = matches!(extent, Extent::Upto(_));
        let day = match extent {
            Extent::Day(day) => Some(day.clone()),
            _ => None,
        };
        if let Some(aggregate) = &stage.aggregate {
            let source =
                AggregateSource::open(&runner.lake, stage, aggregate, from, extent).await?;
            let write = source.write().clone();
            return Ok(Opened { source: Box::new(source), write, day, exact, apart: None });
        }
        if let (Extent::Day(day), Reads::Table(spec)) = (extent, &stage.reads) {
            let source = DaySource::open(&runner.lake, spec, from, day).await?;
            let write = Write::Day(day.clone());
            let day = Some(day.clone());
            return Ok(Opened { source: Box::new(source), write, day, exact, apart: None });
        }
        let source: Box<dyn Source> = match &stage.reads {
            Reads::Topic(topic) => {
                let (log, topic) = (Arc::clone(&runner.log), Arc::clone(topic));
                Box::new(TopicSource::open(log, topic, from, extent).await?)
            }
            Reads::Table(spec) => {
                Box::new(TableSource::open(&runner.lake, spec, from, extent).await?)
            }
        };
        Ok(Opened { source, write: Write::Append, day, exact, apart: None })
    }

    pub(super) async fn next_chunk(&mut self) -> Result<Option<Chunk>, RunError> {
        Ok(self.source.next_chunk().await?)
    }

    /// Whether it may end after any chunk, because it is asked to.
    pub(super) fn may_end(&self) -> bool {
        !self.whole() && !self.exact
    }

    /// Whether all that comes belongs in one commit.
    pub(super) fn whole(&self) -> bool {
        self.write != Write::Append
    }
}

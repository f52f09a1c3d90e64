use std::sync::Arc;

use assay_core::Position;
use chrono::NaiveDate;

use super::{RunError, Runner};
use crate::source::{AggregateSource, Chunk, DaySource, Extent, Source, TableSource, TopicSource};
use crate::stage::{Reads, Stage};
use crate::target::Write;

/// A stage's source, and how what comes out of it is written.
pub(super) struct Opened {
    pub(super) source: Box<dyn Source>,
    pub(super) write: Write,
    /// The day that is computed anew.
    pub(super) day: Option<NaiveDate>,
}

impl Opened {
    pub(super) async fn open(
        runner: &Runner,
        stage: &Stage,
        from: &Position,
        extent: &Extent,
    ) -> Result<Opened, RunError> {
        let day = match extent {
            Extent::Day(day) => Some(day.date),
            _ => None,
        };
        if let Some(aggregate) = &stage.aggregate {
            let source =
                AggregateSource::open(&runner.lake, stage, aggregate, from, extent).await?;
            let write = source.write().clone();
            return Ok(Opened { source: Box::new(source), write, day });
        }
        if let (Extent::Day(day), Reads::Table(spec)) = (extent, &stage.reads) {
            let source = DaySource::open(&runner.lake, spec, from, day).await?;
            let write = Write::Day(day.clone());
            return Ok(Opened { source: Box::new(source), write, day: Some(day.date) });
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
        Ok(Opened { source, write: Write::Append, day })
    }

    pub(super) async fn next_chunk(&mut self) -> Result<Option<Chunk>, RunError> {
        Ok(self.source.next_chunk().await?)
    }

    /// Whether all that comes belongs in one commit.
    pub(super) fn whole(&self) -> bool {
        self.write != Write::Append
    }
}

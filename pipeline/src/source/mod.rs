//! Where a stage reads: chunks that fit in memory, and a position behind them.

mod aggregate;
mod containers;
mod day;
mod followed;
mod json;
mod last_record;
mod replay;
mod rows;
mod table;
mod topic;
mod traces;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use assay_core::{Fault, Position, Slice, TraceContext};
use assay_dlq::{DlqError, LetterId, Origin, PayloadKind, Source as Place};
use assay_log::LogError;
use assay_store::StoreError;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use datafusion::error::DataFusionError;

pub(crate) use self::aggregate::AggregateSource;
pub(crate) use self::day::DaySource;
pub(crate) use self::followed::FollowedTopic;
pub(crate) use self::json::schema as json_schema;
pub(crate) use self::last_record::check_last_records;
pub(crate) use self::replay::{Diff, ReplaySource, Transform, patch, patched, slice_of};
pub(crate) use self::rows::TableRows;
pub(crate) use self::table::TableSource;
pub(crate) use self::topic::{COLLECTOR, COUNT, FIRST_SEQUENCE, TopicSource, topic_schema};
pub(crate) use self::traces::{MOST as MOST_TRACES, Traces};
use crate::target::{Day, TargetError};

/// How much of what is new a source gives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Extent {
    /// All of it.
    New,
    /// Exactly so far: a batch that was halted must not be diluted by rows that came later.
    Upto(Position),
    /// All rows of one day that this reader has read before.
    Day(Day),
}

impl Extent {
    fn end(&self) -> Option<&Position> {
        match self {
            Extent::New | Extent::Day(_) => None,
            Extent::Upto(end) => Some(end),
        }
    }

    fn end_of(&self, slice: &Slice) -> Option<u64> {
        self.end().map(|end| end.mark(slice).map_or(0, |mark| mark.at))
    }
}

/// Rows that are shaped and judged together.
pub(crate) struct Chunk {
    pub(crate) rows: RecordBatch,
    /// Tells of each row where it came from and what its bytes were.
    pub(crate) provenance: Arc<dyn Provenance>,
    /// What could not be decoded into rows.
    pub(crate) refused: Vec<Refused>,
    /// Rows that were left out because this reader has taken them before.
    pub(crate) repeated: u64,
}

/// A message that is no rows.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) origin: Origin,
    pub(crate) place: Option<Place>,
    pub(crate) detail: String,
    pub(crate) payload: Bytes,
    pub(crate) kind: PayloadKind,
    /// The letter that it was before.
    pub(crate) again: Option<Again>,
}

/// A letter whose row comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Again {
    pub(crate) id: LetterId,
    pub(crate) attempt: u32,
    pub(crate) first_failed_at: DateTime<Utc>,
}

/// A letter, and the rows of the chunk that it became.
#[derive(Debug, Clone)]
pub(crate) struct Replayed {
    pub(crate) id: LetterId,
    pub(crate) topic: String,
    pub(crate) partition: u32,
    pub(crate) rows: Range<usize>,
    /// It was a message of rows that are letters of their own when they fail.
    pub(crate) splits: bool,
}

/// Tells where the rows of a chunk came from. Asked only for rows that are set aside.
pub(crate) trait Provenance: Send + Sync {
    fn origin(&self, row: usize) -> Result<Origin, SourceError>;
    fn place(&self, row: usize) -> Option<Place>;
    /// The bytes that the stage received for the row.
    fn payload(&self, row: usize) -> Result<(Bytes, PayloadKind), SourceError>;

    /// The letter that the row was before.
    fn again(&self, _: usize) -> Option<Again> {
        None
    }

    /// The letters that the rows are made of.
    fn replayed(&self) -> &[Replayed] {
        &[]
    }
}

/// Reads what is new to one reader.
#[async_trait]
pub(crate) trait Source: Send {
    async fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError>;

    /// How far the chunks given so far reach.
    fn upto(&self) -> Position;

    /// Rows read so far, by the source's own count.
    fn read(&self) -> u64;

    /// Says at the end of a batch whether it is of the source that it was begun on, as far as that
    /// can change under a reader.
    async fn confirm(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    /// The traces that the chunks given so far come from; those that were asked for before may be
    /// left out.
    fn came_from(&mut self) -> Vec<TraceContext> {
        vec![]
    }
}

/// A source that is read on behalf of one batch, and goes on to the next.
#[async_trait]
impl<S: Source + ?Sized> Source for &mut S {
    async fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        (**self).next_chunk().await
    }

    fn upto(&self) -> Position {
        (**self).upto()
    }

    fn read(&self) -> u64 {
        (**self).read()
    }

    async fn confirm(&mut self) -> Result<(), SourceError> {
        (**self).confirm().await
    }

    fn came_from(&mut self) -> Vec<TraceContext> {
        (**self).came_from()
    }
}

/// Why a source can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Table(#[from] TargetError),
    #[error(transparent)]
    Letters(#[from] DlqError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot read {what}")]
    Query {
        what: String,
        #[source]
        source: DataFusionError,
    },
    #[error("cannot read {what}: {why}")]
    Refused { what: String, why: String },
}

impl SourceError {
    pub fn fault(&self) -> Fault {
        match self {
            SourceError::Log(error) => error.fault(),
            SourceError::Table(error) => error.fault(),
            SourceError::Letters(error) => error.fault(),
            SourceError::Store(error) => error.fault(),
            SourceError::Query { .. } | SourceError::Refused { .. } => Fault::Permanent,
        }
    }
}

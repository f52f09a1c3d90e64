//! Bytes that others wrote, each given to the parser that meets it first. Opened for the fuzz
//! targets in `fuzz/`, which are no part of the workspace, and for nothing else.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use assay_core::{Position, ReaderId};
use assay_log::{Log, NewRecord};
use chrono::{DateTime, Utc};

use crate::definition::{IngestSpec, TopicSpec};
use crate::ingest::{IngestError, take_apart};
use crate::lake::marks_of;
use crate::source::{Extent, Source, SourceError, TopicSource};
use crate::stage::{Stage, StageError};

/// What became of bytes.
#[derive(Debug, Default)]
pub struct Taken {
    /// Lines, records or rows that were found.
    pub read: u64,
    /// Those of them that were set aside.
    pub refused: u64,
    /// The others.
    pub rows: Vec<RecordBatch>,
}

/// Takes a file in: the messages that its lines become, how many lines it has, and how many of
/// them are no events.
pub fn lines(spec: &IngestSpec, file: Vec<u8>) -> Result<(Vec<NewRecord>, u64, u64), IngestError> {
    take_apart(spec, file)
}

/// Reads a topic from a position to its end, and every row's own bytes.
pub async fn topic(
    log: Arc<dyn Log>,
    topic: &Arc<TopicSpec>,
    from: &Position,
) -> Result<Taken, SourceError> {
    let mut source = TopicSource::open(log, Arc::clone(topic), from, &Extent::New).await?;
    let mut taken = Taken::default();
    while let Some(chunk) = source.next_chunk().await? {
        for row in 0..chunk.rows.num_rows() {
            chunk.provenance.origin(row)?;
            chunk.provenance.payload(row)?;
        }
        taken.refused += chunk.refused.len() as u64;
        taken.rows.push(chunk.rows);
    }
    taken.read = source.read();
    Ok(taken)
}

/// Filters, extracts and models rows as a row stage does at that time; filtered rows count as
/// refused.
pub fn shape(stage: &Stage, rows: &RecordBatch, at: DateTime<Utc>) -> Result<Taken, StageError> {
    let shaped = stage.shaper(at)?.shape(rows)?;
    let refused = shaped.filtered + shaped.broken.len() as u64;
    Ok(Taken { read: rows.num_rows() as u64, refused, rows: vec![shaped.rows] })
}

/// Reads how far a reader has come from the properties of a table, or says which is damaged.
pub fn position(
    properties: &HashMap<String, String>,
    reader: &ReaderId,
) -> Result<Position, String> {
    marks_of(properties, reader).map_err(|(property, error)| format!("{property}: {error}"))
}

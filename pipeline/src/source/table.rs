//! Reads what a table gained since a position.

use std::sync::Arc;

use arrow::array::RecordBatch;
use assay_core::{Mark, Position, Slice, TraceContext};
use async_trait::async_trait;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;

use super::{Chunk, Extent, Source, SourceError, TableRows};
use crate::definition::TableSpec;
use crate::lake::{FileRows, Lake, as_of, sequences_since, traces_since};
use crate::target::TargetError;

/// The files of one snapshot that are new to a reader.
pub(crate) struct TableSource {
    spec: Arc<TableSpec>,
    reading: Option<Reading>,
    slice: Slice,
    from: Position,
    /// How far the position is once so many rows were given. It stays behind the sequence number
    /// whose rows were given only in part: those are read again after a crash, as duplicates.
    reached: Vec<(u64, u64)>,
    traces: Vec<TraceContext>,
    read: u64,
}

/// Files that are decoded while the rows before are worked on.
struct Reading {
    rows: Receiver<RecordBatch>,
    /// How it ended: without it, an end of the rows could be taken for the end of the files.
    task: JoinHandle<iceberg::Result<()>>,
}

impl TableSource {
    pub(crate) async fn open(
        lake: &Lake,
        spec: &Arc<TableSpec>,
        from: &Position,
        extent: &Extent,
    ) -> Result<TableSource, SourceError> {
        let dataset = &spec.dataset;
        let slice = Slice::table(&dataset.to_string());
        let mut source = TableSource {
            spec: Arc::clone(spec),
            reading: None,
            slice: slice.clone(),
            from: from.clone(),
            reached: Vec::new(),
            traces: Vec::new(),
            read: 0,
        };
        let table = lake.existing(dataset).await?;
        let Some(snapshot) = as_of(&table, extent.end_of(&slice)) else {
            return Ok(source);
        };
        let mark = from.mark(&slice).map_or(0, |mark| mark.at);
        let found = sequences_since(dataset, &table, &snapshot, mark).await?;
        if found.is_empty() {
            return Ok(source);
        }
        source.traces = traces_since(&table, &snapshot, mark);
        let mut rows = 0;
        for (sequence, file) in &found {
            rows += file.record_count();
            source.reached.push((rows, *sequence));
        }
        let at = u64::try_from(snapshot.sequence_number()).unwrap_or_default();
        source.reached.push((rows, at));
        let files: Vec<_> = found.into_iter().map(|(_, file)| file).collect();
        let rows = FileRows::new(table.file_io().clone(), &files, Arc::clone(&spec.schema));
        source.reading = Some(Reading::start(rows));
        Ok(source)
    }

    fn wrong(&self, source: iceberg::Error) -> SourceError {
        let doing = format!("read {}", self.spec.dataset);
        SourceError::Table(TargetError::iceberg(doing, source))
    }
}

impl Reading {
    fn start(mut files: FileRows) -> Reading {
        let (send, rows) = channel(1);
        let task = tokio::spawn(async move {
            while let Some(rows) = files.next().await? {
                if send.send(rows).await.is_err() {
                    // Nobody wants the rest.
                    break;
                }
            }
            Ok(())
        });
        Reading { rows, task }
    }

    async fn next(&mut self) -> iceberg::Result<Option<RecordBatch>> {
        if let Some(rows) = self.rows.recv().await {
            return Ok(Some(rows));
        }
        let ended = (&mut self.task).await.map_err(|error| {
            iceberg::Error::new(iceberg::ErrorKind::Unexpected, "the reader of the files died")
                .with_source(error)
        })?;
        ended.map(|()| None)
    }
}

#[async_trait]
impl Source for TableSource {
    async fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        let Some(reading) = &mut self.reading else { return Ok(None) };
        let Some(rows) = reading.next().await.map_err(|error| self.wrong(error))? else {
            self.reading = None;
            return Ok(None);
        };
        self.read += rows.num_rows() as u64;
        let origin = self.spec.origin.clone();
        let provenance = Arc::new(TableRows { rows: rows.clone(), origin });
        Ok(Some(Chunk { rows, provenance, refused: Vec::new(), repeated: 0 }))
    }

    fn upto(&self) -> Position {
        let mut upto = self.from.clone();
        if self.reached.is_empty() {
            return upto;
        }
        // A sequence number is reached when the last of its files is.
        let given = self.reached.partition_point(|(rows, _)| *rows <= self.read);
        let begun = self.reached.get(given).map(|(_, sequence)| *sequence);
        let whole = self.reached[..given].iter().map(|(_, sequence)| *sequence);
        let before = self.from.mark(&self.slice).map_or(0, |mark| mark.at);
        let at = whole.rev().find(|sequence| Some(*sequence) != begun).unwrap_or(before);
        upto.0.insert(self.slice.clone(), Mark { at, ..Mark::default() });
        upto
    }

    fn read(&self) -> u64 {
        self.read
    }

    /// Of all that is read: which commit a row is of does not show.
    fn came_from(&mut self) -> Vec<TraceContext> {
        self.traces.clone()
    }
}

//! Reads what a table gained since a position.

use std::sync::Arc;

use arrow::array::RecordBatch;
use assay_core::{Mark, Position, Slice};
use async_trait::async_trait;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;

use super::{Chunk, Extent, Source, SourceError, TableRows};
use crate::definition::TableSpec;
use crate::lake::{FileRows, Lake, as_of, new_since};
use crate::target::TargetError;

/// The files of one snapshot that are new to a reader.
pub(crate) struct TableSource {
    spec: Arc<TableSpec>,
    reading: Option<Reading>,
    position: Position,
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
        let mut source =
            TableSource { spec: Arc::clone(spec), reading: None, position: from.clone(), read: 0 };
        let table = lake.existing(dataset).await?;
        let slice = Slice::table(&dataset.to_string());
        let Some(snapshot) = as_of(&table, extent.end_of(&slice)) else {
            return Ok(source);
        };
        let mark = from.mark(&slice).map_or(0, |mark| mark.at);
        let files = new_since(dataset, &table, &snapshot, mark).await?;
        if files.files.is_empty() {
            return Ok(source);
        }
        let at = u64::try_from(snapshot.sequence_number()).unwrap_or_default();
        source.position.0.insert(slice, Mark { at, ..Mark::default() });
        let rows = FileRows::new(table.file_io().clone(), &files.files, Arc::clone(&spec.schema));
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
        self.position.clone()
    }

    fn read(&self) -> u64 {
        self.read
    }
}

//! Files of text as tables: lines are read as they are wanted, and their cells brought into the
//! types that the columns have.

use std::fmt;
use std::io;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;

use super::cells::Cells;
use super::fit::Fit;
use super::refused::Refused;
use crate::session::ROWS_PER_BATCH;

/// What stands in one line of a file.
pub(super) enum Line<'a> {
    Row(u64, &'a [Option<&'a str>]),
    Refused(u64, &'a str),
}

/// A file whose lines can be read again and again.
pub(super) trait Lines: fmt::Debug + Send + Sync {
    /// Shows each line to `take`, which says whether to go on.
    fn each(&self, take: &mut dyn FnMut(Line<'_>) -> bool) -> io::Result<()>;
}

/// The one partition of a table that is a file of text.
#[derive(Debug, Clone)]
pub(super) struct TextTable {
    pub(super) lines: Arc<dyn Lines>,
    /// The columns that the lines have.
    pub(super) columns: Arc<[String]>,
    pub(super) schema: SchemaRef,
    pub(super) refused: Refused,
}

impl PartitionStream for TextTable {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), 2);
        let (table, sender) = (self.clone(), builder.tx());
        self.refused.clear();
        builder
            .spawn_blocking(move || table.read(&mut |rows| sender.blocking_send(Ok(rows)).is_ok()));
        builder.build()
    }
}

impl TextTable {
    fn read(&self, send: &mut dyn FnMut(arrow::array::RecordBatch) -> bool) -> Result<()> {
        let fit = Fit::of_texts(&self.schema);
        let mut cells = Cells::new(&self.columns);
        let mut failed = None;
        let mut give = |cells: &mut Cells| -> Result<bool> {
            let (rows, lines) = cells.take()?;
            let (rows, misfits) = fit.apply(&rows)?;
            for (row, why) in misfits {
                self.refused.add(&why, lines.get(row as usize).copied());
            }
            Ok(send(rows))
        };
        self.lines
            .each(&mut |line| {
                match line {
                    Line::Row(line, row) => cells.push(line, row.iter().copied()),
                    Line::Refused(line, why) => self.refused.add(why, Some(line)),
                }
                if cells.len() < ROWS_PER_BATCH {
                    return true;
                }
                give(&mut cells).unwrap_or_else(|error| {
                    failed = Some(error);
                    false
                })
            })
            .map_err(DataFusionError::IoError)?;
        match failed {
            Some(error) => Err(error),
            None if cells.len() > 0 => give(&mut cells).map(|_| ()),
            None => Ok(()),
        }
    }
}

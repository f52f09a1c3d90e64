//! Rows under construction, all cells as texts; what they mean is for the schema to say.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

/// Cells of one row are gathered before they count, so that a row that turns out to be none leaves
/// nothing behind.
pub(super) struct Cells {
    schema: SchemaRef,
    builders: Vec<StringBuilder>,
    /// The line that each row began on.
    pub(super) lines: Vec<u64>,
}

impl Cells {
    pub(super) fn new(columns: &[String]) -> Cells {
        let field = |name: &String| Field::new(name, DataType::Utf8, true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        let builders = columns.iter().map(|_| StringBuilder::new()).collect();
        Cells { schema, builders, lines: Vec::new() }
    }

    pub(super) fn push<'a>(&mut self, line: u64, row: impl IntoIterator<Item = Option<&'a str>>) {
        for (builder, cell) in self.builders.iter_mut().zip(row) {
            builder.append_option(cell);
        }
        self.lines.push(line);
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The rows so far, with the line of each; what comes next are others.
    pub(super) fn take(&mut self) -> Result<(RecordBatch, Vec<u64>), ArrowError> {
        let columns: Vec<ArrayRef> = self
            .builders
            .iter_mut()
            .map(|builder| Arc::new(builder.finish()) as ArrayRef)
            .collect();
        let lines = std::mem::take(&mut self.lines);
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(lines.len()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        Ok((rows, lines))
    }
}

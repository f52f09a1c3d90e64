//! What a stage writes beside its rows, made of those that are new: rows for other tables, and
//! what they add to windows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use assay_core::DatasetName;
use chrono::{DateTime, TimeDelta, Utc};
use datafusion::datasource::MemTable;
use datafusion::error::{DataFusionError, Result};
use futures::TryStreamExt;

use super::columns::UTC;
use super::lineage::Planned;
use super::model::{ModelError, query_columns_alone, query_planned};
use super::shape::conform;
use crate::definition::TableSpec;
use crate::session::{plan, register, rows, session};
use crate::target::{Fold, Write};

/// The columns that a window adds to the rows in it.
pub(crate) const WINDOW: [&str; 2] = ["window_start", "window_end"];

/// When a row is late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTime {
    /// The column of what is written that says when it happened.
    pub column: String,
    /// So much behind the latest row before it, in its own partition, is late.
    pub late_after: TimeDelta,
    /// So much after the log took it a row can't have happened.
    pub ahead_after: TimeDelta,
    /// A partition in which nothing came for so long holds no window back.
    pub idle_after: TimeDelta,
}

/// Spans of time of one length, one beginning after the other; longer than the pause between two
/// beginnings, they overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    pub length: TimeDelta,
    pub every: TimeDelta,
}

/// One more table that a stage writes, in the same commit.
#[derive(Debug, Clone)]
pub struct Also {
    pub writes: Arc<TableSpec>,
    /// SQL over the new rows: their columns, those of what was read, and those of the window.
    pub model: String,
    pub windows: Option<Windows>,
    pub merge: Option<Merge>,
}

/// The key of rows, and how two of one key become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    pub key: Vec<String>,
    pub folds: Vec<(String, Fold)>,
}

impl Also {
    pub(crate) fn write(&self) -> Write {
        match &self.merge {
            None => Write::Append,
            Some(Merge { key, folds }) => Write::Merge { key: key.clone(), folds: folds.clone() },
        }
    }

    /// The columns that the model gives.
    pub(crate) fn columns(
        &self,
        of: &DatasetName,
        written: &SchemaRef,
        read: &SchemaRef,
    ) -> std::result::Result<SchemaRef, Vec<ModelError>> {
        query_columns_alone(&self.model, (of, &self.schema(written, read)))
    }

    /// The model as it is written and as it is run.
    pub(crate) fn planned(
        &self,
        of: &DatasetName,
        written: &SchemaRef,
        read: &SchemaRef,
    ) -> std::result::Result<Planned, Vec<ModelError>> {
        let input = self.schema(written, read);
        query_planned(&self.model, &[(of, &input)], &self.writes.schema)
    }

    fn schema(&self, written: &SchemaRef, read: &SchemaRef) -> SchemaRef {
        let joined = joined(written, read);
        match self.windows {
            Some(_) => with_windows(&joined),
            None => joined,
        }
    }

    /// The rows for the table, made of the new rows of `of`.
    pub(crate) async fn rows(
        &self,
        of: &DatasetName,
        time: Option<&EventTime>,
        (written, read): (&RecordBatch, &RecordBatch),
        at: DateTime<Utc>,
    ) -> Result<RecordBatch> {
        let mut input = beside(written, read)?;
        if let (Some(windows), Some(time)) = (self.windows, time) {
            input = windows.spread(&input, &time.column)?;
        }
        let state = session(at, None);
        let table = MemTable::try_new(input.schema(), vec![vec![input]])?;
        register(&state, of.layer().name(), of.name(), Arc::new(table))?;
        let planned = plan(&state, &self.model).await?;
        let stream = rows(&state, &planned).await?;
        let schema = stream.schema();
        let made: Vec<RecordBatch> = stream.try_collect().await?;
        let (fitted, misfits) = conform(&concat_batches(&schema, &made)?, &self.writes.schema)?;
        match misfits.first() {
            None => Ok(fitted),
            Some((_, why)) => Err(DataFusionError::Execution(why.clone())),
        }
    }
}

impl Windows {
    /// When the windows begin, the last one first, that a time is in; all in microseconds.
    pub(crate) fn starts(self, at: i64) -> impl Iterator<Item = i64> {
        let (length, every) = (micros(self.length), micros(self.every));
        let last = at - at.rem_euclid(every);
        let starts = std::iter::successors(Some(last), move |start| start.checked_sub(every));
        starts.take_while(move |start| *start > at.saturating_sub(length))
    }

    /// The rows, each once for every window that it is in.
    fn spread(
        &self,
        rows: &RecordBatch,
        time: &str,
    ) -> std::result::Result<RecordBatch, ArrowError> {
        let length = micros(self.length);
        let times = rows
            .column_by_name(time)
            .ok_or_else(|| ArrowError::SchemaError(format!("the rows have no column `{time}`")))?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let (mut places, mut starts) = (Vec::new(), Vec::new());
        for row in (0..times.len()).filter(|row| times.is_valid(*row)) {
            for start in self.starts(times.value(row)) {
                places.push(u32::try_from(row).unwrap_or(u32::MAX));
                starts.push(start);
            }
        }
        let spread = take_record_batch(rows, &UInt32Array::from(places))?;
        let ends: Vec<i64> = starts.iter().map(|start| start.saturating_add(length)).collect();
        let mut columns = spread.columns().to_vec();
        for edges in [starts, ends] {
            let edges = TimestampMicrosecondArray::from(edges).with_timezone(UTC);
            columns.push(Arc::new(edges) as ArrayRef);
        }
        RecordBatch::try_new(with_windows(&rows.schema()), columns)
    }
}

fn micros(span: TimeDelta) -> i64 {
    span.num_microseconds().unwrap_or(i64::MAX).max(1)
}

fn with_windows(schema: &SchemaRef) -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()));
    let edges = WINDOW.map(|name| Arc::new(Field::new(name, time.clone(), false)));
    Arc::new(Schema::new(schema.fields().iter().cloned().chain(edges).collect::<Vec<_>>()))
}

/// The columns of what is written, and behind them those of what was read that have other names.
fn joined(written: &SchemaRef, read: &SchemaRef) -> SchemaRef {
    let other = read.fields().iter().filter(|field| written.field_with_name(field.name()).is_err());
    Arc::new(Schema::new(written.fields().iter().chain(other).cloned().collect::<Vec<_>>()))
}

fn beside(
    written: &RecordBatch,
    read: &RecordBatch,
) -> std::result::Result<RecordBatch, ArrowError> {
    let schema = joined(&written.schema(), &read.schema());
    let column = |field: &Arc<Field>| {
        let column = written.column_by_name(field.name());
        column.or_else(|| read.column_by_name(field.name())).cloned()
    };
    let columns = schema.fields().iter().filter_map(column).collect();
    RecordBatch::try_new(schema, columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(length: i64, every: i64, at: i64) -> Vec<i64> {
        let time = TimestampMicrosecondArray::from(vec![at * 1_000_000]).with_timezone(UTC);
        let rows = RecordBatch::try_from_iter([("at", Arc::new(time) as ArrayRef)]).unwrap();
        let windows =
            Windows { length: TimeDelta::seconds(length), every: TimeDelta::seconds(every) };
        let spread = windows.spread(&rows, "at").unwrap();
        let column = |name: &str| {
            let column = spread.column_by_name(name).unwrap();
            let column = column.as_primitive::<TimestampMicrosecondType>();
            column.values().iter().map(|micros| micros / 1_000_000).collect::<Vec<_>>()
        };
        let ends: Vec<i64> = column("window_start").iter().map(|start| start + length).collect();
        assert_eq!(column("window_end"), ends);
        column("window_start")
    }

    #[test]
    fn a_row_is_in_every_window_that_holds_its_time_and_in_no_other() {
        assert_eq!(starts(60, 60, 59), [0]);
        assert_eq!(starts(60, 60, 60), [60]);
        assert_eq!(starts(10, 5, 12), [10, 5]);
        assert_eq!(starts(10, 5, 15), [15, 10]);
        // Windows with gaps between them.
        assert!(starts(5, 10, 17).is_empty());
        // Before 1970.
        assert_eq!(starts(60, 60, -1), [-60]);
    }
}

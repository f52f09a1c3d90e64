//! One number that SQL computes of all rows, taken down chunk by chunk.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::Accumulator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use crate::judge::reason;

/// A query that aggregates the rows to one number. The states of its aggregates are small and can
/// be merged, so it needs no pass of its own.
pub(crate) struct Measure {
    /// The conditions of WHERE.
    pub(crate) filters: Vec<Arc<dyn PhysicalExpr>>,
    pub(crate) aggregates: Vec<Aggregate>,
    /// Over one row of the values of the aggregates.
    pub(crate) value: Arc<dyn PhysicalExpr>,
    pub(crate) schema: SchemaRef,
}

pub(crate) struct Aggregate {
    pub(crate) function: Arc<AggregateFunctionExpr>,
    pub(crate) arguments: Vec<Arc<dyn PhysicalExpr>>,
    pub(crate) filter: Option<Arc<dyn PhysicalExpr>>,
}

/// How far a query is computed.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    measure: Arc<Measure>,
    /// The state of each aggregate.
    states: Vec<Vec<ScalarValue>>,
    /// Why it can't be computed any more.
    pub(crate) failed: Option<&'static str>,
}

impl PartialEq for Measured {
    fn eq(&self, other: &Measured) -> bool {
        (&self.states, self.failed) == (&other.states, other.failed)
    }
}

impl Measured {
    pub(crate) fn new(measure: &Arc<Measure>) -> Measured {
        let state = |aggregate: &Aggregate| aggregate.function.create_accumulator()?.state();
        let states = measure.aggregates.iter().map(state).collect::<Result<Vec<_>>>();
        let failed = states.as_ref().err().map(reason);
        Measured { measure: Arc::clone(measure), states: states.unwrap_or_default(), failed }
    }

    /// Takes rows in.
    pub(crate) fn observe(&mut self, rows: &RecordBatch) {
        let taken = self.measure.states_of(rows);
        self.join(taken);
    }

    /// Takes in what another one was shown.
    pub(crate) fn merge(&mut self, other: Measured) {
        match other.failed {
            Some(why) => self.fail(why),
            None => self.join(Ok(other.states)),
        }
    }

    /// The number; none where SQL gives NULL.
    pub(crate) fn value(&self) -> Result<Option<f64>, &'static str> {
        match self.failed {
            Some(why) => Err(why),
            None => self.measure.value_of(&self.states).map_err(|error| reason(&error)),
        }
    }

    fn join(&mut self, theirs: Result<Vec<Vec<ScalarValue>>>) {
        if self.failed.is_some() {
            return;
        }
        let merged = theirs.and_then(|theirs| self.measure.merged(&self.states, &theirs));
        match merged {
            Ok(states) => self.states = states,
            Err(error) => self.fail(reason(&error)),
        }
    }

    fn fail(&mut self, why: &'static str) {
        // Of several reasons always the same one.
        self.failed = Some(self.failed.map_or(why, |known| known.min(why)));
        self.states.clear();
    }
}

impl Measure {
    fn states_of(&self, rows: &RecordBatch) -> Result<Vec<Vec<ScalarValue>>> {
        let mut rows = rows.clone();
        for filter in &self.filters {
            rows = filtered(&rows, filter.as_ref())?;
        }
        let state = |aggregate: &Aggregate| {
            let rows = match &aggregate.filter {
                Some(filter) => filtered(&rows, filter.as_ref())?,
                None => rows.clone(),
            };
            let column =
                |expr: &Arc<dyn PhysicalExpr>| expr.evaluate(&rows)?.into_array(rows.num_rows());
            let columns: Vec<ArrayRef> =
                aggregate.arguments.iter().map(column).collect::<Result<_>>()?;
            let mut accumulator = aggregate.function.create_accumulator()?;
            accumulator.update_batch(&columns)?;
            accumulator.state()
        };
        self.aggregates.iter().map(state).collect()
    }

    fn merged(
        &self,
        ours: &[Vec<ScalarValue>],
        theirs: &[Vec<ScalarValue>],
    ) -> Result<Vec<Vec<ScalarValue>>> {
        let merge = |(place, aggregate): (usize, &Aggregate)| {
            accumulated(aggregate, &[&ours[place], &theirs[place]])?.state()
        };
        self.aggregates.iter().enumerate().map(merge).collect()
    }

    fn value_of(&self, states: &[Vec<ScalarValue>]) -> Result<Option<f64>> {
        let mut columns = Vec::with_capacity(states.len());
        for (aggregate, state) in self.aggregates.iter().zip(states) {
            columns.push(accumulated(aggregate, &[state])?.evaluate()?.to_array()?);
        }
        // A sum that was made of wider numbers has to fit where it goes.
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        for (column, field) in columns.iter_mut().zip(self.schema.fields()) {
            let narrow = cast_with_options(column, field.data_type(), &strict);
            *column = narrow.map_err(|_| ArrowError::ArithmeticOverflow("a sum".to_owned()))?;
        }
        let one = RecordBatchOptions::new().with_row_count(Some(1));
        let row = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &one)?;
        let value = self.value.evaluate(&row)?.into_array(1)?;
        match ScalarValue::try_from_array(&value, 0)?
            .cast_to(&arrow::datatypes::DataType::Float64)?
        {
            ScalarValue::Float64(value) => Ok(value),
            _ => Err(DataFusionError::Internal("a cast gave another type".to_owned())),
        }
    }
}

fn accumulated(
    aggregate: &Aggregate,
    states: &[&Vec<ScalarValue>],
) -> Result<Box<dyn Accumulator>> {
    let mut accumulator = aggregate.function.create_accumulator()?;
    for state in states {
        let columns: Vec<ArrayRef> =
            state.iter().map(ScalarValue::to_array).collect::<Result<_>>()?;
        accumulator.merge_batch(&columns)?;
    }
    Ok(accumulator)
}

fn filtered(rows: &RecordBatch, filter: &dyn PhysicalExpr) -> Result<RecordBatch> {
    let keep = filter.evaluate(rows)?.into_array(rows.num_rows())?;
    let keep: &BooleanArray = keep
        .as_any()
        .downcast_ref()
        .ok_or_else(|| DataFusionError::Internal("a condition is not boolean".to_owned()))?;
    Ok(filter_record_batch(rows, keep)?)
}

impl fmt::Debug for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Measure({})", self.value)
    }
}

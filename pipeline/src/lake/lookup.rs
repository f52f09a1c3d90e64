//! Answers whether keys are in a table, as of one snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, BooleanBufferBuilder, RecordBatch};
use arrow::compute::cast;
use assay_core::DatasetName;
use assay_quality::{KeyError, KeyHasher};
use async_trait::async_trait;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, col, lit};
use futures::TryStreamExt;
use iceberg::table::Table;

use super::{Lake, LakeScan};
use crate::session::{rows, session};
use crate::target::{Day, Lookup, Snapshot, TargetError};

/// The key columns of one snapshot of a table. Files whose bounds can't hold a key of the chunk
/// are not opened; of the others only the key columns are read.
pub(super) struct LakeLookup {
    dataset: DatasetName,
    table: Table,
    snapshot: Option<Snapshot>,
    columns: Vec<String>,
    without: Option<Day>,
    runtime: Arc<datafusion::execution::runtime_env::RuntimeEnv>,
    at: chrono::DateTime<chrono::Utc>,
}

impl LakeLookup {
    pub(super) fn new(
        lake: &Lake,
        dataset: &DatasetName,
        table: Table,
        snapshot: Option<Snapshot>,
        columns: &[String],
        without: Option<&Day>,
    ) -> LakeLookup {
        LakeLookup {
            dataset: dataset.clone(),
            table,
            snapshot,
            columns: columns.to_vec(),
            without: without.cloned(),
            runtime: Arc::clone(&lake.runtime),
            at: lake.clock.now(),
        }
    }

    fn wrong(&self, source: DataFusionError) -> TargetError {
        TargetError::Query { doing: format!("look keys up in {}", self.dataset), source }
    }

    /// The rows that could hold one of the keys, key columns only.
    async fn candidates(
        &self,
        keys: &RecordBatch,
    ) -> Result<datafusion::physical_plan::SendableRecordBatchStream, DataFusionError> {
        let external = |error: iceberg::Error| DataFusionError::External(Box::new(error));
        let scan = LakeScan::of(self.table.clone(), self.snapshot).map_err(external)?;
        let state = session(self.at, Some(Arc::clone(&self.runtime)));
        let source = datafusion::datasource::provider_as_source(Arc::new(scan));
        let mut plan = LogicalPlanBuilder::scan("keys", source, None)?;
        if let Some(range) = range(&self.columns[0], keys.column(0))? {
            plan = plan.filter(range)?;
        }
        if let Some(day) = &self.without {
            plan = plan.filter(day.others())?;
        }
        let columns: Vec<Expr> = self
            .columns
            .iter()
            .map(|c| Expr::Column(datafusion::common::Column::from_name(c)))
            .collect();
        let plan = plan.project(columns)?.build()?;
        rows(&state, &plan).await
    }
}

/// `column` between the least and the greatest of `keys`; none when all keys are null.
fn range(column: &str, keys: &ArrayRef) -> Result<Option<Expr>, DataFusionError> {
    let rows: Vec<ScalarValue> = (0..keys.len())
        .filter(|row| keys.is_valid(*row))
        .map(|row| ScalarValue::try_from_array(keys, row))
        .collect::<Result<_, _>>()?;
    let order =
        |a: &&ScalarValue, b: &&ScalarValue| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal);
    let bounds = rows.iter().min_by(order).zip(rows.iter().max_by(order));
    Ok(bounds.map(|(least, greatest)| {
        let column = || col(datafusion::common::Column::from_name(column));
        column().gt_eq(lit(least.clone())).and(column().lt_eq(lit(greatest.clone())))
    }))
}

#[async_trait]
impl Lookup for LakeLookup {
    async fn known(&self, keys: &RecordBatch) -> Result<BooleanArray, TargetError> {
        let mut found = BooleanBufferBuilder::new(keys.num_rows());
        found.append_n(keys.num_rows(), false);
        let answer = |mut found: BooleanBufferBuilder| BooleanArray::new(found.finish(), None);
        if self.snapshot.is_none() || keys.num_rows() == 0 {
            return Ok(answer(found));
        }
        let key = |error: KeyError| self.wrong(DataFusionError::External(Box::new(error)));
        let hasher = KeyHasher::new(&keys.schema(), &self.columns).map_err(key)?;
        let mut rows: HashMap<u128, Vec<usize>> = HashMap::new();
        for (row, hash) in hasher.hash(keys).map_err(key)?.into_iter().enumerate() {
            if let Some(hash) = hash {
                rows.entry(hash).or_default().push(row);
            }
        }
        let mut stream = self.candidates(keys).await.map_err(|source| self.wrong(source))?;
        while let Some(batch) = stream.try_next().await.map_err(|source| self.wrong(source))? {
            let same = alike(&batch, keys).map_err(|source| self.wrong(source))?;
            for hash in hasher.hash(&same).map_err(key)?.into_iter().flatten() {
                for row in rows.remove(&hash).unwrap_or_default() {
                    found.set_bit(row, true);
                }
            }
            if rows.is_empty() {
                break;
            }
        }
        Ok(answer(found))
    }
}

/// `batch` with the types of `keys`, so that equal keys hash alike.
fn alike(batch: &RecordBatch, keys: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
    let column =
        |(column, field): (&ArrayRef, &arrow::datatypes::FieldRef)| cast(column, field.data_type());
    let columns: Result<Vec<ArrayRef>, _> =
        batch.columns().iter().zip(keys.schema().fields()).map(column).collect();
    Ok(RecordBatch::try_new(keys.schema(), columns?)?)
}

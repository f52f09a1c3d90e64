//! Answers whether keys are in a table outside of one day, which is computed anew.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::or;
use assay_core::DatasetName;
use assay_quality::KeyHasher;
use async_trait::async_trait;
use datafusion::common::Column;
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use futures::TryStreamExt;
use iceberg::table::Table;

use super::day::{in_order, parted};
use super::files::DataFiles;
use super::lookup::LakeLookup;
use super::reader::typed;
use super::{Lake, LakeScan};
use crate::target::{Day, Lookup, Snapshot, TargetError};

/// The keys of files without the day, and of the other rows of files in which it is mixed.
pub(super) struct OutsideDay {
    lake: Arc<Lake>,
    dataset: DatasetName,
    table: Table,
    columns: Vec<String>,
    day: Day,
    others: LakeLookup,
    mixed: DataFiles,
}

impl OutsideDay {
    pub(super) async fn new(
        lake: &Arc<Lake>,
        dataset: &DatasetName,
        table: Table,
        at: Option<Snapshot>,
        columns: &[String],
        day: &Day,
    ) -> Result<OutsideDay, TargetError> {
        let snapshot = at.and_then(|at| table.metadata().snapshot_by_id(at.0)).cloned();
        let (others, mixed) = match snapshot {
            Some(snapshot) => parted(dataset, &table, &snapshot, day).await?,
            None => Default::default(),
        };
        Ok(OutsideDay {
            lake: Arc::clone(lake),
            dataset: dataset.clone(),
            columns: columns.to_vec(),
            day: day.clone(),
            others: LakeLookup::of_files(dataset, table.clone(), columns, &others.files),
            mixed,
            table,
        })
    }

    async fn in_mixed(&self, keys: &RecordBatch) -> Result<Vec<bool>, DataFusionError> {
        let mut found = vec![false; keys.num_rows()];
        if self.mixed.files.is_empty() {
            return Ok(found);
        }
        let external = |error| DataFusionError::External(error);
        let hasher = KeyHasher::new(&keys.schema(), &self.columns)
            .map_err(|error| external(Box::new(error)))?;
        let hash = |rows: &RecordBatch| {
            hasher.hash(rows).map_err(|error| DataFusionError::External(Box::new(error)))
        };
        let mut wanted: HashMap<u128, Vec<usize>> = HashMap::new();
        for (row, key) in hash(keys)?.into_iter().enumerate() {
            if let Some(key) = key {
                wanted.entry(key).or_default().push(row);
            }
        }
        let scan = LakeScan::files(self.table.clone(), self.mixed.clone())
            .map_err(|error| external(Box::new(error)))?;
        let columns = self.columns.iter().map(|name| Expr::Column(Column::from_name(name)));
        let plan = LogicalPlanBuilder::scan("keys", provider_as_source(Arc::new(scan)), None)?
            .filter(self.day.others())?
            .project(columns.collect::<Vec<_>>())?
            .build()?;
        let mut stream = in_order(&self.lake, &plan).await?;
        while let Some(rows) = stream.try_next().await? {
            let rows = typed(&rows, &keys.schema()).map_err(|error| external(Box::new(error)))?;
            for key in hash(&rows)?.into_iter().flatten() {
                for row in wanted.remove(&key).unwrap_or_default() {
                    found[row] = true;
                }
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl Lookup for OutsideDay {
    async fn known(&self, keys: &RecordBatch) -> Result<BooleanArray, TargetError> {
        let wrong = |source| TargetError::Query {
            doing: format!("look keys up in {}", self.dataset),
            source,
        };
        let mixed = BooleanArray::from(self.in_mixed(keys).await.map_err(wrong)?);
        let others = self.others.known(keys).await?;
        or(&mixed, &others).map_err(|error| wrong(error.into()))
    }
}

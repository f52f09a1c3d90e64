//! What others did to a table while a draft was built on it.

use std::sync::Arc;

use assay_core::DatasetName;
use assay_quality::{KeyHasher, KeySet};
use datafusion::common::Column;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use futures::TryStreamExt;
use iceberg::spec::Operation;
use iceberg::table::Table;

use super::commits::history;
use super::files::{DataFiles, new_since};
use super::reader::typed;
use super::{Lake, LakeScan};
use crate::definition::TableSpec;
use crate::session::{rows, session};
use crate::target::{Snapshot, TargetError};

/// The changes of a table since a snapshot.
pub(super) enum Meanwhile {
    /// The same rows, though perhaps in other files.
    Nothing,
    /// Rows came, none went: these files have them.
    Added(DataFiles),
    /// Rows went, or what happened can't be seen any more.
    Overwritten,
}

impl Meanwhile {
    pub(super) async fn since(
        base: Option<Snapshot>,
        dataset: &DatasetName,
        table: &Table,
    ) -> Result<Meanwhile, TargetError> {
        let mut added = false;
        let mut begin = None;
        for snapshot in history(table) {
            if Some(Snapshot(snapshot.snapshot_id())) == base {
                begin = Some(snapshot.sequence_number());
                break;
            }
            match snapshot.summary().operation {
                Operation::Append => added = true,
                Operation::Replace => {}
                Operation::Overwrite | Operation::Delete => return Ok(Meanwhile::Overwritten),
            }
            if base.is_none() && snapshot.parent_snapshot_id().is_none() {
                begin = Some(0);
            }
        }
        let current = table.metadata().current_snapshot();
        match (begin, current) {
            (None, None) if base.is_none() => Ok(Meanwhile::Nothing),
            (None, _) | (_, None) => Ok(Meanwhile::Overwritten),
            (Some(_), Some(_)) if !added => Ok(Meanwhile::Nothing),
            (Some(begin), Some(current)) => {
                let mark = u64::try_from(begin).unwrap_or_default();
                Ok(Meanwhile::Added(new_since(dataset, table, current, mark).await?))
            }
        }
    }
}

/// Whether a row of `files` has one of `keys`.
pub(super) async fn holds_any(
    lake: &Lake,
    spec: &TableSpec,
    table: &Table,
    files: DataFiles,
    columns: &[String],
    keys: &KeySet,
) -> Result<bool, TargetError> {
    let wrong = |source| TargetError::Query {
        doing: format!("look into what others wrote to {}", spec.dataset),
        source,
    };
    let external = |error| wrong(DataFusionError::External(error));
    let places: Result<Vec<usize>, _> =
        columns.iter().map(|name| spec.schema.index_of(name)).collect();
    let schema = places.and_then(|places| spec.schema.project(&places));
    let schema = Arc::new(schema.map_err(|error| wrong(error.into()))?);
    let hasher = KeyHasher::new(&schema, columns).map_err(|error| external(Box::new(error)))?;
    let scan = LakeScan::files(table.clone(), files).map_err(|error| external(Box::new(error)))?;
    let source = datafusion::datasource::provider_as_source(Arc::new(scan));
    let state = session(lake.clock.now(), Some(Arc::clone(&lake.runtime)));
    let wanted: Vec<Expr> =
        columns.iter().map(|name| Expr::Column(Column::from_name(name))).collect();
    let plan = LogicalPlanBuilder::scan("keys", source, None)
        .and_then(|plan| plan.project(wanted))
        .and_then(LogicalPlanBuilder::build)
        .map_err(wrong)?;
    let mut stream = rows(&state, &plan).await.map_err(wrong)?;
    while let Some(batch) = stream.try_next().await.map_err(wrong)? {
        // Equal keys hash alike only when they have the same type.
        let same = typed(&batch, &schema).map_err(|error| external(Box::new(error)))?;
        let hashes = hasher.hash(&same).map_err(|error| external(Box::new(error)))?;
        if hashes.into_iter().flatten().any(|hash| keys.contains(hash)) {
            return Ok(true);
        }
    }
    Ok(false)
}

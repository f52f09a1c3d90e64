//! SQL over the lake, for people.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use assay_core::DatasetName;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::TryStreamExt;

use crate::lake::{Lake, LakeScan};
use crate::session::{plan, register, rows, session};
use crate::target::{Snapshot, TargetError};

/// Why a query gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error(transparent)]
    Table(#[from] TargetError),
    #[error("{0}")]
    Sql(String),
    #[error("no table has a snapshot {0}: `assay tables NAME` lists them")]
    NoSnapshot(i64),
    #[error("only queries are answered here: tables are written by stages")]
    NotAQuery,
}

impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> Self {
        QueryError::Sql(error.strip_backtrace())
    }
}

/// The rows of an answer, as they come.
pub struct Query {
    stream: SendableRecordBatchStream,
}

impl Query {
    /// Plans `sql` over all tables; the one that has the snapshot `at` is read as of then.
    pub async fn open(lake: &Lake, sql: &str, at: Option<i64>) -> Result<Query, QueryError> {
        let state = session(lake.clock.now(), Some(Arc::clone(&lake.runtime)));
        let mut pinned = at.is_none();
        let known = lake.datasets().await?;
        for dataset in known.clone() {
            let table = lake.existing(&dataset).await?;
            let here = at.filter(|at| table.metadata().snapshot_by_id(*at).is_some());
            pinned |= here.is_some();
            let scan = LakeScan::of(table, here.map(Snapshot))
                .map_err(|source| TargetError::iceberg(format!("open {dataset}"), source))?;
            register(&state, dataset.layer().name(), dataset.name(), Arc::new(scan))?;
        }
        if let (false, Some(at)) = (pinned, at) {
            return Err(QueryError::NoSnapshot(at));
        }
        let plan = plan(&state, sql).await.map_err(|error| unknown(error, &known))?;
        let writes = matches!(
            plan,
            LogicalPlan::Dml(_)
                | LogicalPlan::Ddl(_)
                | LogicalPlan::Copy(_)
                | LogicalPlan::Statement(_)
        );
        if writes {
            return Err(QueryError::NotAQuery);
        }
        Ok(Query { stream: rows(&state, &plan).await? })
    }

    pub fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }

    pub async fn next(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        Ok(self.stream.try_next().await?)
    }
}

/// An error of planning; where a table is not there, with those that are.
fn unknown(error: DataFusionError, known: &[DatasetName]) -> QueryError {
    let text = error.strip_backtrace();
    if !text.contains("not found") {
        return QueryError::Sql(text);
    }
    let known: Vec<String> = known.iter().map(ToString::to_string).collect();
    let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
    QueryError::Sql(format!("{}; the tables are: {known}", text.replace("'assay.", "'")))
}

/// A table, as `assay tables` shows it.
#[derive(Debug, Clone)]
pub struct TableInfo {
    pub dataset: DatasetName,
    pub location: String,
    pub rows: u64,
    pub files: u64,
    pub bytes: u64,
    pub snapshots: Vec<SnapshotInfo>,
    pub columns: Vec<(String, String)>,
}

/// A commit of a table, as its summary tells it.
#[derive(Debug, Clone)]
pub struct SnapshotInfo {
    pub id: i64,
    pub sequence: i64,
    pub at: chrono::DateTime<chrono::Utc>,
    pub operation: String,
    pub summary: std::collections::BTreeMap<String, String>,
}

impl Lake {
    /// What is known of a table without reading its rows. Newest snapshot first.
    pub async fn info(&self, dataset: &DatasetName) -> Result<TableInfo, TargetError> {
        let table = self.existing(dataset).await?;
        let metadata = table.metadata();
        let mut snapshots: Vec<SnapshotInfo> = metadata
            .snapshots()
            .map(|snapshot| SnapshotInfo {
                id: snapshot.snapshot_id(),
                sequence: snapshot.sequence_number(),
                at: snapshot.timestamp().unwrap_or_default(),
                operation: snapshot.summary().operation.as_str().to_owned(),
                summary: snapshot.summary().additional_properties.clone().into_iter().collect(),
            })
            .collect();
        snapshots.sort_by_key(|snapshot| -snapshot.sequence);
        let total = |key: &str| {
            let newest = snapshots.first().and_then(|snapshot| snapshot.summary.get(key));
            newest.and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        let fields = metadata.current_schema().as_struct().fields();
        Ok(TableInfo {
            dataset: dataset.clone(),
            location: metadata.location().trim_start_matches("file://").to_owned(),
            rows: total("total-records"),
            files: total("total-data-files"),
            bytes: total("total-files-size"),
            columns: fields.iter().map(|f| (f.name.clone(), f.field_type.to_string())).collect(),
            snapshots,
        })
    }
}

//! Reads tables: Iceberg says which files, DataFusion's own Parquet source reads them.

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::{DataFusionError, Result, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::object_store::ObjectMeta;
use datafusion::object_store::path::Path;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::TryStreamExt;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::table::Table;

use super::predicate::predicate;
use crate::target::Snapshot;

/// A table of the lake in a query, as of a snapshot.
#[derive(Debug)]
pub(crate) struct LakeScan {
    table: Table,
    schema: SchemaRef,
    read: Read,
}

#[derive(Debug)]
enum Read {
    AsOf(Snapshot),
    Nothing,
}

impl LakeScan {
    /// All rows as of `snapshot`, else as of now.
    pub(crate) fn of(table: Table, snapshot: Option<Snapshot>) -> iceberg::Result<LakeScan> {
        let current = table.metadata().current_snapshot().map(|s| Snapshot(s.snapshot_id()));
        let read = snapshot.or(current).map_or(Read::Nothing, Read::AsOf);
        LakeScan::new(table, read)
    }

    fn new(table: Table, read: Read) -> iceberg::Result<LakeScan> {
        let schema = Arc::new(schema_to_arrow_schema(table.metadata().current_schema())?);
        // Field ids belong to Iceberg; in a query they would make equal types unequal.
        let plain = |field: &Arc<arrow::datatypes::Field>| {
            field.as_ref().clone().with_metadata(Default::default())
        };
        let fields: Vec<_> = schema.fields().iter().map(plain).collect();
        let schema = Arc::new(arrow::datatypes::Schema::new(fields));
        Ok(LakeScan { table, schema, read })
    }

    /// How many rows the files hold that `filters` leave, as the manifests count them.
    pub(crate) async fn rows(&self, filters: &[Expr]) -> iceberg::Result<u64> {
        Ok(self.plan(filters).await?.1)
    }

    async fn plan(&self, filters: &[Expr]) -> iceberg::Result<(Vec<PartitionedFile>, u64)> {
        let mut rows = 0;
        let mut files = Vec::new();
        match &self.read {
            Read::Nothing => {}
            Read::AsOf(snapshot) => {
                let mut scan = self.table.scan().snapshot_id(snapshot.0);
                if let Some(predicate) = predicate(filters) {
                    scan = scan.with_filter(predicate);
                }
                let mut tasks = scan.build()?.plan_files().await?;
                while let Some(task) = tasks.try_next().await? {
                    if !task.deletes.is_empty() {
                        return Err(iceberg::Error::new(
                            iceberg::ErrorKind::FeatureUnsupported,
                            "another engine wrote row deletes into the table; compact it there first",
                        ));
                    }
                    rows += task.record_count.unwrap_or_default();
                    files.push(file(&task.data_file_path, task.file_size_in_bytes)?);
                }
            }
        }
        Ok((files, rows))
    }
}

/// A file where Iceberg says it is: as a path, which may have any character in it, not as text
/// that would be escaped.
fn file(path: &str, bytes: u64) -> iceberg::Result<PartitionedFile> {
    let place = path.strip_prefix("file://").unwrap_or(path);
    let location = Path::from_absolute_path(place).map_err(|error| {
        let what = "the path of a data file can't be read";
        iceberg::Error::new(iceberg::ErrorKind::DataInvalid, what).with_source(error)
    })?;
    let modified = chrono::DateTime::UNIX_EPOCH;
    let meta =
        ObjectMeta { location, last_modified: modified, size: bytes, e_tag: None, version: None };
    Ok(PartitionedFile::new_from_meta(meta))
}

#[async_trait]
impl TableProvider for LakeScan {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let planned = self.plan(filters).await;
        let (files, rows) = planned.map_err(|e| DataFusionError::External(Box::new(e)))?;
        if files.is_empty() {
            // A scan without a partition is no plan that can be sorted or joined.
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(columns)?),
                None => Arc::clone(&self.schema),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let source = ParquetSource::new(TableSchema::new(Arc::clone(&self.schema), vec![]))
            .with_table_parquet_options(state.table_options().parquet.clone());
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = Precision::Exact(usize::try_from(rows).unwrap_or(usize::MAX));
        let scan = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(if filters.is_empty() { limit } else { None })
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }
}

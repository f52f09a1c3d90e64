//! One Parquet file as a table.

use std::any::Any;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use chrono::DateTime;
use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::logical_expr::Expr;
use datafusion::object_store::ObjectMeta;
use datafusion::object_store::path::Path as Location;
use datafusion::physical_plan::ExecutionPlan;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};

use super::InspectError;

#[derive(Debug)]
pub(super) struct ParquetFile {
    file: PartitionedFile,
    schema: SchemaRef,
}

impl ParquetFile {
    pub(super) fn open(path: &Path) -> std::result::Result<ParquetFile, InspectError> {
        let wrong = |source| InspectError::File { path: path.to_owned(), source };
        let unfit = |why: String| InspectError::Unfit(format!("{}: {why}", path.display()));
        let full = path.canonicalize().map_err(wrong)?;
        let file = File::open(&full).map_err(wrong)?;
        let size = file.metadata().map_err(wrong)?.len();
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::default())
            .map_err(|error| unfit(format!("no Parquet file that can be read: {error}")))?;
        // As a path, which may have any character in it, not as text that would be escaped.
        let location = Location::from_absolute_path(&full)
            .map_err(|error| unfit(format!("the path can't be read: {error}")))?;
        let last_modified = DateTime::UNIX_EPOCH;
        let meta = ObjectMeta { location, last_modified, size, e_tag: None, version: None };
        Ok(ParquetFile {
            file: PartitionedFile::new_from_meta(meta),
            schema: Arc::clone(metadata.schema()),
        })
    }
}

#[async_trait]
impl TableProvider for ParquetFile {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let groups = FileGroup::new(vec![self.file.clone()]);
        let source = ParquetSource::new(TableSchema::new(Arc::clone(&self.schema), vec![]))
            .with_table_parquet_options(state.table_options().parquet.clone());
        let scan = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file_groups(vec![groups])
            .with_projection_indices(projection.cloned())?
            .with_limit(if filters.is_empty() { limit } else { None })
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }
}

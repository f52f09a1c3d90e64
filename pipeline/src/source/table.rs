//! Reads what a table gained since a position.

use std::sync::Arc;

use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use assay_core::{Mark, Position, Slice};
use async_trait::async_trait;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::TryStreamExt;

use super::{Chunk, Extent, Source, SourceError, TableRows};
use crate::definition::TableSpec;
use crate::lake::{Lake, LakeScan, as_of, new_since};
use crate::session::{rows, session};

/// The files of one snapshot that are new to a reader.
pub(crate) struct TableSource {
    spec: Arc<TableSpec>,
    stream: Option<SendableRecordBatchStream>,
    position: Position,
    read: u64,
}

impl TableSource {
    pub(crate) async fn open(
        lake: &Lake,
        spec: &Arc<TableSpec>,
        from: &Position,
        extent: &Extent,
    ) -> Result<TableSource, SourceError> {
        let dataset = &spec.dataset;
        let mut source =
            TableSource { spec: Arc::clone(spec), stream: None, position: from.clone(), read: 0 };
        let table = lake.existing(dataset).await?;
        let slice = Slice::table(&dataset.to_string());
        let Some(snapshot) = as_of(&table, extent.end_of(&slice)) else {
            return Ok(source);
        };
        let mark = from.mark(&slice).map_or(0, |mark| mark.at);
        let files = new_since(dataset, &table, &snapshot, mark).await?;
        if files.files.is_empty() {
            return Ok(source);
        }
        let at = u64::try_from(snapshot.sequence_number()).unwrap_or_default();
        source.position.0.insert(slice, Mark { at, ..Mark::default() });
        let opened = open(lake, spec, LakeScan::files(table, files)).await;
        source.stream = Some(opened.map_err(|error| source.wrong(error))?);
        Ok(source)
    }

    fn wrong(&self, source: DataFusionError) -> SourceError {
        SourceError::Query { what: self.spec.dataset.to_string(), source }
    }
}

/// Streams the columns of the contract.
async fn open(
    lake: &Lake,
    spec: &TableSpec,
    scan: iceberg::Result<LakeScan>,
) -> Result<SendableRecordBatchStream, DataFusionError> {
    let scan = scan.map_err(|error| DataFusionError::External(Box::new(error)))?;
    let state = session(lake.clock.now(), Some(Arc::clone(&lake.runtime)));
    let source = datafusion::datasource::provider_as_source(Arc::new(scan));
    let columns = spec.schema.fields().iter().map(|field| {
        datafusion::logical_expr::Expr::Column(datafusion::common::Column::from_name(field.name()))
    });
    let plan = LogicalPlanBuilder::scan("source", source, None)?
        .project(columns.collect::<Vec<_>>())?
        .build()?;
    rows(&state, &plan).await
}

#[async_trait]
impl Source for TableSource {
    async fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        let Some(stream) = &mut self.stream else { return Ok(None) };
        let next = stream
            .try_next()
            .await
            .map_err(|source| SourceError::Query { what: self.spec.dataset.to_string(), source })?;
        let Some(rows) = next else { return Ok(None) };
        self.read += rows.num_rows() as u64;
        let rows = typed(&rows, &self.spec.schema).map_err(|error| self.wrong(error))?;
        let origin = self.spec.origin.clone();
        let provenance = Arc::new(TableRows { rows: rows.clone(), origin });
        Ok(Some(Chunk { rows, provenance, refused: Vec::new(), repeated: 0 }))
    }

    fn upto(&self) -> Position {
        self.position.clone()
    }

    fn read(&self) -> u64 {
        self.read
    }
}

/// The rows with exactly the types of the contract.
fn typed(
    rows: &arrow::array::RecordBatch,
    schema: &SchemaRef,
) -> Result<arrow::array::RecordBatch, DataFusionError> {
    let columns: Result<Vec<_>, _> = rows
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| cast(column, field.data_type()))
        .collect();
    Ok(arrow::array::RecordBatch::try_new(Arc::clone(schema), columns?)?)
}

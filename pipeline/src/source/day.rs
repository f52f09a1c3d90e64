//! Reads the rows of one day again, of those that a reader has read before.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use assay_core::{Position, Slice};
use async_trait::async_trait;
use datafusion::common::Column;
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::TryStreamExt;

use super::{Chunk, Source, SourceError, TableRows};
use crate::definition::TableSpec;
use crate::lake::{Lake, LakeScan, files_of_day, in_order};
use crate::target::Day;

/// One day of a table, as of a reader's position.
pub(crate) struct DaySource {
    spec: Arc<TableSpec>,
    stream: Option<SendableRecordBatchStream>,
    position: Position,
    read: u64,
    given: bool,
}

impl DaySource {
    pub(crate) async fn open(
        lake: &Lake,
        spec: &Arc<TableSpec>,
        from: &Position,
        day: &Day,
    ) -> Result<DaySource, SourceError> {
        let dataset = &spec.dataset;
        let mut source = DaySource {
            spec: Arc::clone(spec),
            stream: None,
            position: from.clone(),
            read: 0,
            given: false,
        };
        let table = lake.existing(dataset).await?;
        let mark = from.mark(&Slice::table(&dataset.to_string())).map_or(0, |mark| mark.at);
        if let Some(snapshot) = table.metadata().current_snapshot().cloned() {
            let files = files_of_day(dataset, &table, &snapshot, day, mark).await?;
            if !files.files.is_empty() {
                let opened = stream(lake, spec, LakeScan::files(table, files), day).await;
                source.stream = Some(opened.map_err(|error| source.wrong(error))?);
            }
        }
        Ok(source)
    }

    fn wrong(&self, source: DataFusionError) -> SourceError {
        SourceError::Query { what: self.spec.dataset.to_string(), source }
    }

    async fn next_rows(&mut self) -> Result<Option<RecordBatch>, DataFusionError> {
        let Some(stream) = &mut self.stream else { return Ok(None) };
        let Some(rows) = stream.try_next().await? else { return Ok(None) };
        let fields = self.spec.schema.fields();
        let typed: Result<Vec<_>, _> = rows
            .columns()
            .iter()
            .zip(fields)
            .map(|(column, field)| cast(column, field.data_type()))
            .collect();
        Ok(Some(RecordBatch::try_new(Arc::clone(&self.spec.schema), typed?)?))
    }
}

async fn stream(
    lake: &Lake,
    spec: &TableSpec,
    scan: iceberg::Result<LakeScan>,
    day: &Day,
) -> Result<SendableRecordBatchStream, DataFusionError> {
    let scan = scan.map_err(|error| DataFusionError::External(Box::new(error)))?;
    let columns =
        spec.schema.fields().iter().map(|field| Expr::Column(Column::from_name(field.name())));
    let plan = LogicalPlanBuilder::scan("source", provider_as_source(Arc::new(scan)), None)?
        .filter(day.rows())?
        .project(columns.collect::<Vec<_>>())?
        .build()?;
    in_order(lake, &plan).await
}

#[async_trait]
impl Source for DaySource {
    async fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        let next = self.next_rows().await.map_err(|error| self.wrong(error))?;
        // The day may have become empty: it is replaced by nothing, which is a chunk as well.
        let rows = match next {
            Some(rows) => rows,
            None if self.given => return Ok(None),
            None => RecordBatch::new_empty(Arc::clone(&self.spec.schema)),
        };
        self.given = true;
        self.read += rows.num_rows() as u64;
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

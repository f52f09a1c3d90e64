//! Reads whole days of a table, from the earliest one touched, through an aggregate stage's SQL.

use std::sync::Arc;

use assay_core::{Mark, Position, Slice, TraceContext};
use async_trait::async_trait;
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::view::ViewTable;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::TryStreamExt;
use iceberg::table::Table;

use super::{Chunk, Extent, Source, SourceError, TableRows};
use crate::definition::{Aggregate, TableSpec};
use crate::lake::{
    Lake, LakeScan, Removed, as_of, earliest, new_since, removed_since, traces_since,
};
use crate::session::{plan, register, rows, session};
use crate::stage::{Reads, Stage};
use crate::target::{Snapshot, TargetError, Write};

/// The rows that an aggregate stage's SQL makes of the days that were touched.
pub(crate) struct AggregateSource {
    spec: Arc<TableSpec>,
    stream: Option<SendableRecordBatchStream>,
    position: Position,
    write: Write,
    /// Rows of the source, as its manifests count them.
    traces: Vec<TraceContext>,
    read: u64,
    given: bool,
}

impl AggregateSource {
    pub(crate) async fn open(
        lake: &Lake,
        stage: &Stage,
        aggregate: &Aggregate,
        from: &Position,
        extent: &Extent,
    ) -> Result<AggregateSource, SourceError> {
        let mut source = AggregateSource {
            spec: Arc::clone(&stage.writes),
            stream: None,
            position: from.clone(),
            write: Write::Append,
            traces: Vec::new(),
            read: 0,
            given: false,
        };
        let dataset = stage.reads.dataset();
        let table = lake.existing(dataset).await?;
        let slice = Slice::table(&dataset.to_string());
        let read_before = from.mark(&slice).map(|mark| mark.at);
        let end = match extent {
            Extent::Day(_) => read_before,
            _ => extent.end_of(&slice),
        };
        let Some(snapshot) = as_of(&table, end) else { return Ok(source) };
        let first = match extent {
            Extent::Day(day) => Some(day.value()),
            _ => {
                let mark = read_before.unwrap_or(0);
                source.traces = traces_since(&table, &snapshot, mark);
                let new = new_since(dataset, &table, &snapshot, mark).await?;
                let removed = match removed_since(dataset, &table, &snapshot, mark).await? {
                    Removed::Files(files) => files,
                    Removed::Unknown { known_from } => return Err(left_behind(stage, known_from)),
                };
                let touched = new.files.iter().chain(&removed);
                earliest(dataset, &table, touched, &aggregate.whole)?
            }
        };
        let Some(first) = first else { return Ok(source) };
        let pinned = Snapshot(snapshot.snapshot_id());
        source.read = rows_from(stage, aggregate, &table, pinned, &first).await?;
        if !matches!(extent, Extent::Day(_)) {
            let at = u64::try_from(snapshot.sequence_number()).unwrap_or_default();
            source.position.0.insert(slice, Mark { at, ..Mark::default() });
        }
        let query = Query { lake, stage, aggregate, first: &first };
        let opened = query.open(table, pinned).await;
        source.stream = Some(opened.map_err(|error| match error {
            Opening::Table(error) => SourceError::Table(error),
            Opening::Query(source) => {
                SourceError::Query { what: format!("the model of {}", stage.id), source }
            }
        })?);
        source.write = Write::Replace { column: aggregate.replace.clone(), from: first };
        Ok(source)
    }

    /// What the rows replace.
    pub(crate) fn write(&self) -> &Write {
        &self.write
    }
}

#[async_trait]
impl Source for AggregateSource {
    async fn next_chunk(&mut self) -> Result<Option<Chunk>, SourceError> {
        let Some(stream) = &mut self.stream else { return Ok(None) };
        let next = stream.try_next().await.map_err(|source| SourceError::Query {
            what: format!("the model of {}", self.spec.dataset),
            source,
        })?;
        // Days may have become empty: they are replaced by nothing, which is a chunk as well.
        let rows = match next {
            Some(rows) => rows,
            None if self.given => return Ok(None),
            None => arrow::array::RecordBatch::new_empty(Arc::clone(&self.spec.schema)),
        };
        self.given = true;
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

    fn came_from(&mut self) -> Vec<TraceContext> {
        std::mem::take(&mut self.traces)
    }
}

/// Rows may have left the source unseen, so what the target has of them may be too much.
fn left_behind(stage: &Stage, known_from: u64) -> SourceError {
    let (id, source) = (&stage.id, stage.reads.dataset());
    let rewind = format!("assay rewind {} --pipeline {}", id.stage, id.pipeline);
    SourceError::Refused {
        what: format!("what changed in {source} since {id} read it"),
        why: format!(
            "snapshots of it that {id} had not read have expired, and rows may have left with \
             them. To compute everything anew, run `{rewind} --to beginning --reason … --yes` and \
             run the stage again. If you know which days changed, use `--to {source}={known_from}` \
             instead, and compute these days with `assay run … --date`"
        ),
    }
}

/// Rows of the partitions from `first` on, counted by the manifests.
async fn rows_from(
    stage: &Stage,
    aggregate: &Aggregate,
    table: &Table,
    pinned: Snapshot,
    first: &ScalarValue,
) -> Result<u64, SourceError> {
    let wrong = |source| {
        SourceError::Table(TargetError::iceberg(
            format!("count the rows of {}", stage.reads.dataset()),
            source,
        ))
    };
    let scan = LakeScan::of(table.clone(), Some(pinned)).map_err(wrong)?;
    let filter = column(&aggregate.whole).gt_eq(lit(first.clone()));
    scan.rows(&[filter]).await.map_err(wrong)
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

enum Opening {
    Table(TargetError),
    Query(DataFusionError),
}

impl From<DataFusionError> for Opening {
    fn from(error: DataFusionError) -> Self {
        Opening::Query(error)
    }
}

/// The SQL of an aggregate stage over the days from `first` on.
struct Query<'a> {
    lake: &'a Lake,
    stage: &'a Stage,
    aggregate: &'a Aggregate,
    first: &'a ScalarValue,
}

impl Query<'_> {
    async fn open(
        &self,
        source: Table,
        pinned: Snapshot,
    ) -> Result<SendableRecordBatchStream, Opening> {
        let target = self.lake.ensure(&self.stage.writes).await.map_err(Opening::Table)?;
        let state = session(self.lake.clock.now(), Some(Arc::clone(&self.lake.runtime)));
        let Reads::Table(spec) = &self.stage.reads else {
            return Err(Opening::Query(DataFusionError::Plan("not a table".to_owned())));
        };
        let touched = column(&self.aggregate.whole).gt_eq(lit(self.first.clone()));
        let view = restricted(source, Some(pinned), spec, touched)?;
        register(&state, spec.dataset.layer().name(), spec.dataset.name(), view)?;
        let untouched = column(&self.aggregate.replace).lt(lit(self.first.clone()));
        let previous = restricted(target, None, &self.stage.writes, untouched)?;
        register(&state, "none", "previous", previous)?;
        let plan = plan(&state, &self.stage.model).await?;
        Ok(rows(&state, &plan).await?)
    }
}

/// The columns of the contract, of the rows for which `filter` holds.
fn restricted(
    table: Table,
    snapshot: Option<Snapshot>,
    spec: &TableSpec,
    filter: Expr,
) -> Result<Arc<ViewTable>, DataFusionError> {
    let scan = LakeScan::of(table, snapshot)
        .map_err(|error| DataFusionError::External(Box::new(error)))?;
    let source = datafusion::datasource::provider_as_source(Arc::new(scan));
    let columns: Vec<Expr> =
        spec.schema.fields().iter().map(|field| column(field.name())).collect();
    let plan = LogicalPlanBuilder::scan("rows", source, None)?
        .filter(filter)?
        .project(columns)?
        .build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

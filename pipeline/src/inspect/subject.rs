use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use assay_core::DatasetName;
use chrono::{DateTime, Utc};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::{SendableRecordBatchStream, execute_stream_partitioned};

use super::InspectError;
use super::csv_file::CsvFile;
use super::json_lines::JsonLines;
use super::parquet_file::ParquetFile;
use super::refused::Refused;
use super::sniff::Sniff;
use super::text_table::{Line, Lines, TextTable};
use crate::lake::{Lake, LakeScan};
use crate::query::QueryError;
use crate::session::{physical, plan, register, rows, runtime, session};
use crate::target::{Snapshot, TargetError};

/// How a query names the rows of the file or table that is looked at.
const DATA: &str = "data";

/// How our own questions name the rows that are looked at in the end.
pub(super) const ROWS: &str = "inspected.rows";

/// What a question of ours holds in memory before it spills. Judging holds little, and a question
/// beside it shall not change that.
const QUESTION_BYTES: usize = 32 << 20;

/// Where rows are.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file; its format, where its name does not tell.
    File(PathBuf, Option<FileFormat>),
    /// A table of the lake, as of a snapshot or of now.
    Table(DatasetName, Option<i64>),
}

/// How the rows of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    Parquet,
    Csv,
    JsonLines,
}

impl FileFormat {
    /// The format that a file's name tells.
    pub fn of(path: &Path) -> Option<FileFormat> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        Some(match name.rsplit_once('.')?.1 {
            "parquet" | "pq" => FileFormat::Parquet,
            "csv" | "tsv" => FileFormat::Csv,
            "jsonl" | "ndjson" | "json" => FileFormat::JsonLines,
            _ => return None,
        })
    }
}

/// Rows to be looked at, as often as it takes.
pub struct Subject {
    pub(super) name: String,
    pub(super) state: SessionState,
    plan: LogicalPlan,
    /// The columns that are there before they are brought into the types wanted; none where only
    /// reading tells.
    there: Option<SchemaRef>,
    pub(super) refused: Refused,
    pub(super) spill: PathBuf,
    /// Its own, for questions of ours.
    questions: Arc<RuntimeEnv>,
    /// It is a table of the lake, as it is.
    table: bool,
}

/// What opening needs beside the place.
#[derive(Clone, Copy)]
pub struct Opening<'a> {
    /// Needed for tables, and for queries that name some.
    pub lake: Option<&'a Lake>,
    pub spill: &'a Path,
    pub memory_bytes: usize,
    pub now: DateTime<Utc>,
}

pub(super) struct Opened {
    pub(super) provider: Arc<dyn TableProvider>,
    there: Option<SchemaRef>,
    refused: Refused,
}

impl Subject {
    /// Opens a file or table, or what `sql` answers over it, where it is named `data`. `wanted`
    /// says which types the columns of a file of text have; else its cells do.
    pub async fn open(
        place: &Place,
        sql: Option<&str>,
        wanted: Option<&SchemaRef>,
        with: Opening<'_>,
    ) -> Result<Subject, InspectError> {
        let name = match place {
            Place::File(path, _) => path.display().to_string(),
            Place::Table(dataset, _) => dataset.to_string(),
        };
        let wrong = |error: DataFusionError| InspectError::rows(&name, &error);
        let runtime = match with.lake {
            Some(lake) => Arc::clone(&lake.runtime),
            None => runtime(with.spill, with.memory_bytes).map_err(wrong)?,
        };
        // What somebody asks with SQL may need all that there is.
        let questions = match sql {
            Some(_) => Arc::clone(&runtime),
            None => crate::session::runtime(with.spill, with.memory_bytes.min(QUESTION_BYTES))
                .map_err(wrong)?,
        };
        let state = session(with.now, Some(runtime));
        let wanted = if sql.is_some() { None } else { wanted };
        let opened = match place {
            Place::File(path, format) => open_file(path, *format, wanted)?,
            Place::Table(dataset, at) => open_table(with.lake, dataset, *at).await?,
        };
        let Opened { provider, there, refused } = opened;
        let source = provider_as_source(Arc::clone(&provider));
        register(&state, "none", DATA, provider).map_err(wrong)?;
        let (plan, there) = match sql {
            None => {
                let scan = LogicalPlanBuilder::scan(DATA, source, None);
                (scan.and_then(LogicalPlanBuilder::build).map_err(wrong)?, there)
            }
            Some(sql) => {
                if let Some(lake) = with.lake {
                    register_all(&state, lake).await?;
                }
                let plan = plan(&state, sql).await.map_err(QueryError::from)?;
                read_only(&plan)?;
                let there = Arc::clone(plan.schema().inner());
                (plan, Some(there))
            }
        };
        let view = Arc::new(ViewTable::new(plan.clone(), None));
        register(&state, "inspected", "rows", view).map_err(wrong)?;
        let spill = with.spill.to_owned();
        let table = matches!(place, Place::Table(..)) && sql.is_none();
        Ok(Subject { name, state, plan, there, refused, spill, questions, table })
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn schema(&self) -> SchemaRef {
        Arc::clone(self.plan.schema().inner())
    }

    /// The table that it is, when it is one.
    pub(super) fn table(&self) -> Option<&str> {
        self.table.then_some(self.name.as_str())
    }

    /// The columns that the file or table has by itself.
    pub(super) fn there(&self) -> Option<&SchemaRef> {
        self.there.as_ref()
    }

    /// The rows with these columns, in parts that may be read at the same time.
    pub(super) async fn parts(
        &self,
        columns: &[String],
    ) -> Result<Vec<SendableRecordBatchStream>, InspectError> {
        let wrong = |error: DataFusionError| InspectError::rows(&self.name, &error);
        let wanted: Vec<Expr> = columns.iter().map(|name| self.column(name)).collect();
        let plan = LogicalPlanBuilder::from(self.plan.clone())
            .project(wanted)
            .and_then(LogicalPlanBuilder::build);
        let physical = physical(&self.state, &plan.map_err(wrong)?).await.map_err(wrong)?;
        execute_stream_partitioned(physical, self.state.task_ctx()).map_err(wrong)
    }

    /// The answer to a question of ours about `ROWS`.
    pub(super) async fn ask(&self, sql: &str) -> Result<SendableRecordBatchStream, InspectError> {
        let wrong = |error: DataFusionError| InspectError::rows(&self.name, &error);
        let mut config = self.state.config().clone();
        if let MemoryLimit::Finite(limit) = self.questions.memory_pool.memory_limit() {
            config.options_mut().execution.sort_spill_reservation_bytes = limit / 64;
        }
        let state = SessionStateBuilder::new_from_existing(self.state.clone())
            .with_config(config)
            .with_runtime_env(Arc::clone(&self.questions))
            .build();
        let plan = plan(&state, sql).await.map_err(wrong)?;
        rows(&state, &plan).await.map_err(wrong)
    }

    fn column(&self, name: &str) -> Expr {
        let schema = self.plan.schema();
        let found = schema.iter().find(|(_, field)| field.name() == name);
        let column = match found {
            Some((qualifier, _)) => datafusion::common::Column::new(qualifier.cloned(), name),
            None => datafusion::common::Column::from_name(name),
        };
        Expr::Column(column).alias(name)
    }
}

fn read_only(plan: &LogicalPlan) -> Result<(), QueryError> {
    let writes = matches!(
        plan,
        LogicalPlan::Dml(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::Statement(_)
    );
    if writes { Err(QueryError::NotAQuery) } else { Ok(()) }
}

async fn register_all(state: &SessionState, lake: &Lake) -> Result<(), InspectError> {
    for dataset in lake.datasets().await? {
        let table = lake.existing(&dataset).await?;
        let scan = LakeScan::of(table, None)
            .map_err(|source| TargetError::iceberg(format!("open {dataset}"), source))?;
        register(state, dataset.layer().name(), dataset.name(), Arc::new(scan))
            .map_err(|error| InspectError::rows(&dataset.to_string(), &error))?;
    }
    Ok(())
}

pub(super) async fn open_table(
    lake: Option<&Lake>,
    dataset: &DatasetName,
    at: Option<i64>,
) -> Result<Opened, InspectError> {
    let lake = lake.ok_or_else(|| TargetError::Missing { dataset: dataset.clone() })?;
    let table = lake.existing(dataset).await?;
    if let Some(at) = at.filter(|at| table.metadata().snapshot_by_id(*at).is_none()) {
        let fix = format!("`assay tables {dataset}` lists them");
        return Err(InspectError::Unfit(format!("{dataset} has no snapshot {at}: {fix}")));
    }
    let scan = LakeScan::of(table, at.map(Snapshot))
        .map_err(|source| TargetError::iceberg(format!("open {dataset}"), source))?;
    let there = scan.schema();
    let provider = Arc::new(scan);
    Ok(Opened { provider, there: Some(there), refused: Refused::default() })
}

fn open_file(
    path: &Path,
    format: Option<FileFormat>,
    wanted: Option<&SchemaRef>,
) -> Result<Opened, InspectError> {
    // That it is not there says more than that its name tells nothing.
    if !path.exists() {
        let source = std::io::ErrorKind::NotFound.into();
        return Err(InspectError::File { path: path.to_owned(), source });
    }
    let Some(format) = format.or_else(|| FileFormat::of(path)) else {
        let what = format!("the name of {} does not tell its format", path.display());
        let fix = "name it .parquet, .csv or .jsonl, or give --format";
        return Err(InspectError::Unfit(format!("{what}: {fix}")));
    };
    match format {
        FileFormat::Parquet => {
            let file = ParquetFile::open(path)?;
            let there = Some(file.schema());
            let provider = Arc::new(file);
            Ok(Opened { provider, there, refused: Refused::default() })
        }
        FileFormat::Csv => open_csv(path, wanted),
        FileFormat::JsonLines => open_json(path, wanted),
    }
}

fn open_csv(path: &Path, wanted: Option<&SchemaRef>) -> Result<Opened, InspectError> {
    let file = CsvFile::open(path)?;
    let columns = file.columns.clone();
    let schema = match wanted {
        Some(wanted) => Arc::clone(wanted),
        None => {
            let mut seen = vec![Sniff::default(); columns.len()];
            let read = file.each(&mut |line| {
                if let Line::Row(_, cells) = line {
                    let cells = seen.iter_mut().zip(cells);
                    cells.for_each(|(sniff, cell)| cell.iter().for_each(|cell| sniff.text(cell)));
                }
                true
            });
            read.map_err(|source| InspectError::File { path: path.to_owned(), source })?;
            let kinds = columns.iter().zip(&seen).map(|(name, sniff)| (name.clone(), sniff.kind()));
            typed(kinds)
        }
    };
    let there = typed(columns.iter().map(|name| (name.clone(), DataType::Utf8)));
    text_table(Arc::new(file), &columns, schema, Some(there))
}

fn open_json(path: &Path, wanted: Option<&SchemaRef>) -> Result<Opened, InspectError> {
    let array = || {
        InspectError::Unfit(format!(
            "{} is one JSON array: write an object in each line, for example by `jq -c '.[]'`",
            path.display()
        ))
    };
    if first_byte(path)? == Some(b'[') {
        return Err(array());
    }
    let (file, schema) = match wanted {
        Some(wanted) => (JsonLines::new(path, wanted), Arc::clone(wanted)),
        None => {
            let keys = JsonLines::keys(path, Sniff::value)?;
            let kinds = keys.into_iter().map(|(name, sniff)| (name, sniff.kind()));
            let schema = typed(kinds);
            (JsonLines::new(path, &schema).lenient(), schema)
        }
    };
    let columns: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let there = wanted.is_none().then(|| Arc::clone(&schema));
    text_table(Arc::new(file), &columns, schema, there)
}

fn first_byte(path: &Path) -> Result<Option<u8>, InspectError> {
    let wrong = |source| InspectError::File { path: path.to_owned(), source };
    let mut start = Vec::new();
    let file = std::fs::File::open(path).map_err(wrong)?;
    std::io::Read::read_to_end(&mut std::io::Read::take(file, 4096), &mut start).map_err(wrong)?;
    Ok(start.into_iter().find(|byte| !byte.is_ascii_whitespace()))
}

fn text_table(
    lines: Arc<dyn Lines>,
    columns: &[String],
    schema: SchemaRef,
    there: Option<SchemaRef>,
) -> Result<Opened, InspectError> {
    let refused = Refused::default();
    let (columns, kept) = (columns.into(), refused.clone());
    let table = TextTable { lines, columns, schema: Arc::clone(&schema), refused };
    let table = StreamingTable::try_new(schema, vec![Arc::new(table)]);
    let provider = Arc::new(table.map_err(|error| InspectError::rows("the file", &error))?);
    Ok(Opened { provider, there, refused: kept })
}

fn typed(columns: impl IntoIterator<Item = (String, DataType)>) -> SchemaRef {
    let field = |(name, kind): (String, DataType)| Field::new(name, kind, true);
    Arc::new(Schema::new(columns.into_iter().map(field).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests;

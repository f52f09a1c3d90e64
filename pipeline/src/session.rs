//! DataFusion sessions: with our settings, our time, and names written `layer.table`.

mod best;
mod memory;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use assay_core::DatasetName;
use chrono::{DateTime, Utc};
use datafusion::catalog::SchemaProvider;
use datafusion::catalog::{MemoryCatalogProvider, MemorySchemaProvider, TableProvider};
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use datafusion::prelude::SessionConfig;

use self::memory::SharedMemory;
use assay_quality::planning::{guarded, guarded_future, query};

const CATALOG: &str = "assay";

/// Rows in one batch of a scan, and so in a chunk.
pub(crate) const ROWS_PER_BATCH: usize = 8192;

/// Rows in one batch of a query that may spill. An operator that merges what it has spilled holds some
/// batches of every run, and in part uncounted.
const ROWS_PER_SPILLED_BATCH: usize = 2048;

/// Where queries may spill, and how much memory they may hold before they do.
pub(crate) fn runtime(spill: &std::path::Path, memory_bytes: usize) -> Result<Arc<RuntimeEnv>> {
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![spill.to_path_buf()]));
    RuntimeEnvBuilder::new()
        .with_disk_manager_builder(disk)
        .with_memory_pool(Arc::new(SharedMemory::new(memory_bytes)))
        .build_arc()
}

/// A session in which `now()` is `at`.
pub(crate) fn session(at: DateTime<Utc>, runtime: Option<Arc<RuntimeEnv>>) -> SessionState {
    let mut config = SessionConfig::new()
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, "none")
        .with_batch_size(if runtime.is_some() { ROWS_PER_SPILLED_BATCH } else { ROWS_PER_BATCH })
        .with_information_schema(true);
    config.options_mut().sql_parser.collect_spans = true;
    // A join by hashes holds one side in memory and can't spill; sorts can.
    config.options_mut().optimizer.prefer_hash_join = false;
    config.options_mut().execution.parquet.schema_force_view_types = false;
    if let Some(runtime) = &runtime
        && let MemoryLimit::Finite(limit) = runtime.memory_pool.memory_limit()
    {
        // Every sort keeps this free for its merge, and a large query has many.
        config.options_mut().execution.sort_spill_reservation_bytes = limit / 64;
    }
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime.unwrap_or_default())
        .with_aggregate_functions(best::functions().map(Arc::new).to_vec())
        .with_default_features()
        .build();
    state
        .catalog_list()
        .register_catalog(CATALOG.to_owned(), Arc::new(MemoryCatalogProvider::new()));
    state.execution_props_mut().query_execution_start_time = Some(at);
    state
}

/// Makes `table` known as `schema.name`.
pub(crate) fn register(
    state: &SessionState,
    schema: &str,
    name: &str,
    table: Arc<dyn TableProvider>,
) -> Result<()> {
    let catalog = state
        .catalog_list()
        .catalog(CATALOG)
        .ok_or_else(|| DataFusionError::Internal("the session has lost its catalog".to_owned()))?;
    let tables = match catalog.schema(schema) {
        Some(tables) => tables,
        None => {
            let tables: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
            catalog.register_schema(schema, Arc::clone(&tables))?;
            tables
        }
    };
    tables.register_table(name.to_owned(), table)?;
    Ok(())
}

/// Plans SQL.
pub(crate) async fn plan(state: &SessionState, sql: &str) -> Result<LogicalPlan> {
    query(state, sql).await
}

/// A plan, optimised and ready to run.
pub(crate) async fn physical(
    state: &SessionState,
    plan: &LogicalPlan,
) -> Result<Arc<dyn ExecutionPlan>> {
    let optimized = guarded(|| state.optimize(plan))?;
    guarded_future(state.create_physical_plan(&optimized)).await
}

/// The rows of a plan, as they come.
pub(crate) async fn rows(
    state: &SessionState,
    plan: &LogicalPlan,
) -> Result<SendableRecordBatchStream> {
    execute_stream(physical(state, plan).await?, state.task_ctx())
}

/// A session for planning only: `dataset` is known, with these columns and no rows.
pub(crate) fn planning(
    at: DateTime<Utc>,
    tables: &[(&DatasetName, &SchemaRef)],
) -> Result<SessionState> {
    let state = session(at, None);
    for (dataset, schema) in tables {
        let empty = Arc::new(EmptyTable::new(Arc::clone(schema)));
        register(&state, dataset.layer().name(), dataset.name(), empty)?;
    }
    Ok(state)
}

//! Arguments of commands that look at runs and rows.

use clap::Args as Group;

#[derive(Debug, Group)]
pub(crate) struct RunsArgs {
    /// The run to show
    pub(crate) id: Option<String>,
    /// Only runs of this pipeline
    #[arg(long)]
    pub(crate) pipeline: Option<String>,
    /// Only runs of this stage
    #[arg(long)]
    pub(crate) stage: Option<String>,
    /// Only runs that stand like this: running, complete, halted, failed or aborted
    #[arg(long)]
    pub(crate) status: Option<assay_core::RunStatus>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: u32,
}

#[derive(Debug, Group)]
pub(crate) struct QueryArgs {
    /// The query; tables are written layer.name
    pub(crate) sql: String,
    /// Read the table that has this snapshot as of then
    #[arg(long, value_name = "SNAPSHOT")]
    pub(crate) at: Option<i64>,
    /// Show at most so many rows (0: all)
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) limit: usize,
}

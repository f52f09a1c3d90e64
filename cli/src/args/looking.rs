//! Arguments of the commands that look at what there is.

use clap::Args as Group;

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

#[derive(Debug, Group)]
pub(crate) struct MetricsArgs {
    /// Push them to the Pushgateway that assay.yaml names, instead of writing them
    #[arg(long)]
    pub(crate) push: bool,
}

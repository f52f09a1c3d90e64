//! Arguments of commands that look at rows.

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

//! Arguments of what looks after the database.

use clap::{Args as Group, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Make and change tables as a pipeline needs them, each step once
    #[command(after_help = "\
Examples:
  assay db migrate --pipeline ecommerce --dry-run
  assay db migrate --pipeline ecommerce \\
      --postgres postgres://me@localhost:5432/realtime

All steps are one transaction: all are done, or none. It may be run again, and
by several at once.")]
    Migrate(MigrateArgs),
}

#[derive(Debug, Group)]
pub(crate) struct MigrateArgs {
    /// The pipeline whose tables are made, beside Assay's own: a name, or a folder
    #[arg(long, value_name = "P")]
    pub(crate) pipeline: Option<String>,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

//! Arguments of the commands that keep the data folder in order.

use assay_store::Action;
use clap::Args as Group;

use super::among;

#[derive(Debug, Group)]
pub(crate) struct PruneArgs {
    /// Only show what would be deleted
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT", default_value = "past its retention")]
    pub(crate) reason: String,
    /// Forget first that this stage (PIPELINE/STAGE) reads into a database: it will never run again
    #[arg(long, value_name = "READER", conflicts_with = "dry_run")]
    pub(crate) forget: Option<String>,
}

#[derive(Debug, Group)]
pub(crate) struct AuditArgs {
    /// Only this
    #[arg(long, value_parser = among::<Action>(Action::ALL.map(Action::name)))]
    pub(crate) action: Option<Action>,
    /// Only what was done to this: a stage, a batch, a dataset
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: u32,
}

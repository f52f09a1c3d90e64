use clap::{Args as Group, ValueEnum};

use super::Listen;

#[derive(Debug, Group)]
pub(crate) struct CollectArgs {
    /// A shipped pipeline's name, or a folder
    pub(crate) pipeline: String,
    /// Where to listen: a port of this machine alone, or an address and a port [default: 127.0.0.1:8000]
    #[arg(long, value_name = "PORT")]
    pub(crate) listen: Option<Listen>,
    /// What an answer promises [default: power]
    #[arg(long, value_enum)]
    pub(crate) durability: Option<Durability>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    /// Accepted events survive a loss of power
    Power,
    /// Accepted events survive the end of the process
    Process,
}

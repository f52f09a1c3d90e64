//! Arguments of the commands that bring rows in.

use std::path::PathBuf;

use clap::Args as Group;

#[derive(Debug, Group)]
pub(crate) struct DemoArgs {
    /// How many events
    #[arg(long, default_value_t = 3000, value_name = "N")]
    pub(crate) events: u64,
    /// The seed of the events
    #[arg(long, default_value_t = 42, value_name = "S")]
    pub(crate) seed: u64,
}

#[derive(Debug, Group)]
pub(crate) struct IngestArgs {
    /// A shipped pipeline's name, or a folder
    pub(crate) pipeline: String,
    /// The file, plain or gzip; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) file: PathBuf,
}

//! Arguments of what holds a stream against the truth.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum VerifyCommand {
    /// Events and minutes in Postgres, to the cent
    #[command(after_help = "\
Examples:
  assay verify ecommerce
  assay verify ecommerce --truth one.truth --truth other.truth -o json

Exits with 1 when an event is missing, double, wrong or should not be there, or
when a minute is not the sum of its events. Run it when the stream has caught up.")]
    Ecommerce(VerifyArgs),
}

#[derive(Debug, Group)]
pub(crate) struct VerifyArgs {
    /// What the generators wrote [default: ecommerce.truth in the data directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) truth: Vec<PathBuf>,
    /// Late events were replayed: they may be there, and count
    #[arg(long)]
    pub(crate) replayed: bool,
}

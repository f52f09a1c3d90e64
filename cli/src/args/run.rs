//! Arguments of `assay run`.

use assay_core::{DraftId, RunStatus};
use assay_pipeline::{Destination, Hop};
use clap::Args as Group;

use super::{Listen, among};
use crate::commands::Seconds;

#[derive(Debug, Group)]
pub(crate) struct RunArgs {
    /// Which stages: kafka-to-bronze, bronze-to-silver, silver-to-gold, stream or all
    pub(crate) stages: Hop,
    /// A shipped pipeline's name, or a folder
    #[arg(long, value_name = "P")]
    pub(crate) pipeline: String,
    /// Judge rows and batches by the contracts
    #[arg(long)]
    pub(crate) enable_quality_checks: bool,
    /// Keep a lineage event of every start, batch and end
    #[arg(long)]
    pub(crate) enable_lineage_tracking: bool,
    /// Set bad rows aside as dead letters and go on
    #[arg(long)]
    pub(crate) enable_dlq: bool,
    /// Count into the metrics
    #[arg(long)]
    pub(crate) enable_metrics: bool,
    /// All four
    #[arg(long)]
    pub(crate) governed: bool,
    /// Only show what would be read and written
    #[arg(long)]
    pub(crate) plan: bool,
    /// Compute this day anew, after reading what is new
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with = "plan")]
    pub(crate) date: Option<chrono::NaiveDate>,
    /// Let this batch pass, which quality has halted
    #[arg(long, value_name = "ID", requires = "reason", conflicts_with = "plan")]
    pub(crate) accept_batch: Option<DraftId>,
    /// Why, in your words: it is kept, see `assay audit`
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Go on with what comes, until told to stop
    #[arg(long, conflicts_with_all = ["plan", "date"])]
    pub(crate) follow: bool,
    /// Commit after so many rows, when that comes first [default: as the stage says, else 1000000]
    #[arg(long, value_name = "N", requires = "follow", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) commit_rows: Option<u64>,
    /// Commit after so many seconds, when that comes first [default: as the stage says, else 5]
    #[arg(long, value_name = "SECONDS", requires = "follow")]
    pub(crate) commit_every: Option<Seconds>,
    /// Answer /health, /ready and /metrics there: a port of this machine, or ADDRESS:PORT
    #[arg(long, value_name = "PORT", requires = "follow")]
    pub(crate) listen: Option<Listen>,
    /// Run stages although they are paused
    #[arg(long, conflicts_with = "follow")]
    pub(crate) even_if_paused: bool,
}

#[derive(Debug, Group)]
pub(crate) struct RewindArgs {
    /// The stage, as its pipeline names it, or as `run` does where that is one stage
    pub(crate) stage: String,
    /// A shipped pipeline's name, or a folder
    #[arg(long, value_name = "P")]
    pub(crate) pipeline: String,
    /// `beginning`, `kept` (on behind what is gone), a snapshot of the table written, or places as
    /// SLICE=AT,…
    #[arg(long, value_name = "PLACE")]
    pub(crate) to: Destination,
    /// Why, in your words: it is kept, see `assay audit`
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Do it; without this only what it means is shown
    #[arg(long)]
    pub(crate) yes: bool,
}

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
    /// Only runs that stand like this
    #[arg(long, value_parser = among::<RunStatus>(RunStatus::ALL.map(RunStatus::name)))]
    pub(crate) status: Option<RunStatus>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: u32,
}

use assay_core::DatasetName;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum QualityCommand {
    /// Score, verdict and rules of the last judged batch, and how the score went
    #[command(after_help = "Example:\n  assay quality show silver.github_events")]
    Show {
        /// A table, as layer.name
        dataset: DatasetName,
    },
}

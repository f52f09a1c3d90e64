//! Arguments of `lineage columns`.

use assay_core::DatasetName;
use clap::Args as Group;

#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  assay lineage columns silver.github_events --pipeline github_events
  assay lineage columns gold.user_activity --column total_commits \\
    --pipeline github_events         followed back to where its values come from
  assay lineage columns gold.user_activity --pipeline ./mine -o json

It reads the definition of the pipeline; nothing has to have run. Runs with
--enable-lineage-tracking tell the same in their events, see docs/lineage.md.")]
pub(crate) struct ColumnsArgs {
    /// A dataset that the pipeline writes, as layer.name
    #[arg(value_parser = ours)]
    pub(crate) dataset: DatasetName,
    /// Only this column, followed back through all stages
    #[arg(long, value_name = "C")]
    pub(crate) column: Option<String>,
    /// A shipped pipeline, or a folder
    #[arg(long, value_name = "P")]
    pub(crate) pipeline: String,
}

fn ours(text: &str) -> Result<DatasetName, String> {
    text.parse().map_err(|error| {
        format!("{error}; of what events told ask `assay lineage show DATASET --column C`")
    })
}

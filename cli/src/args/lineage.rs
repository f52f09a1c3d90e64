use assay_dlq::Moment;
use assay_store::EventKind;
use clap::{Args as Group, Subcommand};

use super::{ColumnsArgs, among};

#[derive(Debug, Subcommand)]
pub(crate) enum LineageCommand {
    /// The datasets behind a dataset, or those that follow from it
    #[command(after_help = "\
Examples:
  assay lineage show gold.user_activity
  assay lineage show bronze.github_events --downstream --depth 2
  assay lineage show orders --at 2026-11-21T12:00:00Z -o svg > orders.svg
  assay lineage show orders --at 2d
  assay lineage show gold.user_activity --column login

A dataset is layer.name; of others namespace and name, or the end of the name when
that is enough. -o tree, json, mermaid, dot and svg are known.")]
    Show(ShowArgs),
    /// The columns behind the columns of a dataset, by a pipeline's definition
    Columns(ColumnsArgs),
    /// What breaks if a column is changed
    #[command(after_help = "\
Example:
  assay lineage impact silver.github_events.event_type

VALUES come from the column; of ROWS it decides which there are; UNKNOWN are jobs
that did not say which columns they use.")]
    Impact {
        /// A dataset and its column, with a dot between
        column: String,
        /// As it was then
        #[arg(long, value_name = "TIME")]
        at: Option<Moment>,
    },
    /// Which runs fed the rows that a run wrote, and how good those were
    #[command(after_help = "\
Examples:
  assay lineage blame gold.user_activity
  assay lineage blame gold.user_activity --run 0199c0de-…")]
    Blame {
        /// What has bad rows
        dataset: String,
        /// The run that wrote it, as its events call it [default: the last one that ended]
        #[arg(long, value_name = "ID")]
        run: Option<String>,
    },
    /// What came into the graph and what went between two times
    #[command(after_help = "\
Example:
  assay lineage diff --from 2026-11-20 --to 2026-11-21T18:00:00Z
  assay lineage diff --from 2d

TIME is a day, a time (without a zone in UTC), or how long ago: 30m, 2h, 3d.")]
    Diff {
        #[arg(long, value_name = "TIME")]
        from: Moment,
        /// [default: now]
        #[arg(long, value_name = "TIME")]
        to: Option<Moment>,
    },
    /// The datasets that events named, of ours and of others
    #[command(after_help = "\
Examples:
  assay lineage datasets
  assay lineage datasets orders -o json")]
    Datasets {
        /// Only those with this in one of their names
        text: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: usize,
    },
    /// The runs that events told of, of ours and of others, the newest first
    #[command(after_help = "\
Examples:
  assay lineage runs
  assay lineage runs --limit 5 -o json")]
    Runs {
        /// At most so many
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: u32,
    },
    /// The events that are kept, the newest first
    #[command(after_help = "\
Examples:
  assay lineage events
  assay lineage events --kind job_end --limit 5 -o json")]
    Events {
        /// Only of this kind
        #[arg(long, value_parser = among::<EventKind>(EventKind::ALL.map(EventKind::name)))]
        kind: Option<EventKind>,
        /// At most so many
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: u32,
    },
}

#[derive(Debug, Group)]
pub(crate) struct ShowArgs {
    /// A dataset
    pub(crate) dataset: String,
    /// What it was made from; also when nothing is said
    #[arg(long)]
    pub(crate) upstream: bool,
    /// What is made from it
    #[arg(long)]
    pub(crate) downstream: bool,
    /// The columns that this column comes from
    #[arg(long, value_name = "C", conflicts_with = "downstream")]
    pub(crate) column: Option<String>,
    /// At most so many steps away
    #[arg(long, value_name = "N")]
    pub(crate) depth: Option<u32>,
    /// As it was then
    #[arg(long, value_name = "TIME", conflicts_with = "run")]
    pub(crate) at: Option<Moment>,
    /// As it was when this run ended
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
}

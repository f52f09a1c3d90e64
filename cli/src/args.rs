//! The command line.

use std::path::PathBuf;

use assay_core::DatasetName;
use assay_pipeline::Hop;
use clap::{Args as Group, Parser, Subcommand, ValueEnum};

/// Governed data pipelines: every batch judged, traced, and its bad rows set aside.
#[derive(Debug, Parser)]
#[command(name = "assay", version, about, long_about = None, propagate_version = true, after_help = "\
Try it:
  assay demo                   generate, ingest, run and look at it
  assay check ./my_pipeline    find every mistake of a pipeline
  assay run all --pipeline github_events --governed

Exit codes: 0 fine, 1 failed, 2 usage, configuration or contract, 3 halted by
quality (or by a bad row where dead letters are off), 4 fenced off by another
worker, 130 stopped by Ctrl-C.")]
pub(crate) struct Args {
    /// Where log, lake and store are kept [default: ./assay-data; demo: ./assay-demo]
    #[arg(long, global = true, env = "ASSAY_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// A file with settings, `data_dir` and `memory_mb` [default: ./assay.yaml, when it is there]
    #[arg(long, global = true, env = "ASSAY_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// How answers are written
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,

    /// Say more about what happens, on standard error
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Generate events with planted defects, run the whole pipeline, and show what happened
    #[command(after_help = "\
Examples:
  assay demo                       on 3,000 generated events, in ./assay-demo
  assay demo --events 50000        on more")]
    Demo(DemoArgs),

    /// Take a file of JSON lines into a pipeline's topic
    #[command(after_help = "\
Examples:
  assay ingest github_events --file events.jsonl
  assay ingest github_events --file 2026-02-12-15.json.gz
  zcat *.gz | assay ingest github_events --file -

Lines that are no events become dead letters, the others go in. Running it
again on the same file changes no table.")]
    Ingest(IngestArgs),

    /// Run the stages between two layers on what their sources gained
    #[command(after_help = "\
Examples:
  assay run all --pipeline github_events --governed
  assay run bronze-to-silver --pipeline ./my_pipeline --enable-dlq
  assay run all --pipeline github_events --plan

Without --enable-dlq a bad row stops the run; without --enable-quality-checks
nothing is judged and the report says so.")]
    Run(RunArgs),

    /// Show what is there and how it stands
    #[command(after_help = "Examples:\n  assay status\n  assay status -o json")]
    Status,

    /// List runs, or show one
    #[command(
        after_help = "Examples:\n  assay runs\n  assay runs --stage parse --status failed\n  assay runs 0199c0de-…"
    )]
    Runs(RunsArgs),

    /// List tables, or show one with its snapshots
    #[command(after_help = "Examples:\n  assay tables\n  assay tables silver.github_events")]
    Tables {
        /// The table to show
        name: Option<DatasetName>,
    },

    /// Answer a SQL query over the tables
    #[command(after_help = "\
Examples:
  assay query \"SELECT type, count(*) FROM bronze.github_events GROUP BY type\"
  assay query \"SELECT count(*) FROM gold.user_activity\" --at 6204810927103884")]
    Query(QueryArgs),

    /// Show how good a dataset is
    Quality {
        #[command(subcommand)]
        command: QualityCommand,
    },

    /// Look at dead letters
    Dlq {
        #[command(subcommand)]
        command: DlqCommand,
    },

    /// Show where a dataset came from and where it goes
    Lineage {
        #[command(subcommand)]
        command: LineageCommand,
    },

    /// Write the metrics as Prometheus reads them
    #[command(after_help = "Example:\n  assay metrics > /var/lib/node_exporter/assay.prom")]
    Metrics,

    /// Make up input, the same for the same seed
    Generate {
        #[command(subcommand)]
        command: GenerateCommand,
    },

    /// Find every mistake of a pipeline before anything runs
    #[command(after_help = "Examples:\n  assay check github_events\n  assay check ./my_pipeline")]
    Check {
        /// A shipped pipeline's name, or a folder
        pipeline: String,
    },
}

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

#[derive(Debug, Group)]
pub(crate) struct RunArgs {
    /// Which stages: kafka-to-bronze, bronze-to-silver, silver-to-gold or all
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
    /// Only runs that stand like this: running, complete, halted, failed or aborted
    #[arg(long)]
    pub(crate) status: Option<assay_core::RunStatus>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: u32,
}

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

#[derive(Debug, Subcommand)]
pub(crate) enum QualityCommand {
    /// Score, verdict and rules of the last judged batch, and how the score went
    #[command(after_help = "Example:\n  assay quality show silver.github_events")]
    Show {
        /// A table, as layer.name
        dataset: DatasetName,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// List dead letters, newest first
    #[command(after_help = "\
Examples:
  assay dlq list --reason rule-broken --rule event_type.one_of
  assay dlq list --stage github_events/parse --limit 5 -o json")]
    List(DlqListArgs),
    /// Show a dead letter with its payload and its history
    #[command(after_help = "Example:\n  assay dlq show 6d076f50-fc40-5e69-8bc2-55e6908fb00d")]
    Show {
        /// The letter, as `dlq list` names it
        id: String,
    },
}

#[derive(Debug, Group)]
pub(crate) struct DlqListArgs {
    /// Only letters of this topic
    #[arg(long)]
    pub(crate) topic: Option<String>,
    /// Only letters of this stage, as pipeline/stage
    #[arg(long)]
    pub(crate) stage: Option<String>,
    /// Only letters on their way to this dataset
    #[arg(long)]
    pub(crate) dataset: Option<DatasetName>,
    /// Only letters with this reason
    #[arg(long)]
    pub(crate) reason: Option<assay_dlq::Reason>,
    /// Only letters that broke this rule
    #[arg(long)]
    pub(crate) rule: Option<String>,
    /// Only letters of this run
    #[arg(long)]
    pub(crate) run: Option<String>,
    /// At most so many (0: all)
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: usize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LineageCommand {
    /// The datasets behind a dataset, or those that follow from it
    #[command(after_help = "\
Examples:
  assay lineage show gold.user_activity
  assay lineage show bronze.github_events --downstream")]
    Show {
        /// A dataset, as layer.name
        dataset: DatasetName,
        /// What follows from it, instead of where it came from
        #[arg(long)]
        downstream: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum GenerateCommand {
    /// GitHub events as the public archives have them
    #[command(after_help = "\
Examples:
  assay generate github-events --count 10000 --seed 7 > events.jsonl
  assay generate github-events | assay ingest github_events --file -")]
    GithubEvents(GenerateArgs),
}

#[derive(Debug, Group)]
pub(crate) struct GenerateArgs {
    /// How many lines
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) count: u64,
    /// The same seed makes the same events
    #[arg(long, default_value_t = 42, value_name = "S")]
    pub(crate) seed: u64,
    /// The share of lines with a defect
    #[arg(long, default_value = "1%", value_name = "PERCENT", value_parser = share)]
    pub(crate) defects: f64,
    /// The events happen before this time [default: the beginning of today, UTC]
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<chrono::DateTime<chrono::Utc>>,
    /// The events are spread over so many hours
    #[arg(long, default_value_t = 36, value_name = "N")]
    pub(crate) hours: u32,
    /// How many actors there are [default: as many as fit the number of events]
    #[arg(long, value_name = "N")]
    pub(crate) actors: Option<u64>,
    /// How large the payloads of events are
    #[arg(long, default_value = "usual", value_name = "SIZE")]
    pub(crate) payloads: crate::generate::Payloads,
    /// Write to this file [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// A share, written `1%` or `0.01`.
fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    let value = number.trim().parse::<f64>().map_err(|_| "write it like 1% or 0.01".to_owned())?;
    let share = value / scale;
    if !(0.0..=1.0).contains(&share) {
        return Err("a share is between 0% and 100%".to_owned());
    }
    Ok(share)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::{Args, share};

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_share_is_a_percentage_or_a_fraction() {
        assert_eq!(share("1%"), Ok(0.01));
        assert_eq!(share("0.5"), Ok(0.5));
        for bad in ["", "x%", "101%", "-1%", "2"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }
}

use std::path::PathBuf;

use assay_core::DatasetName;
use assay_dlq::Moment;
use clap::{Args as Group, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum QualityCommand {
    /// Score, verdict and rules of the last judged batch, and how the score went
    #[command(after_help = "\
Examples:
  assay quality show silver.github_events
  assay quality show lab.orders          what another tool found of it")]
    Show {
        /// A table, as layer.name, or a dataset of another tool
        dataset: String,
    },

    /// How score and verdict of a table went, batch by batch
    #[command(after_help = "\
Examples:
  assay quality history silver.github_events
  assay quality history silver.github_events --limit 200 -o json")]
    History {
        /// A table, as layer.name
        dataset: DatasetName,
        /// The newest so many batches
        #[arg(long, default_value_t = 30, value_name = "N")]
        limit: u32,
    },

    /// How good the rows of each window of time are, for the table of a stream's windows
    #[command(after_help = "\
Examples:
  assay quality windows gold.kpi_1m
  assay quality windows gold.kpi_1m --before 2026-03-01T08:00:00Z --limit 15 -o json

A row counts in the window of the time at which it happened, whichever batch had
it; by the rules about rows. Late rows are in no score.")]
    Windows {
        /// A table that has a row for each window, as layer.name
        dataset: DatasetName,
        /// Windows that begin earlier: a time, or 2h ago: 2h
        #[arg(long, value_name = "TIME")]
        before: Option<Moment>,
        /// The newest so many windows
        #[arg(long, default_value_t = 60, value_name = "N")]
        limit: u32,
    },

    /// What the rows that a run wrote look like, column by column
    #[command(after_help = "\
Examples:
  assay quality profile silver.github_events
  assay quality profile silver.github_events --column size
  assay quality profile silver.github_events --run ID -o json

PSI is how far the values are from those of the 7 runs before: from 0.1 on one
looks, from 0.2 on something has changed. Counts of different values are
estimates, off by some 3 percent, and quantiles are off by about 1 percent.")]
    Profile(ProfileArgs),

    /// The rows of a batch that broke a rule
    #[command(after_help = "\
Examples:
  assay quality rows silver.github_events_parsed --rule event_type.one_of
  assay quality rows gold.user_activity --rule actor_id_activity_date.unique \\
      --pipeline github_events

Rows that were set aside are read from the dead letters. Rows that were kept are
found by judging the table again as of the batch's snapshot, for which the
contract is needed (--contract or --pipeline).")]
    Rows(RowsArgs),

    /// Take in what Great Expectations, dbt or Soda have found
    #[command(after_help = "\
Examples:
  assay quality import validation_result.json
  assay quality import target/run_results.json target/manifest.json
  assay quality import scan_results.json --dataset silver.orders
  assay quality show lab.orders

A manifest.json beside run_results.json is found by itself. What was taken in
before is not taken in again.")]
    Import(ImportArgs),

    /// Judge a file, a table or a query by a contract; no pipeline is needed
    #[command(after_help = "\
Examples:
  assay quality run orders.csv --contract orders.odcs.yaml
  assay quality run orders.parquet --contract orders.odcs.yaml \\
      --html report.html --junit report.xml
  assay quality run silver.github_events --pipeline github_events
  assay quality run orders.parquet --contract orders.odcs.yaml \\
      --sql \"SELECT * FROM data WHERE country = 'VN'\"
  zcat orders.jsonl.gz | assay quality run - --format jsonl \\
      --contract orders.odcs.yaml -o json
  assay quality run today.csv --contract orders.odcs.yaml --history orders

Rules of volume, usual freshness and drift hold rows against earlier ones. They
need --history, which keeps a profile of the rows in the data directory under a
name; without it nothing is written. Every row is judged in one pass, in memory that does not
grow with the rows. Ends with 3 when the contract halts such a batch, else with
0. In a query the file or table is called data; tables have their own names too.")]
    Run(QualityRunArgs),
}

#[derive(Debug, Group)]
pub(crate) struct QualityRunArgs {
    /// A file (.parquet, .csv, .jsonl; also .gz), `-`, or a table
    #[arg(value_name = "FILE|DATASET")]
    pub(crate) what: String,
    #[command(flatten)]
    pub(crate) by: Judge,
    /// Hold the rows against those of earlier runs of this name, and keep what they look like
    #[arg(long, value_name = "NAME", value_parser = history_name)]
    pub(crate) history: Option<String>,
    /// Judge what this query answers; the file or table is called data in it
    #[arg(long, value_name = "SELECT …")]
    pub(crate) sql: Option<String>,
    /// Rows to show of each rule that was broken
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) samples: usize,
    /// Also write the report as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Also write the report as one page of HTML
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// A name of a person's own for runs that are held against each other.
fn history_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_alphanumeric() || "-_.:/".contains(c);
    match !text.is_empty() && text.chars().count() <= 100 && text.chars().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("a name has letters, digits and -_.:/, for example orders-nightly".to_owned()),
    }
}

/// By which contract rows are judged, and how they are read.
#[derive(Debug, Group)]
pub(crate) struct Judge {
    /// The contract
    #[arg(long, value_name = "FILE", required_unless_present = "pipeline")]
    pub(crate) contract: Option<PathBuf>,
    /// Take the contract of the table from this pipeline
    #[arg(long, value_name = "P", conflicts_with = "contract")]
    pub(crate) pipeline: Option<String>,
    /// The schema of the contract, where it has several
    #[arg(long, value_name = "NAME")]
    pub(crate) schema: Option<String>,
    /// How the file is written, where its name does not tell
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Written>,
    /// Read the table as of this snapshot
    #[arg(long, value_name = "SNAPSHOT")]
    pub(crate) at: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Written {
    Parquet,
    Csv,
    Jsonl,
}

impl From<Written> for assay_pipeline::FileFormat {
    fn from(written: Written) -> Self {
        match written {
            Written::Parquet => Self::Parquet,
            Written::Csv => Self::Csv,
            Written::Jsonl => Self::JsonLines,
        }
    }
}

#[derive(Debug, Group)]
pub(crate) struct ProfileArgs {
    /// A table, as layer.name
    pub(crate) dataset: DatasetName,
    /// The run, as `assay runs` names it [default: the last one]
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// All that is known of this column
    #[arg(long, value_name = "NAME")]
    pub(crate) column: Option<String>,
}

#[derive(Debug, Group)]
pub(crate) struct RowsArgs {
    /// A table, as layer.name
    pub(crate) dataset: DatasetName,
    /// The rule, as `quality show` names it
    #[arg(long, value_name = "R")]
    pub(crate) rule: String,
    /// The batch, as reports name its draft [default: the last one]
    #[arg(long, value_name = "ID")]
    pub(crate) batch: Option<String>,
    /// The contract of the table
    #[arg(long, value_name = "FILE")]
    pub(crate) contract: Option<PathBuf>,
    /// Take the contract of the table from this pipeline
    #[arg(long, value_name = "P", conflicts_with = "contract")]
    pub(crate) pipeline: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: usize,
}

#[derive(Debug, Group)]
pub(crate) struct ImportArgs {
    /// Result files; for dbt also its manifest.json
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// What the dataset is called here, where all results are about one
    #[arg(long, value_name = "NAME")]
    pub(crate) dataset: Option<String>,
}

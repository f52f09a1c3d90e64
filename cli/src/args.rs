//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use assay_core::DatasetName;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueEnum};

mod amiss;
mod bringing;
mod collect;
mod columns;
mod contract;
mod db;
mod dlq;
mod following;
mod generate;
mod housekeeping;
mod lineage;
mod look;
mod metrics;
mod outbox;
mod quality;
mod run;
mod sidecar;
mod table;
mod top;
mod verify;

pub(crate) use amiss::in_our_words;
pub(crate) use bringing::{DemoArgs, IngestArgs};
pub(crate) use collect::{CollectArgs, Durability};
pub(crate) use columns::ColumnsArgs;
pub(crate) use contract::{ContractCommand, DiffArgs, DocsArgs, InferArgs, LintArgs};
pub(crate) use db::{DbCommand, MigrateArgs};
pub(crate) use dlq::{
    DlqCommand, DlqDiscardArgs, DlqExportArgs, DlqListArgs, DlqReplayArgs, DlqWorkArgs, Exported,
    WhichArgs,
};
pub(crate) use following::{Listen, PauseArgs};
pub(crate) use generate::{EcommerceArgs, GenerateArgs, GenerateCommand};
pub(crate) use housekeeping::{AuditArgs, PruneArgs};
pub(crate) use lineage::{LineageCommand, ShowArgs};
pub(crate) use look::QueryArgs;
pub(crate) use metrics::MetricsArgs;
pub(crate) use outbox::{OpenMetadataCommand, OutboxCommand, Picked};
pub(crate) use quality::{
    ImportArgs, Judge, ProfileArgs, QualityCommand, QualityRunArgs, RowsArgs, Written,
};
pub(crate) use run::{RewindArgs, RunArgs, RunsArgs};
pub(crate) use sidecar::{KeysCommand, SidecarArgs};
pub(crate) use table::{CompactArgs, ExpireArgs, TableCommand};
pub(crate) use top::TopArgs;
pub(crate) use verify::{VerifyArgs, VerifyCommand};

/// What every command has stands behind what is its own.
const GLOBAL: &str = "Options of every command";

/// Governed data pipelines: every batch judged, traced, and its bad rows set aside.
#[derive(Debug, Parser)]
#[command(name = "assay", version, about, long_about = None, max_term_width = 80, propagate_version = true, after_help = "\
Try it:
  assay demo                   generate, ingest, run and look at it
  assay check ./my_pipeline    find every mistake of a pipeline
  assay run all --pipeline github_events --governed

Exit codes: 0 fine, 1 failed, 2 usage, configuration or contract, 3 halted by
quality (or by a bad row where dead letters are off), 4 fenced off by another
worker, 5 a contract's change breaks someone, 130 stopped by Ctrl-C.")]
pub(crate) struct Args {
    /// Where log, lake and store are kept [default: ./assay-data; demo: ./assay-demo]
    #[arg(long, global = true, env = "ASSAY_DATA_DIR", value_name = "DIR", help_heading = GLOBAL)]
    pub(crate) data_dir: Option<PathBuf>,

    /// A file with settings [default: ./assay.yaml, when it is there]
    #[arg(long, global = true, env = "ASSAY_CONFIG", value_name = "FILE", help_heading = GLOBAL)]
    pub(crate) config: Option<PathBuf>,

    /// The database of streams, postgres://USER@HOST:PORT/DATABASE
    #[arg(long, global = true, env = "ASSAY_POSTGRES", hide_env_values = true, value_name = "URL")]
    pub(crate) postgres: Option<String>,

    /// The store, when it is not in the data directory but in a database that many hosts
    /// reach: postgres://USER@HOST:PORT/DATABASE?schema=NAME
    #[arg(
        long,
        global = true,
        env = "ASSAY_STORE",
        hide_env_values = true,
        value_name = "URL",
        help_heading = GLOBAL
    )]
    pub(crate) store: Option<String>,

    /// Who does it, for the audit
    #[arg(
        long = "as",
        global = true,
        env = "USER",
        default_value = "unknown",
        value_name = "NAME",
        help_heading = GLOBAL
    )]
    pub(crate) who: String,

    /// How answers are written
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table, help_heading = GLOBAL)]
    pub(crate) output: Format,

    /// Say more about what happens, on standard error
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub(crate) verbose: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Args {
    /// Whether it goes on until it is told to stop.
    pub(crate) fn follows(&self) -> bool {
        matches!(&self.command, Command::Run(run) if run.follow)
    }

    /// Whether it has the terminal for itself.
    pub(crate) fn draws(&self) -> bool {
        matches!(&self.command, Command::Top(top) if !top.once)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
    /// Of a lineage: text
    Tree,
    /// Of a lineage: a flowchart for Mermaid
    Mermaid,
    /// Of a lineage: a graph for Graphviz
    Dot,
    /// Of a lineage: a picture
    Svg,
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

    /// Take events in over HTTP, and send them to a pipeline's topic
    #[command(after_help = "\
Examples:
  assay collect github_events
  assay collect github_events --listen 9000 --durability process
  curl -d @event.json -H 'Content-Type: application/json' http://127.0.0.1:8000/collect

An event is answered with 202 when it is safe on this disk; it reaches the topic
behind the answer, also when the log was away meanwhile. SIGTERM or Ctrl-C ends it:
what can't be sent in time is kept and sent by the next one.
Settings are under `collector` in assay.yaml, see docs/collector.md.")]
    Collect(CollectArgs),

    /// Take in lineage events of Airflow, dbt, Spark and Flink, and answer what is known
    #[command(after_help = "\
Examples:
  assay sidecar
  assay sidecar --listen 9000
  OPENLINEAGE_URL=http://127.0.0.1:8484 dbt-ol run

Events are answered with 201 when they are safe. SIGTERM or Ctrl-C
ends it. On another address than this machine's own it wants keys, see `assay
keys`. Settings are under `sidecar` in assay.yaml, see docs/sidecar.md.")]
    Sidecar(SidecarArgs),

    /// Keys for clients of collectors and sidecars
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },

    /// Run the stages between two layers on what their sources gained
    #[command(after_help = "\
Examples:
  assay run all --pipeline github_events --governed
  assay run bronze-to-silver --pipeline ./my_pipeline --enable-dlq
  assay run all --pipeline github_events --plan
  assay run kafka-to-bronze --pipeline github_events --governed --follow --listen 8321

  assay run bronze-to-silver --pipeline github_events --governed \\
      --date 2026-02-12 --reason \"the contract was too strict\"

With --date D the stages first read what is new; then the rows of that day (of
the stage's `day` column; for an aggregate from that day on) replace what was
made of them. A topic has no days: there D changes nothing.

With --follow the stages go on with what comes and commit every 5 seconds (or as
`commit` in pipeline.yaml says) until SIGTERM or Ctrl-C: then what was read is
committed, within `drain_seconds` of assay.yaml.

Without --enable-dlq a bad row stops the run; without --enable-quality-checks
nothing is judged and the report says so.")]
    Run(RunArgs),

    /// Stop a stage for a while: workers that follow wait, runs are refused
    #[command(after_help = "\
Examples:
  assay pause land --pipeline github_events --reason \"the disk is being moved\"
  assay status")]
    Pause(PauseArgs),

    /// Let a paused stage go on
    #[command(after_help = "Example:\n  assay resume land --pipeline github_events")]
    Resume(PauseArgs),

    /// Move a stage's reader back, so that it reads again
    #[command(after_help = "\
Examples:
  assay rewind parse --pipeline github_events --to beginning --reason \"new rule\"
  assay rewind land --pipeline github_events --to raw_metrics_avro/0=120 \\
      --reason \"the decoder was wrong\" --yes
  assay rewind parse --pipeline github_events --to 6204810927103884 --reason ... --yes

Without --yes it shows what would be read again, and moves nothing.")]
    Rewind(RewindArgs),

    /// Look after the database that streams write to
    Db {
        #[command(subcommand)]
        command: DbCommand,
    },

    /// Show what is there and how it stands
    #[command(after_help = "Examples:\n  assay status\n  assay status -o json")]
    Status,

    /// Watch stages, lag, scores, dead letters and the outbox on the terminal
    #[command(after_help = "\
Examples:
  assay top
  assay top --every 10         on a slow line
  assay top --once             one frame as text

q or Ctrl-C ends it, the arrows scroll the stages, space looks at once. What
somebody has to look at stands first. Rows a second are those of a whole run,
or of the last minute while it goes on.")]
    Top(TopArgs),

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

    /// Look after one table: merge small files, let old snapshots go
    Table {
        #[command(subcommand)]
        command: TableCommand,
    },

    /// Answer a SQL query over the tables
    #[command(after_help = "\
Examples:
  assay query \"SELECT type, count(*) FROM bronze.github_events GROUP BY type\"
  assay query \"SELECT count(*) FROM gold.user_activity\" --at 6204810927103884")]
    Query(QueryArgs),

    /// Write contracts, and find out what is wrong in them
    Contract {
        #[command(subcommand)]
        command: ContractCommand,
    },

    /// Show how good a dataset is
    Quality {
        #[command(subcommand)]
        command: Box<QualityCommand>,
    },

    /// Look at dead letters, send them back, and see where they landed
    Dlq {
        #[command(subcommand)]
        command: Box<DlqCommand>,
    },

    /// Show where a dataset came from and where it goes
    Lineage {
        #[command(subcommand)]
        command: LineageCommand,
    },

    /// Write the metrics as Prometheus reads them
    #[command(after_help = "\
Examples:
  assay metrics > /var/lib/node_exporter/assay.prom
  assay metrics -o json          the same names and numbers, for other programs
  assay metrics --push           to the `pushgateway` of assay.yaml")]
    Metrics(MetricsArgs),

    /// What has to be sent to OpenMetadata and to other takers of lineage
    Outbox {
        #[command(subcommand)]
        command: OutboxCommand,
    },

    /// Show datasets, lineage and quality in OpenMetadata
    Openmetadata {
        #[command(subcommand)]
        command: OpenMetadataCommand,
    },

    /// Delete what was kept for long enough, or is too much
    #[command(after_help = "\
Examples:
  assay prune --dry-run            show what would go, and what stays and why
  assay prune
  assay prune -o json

How long, and up to what size, is said under `retention` in assay.yaml, see
docs/configuration.md; topics have their own. What somebody still needs stays:
messages that are not read, the last report of a dataset, halts that wait.
Workers may go on.")]
    Prune(PruneArgs),

    /// List what people did to the data, and why
    #[command(after_help = "\
Examples:
  assay audit
  assay audit --action rewind --limit 5
  assay audit -o json")]
    Audit(AuditArgs),

    /// Make up input, the same for the same seed
    Generate {
        #[command(subcommand)]
        command: GenerateCommand,
    },

    /// Hold what a stream wrote against what was sent
    Verify {
        #[command(subcommand)]
        command: VerifyCommand,
    },

    /// Find every mistake of a pipeline before anything runs
    #[command(after_help = "Examples:\n  assay check github_events\n  assay check ./my_pipeline")]
    Check {
        /// A shipped pipeline's name, or a folder
        pipeline: String,
    },
}

/// One of these words, which the help lists.
fn among<T>(words: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: Into<Box<dyn std::error::Error + Send + Sync>>> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Args;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}

//! Arguments of `assay dlq`.

use std::path::PathBuf;

use assay_core::DatasetName;
use assay_dlq::{AtPath, Moment, Reason};
use clap::{Args as Group, Subcommand, ValueEnum};

use super::among;
use crate::commands::Seconds;

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// What lies in each topic: how many, how old, how fast, and why
    #[command(after_help = "Examples:\n  assay dlq topics\n  assay dlq topics -o json")]
    Topics,
    /// List dead letters, newest first
    #[command(after_help = "\
Examples:
  assay dlq list --reason rule-broken --rule event_type.one_of
  assay dlq list --stage github_events/parse --since 2h --limit 5 -o json
  assay dlq list --where '$.actor.login = anna'     reads every payload
  assay dlq list --topic orders.dlq                 letters of Kafka Connect, Spring …")]
    List(DlqListArgs),
    /// What letters died of: those of one cause are one line
    #[command(after_help = "\
Examples:
  assay dlq groups
  assay dlq list --group 3f0c5a1be2d94417")]
    Groups(DlqListArgs),
    /// Show a dead letter with its payload and its history
    #[command(after_help = "Example:\n  assay dlq show 6d076f50-fc40-5e69-8bc2-55e6908fb00d")]
    Show {
        /// The letter, as `dlq list` names it
        id: String,
        /// Show also what the contract classifies
        #[arg(long)]
        reveal: bool,
    },
    /// Write letters with their payloads to a file
    #[command(after_help = "\
Examples:
  assay dlq export --reason rule-broken --to letters.ndjson
  assay dlq export --to letters.parquet --since 2026-03-01")]
    Export(DlqExportArgs),
    /// Give letters up: they are kept, and wait for nobody any more
    #[command(after_help = "\
Examples:
  assay dlq discard 6d076f50-fc40-5e69-8bc2-55e6908fb00d --reason \"a test event\"
  assay dlq discard --group 3f0c5a1be2d94417 --reason \"bots\" --yes")]
    Discard(DlqDiscardArgs),
    /// Send letters back into the stage that they failed in
    #[command(after_help = "\
Examples:
  assay dlq replay --rule event_type.one_of --dry-run
  assay dlq replay --rule event_type.one_of --reason \"the contract is mended\" --yes
  assay dlq replay --stage shop/sell --pipeline ./shop --yes --reason \"sign lost\" \\
      --transform 'amount = abs(amount)'
  assay dlq replay --topic orders.dlq --to orders --reason \"mended\" --yes

A dry run is the same with nothing committed: it says how many rows would land, be
duplicates, or die again and of what. A replay is judged and committed like rows
that are new, each letter once, also when it is killed: `assay dlq resume JOB`.")]
    Replay(DlqReplayArgs),
    /// List jobs that send letters back, or show one with what became of its letters
    #[command(after_help = "Examples:\n  assay dlq jobs\n  assay dlq jobs 0199c0de-…")]
    Jobs {
        /// The job to show
        job: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: u32,
    },
    /// Go on with a job that was stopped or killed
    #[command(after_help = "Example:\n  assay dlq resume 0199c0de-…")]
    Resume {
        job: String,
        /// A shipped pipeline's name, or a folder [default: the pipeline of the letters]
        #[arg(long, value_name = "P")]
        pipeline: Option<String>,
    },
    /// Give a job up, so that others may send what is left of its letters
    #[command(
        after_help = "Example:\n  assay dlq cancel 0199c0de-… --reason \"the wrong letters\""
    )]
    Cancel {
        job: String,
        /// A shipped pipeline's name, or a folder [default: the pipeline of the letters]
        #[arg(long, value_name = "P")]
        pipeline: Option<String>,
        /// Why, in your words: it is kept, see `assay audit`
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Follow a letter from its first failure to where its row is now
    #[command(after_help = "Example:\n  assay dlq trace 6d076f50-fc40-5e69-8bc2-55e6908fb00d")]
    Trace {
        /// The letter, as `dlq list` names it
        id: String,
    },
    /// Carry out jobs that were made through the sidecar, until told to stop
    #[command(after_help = "\
Examples:
  assay dlq work
  assay dlq work --pipeline ./shop --pipeline ./orders
  assay dlq work --pipeline ./shop --once      for a scheduler

Several may run: each job is one worker's. A worker gives a sign of life every
5 seconds; the job of one that gives none is taken over, from where it stands.")]
    Work(DlqWorkArgs),
    /// Make the index of letters anew, from the topics
    Reindex,
}

/// Which letters are meant.
#[derive(Debug, Group)]
pub(crate) struct WhichArgs {
    /// Only letters of this topic, which may be one of another system
    #[arg(long)]
    pub(crate) topic: Option<String>,
    /// Only letters of this stage, as pipeline/stage
    #[arg(long)]
    pub(crate) stage: Option<String>,
    /// Only letters on their way to this dataset
    #[arg(long)]
    pub(crate) dataset: Option<DatasetName>,
    /// Only letters that broke this rule
    #[arg(long)]
    pub(crate) rule: Option<String>,
    /// Only letters with this class of error, as another system names it
    #[arg(long)]
    pub(crate) class: Option<String>,
    /// Only letters of this cause, as `dlq groups` names it
    #[arg(long, value_name = "CAUSE")]
    pub(crate) group: Option<String>,
    /// Only letters of this run
    #[arg(long)]
    pub(crate) run: Option<String>,
    /// Only letters of this attempt
    #[arg(long, value_name = "N")]
    pub(crate) attempt: Option<u32>,
    /// Only what failed from then on: 2026-03-01, 2026-03-01T08:00:00Z, or 30m, 2h, 3d ago
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Moment>,
    /// Only what failed before
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Moment>,
    /// Only payloads with this, such as '$.actor.login = anna'; reads every payload
    #[arg(long = "where", value_name = "PATH = VALUE")]
    pub(crate) path: Option<AtPath>,
    /// Only payloads with this text in them; reads every payload
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: Option<String>,
}

#[derive(Debug, Group)]
pub(crate) struct DlqListArgs {
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    /// Only letters with this reason
    #[arg(long, value_parser = among::<Reason>(Reason::ALL.map(Reason::name)))]
    pub(crate) reason: Option<Reason>,
    /// Also letters that wait for nobody any more
    #[arg(long)]
    pub(crate) all: bool,
    /// At most so many (0: all)
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: usize,
}

#[derive(Debug, Group)]
pub(crate) struct DlqExportArgs {
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    /// Only letters with this reason
    #[arg(long, value_parser = among::<Reason>(Reason::ALL.map(Reason::name)))]
    pub(crate) reason: Option<Reason>,
    /// Also letters that wait for nobody any more
    #[arg(long)]
    pub(crate) all: bool,
    /// The file
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
    /// How it is written [default: parquet for a FILE.parquet, else ndjson]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Exported>,
    /// Write also what the contract classifies
    #[arg(long)]
    pub(crate) reveal: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Exported {
    Ndjson,
    Parquet,
}

#[derive(Debug, Group)]
pub(crate) struct DlqDiscardArgs {
    /// The letters, as `dlq list` names them
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    /// Why, in your words: it is kept, see `assay audit`
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Do it, where letters are chosen by filters; without this only how many is shown
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Group)]
pub(crate) struct DlqWorkArgs {
    /// A shipped pipeline's name, or a folder; may be given again [default: the shipped ones]
    #[arg(long = "pipeline", value_name = "P")]
    pub(crate) pipelines: Vec<String>,
    /// End when no job waits
    #[arg(long)]
    pub(crate) once: bool,
    /// Take a job over whose worker gave no sign of life for so long; 15 or more
    #[arg(long, default_value = "60", value_name = "SECONDS")]
    pub(crate) takeover_after: Seconds,
}

#[derive(Debug, Group)]
pub(crate) struct DlqReplayArgs {
    /// The letters, as `dlq list` names them [default: all that the filters leave]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    /// Only letters that died of this
    #[arg(long, value_name = "REASON", value_parser = among::<Reason>(Reason::ALL.map(Reason::name)))]
    pub(crate) died_of: Option<Reason>,
    /// Also letters that were parked after too many attempts
    #[arg(long)]
    pub(crate) parked: bool,
    /// Send the payloads to this topic, and not back into their stage
    #[arg(long, value_name = "TOPIC", conflicts_with = "pipeline")]
    pub(crate) to: Option<String>,
    /// A shipped pipeline's name, or a folder [default: the pipeline of the letters]
    #[arg(long, value_name = "P")]
    pub(crate) pipeline: Option<String>,
    /// Say what would become of them, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// At most so many letters
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// At most so many letters a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    /// Letters of one commit
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch: u32,
    /// Stop when more of a batch than this dies again, in percent of at least 100 rows
    #[arg(long, default_value_t = 50.0, value_name = "PERCENT")]
    pub(crate) stop_at: f64,
    /// Change rows on their way: a JSON merge patch, or SQL such as 'amount = abs(amount)'
    #[arg(long, value_name = "CHANGE")]
    pub(crate) transform: Option<String>,
    /// Why, in your words: it is kept, see `assay audit`. What letters die of, such as
    /// `late`, also means only those
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    pub(crate) reason: Option<String>,
    /// Do it; without this and --dry-run only which letters is shown
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
}

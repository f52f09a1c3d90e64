//! Arguments of the commands that are about what is sent to others.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

use super::Listen;

#[derive(Debug, Subcommand)]
pub(crate) enum OutboxCommand {
    /// What waits or is parked, and how it stands with each target
    #[command(after_help = "\
Examples:
  assay outbox list
  assay outbox list --parked
  assay outbox list --target openmetadata --limit 5 -o json")]
    List {
        #[command(flatten)]
        picked: Picked,
        /// At most so many
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: u32,
    },
    /// One delivery with the event that it sends
    #[command(after_help = "Example:\n  assay outbox show 1207")]
    Show {
        /// Its number, from `assay outbox list`
        number: u64,
    },
    /// Try deliveries again at once, as if for the first time
    #[command(after_help = "\
Examples:
  assay outbox retry 1207
  assay outbox retry --parked
  assay outbox retry --target marquez:5000

What is parked is not tried again by itself. Nothing is sent by this command:
the next one that sends does it, or `assay outbox deliver`.")]
    Retry {
        /// Numbers, from `assay outbox list`
        numbers: Vec<u64>,
        #[command(flatten)]
        picked: Picked,
    },
    /// Give deliveries up
    #[command(after_help = "\
Examples:
  assay outbox discard 1207 --reason \"the dataset is not theirs to know\"
  assay outbox discard --target old-marquez --reason \"it was switched off\"
  assay outbox discard --target marquez:5000 --parked --reason \"too old\"

Without --parked that is all of a target, also what waits: see it first with
`assay outbox list` and the same options. The events themselves stay in the
store. Who did it, and why, see `assay audit`.")]
    Discard {
        /// Numbers, from `assay outbox list`
        numbers: Vec<u64>,
        #[command(flatten)]
        picked: Picked,
        /// Why, for the audit
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Send what waits now
    #[command(after_help = "\
Examples:
  assay outbox deliver
  assay outbox deliver --target openmetadata

Targets that were left alone for a while are tried too. It ends when nothing is
left that can be sent: with 0 when nothing waits, else with 1.")]
    Deliver {
        /// Only to this one
        #[arg(long, value_name = "NAME")]
        target: Option<String>,
    },
}

/// Which deliveries are meant.
#[derive(Debug, Group)]
pub(crate) struct Picked {
    /// Only of this target
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// Only what is parked
    #[arg(long)]
    pub(crate) parked: bool,
    /// Only what waits
    #[arg(long, conflicts_with = "parked")]
    pub(crate) waiting: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OpenMetadataCommand {
    /// Say whether address, token and version work, and how to mend what does not
    #[command(after_help = "\
Example:
  assay openmetadata check

Address and token are under `openmetadata` in assay.yaml, see
docs/openmetadata.md. Nothing is changed.")]
    Check,
    /// Show what a pipeline's definition and contracts say
    #[command(after_help = "\
Examples:
  assay openmetadata sync github_events --dry-run
  assay openmetadata sync ./my_pipeline

Tables with columns, descriptions, owners and tags, topics, the pipeline with
its tasks, and the edges between them. A second sync changes nothing. Texts that
are there already stay, unless --overwrite says otherwise.")]
    Sync {
        /// A shipped pipeline's name, or a folder
        pipeline: String,
        /// Only say what would be changed
        #[arg(long)]
        dry_run: bool,
        /// Put the contract's descriptions in the place of others
        #[arg(long)]
        overwrite: bool,
    },
    /// Record what your server answers, so that it can be replayed
    #[command(after_help = "\
Example:
  assay openmetadata record my-server.md

It makes services called `assay_recording`, asks what Assay asks servers, and
deletes them again. The token is not in the file.")]
    Record {
        /// The file to write
        file: PathBuf,
    },
    /// Answer as a recording says
    #[command(after_help = "\
Example:
  assay openmetadata replay my-server.md --listen 8585")]
    Replay {
        /// A file that `record` wrote
        file: PathBuf,
        /// A port of this machine, or address and port
        #[arg(long, default_value = "8585", value_name = "PORT")]
        listen: Listen,
    },
}

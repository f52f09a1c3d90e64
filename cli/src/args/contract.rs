use std::path::PathBuf;

use clap::{Args as Group, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum ContractCommand {
    /// Find every mistake in contracts, with file, line and a way to fix it
    #[command(after_help = "\
Examples:
  assay contract lint orders.odcs.yaml
  assay contract lint ./my_pipeline github_events
  assay contract lint contracts/*.odcs.yaml -o json

Ends with 0 when there is no mistake, else with 2. Beside what `assay check`
finds it holds contracts against what the standard demands of them.")]
    Lint(LintArgs),

    /// Print the JSON Schema of a contract, for editors
    #[command(after_help = "\
Example:
  assay contract schema > odcs.schema.json

An editor with a YAML language server completes and checks by it when the first
line of a contract is
  # yaml-language-server: $schema=odcs.schema.json")]
    Schema,

    /// Say what changed between two versions of a contract, and whom it breaks
    #[command(after_help = "\
Examples:
  assay contract diff orders-1.odcs.yaml orders-2.odcs.yaml
  assay contract diff old.yaml new.yaml --for readers -o json
  git show main:orders.odcs.yaml | assay contract diff - orders.odcs.yaml

A change breaks readers when something is promised no more, writers when what was
good may be refused now, and judgement when scores and verdicts of before and
after can't be compared. Ends with 0 when nothing breaks, with 5 when something
breaks readers or writers (or those named with --for).")]
    Diff(DiffArgs),
}

#[derive(Debug, Group)]
pub(crate) struct LintArgs {
    /// Contract files, folders with *.odcs.yaml, or pipelines
    #[arg(required = true, value_name = "FILE|PIPELINE")]
    pub(crate) what: Vec<String>,
}

#[derive(Debug, Group)]
pub(crate) struct DiffArgs {
    /// The contract as it was; `-` is standard input
    pub(crate) old: PathBuf,
    /// The contract as it is to be; `-` is standard input
    pub(crate) new: PathBuf,
    /// Whom a change must break to count; may be repeated [default: readers and writers]
    #[arg(long = "for", value_enum, value_name = "PARTY")]
    pub(crate) parties: Vec<For>,
}

/// Whom a change can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum For {
    Readers,
    Writers,
    Judgement,
}

impl From<For> for assay_core::contract::Party {
    fn from(party: For) -> Self {
        match party {
            For::Readers => Self::Readers,
            For::Writers => Self::Writers,
            For::Judgement => Self::Judgement,
        }
    }
}

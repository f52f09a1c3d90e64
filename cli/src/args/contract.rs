use std::path::PathBuf;

use clap::{Args as Group, Subcommand, ValueEnum};

use super::Written;

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

A change breaks readers when something is promised no more, writers when what
was good may be refused now, and judgement when scores and verdicts of before
and after can't be compared. Ends with 0 when nothing breaks, with 5 when
something breaks readers or writers (or those named with --for).")]
    Diff(DiffArgs),

    /// Write a contract from what the rows of a file or table have in common
    #[command(after_help = "\
Examples:
  assay contract infer orders.csv --to orders.odcs.yaml
  assay contract infer silver.github_events
  assay contract infer events.jsonl.gz --name events

Types, NULLs, small sets, ranges, lengths, keys and forms (uuid, email, uri,
dates) are taken from all rows, in memory that does not grow with them. The
contract is valid, and the rows keep all that it says. It is a beginning: ranges
are what was seen, so widen them.")]
    Infer(InferArgs),

    /// Make one page of HTML from contracts
    #[command(after_help = "\
Examples:
  assay contract docs orders.odcs.yaml --to orders.html
  assay contract docs github_events --to contracts.html")]
    Docs(DocsArgs),
}

#[derive(Debug, Group)]
pub(crate) struct InferArgs {
    /// A file (.parquet, .csv, .jsonl; also .gz), `-`, or a table
    #[arg(value_name = "FILE|DATASET")]
    pub(crate) what: String,
    /// Where the contract is written [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    /// The id of the contract [default: the name of the file or table]
    #[arg(long, value_name = "NAME", value_parser = id)]
    pub(crate) name: Option<String>,
    /// How the file is written, where its name does not tell
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<Written>,
    /// Look at what this query answers; the file or table is called data
    #[arg(long, value_name = "SELECT …")]
    pub(crate) sql: Option<String>,
    /// Read the table as of this snapshot
    #[arg(long, value_name = "SNAPSHOT")]
    pub(crate) at: Option<i64>,
}

#[derive(Debug, Group)]
pub(crate) struct DocsArgs {
    /// A contract, a folder with *.odcs.yaml, or a pipeline
    #[arg(value_name = "FILE|PIPELINE")]
    pub(crate) what: String,
    /// Where the page is written [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
}

/// What can stand as an id in a contract.
fn id(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !text.is_empty() && text.chars().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("letters, digits, `_` and `-` make a name".to_owned()),
    }
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
    /// Whom a change must break to count [default: readers, writers]
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

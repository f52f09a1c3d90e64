//! Contracts by themselves; only what one is inferred from may be in the data folder.

mod diff;
mod docs;
mod infer;
mod lint;

use std::io::Read;
use std::path::Path;

use anyhow::Result;
use assay_core::contract::{ContractFile, json_schema};

use crate::args::ContractCommand;
use crate::config::{Config, ConfigError};
use crate::exit::Usage;
use crate::output::json;

pub(crate) async fn contract(
    command: ContractCommand,
    config: impl FnOnce() -> Result<Config, ConfigError>,
    as_json: bool,
) -> Result<()> {
    match command {
        ContractCommand::Infer(what) => infer::infer(config()?, &what, as_json).await,
        ContractCommand::Docs(what) => docs::docs(&what),
        ContractCommand::Lint(what) => lint::lint(&what, as_json),
        ContractCommand::Schema => json(&json_schema()),
        ContractCommand::Diff(what) => diff::diff(&what, as_json),
    }
}

/// The text of a contract file; `-` is standard input.
pub(crate) fn text_of(path: &Path) -> Result<String> {
    let read = match path.as_os_str() == "-" {
        true => {
            let mut text = String::new();
            std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
        }
        false => std::fs::read_to_string(path),
    };
    Ok(read
        .map_err(|error| Usage(format!("cannot read the contract {}: {error}", path.display())))?)
}

/// The contract in a file, or all its mistakes.
pub(crate) fn read(path: &Path) -> Result<ContractFile> {
    let text = text_of(path)?;
    let place = path.display().to_string();
    Ok(ContractFile::parse(&place, &text)
        .map_err(|mistakes| Usage(format!("{place} is not a contract to judge by: {mistakes}")))?)
}

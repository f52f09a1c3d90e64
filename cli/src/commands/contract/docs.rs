use std::path::Path;

use anyhow::{Context, Result};
use assay_core::contract::ContractFile;

use super::{lint, read};
use crate::args::DocsArgs;
use crate::exit::Usage;
use crate::output::line;
use crate::page;
use crate::shipped;

pub(super) fn docs(what: &DocsArgs) -> Result<()> {
    let path = Path::new(&what.what);
    let files: Vec<ContractFile> = match shipped::contracts(&what.what) {
        Some(contracts) => parsed(contracts)?,
        None if path.is_dir() => parsed(lint::on_disk(path)?)?,
        None => vec![read(path)?],
    };
    if files.is_empty() {
        return Err(Usage(format!("the folder {} has no *.odcs.yaml", what.what)).into());
    }
    let title = match &files[..] {
        [one] => one.body.name.clone().unwrap_or_else(|| one.body.id.clone()),
        _ => path
            .file_name()
            .map_or_else(|| what.what.clone(), |name| name.to_string_lossy().into_owned()),
    };
    let page = page::contracts(&title, &files);
    match &what.to {
        None => line(page),
        Some(path) => {
            std::fs::write(path, page)
                .with_context(|| format!("cannot write {}", path.display()))?;
            let schemas: usize = files.iter().map(|file| file.contracts.len()).sum();
            line(format!("{}: contracts {}, schemas {schemas}", path.display(), files.len()))
        }
    }
}

fn parsed(contracts: Vec<(String, String)>) -> Result<Vec<ContractFile>> {
    let parse = |(place, text): (String, String)| {
        ContractFile::parse(&place, &text).map_err(|mistakes| Usage(mistakes.to_string()).into())
    };
    contracts.into_iter().map(parse).collect()
}

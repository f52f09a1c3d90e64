use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use assay_core::contract::{ContractFile, SchemaObject, Unjudged};
use assay_core::{Contract, Mistakes};
use assay_pipeline::{LoadError, arrow_schema};
use assay_quality::Suite;
use serde::Serialize;

use crate::args::LintArgs;
use crate::exit::Usage;
use crate::output::{json, line};
use crate::shipped;

/// What was found, and in how much.
#[derive(Debug, Default, Serialize)]
struct Found {
    contracts: Vec<Looked>,
    mistakes: Mistakes,
}

/// A contract that was looked at.
#[derive(Debug, Serialize)]
struct Looked {
    file: String,
    /// The tables that it describes.
    schemas: usize,
    rules: usize,
    /// What it says and nobody judges.
    not_judged: Vec<Unjudged>,
}

pub(super) fn lint(what: &LintArgs, as_json: bool) -> Result<()> {
    let mut found = Found::default();
    for name in &what.what {
        found.look(name)?;
    }
    found.mistakes = std::mem::take(&mut found.mistakes).sorted();
    if as_json {
        json(&found)?;
    } else {
        show(&found)?;
    }
    match found.mistakes.0.len() {
        0 => Ok(()),
        1 => Err(Usage("there is a mistake in the contracts".to_owned()).into()),
        count => Err(Usage(format!("there are {count} mistakes in the contracts")).into()),
    }
}

fn show(found: &Found) -> Result<()> {
    for mistake in &found.mistakes.0 {
        line(mistake.to_string())?;
    }
    let broken = |file: &str| found.mistakes.0.iter().any(|mistake| mistake.file == file);
    for looked in found.contracts.iter().filter(|looked| !broken(&looked.file)) {
        let Looked { file, schemas, rules, not_judged } = looked;
        line(format!("{file} is fine: schemas {schemas}, rules {rules}"))?;
        for one in not_judged {
            line(format!("    not judged: {} ({})", one.what, one.place))?;
        }
    }
    Ok(())
}

impl Found {
    fn look(&mut self, name: &str) -> Result<()> {
        let path = Path::new(name);
        if path.is_file() || name == "-" {
            self.file(name, &super::text_of(path)?);
            return Ok(());
        }
        let pipeline = path.join("pipeline.yaml").is_file();
        let contracts = match shipped::contracts(name) {
            Some(contracts) => contracts,
            None if path.is_dir() => on_disk(path)?,
            None => {
                let what = format!("there is no file, folder or pipeline `{name}`");
                return Err(Usage(format!("{what}; name a contract like orders.odcs.yaml")).into());
            }
        };
        if contracts.is_empty() {
            return Err(Usage(format!("the folder {name} has no *.odcs.yaml")).into());
        }
        let shipped = shipped::contracts(name).is_some();
        for (place, text) in contracts {
            self.file(&place, &text);
        }
        if pipeline || shipped {
            match shipped::load(name).map_err(anyhow::Error::downcast::<LoadError>) {
                Ok(_) => {}
                Err(Ok(LoadError::Mistakes { mistakes, .. })) => self.mistakes.0.extend(mistakes.0),
                Err(Ok(error)) => return Err(error.into()),
                Err(Err(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn file(&mut self, place: &str, text: &str) {
        let (contract, mistakes) = ContractFile::lint(place, text);
        self.mistakes.0.extend(mistakes.0);
        let Some(contract) = contract else { return };
        for (object, one) in contract.schemas() {
            let one = judged(object, one);
            if let Err(mistakes) = Suite::compile(&one, &arrow_schema(&one)) {
                self.mistakes.0.extend(mistakes.0);
            }
        }
        self.contracts.push(Looked {
            file: place.to_owned(),
            schemas: contract.contracts.len(),
            rules: contract.contracts.iter().map(|one| one.rules.len()).sum(),
            not_judged: contract.unjudged(),
        });
    }
}

/// The contract with the rules of which more can be said than that their columns are not there.
fn judged(object: &SchemaObject, contract: &Contract) -> Contract {
    let mut contract = contract.clone();
    let mut known = BTreeSet::new();
    // Of a column that is there twice, the first.
    contract.columns.retain(|column| known.insert(column.name.clone()));
    // What an expression names, only all columns can tell.
    let all = object.properties.iter().all(|property| known.contains(&property.name));
    contract.rules.retain(|rule| {
        let columns = rule.check.columns();
        let told = all || !columns.is_empty() && rule.condition.is_none();
        told && columns.iter().all(|name| known.contains(*name))
    });
    contract
}

/// All contracts in a folder and those below it.
pub(super) fn on_disk(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next)? {
            let entry = entry?;
            let path = entry.path();
            // A link may lead back to where it is.
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(".odcs.yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    let read = |path: PathBuf| Ok((path.display().to_string(), super::text_of(&path)?));
    files.into_iter().map(read).collect()
}

use std::path::{Path, PathBuf};

use anyhow::Result;
use assay_core::{CountedUnit, ImportedOutcome, ImportedResult, ImportedScan, name_dataset};
use assay_quality::import as read;
use serde_json::json;

use crate::app::open_store;
use crate::args::ImportArgs;
use crate::config::Config;
use crate::exit::Usage;
use crate::output::{Grid, json, line, number, short, time};

const MANIFEST: &str = "manifest.json";

pub(super) async fn import(config: Config, what: &ImportArgs, as_json: bool) -> Result<()> {
    let given = what.files.iter().find(|file| named_manifest(file));
    let mut scans: Vec<ImportedScan> = Vec::new();
    for file in what.files.iter().filter(|file| !named_manifest(file)) {
        let bytes = bytes(file)?;
        let beside = file.with_file_name(MANIFEST);
        let manifest = given.cloned().or_else(|| beside.is_file().then_some(beside));
        let manifest = match &manifest {
            Some(path) => Some((path.display().to_string(), self::bytes(path)?)),
            None => None,
        };
        let manifest = manifest.as_ref().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        let found = read(&file.display().to_string(), &bytes, manifest);
        scans.extend(found.map_err(|error| Usage(error.to_string()))?);
    }
    if scans.is_empty() {
        return Err(Usage("a manifest has no results: give run_results.json too".to_owned()).into());
    }
    if let Some(name) = &what.dataset {
        name_dataset(&mut scans, name).map_err(|error| Usage(error.to_string()))?;
    }
    // Neither log nor lake is needed for it.
    let store = open_store(&config).await?;
    let mut told = Vec::new();
    for scan in &scans {
        told.push((scan, store.put_imported(scan).await?));
    }
    if as_json {
        let each = told.iter().map(|(scan, new)| scan.told(*new));
        return json(&each.collect::<Vec<_>>());
    }
    for (scan, new) in told {
        let known = if new { "" } else { " (taken in before)" };
        line(format!("{} of {}: {}{known}", scan.dataset, scan.tool, counts(scan)))?;
    }
    Ok(())
}

fn named_manifest(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == MANIFEST)
}

fn bytes(path: &PathBuf) -> Result<Vec<u8>> {
    let read = std::fs::read(path);
    Ok(read.map_err(|error| Usage(format!("cannot read {}: {error}", path.display())))?)
}

fn counts(scan: &ImportedScan) -> String {
    let [passed, warned, failed, open] = scan.counts();
    let open = if open > 0 { format!(", {open} NOT EVALUATED") } else { String::new() };
    format!("{passed} passed, {warned} warned, {failed} failed{open}")
}

/// What other tools found of a dataset; the newest run down to each check.
pub(super) fn show(scans: &[ImportedScan], as_json: bool) -> Result<()> {
    if as_json {
        return json(&json!({"imported": scans}));
    }
    // The newest of each tool down to each check; of the others only the sums.
    let mut tools: Vec<&str> = Vec::new();
    let (newest, others): (Vec<&ImportedScan>, Vec<&ImportedScan>) =
        scans.iter().partition(|scan| {
            let first = !tools.contains(&scan.tool.as_str());
            tools.push(&scan.tool);
            first
        });
    for (place, scan) in newest.into_iter().enumerate() {
        if place > 0 {
            line("")?;
        }
        one(scan)?;
    }
    if !others.is_empty() {
        line("\nImported before:")?;
    }
    for scan in others {
        line(format!("{} {}: {}", time(scan.at), scan.tool, counts(scan)))?;
    }
    Ok(())
}

fn one(scan: &ImportedScan) -> Result<()> {
    let version = scan.tool_version.as_ref().map(|version| format!(" {version}"));
    let (tool, version) = (&scan.tool, version.unwrap_or_default());
    let (dataset, at) = (&scan.dataset, time(scan.at));
    line(format!("{dataset} imported from {tool}{version} of {at}: {}", counts(scan)))?;
    let mut grid =
        Grid::new(&["rule", "severity", "outcome", "failed#", "of#", "counted", "expected"]);
    for result in &scan.results {
        let some = |count: Option<u64>| count.map_or_else(|| "–".to_owned(), number);
        grid.row([
            short(&result.rule, 44),
            result.severity.to_string(),
            outcome(&result.outcome),
            some(result.failed),
            some(result.evaluated),
            counted(result),
            short(&result.expected, 40),
        ]);
    }
    grid.print()
}

fn outcome(outcome: &ImportedOutcome) -> String {
    match outcome {
        ImportedOutcome::Passed => "passed".to_owned(),
        ImportedOutcome::Warned => "warned".to_owned(),
        ImportedOutcome::Failed => "FAILED".to_owned(),
        ImportedOutcome::NotEvaluated { why } => format!("NOT EVALUATED: {why}"),
    }
}

/// What was counted, or what was measured where nothing was.
fn counted(result: &ImportedResult) -> String {
    match (result.unit, result.observed) {
        (CountedUnit::Rows, _) => "rows".to_owned(),
        (CountedUnit::Copies, _) => "rows, first ones too".to_owned(),
        (CountedUnit::Keys, _) => "keys".to_owned(),
        (CountedUnit::Values, _) => "values".to_owned(),
        (CountedUnit::Answers, _) => "answers".to_owned(),
        (CountedUnit::Nothing, Some(observed)) => format!("measured {observed}"),
        (CountedUnit::Nothing, None) => "–".to_owned(),
    }
}

//! Results that other tools found, brought into one form.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Fault, Severity};

/// What one run of another tool found of one dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportedScan {
    /// `great-expectations`, `dbt` or `soda`.
    pub tool: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_version: Option<String>,
    /// What the tool calls the run.
    pub run: String,
    /// As the tool names it, unless whoever imported it said better.
    pub dataset: String,
    pub at: DateTime<Utc>,
    pub results: Vec<ImportedResult>,
}

/// How one check of another tool fared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportedResult {
    /// What it is called; the same in every run.
    pub rule: String,
    /// The kind of check in the words of the tool.
    pub kind: String,
    pub columns: Vec<String>,
    pub dimension: String,
    pub severity: Severity,
    pub outcome: ImportedOutcome,
    /// What was counted, where something was: of this many that were looked at, so many are wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
    pub unit: CountedUnit,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluated: Option<u64>,
    /// What a check of a single figure measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<f64>,
    /// What would have been fine, in the words of the tool.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expected: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ImportedOutcome {
    Passed,
    Warned,
    Failed,
    /// The tool could not judge it.
    NotEvaluated {
        why: String,
    },
}

/// What a tool counted. Tools disagree: of a key that comes three times one says 2, one 3, one 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CountedUnit {
    /// Rows that break the rule; of repeated keys those beyond the first of each.
    Rows,
    /// Rows whose key comes more than once, the first ones too.
    Copies,
    /// Keys that come more than once.
    Keys,
    /// Different values that are not allowed.
    Values,
    /// Rows that a query of the tool's gave.
    Answers,
    /// Nothing was counted.
    Nothing,
}

/// Results of several datasets can't all have one name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the results are about several datasets, {0}: one name can't be given to all")]
pub struct SeveralDatasets(String);

impl SeveralDatasets {
    pub fn fault(&self) -> Fault {
        Fault::Permanent
    }
}

/// Calls the dataset that all results are about what it is called here.
pub fn name_dataset(scans: &mut [ImportedScan], name: &str) -> Result<(), SeveralDatasets> {
    let foreign: BTreeSet<&str> = scans.iter().map(|scan| scan.dataset.as_str()).collect();
    if foreign.len() > 1 {
        return Err(SeveralDatasets(foreign.into_iter().collect::<Vec<_>>().join(", ")));
    }
    scans.iter_mut().for_each(|scan| name.clone_into(&mut scan.dataset));
    Ok(())
}

impl ImportedScan {
    /// What became of it when it was taken in, for a program.
    pub fn told(&self, new: bool) -> Value {
        let [passed, warned, failed, open] = self.counts();
        json!({"tool": self.tool, "run": self.run, "dataset": self.dataset, "new": new,
               "passed": passed, "warned": warned, "failed": failed, "not_evaluated": open})
    }

    /// How many checks passed, warned, failed, and were not evaluated.
    pub fn counts(&self) -> [usize; 4] {
        let count = |wanted: fn(&ImportedOutcome) -> bool| {
            self.results.iter().filter(|result| wanted(&result.outcome)).count()
        };
        [
            count(|it| *it == ImportedOutcome::Passed),
            count(|it| *it == ImportedOutcome::Warned),
            count(|it| *it == ImportedOutcome::Failed),
            count(|it| matches!(it, ImportedOutcome::NotEvaluated { .. })),
        ]
    }
}

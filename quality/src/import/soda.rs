//! Soda: scan results of version 3, and what version 4 verifies.

use std::collections::BTreeMap;

use assay_core::{CountedUnit, ImportedOutcome, ImportedResult, ImportedScan, Severity};
use serde_json::Value;

use super::{ImportError, Node, dimension};

pub(super) fn knows(value: &Value) -> bool {
    value.get("check_results").is_some()
        || (value.get("checks").is_some() && value.get("scanStartTimestamp").is_some())
}

pub(super) fn read(root: &Node<'_>) -> Result<Vec<ImportedScan>, ImportError> {
    match root.get("check_results") {
        Some(_) => Ok(vec![contract(root)?]),
        None => scan(root),
    }
}

/// Version 3: one scan may look at many tables.
fn scan(root: &Node<'_>) -> Result<Vec<ImportedScan>, ImportError> {
    let at = root.time("scanEndTimestamp")?;
    let name = root.maybe("definitionName").unwrap_or("scan");
    let run = format!("{name} {}", root.text("scanStartTimestamp")?);
    let mut scans: BTreeMap<String, ImportedScan> = BTreeMap::new();
    for check in root.list("checks")? {
        let table = check.maybe("table").unwrap_or("unnamed");
        let dataset = match check.maybe("dataSource") {
            Some(source) => format!("{source}.{table}"),
            None => table.to_owned(),
        };
        let scan = scans.entry(dataset.clone()).or_insert_with(|| ImportedScan {
            tool: "soda".to_owned(),
            tool_version: None,
            run: run.clone(),
            dataset,
            at,
            results: Vec::new(),
        });
        scan.results.push(check_of_scan(&check)?);
    }
    Ok(scans.into_values().collect())
}

fn check_of_scan(check: &Node<'_>) -> Result<ImportedResult, ImportError> {
    let outcome = match check.maybe("outcome") {
        Some("pass") => ImportedOutcome::Passed,
        Some("warn") => ImportedOutcome::Warned,
        Some("fail") => ImportedOutcome::Failed,
        None => ImportedOutcome::NotEvaluated { why: "it has no outcome".to_owned() },
        Some(_) => return check.damaged("outcome", "is none that is known"),
    };
    let name = check.text("name")?;
    // The metric is the last part of its identity, before a hash.
    let metrics = check.value.get("metrics").and_then(Value::as_array);
    let metric = metrics.and_then(|all| all.first()).and_then(Value::as_str).unwrap_or(name);
    let kinds = ["missing_count", "missing_percent", "invalid_count", "invalid_percent"];
    let more = ["duplicate_count", "duplicate_percent", "row_count", "schema", "freshness"];
    let kind = kinds.iter().chain(&more).find(|kind| metric.contains(*kind));
    let kind = kind.copied().unwrap_or_else(|| metric.rsplit('-').next().unwrap_or(metric));
    let diagnostics = check.get("diagnostics");
    let value = diagnostics.as_ref().and_then(|it| it.number("value"));
    let counted = kind.ends_with("_count") && kind != "row_count";
    let failed = diagnostics.as_ref().and_then(|it| it.count("value")).filter(|_| counted);
    let unit = match (failed, kind) {
        (None, _) => CountedUnit::Nothing,
        (_, "duplicate_count") => CountedUnit::Keys,
        _ => CountedUnit::Rows,
    };
    let limits = |key| diagnostics.as_ref().and_then(|it| it.get(key));
    let expected: Vec<String> = ["fail", "warn"]
        .iter()
        .filter_map(|key| Some(format!("{key} when {}", words(limits(key)?.value))))
        .collect();
    Ok(ImportedResult {
        rule: name.to_owned(),
        kind: kind.to_owned(),
        columns: check.maybe("column").into_iter().map(str::to_owned).collect(),
        dimension: dimension(kind).to_owned(),
        severity: worst(limits("fail").is_some() || limits("warn").is_none()),
        outcome,
        failed,
        unit,
        evaluated: None,
        observed: value.filter(|_| failed.is_none()),
        expected: expected.join(", "),
    })
}

/// Version 4: one contract, one table, and how many rows were looked at.
fn contract(root: &Node<'_>) -> Result<ImportedScan, ImportError> {
    let about = root.need("check_collection")?;
    let name = about.text("dataset_name")?;
    let dataset = match about.maybe("data_source_name") {
        Some(source) => format!("{source}.{name}"),
        None => name.to_owned(),
    };
    let started = root.text("started_timestamp")?;
    Ok(ImportedScan {
        tool: "soda".to_owned(),
        tool_version: None,
        run: root.maybe("scan_id").map_or_else(|| format!("{name} {started}"), str::to_owned),
        dataset,
        at: root.time("ended_timestamp")?,
        results: root.list("check_results")?.iter().map(verified).collect::<Result<_, _>>()?,
    })
}

fn verified(result: &Node<'_>) -> Result<ImportedResult, ImportError> {
    let check = result.need("check")?;
    let outcome = match result.text("outcome")? {
        "PASSED" => ImportedOutcome::Passed,
        "WARN" => ImportedOutcome::Warned,
        "FAILED" => ImportedOutcome::Failed,
        "NOT_EVALUATED" | "EXCLUDED" => {
            ImportedOutcome::NotEvaluated { why: "it was left out".to_owned() }
        }
        _ => return result.damaged("outcome", "is none that is known"),
    };
    let kind = check.text("type")?;
    let measured = result.get("diagnostic_metric_values");
    let count = |key: &str| measured.as_ref().and_then(|it| it.count(key));
    let failed = count(&format!("{kind}_count")).filter(|_| kind != "row");
    let unit = match failed {
        None => CountedUnit::Nothing,
        // Rows less different values: the first of each key is fine.
        Some(_) => CountedUnit::Rows,
    };
    let threshold = check.get("threshold");
    let level = threshold.as_ref().and_then(|it| it.maybe("level"));
    Ok(ImportedResult {
        rule: check.maybe("relative_path").or(check.maybe("name")).unwrap_or(kind).to_owned(),
        kind: kind.to_owned(),
        columns: check.maybe("column_name").into_iter().map(str::to_owned).collect(),
        dimension: dimension(kind).to_owned(),
        severity: worst(level != Some("warn")),
        outcome,
        failed,
        unit,
        evaluated: count("check_rows_tested"),
        observed: result.number("threshold_value").filter(|_| failed.is_none()),
        expected: threshold.map(|it| words(it.value)).unwrap_or_default(),
    })
}

fn worst(fails: bool) -> Severity {
    if fails { Severity::Error } else { Severity::Warning }
}

/// Limits as people read them: `must_be 0`.
fn words(limits: &Value) -> String {
    let pairs = limits.as_object().into_iter().flatten();
    let said = pairs.filter(|(key, value)| !value.is_null() && *key != "level");
    let shown: Vec<String> = said.map(|(key, value)| format!("{key} {value}")).collect();
    shown.join(", ")
}

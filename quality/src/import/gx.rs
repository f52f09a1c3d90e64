//! Great Expectations: a validation result, or the result of a checkpoint, which has several.

use std::collections::BTreeSet;

use assay_core::{CountedUnit, ImportedOutcome, ImportedResult, ImportedScan};
use serde_json::Value;

use super::{ImportError, Node, dimension, severity};

pub(super) fn knows(value: &Value) -> bool {
    value.get("run_results").is_some()
        || (value.get("results").is_some() && value.get("success").is_some())
}

pub(super) fn read(root: &Node<'_>) -> Result<Vec<ImportedScan>, ImportError> {
    let Some(runs) = root.get("run_results") else { return Ok(vec![validation(root)?]) };
    let Some(map) = runs.value.as_object() else { return root.damaged("run_results", "is no map") };
    map.iter()
        .map(|(name, value)| {
            let place = format!("{}{name}.", runs.place);
            let node = Node { file: root.file, value, place };
            // Before 1.0 the result stood one level deeper.
            match node.get("validation_result") {
                Some(inner) => validation(&inner),
                None => validation(&node),
            }
        })
        .collect()
}

fn validation(node: &Node<'_>) -> Result<ImportedScan, ImportError> {
    let meta = node.need("meta")?;
    let run = meta.need("run_id")?;
    let batch = meta.get("active_batch_definition");
    let named = |key| batch.as_ref().and_then(|batch| batch.maybe(key));
    let asset = named("data_asset_name").or(node.maybe("suite_name"));
    let asset = asset.or(node.maybe("expectation_suite_name")).unwrap_or("unnamed");
    let dataset = match named("datasource_name") {
        Some(source) => format!("{source}.{asset}"),
        None => asset.to_owned(),
    };
    let at = run.time("run_time")?;
    let id = meta.maybe("validation_id").or(run.maybe("run_name"));
    Ok(ImportedScan {
        tool: "great-expectations".to_owned(),
        tool_version: meta.maybe("great_expectations_version").map(str::to_owned),
        run: id.map_or_else(|| at.to_rfc3339(), str::to_owned),
        dataset,
        at,
        results: node.list("results")?.iter().map(expectation).collect::<Result<_, _>>()?,
    })
}

fn expectation(node: &Node<'_>) -> Result<ImportedResult, ImportError> {
    let config = node.need("expectation_config")?;
    // Named otherwise before 1.0.
    let kind = match config.maybe("type") {
        Some(kind) => kind,
        None => config.text("expectation_type")?,
    };
    let kwargs = config.get("kwargs");
    let columns = kwargs.as_ref().map(columns).unwrap_or_default();
    let Some(success) = node.value.get("success").and_then(Value::as_bool) else {
        return node.damaged("success", "is neither true nor false");
    };
    let outcome = match (raised(node), success) {
        (Some(why), _) => ImportedOutcome::NotEvaluated { why },
        (None, true) => ImportedOutcome::Passed,
        (None, false) => ImportedOutcome::Failed,
    };
    let result = node.get("result");
    let count = |key| result.as_ref().and_then(|result| result.count(key));
    let failed = count("unexpected_count");
    let unique = kind.contains("unique") && failed.is_some();
    let (failed, unit) = match (unique, failed) {
        (_, None) => (None, CountedUnit::Nothing),
        (false, failed) => (failed, CountedUnit::Rows),
        // It counts every copy; where it lists them all, the first ones can be taken off.
        (true, Some(failed)) => match result.as_ref().and_then(|it| firsts(it, failed)) {
            Some(firsts) => (Some(failed - firsts), CountedUnit::Rows),
            None => (Some(failed), CountedUnit::Copies),
        },
    };
    let name = if columns.is_empty() { String::new() } else { format!("{}.", columns.join("_")) };
    Ok(ImportedResult {
        rule: format!("{name}{}", kind.trim_start_matches("expect_")),
        kind: kind.to_owned(),
        dimension: dimension(kind).to_owned(),
        severity: severity(config.maybe("severity")),
        outcome,
        failed,
        unit,
        evaluated: count("element_count"),
        observed: result.as_ref().and_then(|result| result.number("observed_value")),
        expected: kwargs.as_ref().map(expected).unwrap_or_default(),
        columns,
    })
}

fn columns(kwargs: &Node<'_>) -> Vec<String> {
    let one = ["column", "column_A", "column_B"];
    let mut found: Vec<String> =
        one.iter().filter_map(|key| kwargs.maybe(key)).map(str::to_owned).collect();
    let many = kwargs.value.get("column_list").and_then(Value::as_array);
    found.extend(many.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
    found
}

/// The limits that an expectation was given.
fn expected(kwargs: &Node<'_>) -> String {
    const NOT_LIMITS: [&str; 6] =
        ["batch_id", "column", "column_A", "column_B", "column_list", "result_format"];
    let pairs = kwargs.value.as_object().into_iter().flatten();
    let limits =
        pairs.filter(|(key, value)| !NOT_LIMITS.contains(&key.as_str()) && !value.is_null());
    let shown: Vec<String> = limits.map(|(key, value)| format!("{key} {value}")).collect();
    shown.join(", ")
}

/// Why an expectation could not be judged. What was raised is a map of itself, or one for each
/// metric; its own words may quote a value, so only that it was raised is told.
fn raised(node: &Node<'_>) -> Option<String> {
    let info = node.get("exception_info")?;
    let raised =
        |value: &Value| value.get("raised_exception").and_then(Value::as_bool) == Some(true);
    let any =
        raised(info.value) || info.value.as_object().is_some_and(|map| map.values().any(raised));
    any.then(|| "an exception was raised".to_owned())
}

/// How many different keys there are among all the copies, where all of them are listed.
fn firsts(result: &Node<'_>, copies: u64) -> Option<u64> {
    let listed = result.value.get("unexpected_list")?.as_array()?;
    if listed.len() as u64 != copies {
        return None;
    }
    let different: BTreeSet<String> = listed.iter().map(ToString::to_string).collect();
    Some(different.len() as u64)
}

//! dbt: `run_results.json` says how tests fared, `manifest.json` what they are about.

use std::collections::BTreeMap;

use assay_core::{CountedUnit, ImportedOutcome, ImportedResult, ImportedScan};
use serde_json::Value;

use super::{ImportError, Node, dimension, severity};

pub(super) fn knows(value: &Value) -> bool {
    let schema = value.get("metadata").and_then(|metadata| metadata.get("dbt_schema_version"));
    schema.and_then(Value::as_str).is_some_and(|schema| schema.contains("/run-results/"))
}

pub(super) fn read(root: &Node<'_>, manifest: &Node<'_>) -> Result<Vec<ImportedScan>, ImportError> {
    let metadata = root.need("metadata")?;
    let nodes = manifest.need("nodes")?;
    let (run, at) = (metadata.text("invocation_id")?, metadata.time("generated_at")?);
    let mut scans: BTreeMap<String, ImportedScan> = BTreeMap::new();
    for result in root.list("results")? {
        let id = result.text("unique_id")?;
        // Models, seeds and snapshots are made, not checked.
        if !id.starts_with("test.") {
            continue;
        }
        let Some(test) = nodes.get(id) else {
            let what = "is no test of the manifest: are both of one run?";
            return result.damaged("unique_id", what);
        };
        let dataset = dataset(&nodes, &test);
        let scan = scans.entry(dataset.clone()).or_insert_with(|| ImportedScan {
            tool: "dbt".to_owned(),
            tool_version: metadata.maybe("dbt_version").map(str::to_owned),
            run: run.to_owned(),
            dataset,
            at,
            results: Vec::new(),
        });
        scan.results.push(one(&result, &test)?);
    }
    Ok(scans.into_values().collect())
}

/// What a test looks at, as its database names it.
fn dataset(nodes: &Node<'_>, test: &Node<'_>) -> String {
    let first = test.get("depends_on").and_then(|it| it.list("nodes").ok());
    let first = first.and_then(|nodes| nodes.first().and_then(|node| node.value.as_str()));
    let id = test.maybe("attached_node").or(first);
    let node = id.and_then(|id| nodes.get(id));
    match (&node, id) {
        (Some(node), _) => {
            let name = node.maybe("alias").or(node.maybe("name")).unwrap_or("unnamed");
            node.maybe("schema")
                .map_or_else(|| name.to_owned(), |schema| format!("{schema}.{name}"))
        }
        (None, Some(id)) => id.split('.').skip(1).collect::<Vec<_>>().join("."),
        (None, None) => "unnamed".to_owned(),
    }
}

fn one(result: &Node<'_>, test: &Node<'_>) -> Result<ImportedResult, ImportError> {
    let status = result.text("status")?;
    let about = test.get("test_metadata");
    let kind = about.as_ref().and_then(|about| about.maybe("name")).unwrap_or("sql");
    let config = test.get("config");
    let said = |key| config.as_ref().and_then(|config| config.maybe(key));
    let outcome = match status {
        "pass" | "success" => ImportedOutcome::Passed,
        "warn" => ImportedOutcome::Warned,
        "fail" => ImportedOutcome::Failed,
        "error" | "runtime error" => not_evaluated("the query failed"),
        "skipped" | "no-op" => not_evaluated("it was skipped"),
        _ => return result.damaged("status", "is none that is known"),
    };
    let failed = result.count("failures");
    let unit = match (failed, kind) {
        (None, _) => CountedUnit::Nothing,
        (_, "not_null" | "relationships") => CountedUnit::Rows,
        (_, "unique") => CountedUnit::Keys,
        (_, "accepted_values") => CountedUnit::Values,
        _ => CountedUnit::Answers,
    };
    let condition = if outcome == ImportedOutcome::Warned { "warn_if" } else { "error_if" };
    let condition = said(condition).unwrap_or("!= 0");
    Ok(ImportedResult {
        rule: test.maybe("name").unwrap_or(kind).to_owned(),
        kind: kind.to_owned(),
        columns: test.maybe("column_name").into_iter().map(str::to_owned).collect(),
        dimension: dimension(kind).to_owned(),
        severity: severity(said("severity")),
        outcome,
        failed,
        unit,
        evaluated: None,
        observed: None,
        expected: format!("not {condition}"),
    })
}

fn not_evaluated(why: &str) -> ImportedOutcome {
    ImportedOutcome::NotEvaluated { why: why.to_owned() }
}

use anyhow::Result;
use serde_json::json;

use crate::output::{json, line};
use crate::shipped;

/// Loads a pipeline, which finds every mistake in it, and says what it is.
pub(crate) fn check(name: &str, as_json: bool) -> Result<()> {
    let pipeline = shipped::load(name)?;
    let rules: usize = pipeline.tables.values().map(|table| table.contract.rules.len()).sum();
    if as_json {
        let stage = |stage: &std::sync::Arc<assay_pipeline::Stage>| json!({"stage": stage.id.stage, "reads": stage.reads.dataset(), "writes": stage.writes.dataset});
        return json(&json!({
            "pipeline": pipeline.name,
            "stages": pipeline.stages.iter().map(stage).collect::<Vec<_>>(),
            "tables": pipeline.tables.len(),
            "rules": rules,
            "column_lineage_gaps": pipeline.stages.iter().flat_map(|stage| &stage.columns().unknown).collect::<Vec<_>>(),
        }));
    }
    line(format!(
        "{} is fine: stages {}, tables {} with {rules} rules, topics {}",
        pipeline.name,
        pipeline.stages.len(),
        pipeline.tables.len(),
        pipeline.topics.len()
    ))?;
    for stage in &pipeline.stages {
        let (reads, writes) = (stage.reads.dataset(), &stage.writes.dataset);
        line(format!("  {:16} {reads} → {writes}", stage.id.stage))?;
        for why in &stage.columns().unknown {
            line(format!("  {:16} lineage of its columns: {why}", ""))?;
        }
    }
    Ok(())
}

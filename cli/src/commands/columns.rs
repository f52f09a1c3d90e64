//! `assay lineage columns`: from which columns a dataset's columns are made.

use std::collections::BTreeMap;

use anyhow::Result;
use assay_core::DatasetName;
use assay_lineage::{ColumnLineage, InputColumn, Trace, used_as_words};
use assay_pipeline::{Pipeline, Stage};
use serde_json::json;

use crate::args::ColumnsArgs;
use crate::exit::Usage;
use crate::output::{Grid, json, line, printable, short};
use crate::shipped;

const WIDTH: usize = 70;

pub(crate) fn show(what: &ColumnsArgs, as_json: bool) -> Result<()> {
    let pipeline = shipped::load(&what.pipeline)?;
    let stage = writer_of(&pipeline, &what.dataset)?;
    match &what.column {
        Some(column) => one(&pipeline, stage, column, as_json),
        None => all(stage, as_json),
    }
}

fn writer_of<'p>(pipeline: &'p Pipeline, dataset: &DatasetName) -> Result<&'p Stage> {
    let writes = |stage: &&std::sync::Arc<Stage>| stage.writes.dataset == *dataset;
    if let Some(stage) = pipeline.stages.iter().find(writes) {
        return Ok(stage);
    }
    let known: Vec<String> =
        pipeline.stages.iter().map(|stage| stage.writes.dataset.to_string()).collect();
    let what = match pipeline.topics.contains_key(dataset) {
        true => format!("{dataset} is a topic: its columns come as they are"),
        false => format!("{} writes no {dataset}", pipeline.name),
    };
    Err(Usage(format!("{what}; its stages write {}", known.join(", "))).into())
}

fn all(stage: &Stage, as_json: bool) -> Result<()> {
    let lineage = stage.columns();
    if as_json {
        return json(&json!({
            "dataset": stage.writes.dataset,
            "stage": stage.id,
            "columns": lineage.columns,
            "rows": lineage.rows,
            "unknown": lineage.unknown,
        }));
    }
    let mut grid = Grid::new(&["column", "from", "used as", "made by"]);
    for column in &lineage.columns {
        let expression = short(column.expression.as_deref().unwrap_or_default(), WIDTH);
        let name = column.column.as_str();
        if !column.known {
            grid.row([name, "not known", "", &expression]);
        } else if column.inputs.is_empty() {
            grid.row([name, "–", "", &expression]);
        }
        for (place, input) in column.inputs.iter().enumerate().filter(|_| column.known) {
            let first = |text| if place == 0 { text } else { "" };
            grid.row([first(name), &from(input), &used_as_words(input), first(&expression)]);
        }
    }
    grid.print()?;
    rows(lineage)
}

fn one(pipeline: &Pipeline, stage: &Stage, column: &str, as_json: bool) -> Result<()> {
    let dataset = &stage.writes.dataset;
    let Some(found) = stage.columns().column(column) else {
        let known: Vec<&str> =
            stage.columns().columns.iter().map(|column| column.column.as_str()).collect();
        let told = format!("{dataset} has no column `{column}`; it has {}", known.join(", "));
        return Err(Usage(told).into());
    };
    let known: BTreeMap<&DatasetName, &ColumnLineage> =
        pipeline.stages.iter().map(|stage| (&stage.writes.dataset, stage.columns())).collect();
    let trace = Trace::of(dataset, column, &known);
    if as_json {
        return json(&json!({
            "dataset": dataset,
            "stage": stage.id,
            "column": found,
            "trace": trace,
            "rows": stage.columns().rows,
            "unknown": stage.columns().unknown,
        }));
    }
    line(trace.to_string())?;
    rows(stage.columns())
}

/// What decides about rows, and what could not be found out.
fn rows(lineage: &ColumnLineage) -> Result<()> {
    if !lineage.rows.is_empty() {
        line("\nWhich rows there are is decided by")?;
        for input in &lineage.rows {
            line(format!("  {}  [{}]", from(input), used_as_words(input)))?;
        }
    }
    for why in &lineage.unknown {
        line(format!("not known: {}", printable(why)))?;
    }
    Ok(())
}

fn from(input: &InputColumn) -> String {
    format!("{}.{}", input.dataset, input.column)
}

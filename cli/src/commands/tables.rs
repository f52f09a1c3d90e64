use anyhow::Result;
use assay_core::DatasetName;
use assay_pipeline::{SnapshotInfo, TableInfo};
use serde_json::{Value, json};

use crate::app::App;
use crate::output::{Grid, bytes, counted, json, line, number, time};

/// Snapshots that are shown to a person.
const SNAPSHOTS: usize = 10;

pub(crate) async fn tables(app: &App, name: Option<&DatasetName>, as_json: bool) -> Result<()> {
    if let Some(name) = name {
        let info = app.lake.info(name).await?;
        return if as_json { json(&value(&info)) } else { one(&info) };
    }
    let mut infos = Vec::new();
    for dataset in app.lake.datasets().await? {
        infos.push(app.lake.info(&dataset).await?);
    }
    if as_json {
        return json(&infos.iter().map(value).collect::<Vec<_>>());
    }
    if infos.is_empty() {
        return line("no tables yet: `assay run` makes them");
    }
    let mut grid =
        Grid::new(&["table", "rows#", "files#", "size#", "snapshots#", "score#", "last commit"]);
    for info in &infos {
        let last = info.snapshots.first();
        grid.row([
            info.dataset.to_string(),
            number(info.rows),
            number(info.files),
            bytes(info.bytes),
            info.snapshots.len().to_string(),
            last.map_or_else(|| "–".to_owned(), |snapshot| summary(snapshot, "assay.score")),
            last.map_or_else(|| "–".to_owned(), |snapshot| time(snapshot.at)),
        ]);
    }
    grid.print()
}

fn one(info: &TableInfo) -> Result<()> {
    line(format!("table     {}", info.dataset))?;
    line(format!("location  {}", info.location))?;
    line(format!(
        "holds     {} in {}, {}",
        counted(info.rows, "row"),
        counted(info.files, "file"),
        bytes(info.bytes)
    ))?;
    line("columns")?;
    for (name, kind) in &info.columns {
        line(format!("  {name:28} {kind}"))?;
    }
    line(format!("snapshots ({}, newest first)", info.snapshots.len()))?;
    let mut grid =
        Grid::new(&["  snapshot", "committed", "operation", "added#", "score#", "verdict"]);
    for snapshot in info.snapshots.iter().take(SNAPSHOTS) {
        grid.row([
            format!("  {}", snapshot.id),
            time(snapshot.at),
            snapshot.operation.clone(),
            summary(snapshot, "added-records"),
            summary(snapshot, "assay.score"),
            summary(snapshot, "assay.verdict"),
        ]);
    }
    grid.print()
}

fn summary(snapshot: &SnapshotInfo, key: &str) -> String {
    snapshot.summary.get(key).cloned().unwrap_or_else(|| "–".to_owned())
}

fn value(info: &TableInfo) -> Value {
    let snapshot = |s: &SnapshotInfo| json!({"id": s.id.to_string(), "sequence": s.sequence, "at": s.at, "operation": s.operation, "summary": s.summary});
    let column = |(name, kind): &(String, String)| json!({"name": name, "type": kind});
    json!({
        "table": info.dataset,
        "location": info.location,
        "rows": info.rows,
        "files": info.files,
        "bytes": info.bytes,
        "columns": info.columns.iter().map(column).collect::<Vec<_>>(),
        "snapshots": info.snapshots.iter().map(snapshot).collect::<Vec<_>>(),
    })
}

//! How good the rows of each window of time are.

use anyhow::Result;
use assay_core::{DatasetName, WindowScore};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::history::{ends, sparkline};
use crate::app::App;
use crate::exit::Usage;
use crate::output::{Grid, counted, json, line, number, score, time};

pub(super) async fn windows(
    app: &App,
    dataset: &DatasetName,
    (before, limit): (Option<DateTime<Utc>>, u32),
    as_json: bool,
) -> Result<()> {
    let mut windows = app.store.window_scores(dataset, before, limit).await?;
    if windows.is_empty() {
        let told = match before {
            Some(before) => format!("no window of {dataset} before {} was judged", time(before)),
            None => format!(
                "no window of {dataset} was judged: name the table of a stage that has `windows`, \
                 for example gold.kpi_1m, after a run with --governed"
            ),
        };
        return Err(Usage(told).into());
    }
    // Time goes from left to right and from top to bottom.
    windows.reverse();
    if as_json {
        let windows: Vec<_> = windows.iter().map(told).collect();
        return json(&json!({"dataset": dataset, "windows": windows}));
    }
    let scores: Vec<Option<f64>> = windows.iter().map(WindowScore::score).collect();
    let count = counted(windows.len() as u64, "window");
    line(format!("{dataset}, {count}, the newest on the right"))?;
    if let (Some(least), Some(greatest)) = ends(&scores) {
        line(format!("score {} from {least:.2} to {greatest:.2}", sparkline(&scores)))?;
    }
    let mut grid = Grid::new(&["window", "until", "rows#", "rejected#", "score#"]);
    for window in &windows {
        grid.row([
            time(window.start),
            time(window.end),
            number(window.rows),
            number(window.rejected),
            score(window.score()),
        ]);
    }
    grid.print()
}

fn told(window: &WindowScore) -> Value {
    let WindowScore { start, end, rows, rejected, .. } = window;
    json!({"start": start, "end": end, "rows": rows, "rejected": rejected, "score": window.score()})
}

use anyhow::Result;
use serde_json::json;

use crate::app::App;
use crate::commands::runs::{current, grid, silent};
use crate::output::{Grid, json, line, number, score, time};
use crate::waiting::{Desk, Waiting};

/// What is there, how good it is, what waits.
pub(crate) async fn status(app: &App, as_json: bool) -> Result<()> {
    let runs = current(&app.store, app.clock.now()).await?;
    let reports = app.store.latest_reports().await?;
    let Waiting { unread, letters, away } = Desk::of(app).waiting().await?;
    let pauses = app.store.pauses().await?;
    if as_json {
        let run = |record: &assay_store::RunRecord| {
            json!({"stage": record.run.stage.to_string(), "status": record.status,
                   "silent": silent(record, app.clock.now()), "run": record.run.id,
                   "started_at": record.run.started_at, "ended_at": record.ended_at})
        };
        let dataset = |record: &assay_store::ReportRecord| {
            json!({"dataset": record.report.output, "score": record.report.score(),
                   "verdict": record.report.verdict(), "judged_at": record.report.judged_at})
        };
        return json(&json!({
            "data_dir": app.data_dir(),
            "store": app.store.place(),
            "stages": runs.iter().map(run).collect::<Vec<_>>(),
            "datasets": reports.iter().map(dataset).collect::<Vec<_>>(),
            "dead_letters": letters,
            "behind": unread,
            "log_away": away,
            "paused": pauses,
        }));
    }
    line(format!("data in {}", app.data_dir().display()))?;
    if app.config.store.is_some() {
        line(format!("store in {}", app.store.place()))?;
        let unused = app.data_dir().join("store.db");
        if unused.exists() {
            line(format!("{} is another store, and not used", unused.display()))?;
        }
    }
    line("\nLast run of each stage")?;
    if runs.is_empty() {
        line("none yet: `assay ingest`, then `assay run`")?;
    } else {
        grid(&runs, app.clock.now()).print()?;
    }
    for pause in &pauses {
        let (at, who) = (time(pause.at), &pause.who);
        line(format!("{} is paused since {at} by {who}: {}", pause.stage, pause.reason))?;
    }
    line("\nDatasets")?;
    let mut datasets = Grid::new(&["dataset", "score#", "verdict", "rows#", "rejected#", "judged"]);
    for record in &reports {
        let report = &record.report;
        datasets.row([
            report.output.to_string(),
            score(report.score()),
            report.verdict_name().to_owned(),
            number(report.rows_added()),
            number(report.counts.rejected),
            time(report.judged_at),
        ]);
    }
    datasets.print()?;
    line("\nDead letters")?;
    if letters.is_empty() {
        line("none")?;
    }
    for summary in &letters {
        let reason = summary.reason.map_or("unknown", assay_dlq::Reason::name);
        line(format!(
            "{:>8} {reason} in {}, the oldest of {}",
            number(summary.letters),
            summary.topic,
            time(summary.oldest)
        ))?;
    }
    let unread = unread.map(|lags| lags.iter().map(|lag| lag.messages).sum());
    let unread = unread.map_or_else(|| "not known".to_owned(), number);
    line(format!("\nUnread messages: {unread}"))?;
    match away {
        Some(error) => line(format!("The log is away, so letters are those of before: {error}")),
        None => Ok(()),
    }
}

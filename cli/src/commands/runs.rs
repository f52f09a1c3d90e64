use anyhow::Result;
use assay_core::{Counts, RunId, RunStatus, distance};
use assay_pipeline::SILENCE;
use assay_store::{RunFilter, RunRecord, Store};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::app::App;
use crate::args::RunsArgs;
use crate::commands::quality;
use crate::exit::Usage;
use crate::output::{Grid, json, line, number, time};

/// Runs that go on are looked at, the newest.
const MOST_RUNNING: u32 = 1000;

pub(crate) async fn runs(app: &App, what: &RunsArgs, as_json: bool) -> Result<()> {
    if let Some(id) = &what.id {
        return one(app, id, as_json).await;
    }
    // As it is printed, too.
    let (pipeline, stage) = match what.stage.as_deref().and_then(|stage| stage.split_once('/')) {
        Some((pipeline, stage)) if what.pipeline.as_deref().is_none_or(|of| of == pipeline) => {
            (Some(pipeline.to_owned()), Some(stage.to_owned()))
        }
        _ => (what.pipeline.clone(), what.stage.clone()),
    };
    let filter = RunFilter { pipeline, stage, status: what.status, limit: what.limit };
    let records = app.store.runs(&filter).await?;
    if as_json {
        let now = app.clock.now();
        return json(&records.iter().map(|record| value(record, now)).collect::<Vec<_>>());
    }
    if records.is_empty() {
        say_unknown(app, &filter).await?;
        let others = !app.store.lineage_runs(None, 1).await?.is_empty();
        let told = if others { "; those that events told of: `assay lineage runs`" } else { "" };
        return line(format!("no runs{told}"));
    }
    grid(&records, app.clock.now()).print()
}

/// How a run stands, in a word.
fn standing(record: &RunRecord, now: DateTime<Utc>) -> String {
    match silent(record, now) {
        true => "silent".to_owned(),
        false => record.status.to_string(),
    }
}

/// Whether nothing is heard of a run that should be running.
pub(crate) fn silent(record: &RunRecord, now: DateTime<Utc>) -> bool {
    record.status == RunStatus::Running && now - record.heartbeat_at > SILENCE
}

/// Of each stage the run that says how it is now: one that goes on, else the one that began last.
pub(crate) async fn current(store: &Store, now: DateTime<Utc>) -> Result<Vec<RunRecord>> {
    let mut current = store.latest_runs().await?;
    let goes_on = |record: &RunRecord| record.status == RunStatus::Running && !silent(record, now);
    let status = Some(RunStatus::Running);
    let filter = RunFilter { status, limit: MOST_RUNNING, ..RunFilter::default() };
    for running in store.runs(&filter).await?.into_iter().filter(goes_on) {
        let of_stage = current.iter_mut().find(|record| record.run.stage == running.run.stage);
        // The newest come first.
        if let Some(record) = of_stage.filter(|record| !goes_on(record)) {
            *record = running;
        }
    }
    Ok(current)
}

/// Names the stage that was meant, where none of that name has run.
async fn say_unknown(app: &App, filter: &RunFilter) -> Result<()> {
    let Some(meant) = &filter.stage else { return Ok(()) };
    let known = app.store.latest_runs().await?;
    let stages = known.iter().map(|record| &record.run.stage);
    let stages = stages.filter(|it| filter.pipeline.as_ref().is_none_or(|of| *of == it.pipeline));
    let near = stages.map(|it| (distance(meant, &it.stage), &it.stage)).min();
    if let Some((distance, name)) = near
        && (1..=1 + meant.len() / 3).contains(&distance)
    {
        eprintln!("no stage `{meant}` has run; did you mean `{name}`?");
    }
    Ok(())
}

pub(crate) fn grid(records: &[RunRecord], now: DateTime<Utc>) -> Grid {
    let mut grid = Grid::new(&[
        "run",
        "stage",
        "started",
        "took#",
        "status",
        "read#",
        "written#",
        "rejected#",
    ]);
    for record in records {
        let Counts { read, written, rejected, .. } = record.counts;
        grid.row([
            record.run.id.to_string(),
            record.run.stage.to_string(),
            time(record.run.started_at),
            took(record),
            standing(record, now),
            number(read),
            number(written),
            number(rejected),
        ]);
    }
    grid
}

fn took(record: &RunRecord) -> String {
    record.ended_at.map_or_else(
        || "–".to_owned(),
        |ended| format!("{:.1} s", (ended - record.run.started_at).as_seconds_f64()),
    )
}

async fn one(app: &App, id: &str, as_json: bool) -> Result<()> {
    let parsed: RunId = id
        .parse()
        .map_err(|_| Usage(format!("`{id}` is not the id of a run: see `assay runs`")))?;
    let record = app.store.run(parsed).await?;
    let Some(record) = record else {
        // Others tell of their runs as well, by lineage alone.
        let told = match app.store.lineage_run(parsed).await? {
            Some(run) => format!(
                "{id} is a run of {}, which is no stage of ours: what is known of it are its events, \
                 GET /api/v1/lineage/runs/{id} of `assay sidecar`",
                run.job
            ),
            None => format!("there is no run {id}: see `assay runs`"),
        };
        return Err(Usage(told).into());
    };
    let reports = app.store.reports_of(parsed).await?;
    if as_json {
        let mut value = value(&record, app.clock.now());
        value["reports"] = json!(reports.iter().map(|r| &r.report).collect::<Vec<_>>());
        return json(&value);
    }
    line(format!("run        {}", record.run.id))?;
    line(format!("stage      {}", record.run.stage))?;
    line(format!("started    {}", time(record.run.started_at)))?;
    line(format!("status     {} after {}", standing(&record, app.clock.now()), took(&record)))?;
    if let Some(message) = &record.message {
        line(format!("because    {message}"))?;
    }
    let Counts { read, written, rejected, filtered, duplicates } = record.counts;
    line(format!(
        "rows       {} read = {} written + {} rejected + {} filtered + {} duplicates",
        number(read),
        number(written),
        number(rejected),
        number(filtered),
        number(duplicates)
    ))?;
    for record in &reports {
        line("")?;
        quality::report(record)?;
    }
    Ok(())
}

fn value(record: &RunRecord, now: DateTime<Utc>) -> Value {
    json!({
        "run": record.run,
        "status": record.status,
        "silent": silent(record, now),
        "ended_at": record.ended_at,
        "counts": record.counts,
        "batches": record.batches,
        "message": record.message,
    })
}

use std::sync::Arc;

use anyhow::Result;
use assay_core::{DraftId, Evaluated, Governed, RunStatus};
use assay_pipeline::{Hop, Pipeline, Plan, RunError, RunSummary, plan};
use assay_store::{Action, AuditEntry};
use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::app::App;
use crate::args::RunArgs;
use crate::commands::change::{changes, days};
use crate::commands::follow::follow;
use crate::commands::pause::check_pauses;
use crate::exit::Usage;
use crate::output::{Grid, json, line, number, score};
use crate::progress::Progress;
use crate::pusher::Pusher;
use crate::telemetry::{Showing, Shown};

pub(crate) async fn run(
    app: App,
    pipeline: &Pipeline,
    what: &RunArgs,
    as_json: bool,
) -> Result<()> {
    if what.plan {
        return show_plan(&app, pipeline, what.stages, as_json).await;
    }
    if !what.follow && !what.even_if_paused {
        check_pauses(&app, &pipeline.stages_of(what.stages)).await?;
    }
    if let (Some(batch), Some(reason)) = (what.accept_batch, &what.reason) {
        accept(&app, pipeline, batch, reason).await?;
    }
    if let Some(date) = what.date {
        recomputing(&app, pipeline, what, date).await?;
    }
    let governed = Governed {
        quality: what.governed || what.enable_quality_checks,
        lineage: what.governed || what.enable_lineage_tracking,
        dead_letters: what.governed || what.enable_dlq,
        metrics: what.governed || what.enable_metrics,
    };
    // A day that is computed anew is no news.
    if !governed.quality && what.date.is_none() {
        tell_of_halted(&app, pipeline, what.stages).await?;
    }
    if what.follow {
        return follow(app, pipeline, what, governed, as_json).await;
    }
    if pipeline.stages_of(what.stages).is_empty() {
        let (name, hop) = (&pipeline.name, what.stages);
        return Err(Usage(format!("{name} has no stage for {hop}: nothing to run")).into());
    }
    app.stop_on_ctrl_c();
    let mut summaries = Vec::new();
    let before = days(&app, pipeline, what).await?;
    let asked = Asked { hop: what.stages, governed, date: what.date };
    let pusher = Pusher::start(&app, governed.metrics, false);
    let of_store = || vec![Shown::of_store(&app)];
    let showing = governed.metrics.then(|| Showing::start(of_store, false)).flatten();
    let told = |_: &RunSummary| pusher.iter().for_each(Pusher::news);
    let outcome = stages(&app, pipeline, asked, as_json, &mut summaries, &told).await;
    app.share_letters().await;
    if let Some(pusher) = pusher {
        pusher.end().await;
    }
    if let Some(showing) = showing {
        showing.end().await;
    }
    let after = match days(&app, pipeline, what).await {
        // What went wrong first is what a person has to hear.
        Err(_) if outcome.is_err() => before.clone(),
        after => after?,
    };
    let changes = changes(&before, &after, &summaries);
    if as_json {
        let one = |summary: &RunSummary| {
            let mut value = value(summary);
            if let Some(change) = changes.iter().find(|change| change.run == summary.run.id) {
                value["changed"] = json!(change);
            }
            value
        };
        json(&summaries.iter().map(one).collect::<Vec<_>>())?;
    } else {
        show(&summaries)?;
        changes.iter().try_for_each(|change| line(change.told()))?;
    }
    Ok(outcome?)
}

/// Says which stages quality has halted, to who runs them so that nothing is judged.
async fn tell_of_halted(app: &App, pipeline: &Pipeline, hop: Hop) -> Result<()> {
    let stages = pipeline.stages_of(hop);
    for record in app.store.latest_runs().await? {
        let here = stages.iter().any(|stage| stage.id == record.run.stage);
        if here && record.status == RunStatus::Halted {
            let stage = &record.run.stage;
            eprintln!(
                "{stage} was halted by quality: this run judges nothing, so it takes the same rows \
                 in; --governed, or --enable-quality-checks, would judge them again"
            );
        }
    }
    Ok(())
}

/// Lets a batch pass that quality has halted, unless the contract has changed since.
async fn accept(app: &App, pipeline: &Pipeline, batch: DraftId, reason: &str) -> Result<()> {
    let none = || {
        Usage(format!(
            "no batch {batch} waits to be accepted: the message of the halted run names its batch \
             (see `assay runs --status halted`)"
        ))
    };
    let halt = app.store.halt(batch).await?.ok_or_else(none)?;
    let stage = pipeline.stages.iter().find(|stage| stage.id == halt.report.run.stage);
    let now = stage.map(|stage| stage.writes.contract.reference());
    if now != halt.report.contract {
        let what = "its contract has another version now, or its stage is gone: run the stage \
                    again, and it is judged anew";
        return Err(Usage(format!("the batch {batch} can't be accepted: {what}")).into());
    }
    let because = match &halt.report.quality {
        Evaluated::Judged(quality) => quality.because.clone(),
        Evaluated::NotEvaluated => vec![],
    };
    let entry = AuditEntry {
        at: app.clock.now(),
        who: app.config.who.clone(),
        action: Action::AcceptBatch,
        subject: batch.to_string(),
        reason: reason.to_owned(),
        details: json!({"stage": halt.report.run.stage.to_string(), "halted": because}),
    };
    match app.store.accept(batch, &entry).await? {
        true => Ok(()),
        false => Err(none().into()),
    }
}

/// What a command wants of stages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) hop: Hop,
    pub(crate) governed: Governed,
    /// The day to compute anew.
    pub(crate) date: Option<NaiveDate>,
}

/// Keeps who wants a day computed anew, and why. What comes of it is in the reports.
async fn recomputing(
    app: &App,
    pipeline: &Pipeline,
    what: &RunArgs,
    date: NaiveDate,
) -> Result<()> {
    let entry = AuditEntry {
        at: app.clock.now(),
        who: app.config.who.clone(),
        action: Action::Recompute,
        subject: format!("{} {date}", pipeline.name),
        reason: what.reason.clone().unwrap_or_default(),
        details: json!({"stages": what.stages.to_string()}),
    };
    Ok(app.store.record(&entry).await?)
}

/// Runs the stages of a hop one after the other; those that completed are in `summaries` also
/// when a later one does not.
pub(crate) async fn stages(
    app: &App,
    pipeline: &Pipeline,
    asked: Asked,
    quiet: bool,
    summaries: &mut Vec<RunSummary>,
    told: &(dyn Fn(&RunSummary) + Sync),
) -> Result<(), RunError> {
    let Asked { hop, governed, date } = asked;
    let progress = Arc::new(Progress::new(quiet));
    let runner = app.runner(Arc::clone(&progress) as _);
    let stages = pipeline.stages_of(hop);
    runner.prepare(pipeline, &stages, governed, false).await?;
    for stage in stages {
        progress.begin(&stage.id.to_string());
        let summary = match date {
            None => runner.run(pipeline, &stage, governed).await,
            Some(date) => runner.recompute(pipeline, &stage, governed, date).await,
        };
        progress.end();
        let summary = summary?;
        told(&summary);
        summaries.push(summary);
    }
    Ok(())
}

pub(crate) fn show(summaries: &[RunSummary]) -> Result<()> {
    if summaries.is_empty() {
        return Ok(());
    }
    let mut grid = Grid::new(&[
        "stage",
        "read#",
        "written#",
        "rejected#",
        "filtered#",
        "duplicates#",
        "score#",
        "verdict",
    ]);
    for summary in summaries {
        let counts = &summary.counts;
        let last = summary.batches.last();
        let judged = match last {
            None => "nothing new".to_owned(),
            Some(report) => report.verdict_name().to_owned(),
        };
        grid.row([
            summary.run.stage.stage.clone(),
            number(counts.read),
            number(counts.written),
            number(counts.rejected),
            number(counts.filtered),
            number(counts.duplicates),
            score(last.and_then(assay_core::Report::score)),
            judged,
        ]);
    }
    grid.print()?;
    for summary in summaries {
        for report in &summary.batches {
            if let Evaluated::Judged(quality) = &report.quality {
                for reason in &quality.because {
                    line(format!("  {}: {reason}", report.output))?;
                }
            }
        }
    }
    Ok(())
}

pub(crate) fn value(summary: &RunSummary) -> Value {
    json!({
        "run": summary.run.id,
        "stage": summary.run.stage.to_string(),
        "counts": summary.counts,
        "batches": summary.batches,
    })
}

async fn show_plan(app: &App, pipeline: &Pipeline, hop: Hop, as_json: bool) -> Result<()> {
    let mut plans: Vec<Plan> = Vec::new();
    for stage in pipeline.stages_of(hop) {
        plans.push(plan(&app.places, app.log.as_ref(), &stage).await?);
    }
    if as_json {
        return json(&plans);
    }
    let mut grid = Grid::new(&["stage", "reads", "new to it", "writes", "how", "rules#"]);
    for plan in plans {
        let made = if plan.table_exists { "" } else { " (will be made)" };
        grid.row([
            plan.stage,
            plan.reads.to_string(),
            String::from(plan.pending),
            format!("{}{made}", plan.writes),
            plan.how,
            plan.rules.to_string(),
        ]);
    }
    grid.print()?;
    line("What a stage writes is new to the stages behind it.")
}

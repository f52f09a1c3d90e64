//! `assay run … --follow`: stages that go on with what comes, until they are told to stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use assay_core::Governed;
use assay_pipeline::{Pace, Patience, Pipeline, RunError, RunSummary, Stage};
use tokio::task::JoinSet;

use crate::app::App;
use crate::args::RunArgs;
use crate::commands::run::{show, value};
use crate::exit::Usage;
use crate::output::{json, line};
use crate::pusher::Pusher;
use crate::telemetry::{Showing, Shown};
use crate::worker::{Worker, serve};

pub(crate) async fn follow(
    app: App,
    pipeline: &Pipeline,
    what: &RunArgs,
    governed: Governed,
    as_json: bool,
) -> Result<()> {
    let stages = pipeline.stages_of(what.stages);
    if stages.is_empty() {
        let (name, hop) = (&pipeline.name, what.stages);
        return Err(Usage(format!("{name} has no stage for {hop}: nothing to follow")).into());
    }
    app.drain_when_asked();
    let worker = Arc::new(Worker::new(Arc::clone(&app.clock), &stages, as_json));
    let mut runner = app.runner(Arc::clone(&worker) as _);
    runner.patience = Patience::endless(app.stop.clone());
    runner.prepare(pipeline, &stages, governed, true).await?;
    if let Some(address) = what.listen {
        let bound = serve(&app, &worker, &stages, address.0).await?;
        eprintln!("health and metrics: http://{bound}/ready, http://{bound}/metrics");
    }
    let (runner, pipeline) = (Arc::new(runner), Arc::new(pipeline.clone()));
    let mut following = JoinSet::new();
    for stage in stages {
        let (runner, pipeline) = (Arc::clone(&runner), Arc::clone(&pipeline));
        let pace = pace(&stage, what);
        following.spawn(async move { runner.follow(&pipeline, &stage, governed, pace).await });
    }
    let pusher = Pusher::start(&app, governed.metrics, true);
    let shown = || {
        let own = Arc::clone(&worker);
        let own = Shown::of_process(move || std::future::ready(own.text()));
        vec![own, Shown::of_store(&app)]
    };
    let showing = governed.metrics.then(|| Showing::start(shown, true)).flatten();
    let (summaries, outcome) = wait(&app, following).await;
    if let Some(pusher) = pusher {
        pusher.end().await;
    }
    if let Some(showing) = showing {
        showing.end().await;
    }
    worker.end();
    match as_json {
        true => json(&summaries.iter().map(value).collect::<Vec<_>>())?,
        false => {
            show(&summaries)?;
            if outcome.is_ok() {
                line("Told to stop; what was read is committed.")?;
            }
        }
    }
    Ok(outcome?)
}

/// What the command line says wins over the stage's own.
fn pace(stage: &Stage, what: &RunArgs) -> Pace {
    Pace {
        rows: what.commit_rows.unwrap_or(stage.pace.rows),
        every: what.commit_every.map_or(stage.pace.every, |seconds| seconds.0),
        ..stage.pace
    }
}

/// Waits for all stages. One that can't go on takes the others along: together they are one
/// process, which its supervisor starts again.
async fn wait(
    app: &App,
    mut following: JoinSet<Result<RunSummary, RunError>>,
) -> (Vec<RunSummary>, Result<(), RunError>) {
    let (mut summaries, mut outcome) = (Vec::new(), Ok(()));
    while let Some(ended) = following.join_next().await {
        match ended {
            Ok(Ok(summary)) => summaries.push(summary),
            Ok(Err(error)) => {
                app.stop.drain();
                // The first is the cause.
                outcome = outcome.and(Err(error));
            }
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    summaries.sort_by_key(|summary| summary.run.id);
    (summaries, outcome)
}

/// Seconds on the command line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seconds(pub(crate) Duration);

impl std::str::FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = text.trim_end_matches('s').parse().ok();
        let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let time = time.filter(|time| !time.is_zero());
        time.map(Seconds).ok_or_else(|| "write seconds above 0, such as 5 or 0.5".to_owned())
    }
}

use anyhow::Result;
use assay_pipeline::{Pipeline, Stage};
use assay_store::{Action, AuditEntry};
use serde_json::json;

use crate::app::App;
use crate::args::PauseArgs;
use crate::commands::stage_named;
use crate::exit::Usage;
use crate::output::{json as print_json, line};

pub(crate) async fn pause(
    app: &App,
    pipeline: &Pipeline,
    what: &PauseArgs,
    as_json: bool,
) -> Result<()> {
    let stage = stage_named(pipeline, &what.stage)?;
    let entry = entry(app, stage, Action::Pause, &what.reason);
    if app.store.pause(&stage.id, &entry).await? {
        let told = format!(
            "{} is paused: workers finish their batch and wait, runs are refused. Go on with \
             `assay resume {} --pipeline {}`",
            stage.id, what.stage, what.pipeline
        );
        return say(stage, true, as_json, told);
    }
    let told = match app.store.paused(&stage.id).await? {
        Some(pause) => {
            format!("{} is paused already, by {}: {}", stage.id, pause.who, pause.reason)
        }
        None => format!("{} was paused by someone else, and is not any more", stage.id),
    };
    Err(Usage(told).into())
}

pub(crate) async fn resume(
    app: &App,
    pipeline: &Pipeline,
    what: &PauseArgs,
    as_json: bool,
) -> Result<()> {
    let stage = stage_named(pipeline, &what.stage)?;
    let entry = entry(app, stage, Action::Resume, &what.reason);
    match app.store.resume(&stage.id, &entry).await? {
        true => say(stage, false, as_json, format!("{} goes on", stage.id)),
        false => Err(Usage(format!("{} is not paused", stage.id)).into()),
    }
}

/// Refuses to run stages that are paused.
pub(crate) async fn check_pauses(app: &App, stages: &[std::sync::Arc<Stage>]) -> Result<()> {
    for stage in stages {
        if let Some(pause) = app.store.paused(&stage.id).await? {
            let why = match pause.reason.as_str() {
                "" => String::new(),
                reason => format!(" ({reason})"),
            };
            return Err(Usage(format!(
                "{} is paused since {} by {}{why}: `assay resume {} --pipeline …` lets it go on, \
                 --even-if-paused runs it once",
                stage.id,
                crate::output::time(pause.at),
                pause.who,
                stage.id.stage
            ))
            .into());
        }
    }
    Ok(())
}

fn entry(app: &App, stage: &Stage, action: Action, reason: &Option<String>) -> AuditEntry {
    AuditEntry {
        at: app.clock.now(),
        who: app.config.who.clone(),
        action,
        subject: stage.id.to_string(),
        reason: reason.clone().unwrap_or_default(),
        details: json!({}),
    }
}

fn say(stage: &Stage, paused: bool, as_json: bool, told: String) -> Result<()> {
    match as_json {
        true => print_json(&json!({"stage": stage.id.to_string(), "paused": paused})),
        false => line(told),
    }
}

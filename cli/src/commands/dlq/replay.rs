use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use assay_core::{Counts, StageId, distance};
use assay_dlq::{Asked, Choice, Index, Reason};
use assay_pipeline::{Carried, Pipeline, ReplayError, Replayer, Stage};
use assay_store::{Action, AuditEntry, Replay, ReplayOptions, ReplayState};
use serde_json::{Value, json};
use uuid::Uuid;

use super::which::{Which, say_unknown, usage};
use super::{caught_up, forward, jobs};
use crate::app::App;
use crate::args::DlqReplayArgs;
use crate::commands::pause::check_pauses;
use crate::exit::{InFlight, Usage};
use crate::output::{counted, json as print_json, line, number};
use crate::progress::Progress;
use crate::shipped;

/// How often it is looked whether a worker has stopped.
const ASKED_EVERY: Duration = Duration::from_millis(500);

pub(crate) async fn replay(app: &App, what: &DlqReplayArgs, as_json: bool) -> Result<()> {
    let mut which = Which::of(app, &what.which, died_of(what)?, false).await?;
    which.only(&what.ids).await?;
    which.filter.unparked = what.ids.is_empty() && !what.parked;
    let any = which.resolve().await?;
    if let Some(topic) = &what.to {
        return forward::replay(app, what, (&which, any), topic, as_json).await;
    }
    let choice = match any {
        true => which.index.one_stage(&which.filter).await.map_err(usage)?,
        false => None,
    };
    let Some(Choice { stage, letters }) = choice else {
        say_unknown(&which.index, &which.filter).await?;
        say_parked(&which).await?;
        return match as_json {
            true => print_json(&json!({"letters": 0})),
            false => line("no letter is meant"),
        };
    };
    let pipeline = shipped::load(what.pipeline.as_deref().unwrap_or(&stage.pipeline))?;
    if what.pipeline.is_none() {
        let name = &stage.pipeline;
        eprintln!("judged by {name} as it is shipped; another is named with --pipeline FOLDER");
    }
    if !what.dry_run && !what.yes {
        return match as_json {
            true => print_json(&json!({"letters": letters, "stage": stage.to_string()})),
            false => line(format!(
                "{} would be sent back into {stage}. --dry-run says what would become of \
                 them, --yes does it.",
                counted(letters, "letter")
            )),
        };
    }
    let options = ReplayOptions {
        rate: what.rate,
        batch: what.batch,
        stop_percent: if what.dry_run { 100.0 } else { what.stop_at },
        transform: what.transform.clone(),
        pipeline: what.pipeline.as_deref().map(whole),
        ..ReplayOptions::default()
    };
    let asked = Asked {
        stage,
        letters: which.filter.clone(),
        limit: what.limit,
        options,
        dry: what.dry_run,
        who: app.config.who.clone(),
        reason: what.reason.clone().unwrap_or_default(),
    };
    start(app, &which.index, &pipeline, &asked, as_json).await
}

/// Letters that fit and died as often as they may.
async fn say_parked(which: &Which) -> Result<()> {
    if !which.filter.unparked {
        return Ok(());
    }
    let mut parked = which.filter.clone();
    parked.unparked = false;
    match which.index.store().letter_count(&parked).await? {
        0 => {}
        count => eprintln!("{} parked: --parked sends those back too", counted_are(count)),
    }
    Ok(())
}

fn counted_are(count: u64) -> String {
    let verb = if count == 1 { "is" } else { "are" };
    format!("{} that fit{} {verb}", counted(count, "letter"), if count == 1 { "s" } else { "" })
}

/// `--reason late` means the late ones, and says why as well. What may be such a word misspelt is
/// none of both: it would mean all letters.
fn died_of(what: &DlqReplayArgs) -> Result<Option<Reason>> {
    let (None, Some(text)) = (what.died_of, &what.reason) else { return Ok(what.died_of) };
    if let Ok(reason) = text.parse() {
        return Ok(Some(reason));
    }
    let far = |reason: Reason| distance(&text.trim().replace(['_', ' '], "-"), reason.name());
    match Reason::ALL.into_iter().map(|reason| (far(reason), reason)).min() {
        Some((far, reason)) if far * 3 <= reason.name().len() => {
            let name = reason.name();
            let told = format!(
                "`{text}` may be the reason `{name}` misspelt: --reason {name} means letters that \
                 died of it; say in other words why letters are sent back"
            );
            Err(Usage(told).into())
        }
        _ => Ok(None),
    }
}

async fn start(
    app: &App,
    index: &Index,
    pipeline: &Pipeline,
    asked: &Asked,
    as_json: bool,
) -> Result<()> {
    // A job that can't be carried out would keep its letters from others.
    let (runner, ingest) = (app.runner(Arc::new(Progress::new(true)) as _), app.ingest());
    let replayer = Replayer { runner: &runner, ingest: &ingest, index, pipeline };
    replayer.check_asked(&asked.stage, asked.options.transform.as_deref()).await?;
    if !asked.dry {
        check_pauses(app, &stages_of(pipeline, &asked.stage)).await?;
    }
    let (id, at) = (app.ids.next(), app.clock.now());
    let entry = AuditEntry {
        at,
        who: asked.who.clone(),
        action: Action::Replay,
        subject: format!("{} job {id}", asked.stage),
        reason: asked.reason.clone(),
        details: json!({"which": asked.letters, "options": asked.options}),
    };
    let job = index.start(asked, id, at, (!asked.dry).then_some(&entry)).await?;
    begun(&job)?;
    if !asked.dry && !as_json {
        line(format!("job {id}: {} letters back into {}", number(job.letters), job.stage))?;
    }
    carry_out(app, index, pipeline, id, as_json).await
}

pub(crate) async fn resume(
    app: &App,
    job: &str,
    pipeline: Option<&str>,
    as_json: bool,
) -> Result<()> {
    let index = caught_up(app, None).await?;
    let job = jobs::find(&index, job).await?;
    let id = job.id;
    if job.state.over() {
        let state = job.state.name();
        let told = format!("job {id} is {state}: `assay dlq jobs {id}` shows its letters");
        return Err(Usage(told).into());
    }
    if let Some(wish) = &job.wish {
        let told = format!("job {id} is to be given up ({}, {})", wish.who, wish.reason);
        return Err(Usage(format!("{told}: `assay dlq work` or `assay dlq cancel` does it")).into());
    }
    let pipeline = match &job.options.to {
        Some(_) => None,
        None => Some(load(&job, pipeline)?),
    };
    let entry = AuditEntry {
        at: app.clock.now(),
        who: app.config.who.clone(),
        action: Action::Replay,
        subject: format!("{} job {id}", job.stage),
        reason: "gone on with".to_owned(),
        details: json!({}),
    };
    app.store.record(&entry).await?;
    match pipeline {
        Some(pipeline) => carry_out(app, &index, &pipeline, id, as_json).await,
        None => forward::carry_out(app, &index, &job, as_json).await,
    }
}

/// The pipeline that judges the letters of a job: the one that is named, or that it was made with.
fn load(job: &Replay, named: Option<&str>) -> Result<Pipeline> {
    let made_with = job.options.pipeline.as_deref();
    let place = named.or(made_with).unwrap_or(&job.stage.pipeline);
    shipped::load(place).with_context(|| {
        format!("job {} is judged by {place}; another is named with --pipeline FOLDER", job.id)
    })
}

/// The folder as it is found from anywhere; the name of a shipped pipeline stays one.
fn whole(place: &str) -> String {
    std::fs::canonicalize(place)
        .map_or_else(|_| place.to_owned(), |path| path.display().to_string())
}

pub(crate) async fn cancel(
    app: &App,
    job: &str,
    (pipeline, reason): (Option<&str>, &str),
    as_json: bool,
) -> Result<()> {
    let index = caught_up(app, None).await?;
    let job = jobs::find(&index, job).await?;
    let entry = AuditEntry {
        at: app.clock.now(),
        who: app.config.who.clone(),
        action: Action::Replay,
        subject: format!("{} job {}", job.stage, job.id),
        reason: reason.to_owned(),
        details: json!({"cancelled": true}),
    };
    match give_up(app, &index, (&job, &entry), pipeline).await? {
        Err(ReplayError::Alive(_)) => {
            given_up_by_its_worker(app, &index, &entry, pipeline, &job).await?
        }
        done => done?,
    }
    let outcome = index.store().replay_outcome(job.id).await?;
    match as_json {
        true => print_json(&json!({"job": job.id, "outcome": outcome})),
        false => line(format!("job {} was given up: {}", job.id, jobs::told(&outcome))),
    }
}

/// What came of giving a job up, in the one way or the other.
async fn give_up(
    app: &App,
    index: &Index,
    (job, entry): (&Replay, &AuditEntry),
    pipeline: Option<&str>,
) -> Result<Result<(), ReplayError>> {
    if job.options.to.is_some() {
        return Ok(forward::forwarder(app, index).give_up(job, entry).await);
    }
    let pipeline = &load(job, pipeline)?;
    let (runner, ingest) = (app.runner(Arc::new(Progress::new(true)) as _), app.ingest());
    let replayer = Replayer { runner: &runner, ingest: &ingest, index, pipeline };
    Ok(replayer.give_up(job.id, entry).await.map(drop))
}

/// Tells whoever carries a job out to stop, and gives it up once that is done.
async fn given_up_by_its_worker(
    app: &App,
    index: &Index,
    entry: &AuditEntry,
    pipeline: Option<&str>,
    job: &Replay,
) -> Result<()> {
    eprintln!("job {} is being carried out: its worker is told to stop", job.id);
    app.store.wish_given_up(job.id, entry).await?;
    loop {
        tokio::time::sleep(ASKED_EVERY).await;
        let now = jobs::find(index, &job.id.to_string()).await?;
        if now.state == ReplayState::Cancelled {
            return Ok(());
        }
        let entry = AuditEntry { at: app.clock.now(), ..entry.clone() };
        match give_up(app, index, (&now, &entry), pipeline).await? {
            Err(ReplayError::Alive(_)) => {}
            done => return Ok(done?),
        }
    }
}

async fn carry_out(
    app: &App,
    index: &Index,
    pipeline: &Pipeline,
    id: Uuid,
    as_json: bool,
) -> Result<()> {
    let job = jobs::find(index, &id.to_string()).await?;
    let progress = Arc::new(Progress::new(as_json));
    let (runner, ingest) = (app.runner(Arc::clone(&progress) as _), app.ingest());
    let replayer = Replayer { runner: &runner, ingest: &ingest, index, pipeline };
    replayer.check(&job)?;
    if !job.dry {
        check_pauses(app, &stages_of(pipeline, &job.stage)).await?;
        app.drain_when_asked();
    }
    progress.begin(&job.stage.to_string());
    let heard = |counts: &Counts| progress.at(counts);
    let outcome = replayer.carry_out(id, app.ids.next(), &heard).await;
    progress.end();
    end(index, &job, outcome, as_json).await
}

fn stages_of(pipeline: &Pipeline, id: &StageId) -> Vec<Arc<Stage>> {
    pipeline.stages.iter().filter(|stage| stage.id == *id).cloned().collect()
}

/// Whether a job was made: where others have all letters, none is.
pub(super) fn begun(job: &Replay) -> Result<()> {
    match (job.dry, job.letters, job.skipped) {
        (false, 0, skipped) if skipped > 0 => Err(InFlight(skipped).into()),
        _ => Ok(()),
    }
}

/// Shows what carrying a job out came to.
pub(super) async fn end(
    index: &Index,
    job: &Replay,
    outcome: Result<Carried, ReplayError>,
    as_json: bool,
) -> Result<()> {
    let mut carried = outcome.inspect_err(|error| {
        let id = job.id;
        // Who was fenced off has nothing to go on with.
        if !job.dry && !matches!(error, ReplayError::Taken(_)) {
            eprintln!("job {id} has not come to its end: `assay dlq resume {id}` goes on with it");
        }
    })?;
    carried.hide(index).await?;
    match as_json {
        true => print_json(&carried),
        false => show(&carried),
    }
}

fn show(carried: &Carried) -> Result<()> {
    let outcome = jobs::told(&carried.outcome);
    match carried.dry {
        true => {
            line(format!("sent back now, of {}: {outcome}", counted(carried.letters, "letter")))?
        }
        false => line(format!("{}: {outcome}", counted(carried.letters, "letter")))?,
    }
    if carried.skipped > 0 {
        line(format!(
            "{} more are in flight for other jobs: see `assay dlq jobs`",
            number(carried.skipped)
        ))?;
    }
    for (cause, count) in &carried.died_of {
        line(format!("  {} died again of {cause}", number(*count)))?;
    }
    for died in &carried.samples {
        line(format!("    {}  {}", died.letter, died.detail))?;
    }
    for change in &carried.changes {
        let verb = if carried.dry { "would change" } else { "was changed" };
        line(format!("  {} {verb}:", change.letter))?;
        for (sign, path, value) in differences(&change.before, &change.after) {
            line(format!("    {sign} {path}: {value}"))?;
        }
    }
    if carried.outcome.contains_key("refused") {
        line(
            "  refused: can't be changed as was asked, or is too large for the topic; stays open",
        )?;
    }
    for because in &carried.halted {
        line(format!("  quality would halt it: {because}"))?;
    }
    if let Some(twice) = &carried.twice {
        line(format!("  at least once: {twice}"))?;
    }
    match carried.dry {
        true => line("Nothing was changed."),
        false => line(format!("`assay dlq jobs {}` shows where each of them landed", carried.job)),
    }
}

/// The members that differ.
fn differences(before: &Value, after: &Value) -> Vec<(char, String, Value)> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return vec![
            ('-', "payload".to_owned(), before.clone()),
            ('+', "payload".to_owned(), after.clone()),
        ];
    };
    let mut found = Vec::new();
    for (name, value) in old {
        if new.get(name) != Some(value) {
            found.push(('-', name.clone(), value.clone()));
            found.extend(new.get(name).map(|value| ('+', name.clone(), value.clone())));
        }
    }
    let added = new.iter().filter(|(name, _)| !old.contains_key(*name));
    found.extend(added.map(|(name, value)| ('+', name.clone(), value.clone())));
    found
}

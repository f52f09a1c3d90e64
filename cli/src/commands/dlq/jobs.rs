use anyhow::Result;
use assay_dlq::Index;
use assay_store::{Outcome, Replay, ReplayState};
use serde_json::json;
use uuid::Uuid;

use super::as_known;
use super::trace::closed;
use crate::app::App;
use crate::exit::Usage;
use crate::output::{Grid, json as print_json, line, number, short, time};

/// Letters of a job that are shown one by one.
const SHOWN: u32 = 20;

pub(crate) async fn jobs(app: &App, limit: u32, as_json: bool) -> Result<()> {
    let index = as_known(app).await?;
    let mut found: Vec<(Replay, Outcome)> = Vec::new();
    for job in index.store().replays(limit).await? {
        let outcome = index.outcome(&job).await?;
        // What was found out is with the job alone.
        found.push((Replay { result: None, ..job }, outcome));
    }
    if as_json {
        let one = |(job, outcome): &(Replay, Outcome)| json!({"job": job, "outcome": outcome});
        return print_json(&found.iter().map(one).collect::<Vec<_>>());
    }
    if found.is_empty() {
        return line("no jobs: `assay dlq replay` makes one");
    }
    let mut grid =
        Grid::new(&["job", "made", "by", "stage", "state", "letters#", "outcome", "why"]);
    for (job, outcome) in &found {
        grid.row([
            job.id.to_string(),
            time(job.created_at),
            short(&job.who, 16),
            job.stage.to_string(),
            job.state.name().to_owned(),
            number(job.letters),
            told(outcome),
            short(&job.reason, 40),
        ]);
    }
    grid.print()
}

pub(crate) async fn job(app: &App, id: &str, as_json: bool) -> Result<()> {
    let index = as_known(app).await?;
    let job = find(&index, id).await?;
    let outcome = index.outcome(&job).await?;
    let most = if as_json { u32::MAX } else { SHOWN };
    let proofs = index.proofs(job.id, 0, most).await?;
    if as_json {
        let mut letters = Vec::new();
        for (letter, now) in &proofs {
            let landing = match now.as_ref().and_then(|now| now.outcome.as_ref()) {
                Some(outcome) => index.landing(outcome, now.as_ref()).await?,
                None => None,
            };
            letters.push(json!({"sent": letter, "now": now, "landing": landing}));
        }
        return print_json(&json!({"job": job, "outcome": outcome, "letters": letters}));
    }
    let say = |name: &str, text: String| line(format!("{name:10} {text}"));
    say("job", job.id.to_string())?;
    say("stage", job.stage.to_string())?;
    say("state", job.state.name().to_owned())?;
    if job.handed && job.state == ReplayState::Waiting {
        let work = "`assay dlq work`";
        say(
            "waits for",
            match &job.options.to {
                Some(_) => work.to_owned(),
                None => format!("{work}, which knows the pipeline {}", job.stage.pipeline),
            },
        )?;
    }
    if let Some(wish) = job.wish.as_ref().filter(|_| !job.state.over()) {
        say("given up", format!("soon, as {} asked: {}", wish.who, wish.reason))?;
    }
    if let Some(message) = &job.message {
        say("message", message.clone())?;
    }
    say("made", format!("{} by {}: {}", time(job.created_at), job.who, job.reason))?;
    say("letters", format!("{} ({})", number(job.letters), told(&outcome)))?;
    if job.skipped > 0 {
        say("left out", format!("{} in flight for other jobs", number(job.skipped)))?;
    }
    for (letter, now) in &proofs {
        let what = match now {
            None => "gone: its topic kept it long enough".to_owned(),
            Some(now) => match &now.outcome {
                Some(outcome) if now.closed => {
                    closed(outcome, index.landing(outcome, Some(now)).await?.as_ref())
                }
                _ if now.attempt > letter.attempt => {
                    let detail = now.detail.as_deref().unwrap_or_default();
                    format!("died again, attempt {}: {}", now.attempt, short(detail, 60))
                }
                _ => "waiting".to_owned(),
            },
        };
        line(format!("  {}  {what}", letter.id))?;
    }
    match job.letters > u64::from(SHOWN) {
        true => line(format!("(the first {SHOWN}; -o json has all)")),
        false => Ok(()),
    }
}

/// The job of that id.
pub(super) async fn find(index: &Index, id: &str) -> Result<Replay> {
    let none = || Usage(format!("there is no job {id}: see `assay dlq jobs`"));
    let parsed: Uuid = id.parse().map_err(|_| none())?;
    Ok(index.store().replay(parsed).await?.ok_or_else(none)?)
}

pub(super) fn told(outcome: &Outcome) -> String {
    let part = |(what, count): (&String, &u64)| {
        let what = if what == "again" { "died again" } else { what.as_str() };
        format!("{} {what}", number(*count))
    };
    match outcome.is_empty() {
        true => "–".to_owned(),
        false => outcome.iter().map(part).collect::<Vec<_>>().join(", "),
    }
}

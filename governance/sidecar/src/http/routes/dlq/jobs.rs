//! `GET /api/v1/dlq/jobs`, `/jobs/{id}` and `/jobs/{id}/letters`: jobs that send letters back, and
//! what became of each letter.

use std::sync::Arc;

use assay_dlq::{Landing, LetterView};
use assay_store::{Outcome, Replay, ReplayLetter, ReplayState};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::http::Service;
use crate::http::error::Problem;
use crate::http::question::Question;

/// A job and how it gets on.
#[derive(Serialize)]
pub(in crate::http) struct Told {
    job: Replay,
    /// Letters by what became of them, or would.
    outcome: Outcome,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<String>,
}

#[derive(Serialize)]
pub(in crate::http) struct Page {
    jobs: Vec<Told>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A letter of a job, and where its row is now.
#[derive(Serialize)]
struct Proof {
    sent: ReplayLetter,
    now: Option<LetterView>,
    landing: Option<Landing>,
}

#[derive(Serialize)]
pub(in crate::http) struct Proofs {
    letters: Vec<Proof>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(in crate::http) async fn jobs(
    State(service): State<Arc<Service>>,
    uri: Uri,
) -> Result<Json<Page>, Problem> {
    let question = Question::of(&uri, &["state", "dry", "limit", "cursor"])?;
    let limit = question.limit()?;
    let before = question.text("cursor").map(place).transpose()?;
    let state: Option<ReplayState> = question.word("state", "state of a job")?;
    let dry = question.flag("dry")?;
    service.letters.caught_up(None).await?;
    let mut found = service.store.replays_before(before, (state, dry), limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more);
    let next = next.map(|job| format!("{}_{}", written(job.created_at), job.id));
    let mut jobs = Vec::new();
    for job in found {
        // What was found out is with the job alone.
        let mut told = told(&service, job).await?;
        told.job.result = None;
        jobs.push(told);
    }
    Ok(Json(Page { jobs, next }))
}

pub(in crate::http) async fn job(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
) -> Result<Json<Told>, Problem> {
    service.letters.caught_up(None).await?;
    Ok(Json(told(&service, find(&service, &id).await?).await?))
}

pub(in crate::http) async fn letters(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<Proofs>, Problem> {
    let question = Question::of(&uri, &["limit", "cursor"])?;
    let limit = question.limit()?;
    let from: u64 = question.word("cursor", "cursor of this list")?.unwrap_or(0);
    let index = service.letters.caught_up(None).await?;
    let job = find(&service, &id).await?;
    let mut letters = Vec::new();
    for (sent, now) in index.proofs(job.id, from, limit).await? {
        let landing = match now.as_ref().and_then(|now| now.outcome.as_ref()) {
            Some(outcome) => index.landing(outcome, now.as_ref()).await?,
            None => None,
        };
        letters.push(Proof { sent, now, landing });
    }
    let next = letters.last().map(|last| last.sent.number + 1);
    let next = next.filter(|next| *next < job.letters).map(|next| next.to_string());
    Ok(Json(Proofs { letters, next }))
}

/// The job of that id.
pub(super) async fn find(service: &Service, id: &str) -> Result<Replay, Problem> {
    let none = || Problem::Unknown("there is no job of that id".to_owned());
    let id: Uuid = id.parse().map_err(|_| none())?;
    service.store.replay(id).await?.ok_or_else(none)
}

pub(super) async fn told(service: &Service, job: Replay) -> Result<Told, Problem> {
    let outcome = service.letters.index().outcome(&job).await?;
    let waits = job.handed && job.state == ReplayState::Waiting;
    let worker = || match &job.options.to {
        Some(_) => "`assay dlq work`".to_owned(),
        None => format!("`assay dlq work` that knows the pipeline {}", job.stage.pipeline),
    };
    let waits_for = waits.then(worker);
    Ok(Told { job, outcome, waits_for })
}

/// Without a `+`, which is a space in an address.
fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Nanos, true)
}

fn place(text: &str) -> Result<(DateTime<Utc>, Uuid), Problem> {
    let parse = || {
        let (at, id) = text.split_once('_')?;
        let at = DateTime::parse_from_rfc3339(at).ok()?;
        Some((at.with_timezone(&Utc), id.parse().ok()?))
    };
    parse().ok_or_else(|| Problem::Question("`cursor` is no cursor of this list".to_owned()))
}

//! `POST /collect`: events come in, and are answered for when they are safe.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::Service;
use super::answer::Answer;
use super::error::{Problem, status_of};
use crate::intake::{Form, Intake, Taken, inflated};
use crate::listen::Peer;
use crate::meters::reason_of;

/// A body that is not there after so long is not waited for.
const BODY: Duration = Duration::from_secs(30);
/// Larger bodies are taken apart where nobody else has to wait.
const LARGE: usize = 1 << 20;

pub(super) async fn collect(
    State(service): State<Arc<Service>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    request: Request,
) -> Result<Response, Problem> {
    let (Parts { headers, .. }, body) = request.into_parts();
    let (form, gzip) = (form(&headers)?, gzip(&headers)?);
    let owner = match service.credentials.open() {
        true => None,
        false => Some(service.credentials.whose(key(&headers)?).ok_or(Problem::NoKey)?),
    };
    let limit = service.settings.body_mb << 20;
    let announced = length(&headers).unwrap_or(limit);
    if announced > limit {
        return Err(Problem::TooLarge { limit });
    }
    let reserve = |bytes| {
        let room = service.in_flight.room(bytes);
        room.ok_or_else(|| refused(&service, Problem::Busy, "busy", 1))
    };
    let reading = reserve(announced)?;
    let body = whole(body, limit).await?;
    drop(reading);
    // The records of a body are about as large as itself.
    let _room = reserve(2 * body.len())?;
    let taken = match gzip || body.len() > LARGE {
        false => take(&service.intake, form, &body, gzip, limit),
        true => {
            let _turn = service.turns.acquire().await.map_err(|_| Problem::Busy)?;
            let intake = Arc::clone(&service.intake);
            let taking = move || take(&intake, form, &body, gzip, limit);
            let taken = tokio::task::spawn_blocking(taking).await;
            taken.map_err(|_| Problem::Busy).flatten()
        }
    };
    let taken = taken.inspect_err(|problem| {
        if let Problem::Refused(refusal) = problem {
            service.meters.refused(refusal.reason.name(), 1);
        }
    })?;
    let _unpacked = gzip.then(|| reserve(taken.records.datums.len())).transpose()?;
    if let Some(quotas) = &service.quotas {
        let client = owner.map_or_else(|| peer.ip().to_string(), str::to_owned);
        let events = taken.outcomes.len();
        let passes = quotas.take(&client, events, Instant::now());
        passes.map_err(|wait| refused(&service, Problem::Quota { wait }, "quota", events))?;
    }
    keep(&service, &taken).await?;
    let answer = Answer::of(&taken, service.settings.durability);
    Ok((status_of(&taken), Json(answer)).into_response())
}

/// Makes the good events safe, and counts the others.
async fn keep(service: &Service, taken: &Taken) -> Result<(), Problem> {
    service.meters.received.inc_by(taken.outcomes.len() as u64);
    for refusal in taken.outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        service.meters.refused(refusal.reason.name(), 1);
        if refusal.reason == crate::intake::Refused::Schema {
            service.meters.unpackable.inc();
        }
    }
    let kept = service.journal.append(&taken.records, service.clock.now()).await;
    kept.map_err(|error| {
        refused(service, Problem::from(error.as_ref()), reason_of(&error), taken.records.len())
    })
}

fn refused(service: &Service, problem: Problem, reason: &str, events: usize) -> Problem {
    service.meters.refused(reason, events as u64);
    problem
}

fn take(
    intake: &Intake,
    form: Form,
    body: &[u8],
    gzip: bool,
    limit: usize,
) -> Result<Taken, Problem> {
    let body = inflated(body, gzip, limit)?;
    intake.take(form, &body).map_err(Problem::Refused)
}

async fn whole(body: Body, limit: usize) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY, to_bytes(body, limit)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) => {
            let source = std::error::Error::source(&error);
            match source.is_some_and(|source| source.to_string().contains("length limit")) {
                true => Err(Problem::TooLarge { limit }),
                false => Err(Problem::BrokenBody),
            }
        }
        Err(_) => Err(Problem::SlowBody),
    }
}

/// What the body is; JSON when nothing is said.
fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    if headers.contains_key("ce-specversion") {
        return Err(Problem::BinaryCloudEvent);
    }
    let Some(said) = headers.get(header::CONTENT_TYPE) else { return Ok(Form::Json) };
    let said = said.to_str().unwrap_or_default();
    let kind = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/json" | "text/json" => Ok(Form::Json),
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonlines"
        | "application/jsonlines" => Ok(Form::Lines),
        "application/cloudevents+json" => Ok(Form::CloudEvent),
        "application/cloudevents-batch+json" => Ok(Form::CloudEvents),
        _ => Err(Problem::ContentType(kind.chars().take(100).collect())),
    }
}

fn gzip(headers: &HeaderMap) -> Result<bool, Problem> {
    let Some(said) = headers.get(header::CONTENT_ENCODING) else { return Ok(false) };
    match said.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(false),
        "gzip" | "x-gzip" => Ok(true),
        other => Err(Problem::ContentEncoding(other.chars().take(100).collect())),
    }
}

fn key(headers: &HeaderMap) -> Result<&str, Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(|said| {
        let (scheme, key) = said.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    bearer.or_else(|| text("x-api-key")).ok_or(Problem::NoKey)
}

fn length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

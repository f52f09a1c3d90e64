//! `POST /collect`: events come in, and are answered for when they are safe.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use assay_core::TraceContext;
use assay_door::{Peer, announced, gzip, inflated, key, kind, whole};
use assay_store::Deed;
use assay_trace::{Kind, Span};
use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};

use super::Service;
use super::answer::Answer;
use super::error::{Problem, status_of};
use crate::intake::{Form, Intake, Taken};
use crate::meters::reason_of;

/// Larger bodies are taken apart where nobody else has to wait.
const LARGE: usize = 1 << 20;

pub(super) async fn collect(
    State(service): State<Arc<Service>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let headers = request.headers();
    let trace = TraceContext::read(|name| headers.get(name).map(HeaderValue::as_bytes));
    let mut span = Span::begin("collect", Kind::Server, trace.as_ref());
    let answer = answered(&service, peer, request, &mut span).await.into_response();
    span.count("http.response.status_code", answer.status().as_u16().into());
    if answer.status().is_server_error() {
        span.fail("not kept");
    }
    answer
}

async fn answered(
    service: &Service,
    peer: SocketAddr,
    request: Request,
    span: &mut Span,
) -> Result<Response, Problem> {
    let (Parts { headers, .. }, body) = request.into_parts();
    let gzip = gzip(&headers).map_err(Problem::ContentEncoding)?;
    let form = form(&headers)?;
    let owner = owner(service, &headers).await?;
    let limit = service.settings.body_mb << 20;
    let announced = announced(&headers).unwrap_or(limit);
    if announced > limit {
        return Err(Problem::TooLarge { limit });
    }
    let reserve = |bytes| {
        let room = service.in_flight.room(bytes);
        room.ok_or_else(|| refused(service, Problem::Busy, "busy", 1))
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
        let client = owner.unwrap_or_else(|| peer.ip().to_string());
        let events = taken.outcomes.len();
        let passes = quotas.take(&client, events, Instant::now());
        passes.map_err(|wait| refused(service, Problem::Quota { wait }, "quota", events))?;
    }
    span.count("assay.events", taken.records.len() as u64);
    keep(service, &taken, span.context()).await?;
    let answer = Answer::of(&taken, service.settings.durability);
    Ok((status_of(&taken), Json(answer)).into_response())
}

/// Whose key it is; nobody's where the door is open to all.
async fn owner(service: &Service, headers: &HeaderMap) -> Result<Option<String>, Problem> {
    if service.credentials.open().await {
        return Ok(None);
    }
    let known = service.credentials.whose(key(headers).ok_or(Problem::NoKey)?).await;
    let sends = known.filter(|known| known.role.may(Deed::Send));
    sends.map(|known| Some(known.name)).ok_or(Problem::NoKey)
}

/// Makes the good events safe, and counts the others.
async fn keep(
    service: &Service,
    taken: &Taken,
    trace: Option<&TraceContext>,
) -> Result<(), Problem> {
    service.meters.received.inc_by(taken.outcomes.len() as u64);
    for refusal in taken.outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        service.meters.refused(refusal.reason.name(), 1);
        if refusal.reason == crate::intake::Refused::Schema {
            service.meters.unpackable.inc();
        }
    }
    let kept = service.journal.append(&taken.records, service.clock.now(), trace).await;
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

/// What the body is; JSON when nothing is said.
fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    if headers.contains_key("ce-specversion") {
        return Err(Problem::BinaryCloudEvent);
    }
    let Some(kind) = kind(headers) else { return Ok(Form::Json) };
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

//! `POST /api/v1/lineage`, and the standard's own `/batch`: events come in, and are answered for
//! when they are safe.

use std::sync::Arc;
use std::time::Instant;

use assay_core::TraceContext;
use assay_door::{Room, announced, gzip, inflated, whole_within};
use assay_lineage::part_of;
use assay_lineage::receive::{Body, read};
use assay_trace::{Kind, Span};
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::json;

use crate::http::Service;
use crate::http::admission::Client;
use crate::http::body::check_kind;
use crate::http::error::{KEPT, Problem};
use crate::requests::Handled;

/// Larger bodies are taken apart where nobody else has to wait.
const LARGE: usize = 1 << 20;

/// A body's events, and the room in memory that they take.
struct Taken {
    body: Body,
    room: Room,
    /// It takes until they are answered for.
    span: Option<Span>,
}

/// All events of the body, or none.
pub(in crate::http) async fn receive(
    State(service): State<Arc<Service>>,
    Extension(client): Extension<Client>,
    request: Request,
) -> Result<Response, Problem> {
    let body = taken(&service, &client, request).await;
    let kept = async {
        let Taken { body: Body { events, faults }, room, span: _span } = body?;
        if !faults.is_empty() {
            return Err(Problem::Events(faults));
        }
        let accepted = events.len();
        service.intake.keep_in(events, room).await?;
        Ok(accepted)
    };
    let accepted = kept.await.inspect_err(|problem| count(&service, problem))?;
    service.meters.received.inc_by(accepted as u64);
    let handled = Extension(Handled { received: accepted, kept: accepted });
    Ok((KEPT, handled, Json(json!({ "accepted": accepted }))).into_response())
}

/// The good events of the body; the answer says which are not, in the standard's own form.
pub(in crate::http) async fn batch(
    State(service): State<Arc<Service>>,
    Extension(client): Extension<Client>,
    request: Request,
) -> Result<Response, Problem> {
    let taken = taken(&service, &client, request).await;
    let Taken { body, room, span: _span } =
        taken.inspect_err(|problem| count(&service, problem))?;
    let Body { events, faults } = body;
    let (good, bad) = (events.len(), faults.len());
    let kept = service.intake.keep_in(events, room).await.map_err(Problem::from);
    kept.inspect_err(|problem| count(&service, problem))?;
    service.meters.received.inc_by(good as u64);
    if bad > 0 {
        service.meters.refuse("schema", bad);
    }
    let failed = faults.iter().map(|fault| {
        let reason = format!("{} {}", fault.path, fault.rule);
        json!({ "index": fault.index, "reason": reason, "retriable": false })
    });
    let answer = json!({
        "status": if bad == 0 { "success" } else { "partial_success" },
        "summary": {
            "received": good + bad, "successful": good, "failed": bad,
            "retriable": 0, "non_retriable": bad,
        },
        "failed_events": failed.collect::<Vec<_>>(),
    });
    let handled = Extension(Handled { received: good + bad, kept: good });
    Ok((handled, Json(answer)).into_response())
}

/// The events of a body, part of the trace of their request.
async fn taken(service: &Service, client: &Client, request: Request) -> Result<Taken, Problem> {
    let headers = request.headers();
    let trace = TraceContext::read(|name| headers.get(name).map(HeaderValue::as_bytes));
    let mut span = Span::begin("receive", Kind::Server, trace.as_ref());
    let mut taken = checked(service, client, request).await;
    match &mut taken {
        Ok(taken) => {
            taken.body.hold_back(service.clock.now());
            if let Some(trace) = span.context() {
                part_of(&mut taken.body.events, trace);
            }
            span.count("assay.events", taken.body.events.len() as u64);
            taken.span = Some(span);
        }
        Err(problem) => span.fail(problem.name()),
    }
    taken
}

/// The events of a body that is not too large, of a client that has not sent too much.
async fn checked(service: &Service, client: &Client, request: Request) -> Result<Taken, Problem> {
    let (Parts { headers, .. }, body) = request.into_parts();
    check_kind(&headers)?;
    let gzip = gzip(&headers).map_err(Problem::ContentEncoding)?;
    let limit = service.settings.body_mb << 20;
    if announced(&headers).is_some_and(|announced| announced > limit) {
        return Err(Problem::TooLarge { limit });
    }
    let (body, reading) = whole_within(body, limit, &service.in_flight).await?;
    let large = gzip || body.len() > LARGE;
    let in_flight = Arc::clone(&service.in_flight);
    let take = move || -> Result<Taken, Problem> {
        let text = inflated(&body, gzip, limit)?;
        // Events in memory are some times as large as their text, and stay until they are kept.
        let room = in_flight.room(3 * text.len()).ok_or(Problem::Busy)?;
        drop(reading);
        Ok(Taken { body: read(&text).map_err(Problem::NoJson)?, room, span: None })
    };
    let taken = match large {
        false => take()?,
        true => {
            let _turn = service.turns.acquire().await.map_err(|_| Problem::Busy)?;
            let taken = tokio::task::spawn_blocking(take).await;
            taken.map_err(|_| Problem::Busy)??
        }
    };
    let events = taken.body.events.len() + taken.body.faults.len();
    let passes = service.quotas.take(&client.0, events.max(1), Instant::now());
    passes.map_err(|wait| Problem::Quota { wait })?;
    Ok(taken)
}

fn count(service: &Service, problem: &Problem) {
    let events = if let Problem::Events(faults) = problem { faults.len() } else { 1 };
    service.meters.refuse(problem.name(), events);
}

//! `POST /api/v1/lineage`, and the standard's own `/batch`: events come in, and are answered for
//! when they are safe.

use std::sync::Arc;
use std::time::Instant;

use assay_door::{announced, gzip, inflated, kind, whole};
use assay_lineage::receive::{Body, read};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::json;

use crate::http::Service;
use crate::http::admission::Client;
use crate::http::error::{KEPT, Problem};
use crate::requests::Handled;

/// Larger bodies are taken apart where nobody else has to wait.
const LARGE: usize = 1 << 20;

/// All events of the body, or none.
pub(in crate::http) async fn receive(
    State(service): State<Arc<Service>>,
    Extension(client): Extension<Client>,
    request: Request,
) -> Result<Response, Problem> {
    let body = taken(&service, &client, request).await;
    let kept = async {
        let Body { events, faults } = body?;
        if !faults.is_empty() {
            return Err(Problem::Events(faults));
        }
        let accepted = events.len();
        service.intake.keep(events).await?;
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
    let Body { events, faults } = taken.inspect_err(|problem| count(&service, problem))?;
    let (good, bad) = (events.len(), faults.len());
    let kept = service.intake.keep(events).await.map_err(Problem::from);
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

/// The events of a body that is not too large, of a client that has not sent too much.
async fn taken(service: &Service, client: &Client, request: Request) -> Result<Body, Problem> {
    let (Parts { headers, .. }, body) = request.into_parts();
    check_kind(&headers)?;
    let gzip = gzip(&headers).map_err(Problem::ContentEncoding)?;
    let limit = service.settings.body_mb << 20;
    let announced = announced(&headers).unwrap_or(limit);
    if announced > limit {
        return Err(Problem::TooLarge { limit });
    }
    let reading = service.in_flight.room(announced).ok_or(Problem::Busy)?;
    let body = whole(body, limit).await?;
    drop(reading);
    // Events in memory are some times as large as their text.
    let _room = service.in_flight.room(3 * body.len()).ok_or(Problem::Busy)?;
    let take = move |limit| -> Result<Body, Problem> {
        read(&inflated(&body, gzip, limit)?).map_err(Problem::NoJson)
    };
    let taken = match gzip || announced > LARGE {
        false => take(limit)?,
        true => {
            let _turn = service.turns.acquire().await.map_err(|_| Problem::Busy)?;
            let taken = tokio::task::spawn_blocking(move || take(limit)).await;
            taken.map_err(|_| Problem::Busy)??
        }
    };
    let events = taken.events.len() + taken.faults.len();
    let passes = service.quotas.take(&client.0, events.max(1), Instant::now());
    passes.map_err(|wait| Problem::Quota { wait })?;
    Ok(taken)
}

/// JSON, or nothing said. A page in a browser can't send JSON to a port of this machine unasked.
fn check_kind(headers: &HeaderMap) -> Result<(), Problem> {
    match kind(headers) {
        None => Ok(()),
        Some(kind) if kind == "application/json" || kind == "text/json" => Ok(()),
        Some(kind) if kind.starts_with("application/") && kind.ends_with("+json") => Ok(()),
        Some(kind) => Err(Problem::ContentType(kind.chars().take(100).collect())),
    }
}

fn count(service: &Service, problem: &Problem) {
    let events = if let Problem::Events(faults) = problem { faults.len() } else { 1 };
    service.meters.refuse(problem.name(), events);
}

//! `POST /api/v1/dlq/jobs/{id}/cancel` and `/resume`: jobs that are given up or gone on with.

use std::sync::Arc;

use assay_dlq::SILENCE;
use assay_store::{Action, AuditEntry, GivenUp, Replay};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::json;

use super::jobs::{Told, find, told};
use crate::http::Service;
use crate::http::admission::Client;
use crate::http::body::{because, read};
use crate::http::error::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    reason: String,
}

/// At once where nobody has begun it; else its worker does so.
pub(in crate::http) async fn cancel(
    State(service): State<Arc<Service>>,
    Extension(client): Extension<Client>,
    Path(id): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<Told>), Problem> {
    let (job, entry) = asked(&service, client, &id, request).await?;
    let details = json!({"cancel": true});
    let outcome = service.store.wish_given_up(job.id, &AuditEntry { details, ..entry }).await?;
    let status = match outcome {
        GivenUp::AtOnce => StatusCode::OK,
        GivenUp::ByWorker => StatusCode::ACCEPTED,
        GivenUp::No => return Err(conflict(&find(&service, &id).await?)),
    };
    Ok((status, Json(told(&service, find(&service, &id).await?).await?)))
}

pub(in crate::http) async fn resume(
    State(service): State<Arc<Service>>,
    Extension(client): Extension<Client>,
    Path(id): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<Told>), Problem> {
    let (job, entry) = asked(&service, client, &id, request).await?;
    let (silent, details) = (entry.at - SILENCE, json!({"resume": true}));
    let entry = AuditEntry { details, ..entry };
    if !service.store.hand_over_replay(job.id, silent, &entry).await? {
        return Err(conflict(&find(&service, &id).await?));
    }
    Ok((StatusCode::ACCEPTED, Json(told(&service, find(&service, &id).await?).await?)))
}

async fn asked(
    service: &Service,
    client: Client,
    id: &str,
    request: Request,
) -> Result<(Replay, AuditEntry), Problem> {
    let body: Body = read(service, request).await?;
    let reason = because(body.reason)?;
    let job = find(service, id).await?;
    let entry = AuditEntry {
        at: service.clock.now(),
        who: client.0,
        action: Action::Replay,
        subject: format!("{} job {}", job.stage, job.id),
        reason,
        details: json!({}),
    };
    Ok((job, entry))
}

/// Why nothing comes of what was asked.
fn conflict(job: &Replay) -> Problem {
    let (id, state) = (job.id, job.state.name());
    Problem::Conflict(match (&job.wish, job.state.over()) {
        (_, true) => format!("job {id} is {state}: nothing more comes of it"),
        (Some(wish), _) => format!("job {id} is being given up, as {} asked", wish.who),
        (None, _) => format!("job {id} is being carried out already"),
    })
}

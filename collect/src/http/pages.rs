//! How it stands, and what can be asked.

use std::sync::Arc;

use assay_metrics::CONTENT_TYPE;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::Service;

/// What clients may send, and what they are answered.
const OPENAPI: &str = include_str!("openapi.json");

#[derive(Serialize)]
struct Health {
    /// `healthy`; `spilling` while the log takes nothing or more waits than should; `full` when
    /// events are refused.
    status: &'static str,
    queue_size: u64,
    max_queue_size: u64,
    queue_pressure_percent: f64,
    backlog_bytes: u64,
    backlog_limit_bytes: u64,
    backlog_age_seconds: f64,
    durability: &'static str,
}

pub(super) async fn health(State(service): State<Arc<Service>>) -> Response {
    let standing = service.standing();
    let percent = standing.percent();
    let status = match (standing.bytes >= standing.bytes_limit, standing.sending && percent < 100.0)
    {
        (true, _) => "full",
        (false, false) => "spilling",
        (false, true) => "healthy",
    };
    Json(Health {
        status,
        queue_size: standing.queue,
        max_queue_size: standing.capacity,
        queue_pressure_percent: (percent * 100.0).round() / 100.0,
        backlog_bytes: standing.bytes,
        backlog_limit_bytes: standing.bytes_limit,
        backlog_age_seconds: standing.age.as_secs_f64(),
        durability: service.settings.durability.name(),
    })
    .into_response()
}

pub(super) async fn metrics(State(service): State<Arc<Service>>) -> Response {
    let text = service.meters.render(&service.standing());
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}

pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

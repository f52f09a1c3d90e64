//! `GET /healthz` and `GET /readyz`: whether it lives, and whether it can keep what it is sent.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::http::Service;
use crate::http::error::Problem;

pub(in crate::http) async fn alive() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

pub(in crate::http) async fn ready(
    State(service): State<Arc<Service>>,
) -> Result<Json<Value>, Problem> {
    service.store.keys().await?;
    Ok(Json(json!({ "status": "ready" })))
}

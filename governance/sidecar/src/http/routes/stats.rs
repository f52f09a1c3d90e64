//! `GET /api/v1/lineage/stats`: how many events are kept, of what kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use assay_metrics::names::{EVENT_BREAKDOWN, LINEAGE_EVENTS};
use assay_store::EventKind;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::http::Service;
use crate::http::error::Problem;

/// By the names that the metrics have.
pub(in crate::http) async fn stats(
    State(service): State<Arc<Service>>,
) -> Result<Json<Value>, Problem> {
    let counts = service.store.event_counts().await?;
    let count = |kind: EventKind| (kind.name(), counts.get(&kind).copied().unwrap_or_default());
    let by_kind: BTreeMap<&str, u64> = EventKind::ALL.into_iter().map(count).collect();
    let all: u64 = counts.values().sum();
    Ok(Json(json!({ LINEAGE_EVENTS.name: all, EVENT_BREAKDOWN.name: by_kind })))
}

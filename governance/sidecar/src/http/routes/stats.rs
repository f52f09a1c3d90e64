//! `GET /api/v1/lineage/stats`: how many events are kept, of what kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use assay_store::EventKind;
use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::http::Service;
use crate::http::error::Problem;

#[derive(Serialize)]
pub(in crate::http) struct Stats {
    total_lineage_events: u64,
    event_breakdown: BTreeMap<&'static str, u64>,
}

pub(in crate::http) async fn stats(
    State(service): State<Arc<Service>>,
) -> Result<Json<Stats>, Problem> {
    let counts = service.store.event_counts().await?;
    let count = |kind: EventKind| (kind.name(), counts.get(&kind).copied().unwrap_or_default());
    let event_breakdown = EventKind::ALL.into_iter().map(count).collect();
    Ok(Json(Stats { total_lineage_events: counts.values().sum(), event_breakdown }))
}

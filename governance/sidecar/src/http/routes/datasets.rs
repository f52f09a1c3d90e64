//! `GET /api/v1/lineage/datasets`: every dataset that an event named, by name.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;

use crate::http::Service;
use crate::http::error::Problem;
use crate::http::question::Question;

#[derive(Serialize)]
pub(in crate::http) struct Page {
    datasets: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(in crate::http) async fn datasets(
    State(service): State<Arc<Service>>,
    uri: Uri,
) -> Result<Json<Page>, Problem> {
    let question = Question::of(&uri, &["limit", "cursor"])?;
    let limit = question.limit()?;
    let after = question.text("cursor").unwrap_or_default();
    let mut datasets = service.store.lineage_datasets(after, limit + 1).await?;
    let more = datasets.len() > limit as usize;
    datasets.truncate(limit as usize);
    let next = datasets.last().filter(|_| more).cloned();
    Ok(Json(Page { datasets, next }))
}

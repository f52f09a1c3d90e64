//! `GET /api/v1/lineage/diff`: what came into the graph and what went between two times.

use std::sync::Arc;

use assay_lineage::{Change, Names, changes};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::http::Service;
use crate::http::error::Problem;
use crate::http::question::{Question, page};

#[derive(Serialize)]
pub(in crate::http) struct Page {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    changes: Vec<Change>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(in crate::http) async fn diff(
    State(service): State<Arc<Service>>,
    uri: Uri,
) -> Result<Json<Page>, Problem> {
    let question = Question::of(&uri, &["from", "to", "limit", "cursor"])?;
    question.needed("from")?;
    let now = service.clock.now();
    let from = question.time("from", now)?.unwrap_or(now);
    let to = question.time("to", now)?.unwrap_or(now);
    let names = Names::load(&service.store).await?;
    let all = changes(&service.store, &names, from, to).await?;
    let (changes, next) = page(all, &question)?;
    Ok(Json(Page { from, to, changes, next }))
}

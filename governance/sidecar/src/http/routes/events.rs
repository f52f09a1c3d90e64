//! `GET /api/v1/lineage/events`: the events that are kept, the newest first.

use std::sync::Arc;

use assay_lineage::{Summary, newest};
use assay_store::EventKind;
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;

use crate::http::Service;
use crate::http::error::Problem;
use crate::http::question::Question;

#[derive(Serialize)]
pub(in crate::http) struct Page {
    events: Vec<Summary>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(in crate::http) async fn events(
    State(service): State<Arc<Service>>,
    uri: Uri,
) -> Result<Json<Page>, Problem> {
    let question = Question::of(&uri, &["kind", "limit", "cursor"])?;
    let kind: Option<EventKind> = question.word("kind", "kind of lineage event")?;
    let after = question.word("cursor", "cursor of this list")?;
    let (events, next) = newest(&service.store, kind, after, question.limit()?).await?;
    Ok(Json(Page { events, next: next.map(|place| place.to_string()) }))
}

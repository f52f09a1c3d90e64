//! `GET /api/v1/lineage/impact`: what a change of a column reaches.

use std::sync::Arc;

use assay_lineage::{Names, Reached, impact, must_have};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;

use crate::http::Service;
use crate::http::error::Problem;
use crate::http::question::{Question, page};

#[derive(Serialize)]
pub(in crate::http) struct Page {
    dataset: String,
    column: String,
    reached: Vec<Reached>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(in crate::http) async fn reach(
    State(service): State<Arc<Service>>,
    uri: Uri,
) -> Result<Json<Page>, Problem> {
    let question = Question::of(&uri, &["dataset", "column", "at", "limit", "cursor"])?;
    let names = Names::load(&service.store).await?;
    let dataset = names.find(&service.store, question.needed("dataset")?).await?;
    let (column, at) =
        (question.needed("column")?.to_owned(), question.time("at", service.clock.now())?);
    must_have(&service.store, &names, &dataset, &column).await?;
    let reached = impact(&service.store, &names, &dataset, &column, at).await?;
    let (reached, next) = page(reached, &question)?;
    Ok(Json(Page { dataset, column, reached, next }))
}

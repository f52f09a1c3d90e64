//! `GET /api/v1/lineage/columns`: the columns that a column comes from.

use std::sync::Arc;

use assay_lineage::{ColumnLink, Names, column_picture, must_have, sources};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::graph::drawn;
use crate::http::Service;
use crate::http::error::Problem;
use crate::http::question::{Question, page};

#[derive(Serialize)]
struct Page {
    dataset: String,
    links: Vec<ColumnLink>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(in crate::http) async fn columns(
    State(service): State<Arc<Service>>,
    uri: Uri,
) -> Result<Response, Problem> {
    let question =
        Question::of(&uri, &["dataset", "column", "at", "depth", "format", "limit", "cursor"])?;
    let names = Names::load(&service.store).await?;
    let dataset = names.find(&service.store, question.needed("dataset")?).await?;
    let now = service.clock.now();
    let (column, at) = (question.needed("column")?, question.time("at", now)?);
    must_have(&service.store, &names, &dataset, column).await?;
    let depth = question.word("depth", "number")?;
    let links = sources(&service.store, &names, &dataset, column, at, depth).await?;
    if let Some(drawn) = drawn(&question, || column_picture(&dataset, column, &links))? {
        return Ok(drawn);
    }
    let (links, next) = page(links, &question)?;
    Ok(Json(Page { dataset, links, next }).into_response())
}

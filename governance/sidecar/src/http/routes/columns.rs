//! `GET /api/v1/lineage/columns`: the columns that a column comes from.

use std::sync::Arc;

use assay_lineage::{ColumnLink, Names, must_have, sources};
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
    links: Vec<ColumnLink>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(in crate::http) async fn columns(
    State(service): State<Arc<Service>>,
    uri: Uri,
) -> Result<Json<Page>, Problem> {
    let question = Question::of(&uri, &["dataset", "column", "at", "limit", "cursor"])?;
    let names = Names::load(&service.store).await?;
    let dataset = names.find(&service.store, question.needed("dataset")?).await?;
    let (column, at) = (question.needed("column")?, question.time("at")?);
    must_have(&service.store, &names, &dataset, column).await?;
    let links = sources(&service.store, &names, &dataset, column, at).await?;
    let (links, next) = page(links, &question)?;
    Ok(Json(Page { dataset, links, next }))
}

//! `GET /api/v1/lineage/runs` and `/runs/{id}`: runs of ours and of others, by their events.

use std::sync::Arc;

use assay_lineage::receive::run_id;
use assay_lineage::{Account, Standing, account, latest};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;

use crate::http::Service;
use crate::http::error::Problem;
use crate::http::question::Question;

#[derive(Serialize)]
pub(in crate::http) struct Page {
    runs: Vec<Standing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(in crate::http) async fn runs(
    State(service): State<Arc<Service>>,
    uri: Uri,
) -> Result<Json<Page>, Problem> {
    let question = Question::of(&uri, &["limit", "cursor"])?;
    let after = question.word("cursor", "cursor of this list")?;
    let now = service.clock.now();
    let (runs, next) = latest(&service.store, after, question.limit()?, now).await?;
    Ok(Json(Page { runs, next: next.map(|place| place.to_string()) }))
}

pub(in crate::http) async fn run(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
) -> Result<Json<Account>, Problem> {
    let account = account(&service.store, run_id(&id), service.clock.now()).await?;
    account.map(Json).ok_or_else(|| Problem::Unknown("no event told of this run".to_owned()))
}

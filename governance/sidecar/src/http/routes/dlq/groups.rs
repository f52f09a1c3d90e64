//! `GET /api/v1/dlq/groups`: what letters died of, those of one cause together.

use std::sync::Arc;

use assay_dlq::Group;
use axum::extract::State;
use axum::http::Uri;
use axum::{Extension, Json};
use serde::Serialize;

use crate::http::Service;
use crate::http::admission::May;
use crate::http::error::Problem;
use crate::http::question::{Question, page};
use crate::http::which::{CONDITIONS, Which};

#[derive(Serialize)]
pub(in crate::http) struct Page {
    groups: Vec<Group>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// What was asked for and no letter ever named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown: Vec<String>,
}

pub(in crate::http) async fn groups(
    State(service): State<Arc<Service>>,
    Extension(may): Extension<May>,
    uri: Uri,
) -> Result<Json<Page>, Problem> {
    // Groups are what the index knows, and it knows no payloads.
    let conditions = CONDITIONS.into_iter().filter(|name| !matches!(*name, "where" | "text"));
    let known: Vec<&str> = conditions.chain(["all", "limit", "cursor"]).collect();
    let question = Question::of(&uri, &known)?;
    let which = Which::of(&service, &question, may).await?;
    let all = which.index.groups(&which.filter, u32::MAX).await?;
    let unknown = match all.is_empty() {
        true => which.index.unknown(&which.filter).await?,
        false => vec![],
    };
    let (groups, next) = page(all, &question)?;
    Ok(Json(Page { groups, next, unknown }))
}

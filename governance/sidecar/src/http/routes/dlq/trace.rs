//! `GET /api/v1/dlq/letters/{id}/trace`: from the first failure to where the row is now.

use std::sync::Arc;

use assay_dlq::Traced;
use axum::Json;
use axum::extract::{Path, State};

use crate::http::Service;
use crate::http::error::Problem;
use crate::http::which::{letter_id, no_letter};

pub(in crate::http) async fn trace(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
) -> Result<Json<Traced>, Problem> {
    let index = service.letters.caught_up(None).await?;
    let traced = index.trace(letter_id(&id)?).await?;
    traced.map(Json).ok_or_else(no_letter)
}

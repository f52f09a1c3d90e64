//! `GET /api/v1/dlq/topics`: what lies in each topic of dead letters.

use std::sync::Arc;

use assay_dlq::TopicState;
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;

use crate::http::Service;
use crate::http::error::Problem;
use crate::http::question::Question;

#[derive(Serialize)]
pub(in crate::http) struct Topics {
    topics: Vec<TopicState>,
}

pub(in crate::http) async fn topics(
    State(service): State<Arc<Service>>,
    uri: Uri,
) -> Result<Json<Topics>, Problem> {
    Question::of(&uri, &[])?;
    let index = service.letters.caught_up(None).await?;
    Ok(Json(Topics { topics: index.topics(service.clock.now()).await? }))
}

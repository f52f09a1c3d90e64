//! `GET /metrics`: what the store knows, and what this process counted.

use std::sync::Arc;

use assay_metrics::{CONTENT_TYPE, Observed, render};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::http::Service;
use crate::http::error::Problem;

pub(in crate::http) async fn metrics(
    State(service): State<Arc<Service>>,
) -> Result<Response, Problem> {
    let observed = Observed::of(&service.store, service.clock.now()).await?;
    let mut text = render(&observed).map_err(|error| {
        tracing::error!(%error, "the metrics can't be shown");
        Problem::Store { fault: assay_core::Fault::Permanent }
    })?;
    text.push_str(&service.meters.render());
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}

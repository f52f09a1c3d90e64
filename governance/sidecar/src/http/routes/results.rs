//! `POST /api/v1/quality/results`: what Great Expectations, dbt and Soda have found comes in.

use std::sync::Arc;
use std::time::Instant;

use assay_core::{ImportedScan, name_dataset};
use assay_door::{announced, gzip, inflated, whole_within};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::{Value, json};

use crate::ReadResults;
use crate::http::Service;
use crate::http::admission::Client;
use crate::http::body::check_kind;
use crate::http::error::{KEPT, Problem};
use crate::http::question::Question;

/// The results of one body. What was taken in before stays as it is, so whoever got no answer sends
/// it again.
pub(in crate::http) async fn receive(
    State(service): State<Arc<Service>>,
    Extension(client): Extension<Client>,
    request: Request,
) -> Result<Response, Problem> {
    let question = Question::of(request.uri(), &["dataset"])?;
    let mut scans = scans(&service, request).await?;
    if let Some(name) = question.text("dataset") {
        name_dataset(&mut scans, name).map_err(|error| Problem::Results(error.to_string()))?;
    }
    let checks: usize = scans.iter().map(|scan| scan.results.len()).sum();
    let passes = service.quotas.take(&client.0, checks.max(1), Instant::now());
    passes.map_err(|wait| Problem::Quota { wait })?;
    let mut told = Vec::with_capacity(scans.len());
    for scan in &scans {
        let new = service.store.put_imported(scan).await?;
        told.push(scan.told(new));
    }
    Ok((KEPT, Json(json!({ "results": told }))).into_response())
}

/// The results in a body that is not too large. They are read where nobody else has to wait.
async fn scans(service: &Service, request: Request) -> Result<Vec<ImportedScan>, Problem> {
    check_kind(request.headers())?;
    let gzip = gzip(request.headers()).map_err(Problem::ContentEncoding)?;
    let limit = service.settings.body_mb << 20;
    if announced(request.headers()).is_some_and(|announced| announced > limit) {
        return Err(Problem::TooLarge { limit });
    }
    let (body, reading) = whole_within(request.into_body(), limit, &service.in_flight).await?;
    let (in_flight, results) = (Arc::clone(&service.in_flight), service.results);
    let take = move || -> Result<Vec<ImportedScan>, Problem> {
        let text = inflated(&body, gzip, limit)?;
        // Taken apart it is some times as large.
        let _room = in_flight.room(4 * text.len()).ok_or(Problem::Busy)?;
        drop(reading);
        read(results, &text).map_err(Problem::Results)
    };
    let _turn = service.turns.acquire().await.map_err(|_| Problem::Busy)?;
    tokio::task::spawn_blocking(take).await.map_err(|_| Problem::Busy)?
}

/// Those of dbt come with the manifest, in one object: `run_results` and `manifest`.
fn read(results: ReadResults, text: &[u8]) -> Result<Vec<ImportedScan>, String> {
    let both = serde_json::from_slice::<Value>(text).ok().and_then(|body| {
        let part = |name: &str| body.get(name).map(|part| part.to_string().into_bytes());
        Some((part("run_results")?, part("manifest")?))
    });
    match both {
        Some((run_results, manifest)) => results(&run_results, Some(&manifest)),
        None => results(text, None),
    }
}

//! What clients see: `POST /collect`, and three pages that say how it stands.

mod answer;
mod collect;
mod error;
mod pages;

use std::sync::Arc;
use std::time::Instant;

use assay_core::Clock;
use assay_door::{Credentials, InFlight, Quotas};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use crate::intake::Intake;
use crate::meters::Meters;
use crate::segment::Journal;
use crate::sender::Progress;
use crate::settings::Settings;

/// What answers are made from.
pub(crate) struct Service {
    pub(crate) intake: Arc<Intake>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) credentials: Credentials,
    pub(crate) quotas: Option<Quotas>,
    pub(crate) in_flight: InFlight,
    /// Large bodies are taken apart a few at a time: what they unpack to is known only then.
    pub(crate) turns: Semaphore,
    pub(crate) progress: Arc<Progress>,
    pub(crate) settings: Settings,
    pub(crate) started: Instant,
    /// Events that waited when the process began.
    pub(crate) found: u64,
}

/// Where a client finds what. Everything else has no endpoint's name.
const ROUTES: [&str; 4] = ["/collect", "/health", "/metrics", "/openapi.json"];

pub(crate) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/collect", post(collect::collect))
        .route("/health", get(pages::health))
        .route("/metrics", get(pages::metrics))
        .route("/openapi.json", get(pages::openapi))
        .fallback(error::nowhere)
        .method_not_allowed_fallback(error::not_so)
        .layer(middleware::from_fn_with_state(Arc::clone(&service), measured))
        .with_state(service)
}

/// Counts each request and how long it took.
async fn measured(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let endpoint = ROUTES.into_iter().find(|route| *route == path).unwrap_or("other");
    let begun = Instant::now();
    let answer = next.run(request).await;
    let seconds = begun.elapsed().as_secs_f64();
    let meters = &service.meters;
    meters.request_seconds.with_label_values(&[endpoint]).observe(seconds);
    meters.requests.with_label_values(&[endpoint, answer.status().as_str()]).inc();
    answer
}

//! `/health`, `/ready` and `/metrics` of a worker.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use assay_core::Clock;
use assay_log::Log;
use assay_metrics::{CONTENT_TYPE, Lag, render_following};
use assay_pipeline::{Places, Reads, SourceError, Stage, behind_stage};
use assay_store::Store;
use axum::Router;
use axum::extract::State as Given;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Known, State, Worker};
use crate::app::App;

/// What the answers are made of.
struct Office {
    worker: Arc<Worker>,
    stages: Vec<Arc<Stage>>,
    places: Arc<Places>,
    log: Arc<dyn Log>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
}

/// Answers at `address` from now on, for as long as the process lives; returns the port it got.
pub(crate) async fn serve(
    app: &App,
    worker: &Arc<Worker>,
    stages: &[Arc<Stage>],
    address: SocketAddr,
) -> Result<SocketAddr> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: choose another port with --listen")
    })?;
    let bound = listener.local_addr().context("cannot listen")?;
    let office = Office {
        worker: Arc::clone(worker),
        stages: stages.to_vec(),
        places: Arc::clone(&app.places),
        log: Arc::clone(&app.log),
        store: Arc::clone(&app.store),
        clock: Arc::clone(&app.clock),
    };
    let routes = Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(office));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "health and metrics are not answered any more");
        }
    });
    Ok(bound)
}

/// The process lives.
async fn health() -> Response {
    answer(StatusCode::OK, &json!({"status": "ok"}))
}

/// Whether every stage follows, or is paused because a person wants so.
async fn ready(Given(office): Given<Arc<Office>>) -> Response {
    let known = office.worker.known();
    let ready = known.iter().all(|stage| matches!(stage.state, State::Following | State::Paused));
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let stages: Vec<Value> = known.iter().map(of_stage).collect();
    answer(code, &json!({"ready": ready, "stages": stages}))
}

fn of_stage(known: &Known) -> Value {
    let positions: Vec<Value> = known
        .position
        .0
        .iter()
        .map(|(slice, mark)| json!({"slice": slice, "next": mark.at}))
        .collect();
    json!({
        "stage": known.following.stage.to_string(),
        "state": known.state,
        "partitions": known.owns,
        "positions": positions,
        "batches": known.following.batches,
        "last_commit_at": known.last_commit_at,
        "last_success_at": known.following.last_success_at,
        "paused": known.pause,
        "last_error": known.last_error,
    })
}

async fn metrics(Given(office): Given<Arc<Office>>) -> Response {
    let following: Vec<_> = office.worker.known().into_iter().map(|k| k.following).collect();
    // What the process counts is shown also while the log or the store is away.
    let lags = office.lags().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "how far the stages are behind is not known now");
        vec![]
    });
    let targets = office.store.targets().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "what has to be sent to others is not known now");
        vec![]
    });
    match render_following(&following, &lags, &targets, office.clock.now()) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            let error = json!({"error": error.to_string()});
            answer(StatusCode::INTERNAL_SERVER_ERROR, &error)
        }
    }
}

impl Office {
    async fn lags(&self) -> Result<Vec<Lag>, SourceError> {
        let mut lags = Vec::new();
        for stage in self.stages.iter().filter(|stage| matches!(stage.reads, Reads::Topic(_))) {
            let behind = behind_stage(&self.places, self.log.as_ref(), stage).await?;
            lags.extend(behind.into_iter().filter_map(|behind| {
                Some(Lag {
                    group: behind.reader?,
                    topic: behind.topic,
                    partition: behind.partition,
                    messages: behind.messages,
                    seconds: behind.seconds,
                })
            }));
        }
        Ok(lags)
    }
}

fn answer(code: StatusCode, body: &Value) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

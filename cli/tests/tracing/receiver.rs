//! A receiver of OTLP, and of lineage events, that keeps what it gets.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::Value;
use tokio::net::TcpListener;

#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) spans: Vec<Span>,
    /// Of the process or service: what each request said of it.
    pub(crate) resources: Vec<Vec<KeyValue>>,
    pub(crate) metrics: Vec<Metric>,
    /// Lineage events, and the trace that they were delivered in.
    pub(crate) events: Vec<(Option<String>, Value)>,
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

impl Receiver {
    pub(crate) async fn start() -> Receiver {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let traces = |State(kept): State<Arc<Mutex<Kept>>>, body: Bytes| async move {
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            let mut kept = kept.lock().unwrap();
            for of in request.resource_spans {
                kept.resources.push(of.resource.unwrap_or_default().attributes);
                kept.spans.extend(of.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
            StatusCode::OK
        };
        let metrics = |State(kept): State<Arc<Mutex<Kept>>>, body: Bytes| async move {
            let request = ExportMetricsServiceRequest::decode(body).unwrap();
            let scopes = request.resource_metrics.into_iter().flat_map(|of| of.scope_metrics);
            kept.lock().unwrap().metrics.extend(scopes.flat_map(|scope| scope.metrics));
            StatusCode::OK
        };
        let lineage = |State(kept): State<Arc<Mutex<Kept>>>, headers: HeaderMap, body: String| async move {
            let trace = headers.get("traceparent").map(|value| value.to_str().unwrap().into());
            kept.lock().unwrap().events.push((trace, serde_json::from_str(&body).unwrap()));
            StatusCode::CREATED
        };
        let routes = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/metrics", post(metrics))
            .route("/api/v1/lineage", post(lineage))
            .with_state(Arc::clone(&kept));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Receiver { address, kept }
    }

    pub(crate) fn kept<T>(&self, look: impl FnOnce(&Kept) -> T) -> T {
        look(&self.kept.lock().unwrap())
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text of an attribute.
pub(crate) fn said<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        any_value::Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// The sum over all points of the newest counter of that name.
pub(crate) fn total(metrics: &[Metric], name: &str) -> f64 {
    let newest = metrics.iter().rfind(|metric| metric.name == name);
    let Some(metric::Data::Sum(sum)) = newest.and_then(|metric| metric.data.as_ref()) else {
        panic!("{name} is no counter, or not there")
    };
    let value = |value: &Option<number_data_point::Value>| match value {
        Some(number_data_point::Value::AsDouble(value)) => *value,
        other => panic!("{other:?}"),
    };
    sum.data_points.iter().map(|point| value(&point.value)).sum()
}

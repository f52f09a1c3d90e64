//! A server on a port of its own: OpenMetadata as `calls` knows it, or an OpenLineage endpoint as
//! Marquez is one. It remembers what it was asked, and can be told to misbehave.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::calls::Catalog;

/// What a server does instead of answering.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    Status(u16, &'static str),
    RetryAfter(u16, &'static str),
    /// A page for people, with 200.
    Page,
    Hang,
    CloseMidBody,
    /// It does what it was asked, and loses the answer.
    LosesAnswer,
    Slow(Duration),
}

/// One request, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) kind: String,
}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) catalog: Option<Catalog>,
    pub(crate) asked: Vec<Asked>,
    pub(crate) faults: VecDeque<Fault>,
    /// The fault of every request, when there is none for this one.
    pub(crate) always: Option<Fault>,
    pub(crate) events: Vec<Value>,
}

#[derive(Clone)]
pub(crate) struct Double {
    pub(crate) url: String,
    pub(crate) inner: Arc<Mutex<Inner>>,
}

impl Double {
    pub(crate) async fn openmetadata() -> Double {
        Double::start(0, Some(Catalog::default())).await
    }

    pub(crate) async fn marquez() -> Double {
        Double::start(0, None).await
    }

    /// At a port that somebody may know already; 0 is any.
    pub(crate) async fn start(port: u16, catalog: Option<Catalog>) -> Double {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Mutex::new(Inner { catalog, ..Inner::default() }));
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Double { url, inner }
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.inner.lock().unwrap())
    }

    pub(crate) fn fails(&self, faults: impl IntoIterator<Item = Fault>) {
        self.with(|inner| inner.faults.extend(faults));
    }

    pub(crate) fn always(&self, fault: Option<Fault>) {
        self.with(|inner| inner.always = fault);
    }

    /// What was asked that could change something.
    pub(crate) fn mutations(&self) -> Vec<Asked> {
        let asked = self.with(|inner| inner.asked.clone());
        asked.into_iter().filter(|asked| asked.method != "GET").collect()
    }

    pub(crate) fn forget(&self) {
        self.with(|inner| inner.asked.clear());
    }

    /// The numbers of the events that came, in the order of their first coming.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let mut numbers = vec![];
        for event in self.with(|inner| inner.events.clone()) {
            let number = event["number"].as_u64().unwrap();
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        numbers
    }
}

/// Status, content type, body.
pub(crate) type Said = (u16, &'static str, String);

async fn answer(
    State(inner): State<Arc<Mutex<Inner>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fault = {
        let mut inner = inner.lock().unwrap();
        inner.faults.pop_front().or_else(|| inner.always.clone())
    };
    match fault {
        Some(Fault::Status(status, body)) => {
            return response((status, "application/json", body.to_owned()));
        }
        Some(Fault::RetryAfter(status, wait)) => {
            let status = StatusCode::from_u16(status).unwrap();
            return (status, [(header::RETRY_AFTER, wait)]).into_response();
        }
        Some(Fault::Page) => {
            return response((200, "text/html;charset=utf-8", "<!doctype html>".to_owned()));
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::CloseMidBody) => return torn(),
        Some(Fault::Slow(wait)) => tokio::time::sleep(wait).await,
        Some(Fault::LosesAnswer) => {
            said(&inner, &method, &uri, &headers, &body);
            return torn();
        }
        None => {}
    }
    response(said(&inner, &method, &uri, &headers, &body))
}

fn torn() -> Response {
    let parts = [Ok(Bytes::from_static(b"{\"id\": \"")), Err(std::io::Error::other("torn"))];
    Body::from_stream(futures::stream::iter(parts)).into_response()
}

fn said(
    inner: &Mutex<Inner>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> Said {
    let mut inner = inner.lock().unwrap();
    let text =
        |name| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let body = match text(header::CONTENT_ENCODING).as_str() {
        "gzip" => {
            let mut plain = String::new();
            let mut unpacked = flate2::read::GzDecoder::new(&body[..]);
            std::io::Read::read_to_string(&mut unpacked, &mut plain).unwrap();
            plain
        }
        _ => String::from_utf8(body.to_vec()).unwrap(),
    };
    let path = uri.path_and_query().unwrap().to_string();
    let kind = text(header::CONTENT_TYPE);
    let value = serde_json::from_str(&body).unwrap_or(Value::Null);
    let asked = Asked { method: method.to_string(), path: path.clone(), body: value, kind };
    inner.asked.push(asked.clone());
    let token = text(header::AUTHORIZATION);
    match &mut inner.catalog {
        Some(catalog) => catalog.answer(&asked, &body, &token),
        None => marquez(&mut inner, &asked, &body),
    }
}

fn response((status, kind, body): Said) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    match kind {
        "" => (status, body).into_response(),
        kind => (status, [(header::CONTENT_TYPE, kind)], body).into_response(),
    }
}

/// As Marquez 0.51 answers.
fn marquez(inner: &mut Inner, asked: &Asked, body: &str) -> Said {
    let json_kind = "application/json";
    let say = |status: u16, value: Value| (status, json_kind, value.to_string());
    if (asked.method.as_str(), asked.path.as_str()) != ("POST", "/api/v1/lineage") {
        return say(404, json!({"code": 404, "message": "HTTP 404 Not Found"}));
    }
    if !asked.kind.starts_with(json_kind) {
        return say(415, json!({"code": 415, "message": "HTTP 415 Unsupported Media Type"}));
    }
    let Ok(event @ Value::Object(_)) = serde_json::from_str::<Value>(body) else {
        return say(500, json!({"code": 400, "message": "Unexpected character ('b' (code 98))"}));
    };
    let missing: Vec<String> = ["producer", "job", "eventTime", "run"]
        .iter()
        .filter(|key| event[**key].is_null())
        .map(|key| format!("{key} must not be null"))
        .collect();
    if !missing.is_empty() {
        return say(422, json!({"errors": missing}));
    }
    inner.events.push(event);
    (201, "", String::new())
}

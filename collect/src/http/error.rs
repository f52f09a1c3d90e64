//! The one place that knows status codes.

use std::time::Duration;

use assay_core::Fault;
use assay_door::{Unreadable, Unwhole};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::intake::{Refusal, Refused, Taken};
use crate::segment::SegmentError;

/// A client that found a full service comes back after so long.
const FULL: Duration = Duration::from_secs(5);

/// Why a request as a whole is refused.
#[derive(Debug)]
pub(super) enum Problem {
    Refused(Refusal),
    TooLarge { limit: usize },
    DamagedGzip,
    ContentType(String),
    ContentEncoding(String),
    BinaryCloudEvent,
    NoKey,
    Quota { wait: Duration },
    Busy,
    NotKept { why: String, fault: Fault },
    SlowBody,
    BrokenBody,
    Nowhere,
    NotSo,
}

#[derive(Serialize)]
struct Told<'p> {
    error: &'static str,
    message: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    byte: Option<usize>,
}

/// The status of a request whose good events are safe: `202` when all are, `207` when some were
/// refused, and that of a refused request when all were.
pub(super) fn status_of(taken: &Taken) -> StatusCode {
    let mut refused = taken.outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    match (taken.records.len(), refused.next()) {
        (_, None) => StatusCode::ACCEPTED,
        (0, Some(first)) => match refused.all(|other| other.reason == first.reason) {
            true => of_refused(first.reason),
            false => StatusCode::BAD_REQUEST,
        },
        _ => StatusCode::MULTI_STATUS,
    }
}

fn of_refused(reason: Refused) -> StatusCode {
    match reason {
        Refused::InvalidJson | Refused::Schema => StatusCode::BAD_REQUEST,
        Refused::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
    }
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Problem::Refused(refusal) => of_refused(refusal.reason),
            Problem::DamagedGzip | Problem::BrokenBody => StatusCode::BAD_REQUEST,
            Problem::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Problem::ContentType(_) | Problem::ContentEncoding(_) | Problem::BinaryCloudEvent => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Problem::NoKey => StatusCode::UNAUTHORIZED,
            Problem::Quota { .. } => StatusCode::TOO_MANY_REQUESTS,
            Problem::Busy | Problem::NotKept { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Problem::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Problem::Nowhere => StatusCode::NOT_FOUND,
            Problem::NotSo => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Problem::Refused(refusal) => refusal.reason.name(),
            Problem::TooLarge { .. } => Refused::TooLarge.name(),
            Problem::DamagedGzip => "damaged_gzip",
            Problem::ContentType(_) | Problem::BinaryCloudEvent => "content_type",
            Problem::ContentEncoding(_) => "content_encoding",
            Problem::NoKey => "no_key",
            Problem::Quota { .. } => "quota",
            Problem::Busy | Problem::NotKept { .. } => "full",
            Problem::SlowBody | Problem::BrokenBody => "body",
            Problem::Nowhere => "not_found",
            Problem::NotSo => "method",
        }
    }

    fn message(&self) -> String {
        match self {
            Problem::Refused(refusal) => refusal.detail.clone(),
            Problem::TooLarge { limit } => {
                format!("the body has more than {limit} bytes, unpacked: divide it")
            }
            Problem::DamagedGzip => "the body is no gzip, or ends too early".to_owned(),
            Problem::ContentType(found) => format!(
                "`{found}` is not taken: send application/json, application/x-ndjson, \
                 application/cloudevents+json or application/cloudevents-batch+json"
            ),
            Problem::ContentEncoding(found) => {
                format!("`{found}` is not taken: pack the body with gzip, or not at all")
            }
            Problem::BinaryCloudEvent => "CloudEvents in headers are not taken: send the whole \
                 event in the body, as application/cloudevents+json"
                .to_owned(),
            Problem::NoKey => {
                "send a key that is known here, as `Authorization: Bearer KEY`".to_owned()
            }
            Problem::Quota { .. } => {
                "you sent more than your quota: wait, and send it again".to_owned()
            }
            Problem::Busy => "too much is being taken in right now: send it again".to_owned(),
            Problem::NotKept { why, fault: Fault::Transient } => {
                format!("{why}: send it again later")
            }
            Problem::NotKept { why, fault: Fault::Permanent } => why.clone(),
            Problem::SlowBody => "the body did not come in time".to_owned(),
            Problem::BrokenBody => "the body broke off".to_owned(),
            Problem::Nowhere => "there is /collect, /health, /metrics and /openapi.json".to_owned(),
            Problem::NotSo => "POST to /collect, GET the others".to_owned(),
        }
    }

    fn wait(&self) -> Option<Duration> {
        match self {
            Problem::Quota { wait } => Some(*wait),
            Problem::Busy => Some(Duration::from_secs(1)),
            Problem::NotKept { .. } => Some(FULL),
            _ => None,
        }
    }
}

impl From<Unreadable> for Problem {
    fn from(body: Unreadable) -> Problem {
        match body {
            Unreadable::TooLarge { limit } => Problem::TooLarge { limit },
            Unreadable::Damaged => Problem::DamagedGzip,
        }
    }
}

impl From<Unwhole> for Problem {
    fn from(body: Unwhole) -> Problem {
        match body {
            Unwhole::TooLarge { limit } => Problem::TooLarge { limit },
            Unwhole::Slow => Problem::SlowBody,
            Unwhole::Broken => Problem::BrokenBody,
            Unwhole::NoRoom => Problem::Busy,
        }
    }
}

impl From<&SegmentError> for Problem {
    fn from(error: &SegmentError) -> Problem {
        // Where things are on our disk is not for clients.
        let why = match error {
            SegmentError::Full { .. } => "the backlog is full: events wait to be sent",
            _ => "events can't be kept right now",
        };
        Problem::NotKept { why: why.to_owned(), fault: error.fault() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let place = match &self {
            Problem::Refused(refusal) => Some((refusal.line, refusal.byte)),
            _ => None,
        };
        let (line, byte) = (place.map(|(line, _)| line), place.map(|(_, byte)| byte));
        let message = self.message();
        let told = Json(Told { error: self.name(), message: &message, line, byte });
        let mut answer = (self.status(), told).into_response();
        if let Some(wait) = self.wait() {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            answer.headers_mut().insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        if matches!(self, Problem::NoKey) {
            let scheme = HeaderValue::from_static("Bearer");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        answer
    }
}

pub(super) async fn nowhere() -> Problem {
    Problem::Nowhere
}

pub(super) async fn not_so() -> Problem {
    Problem::NotSo
}

//! The one place that knows status codes.

use std::time::Duration;

use assay_core::Fault;
use assay_dlq::{DlqError, ForwardError, NotMeant};
use assay_door::{Unreadable, Unwhole};
use assay_lineage::NotFound;
use assay_lineage::receive::{self, Unkept};
use assay_log::LogError;
use assay_store::{Deed, Role, StoreError};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::letters::Behind;
use crate::requests::Handled;

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Problem {
    /// Events that are not as the standard says; none of the request is kept.
    Events(Vec<receive::Fault>),
    NoJson(receive::Unreadable),
    TooLarge {
        limit: usize,
    },
    DamagedGzip,
    ContentType(String),
    ContentEncoding(String),
    /// A page in a browser sent it.
    Page,
    /// An open door was asked for by a name that is not this machine's.
    Host,
    NoKey,
    Role {
        role: Role,
        deed: Deed,
    },
    Quota {
        wait: Duration,
    },
    Busy,
    Store {
        fault: Fault,
    },
    SlowBody,
    BrokenBody,
    Question(String),
    /// Results of another tool that can't be read.
    Results(String),
    Unknown(String),
    /// What is asked for does not go with how things stand.
    Conflict(String),
    /// The log, in which dead letters are.
    Log {
        fault: Fault,
    },
    Nowhere,
    NotSo,
}

/// Faults of one answer; a client that sends thousands of wrong events needs no more.
const SHOWN: usize = 100;

#[derive(Serialize)]
struct Told<'p> {
    error: &'static str,
    message: String,
    /// Of the first event that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'p str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    events: &'p [receive::Fault],
}

/// The status of events that are kept.
pub(super) const KEPT: StatusCode = StatusCode::CREATED;

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Problem::Events(_)
            | Problem::NoJson(_)
            | Problem::DamagedGzip
            | Problem::BrokenBody
            | Problem::Results(_)
            | Problem::Question(_) => StatusCode::BAD_REQUEST,
            Problem::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Problem::ContentType(_) | Problem::ContentEncoding(_) => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Problem::NoKey => StatusCode::UNAUTHORIZED,
            Problem::Page | Problem::Host | Problem::Role { .. } => StatusCode::FORBIDDEN,
            Problem::Quota { .. } => StatusCode::TOO_MANY_REQUESTS,
            Problem::Conflict(_) => StatusCode::CONFLICT,
            Problem::Busy
            | Problem::Store { fault: Fault::Transient }
            | Problem::Log { fault: Fault::Transient } => StatusCode::SERVICE_UNAVAILABLE,
            Problem::Store { fault: Fault::Permanent }
            | Problem::Log { fault: Fault::Permanent } => StatusCode::INTERNAL_SERVER_ERROR,
            Problem::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Problem::Unknown(_) | Problem::Nowhere => StatusCode::NOT_FOUND,
            Problem::NotSo => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Problem::Events(_) => "schema",
            Problem::NoJson(_) => "invalid_json",
            Problem::TooLarge { .. } => "too_large",
            Problem::DamagedGzip => "damaged_gzip",
            Problem::ContentType(_) => "content_type",
            Problem::ContentEncoding(_) => "content_encoding",
            Problem::Page => "origin",
            Problem::Host => "host",
            Problem::NoKey => "no_key",
            Problem::Role { .. } => "role",
            Problem::Quota { .. } => "quota",
            Problem::Busy => "busy",
            Problem::Store { .. } => "store",
            Problem::SlowBody | Problem::BrokenBody => "body",
            Problem::Question(_) => "question",
            Problem::Results(_) => "results",
            Problem::Unknown(_) => "unknown",
            Problem::Conflict(_) => "conflict",
            Problem::Log { .. } => "log",
            Problem::Nowhere => "not_found",
            Problem::NotSo => "method",
        }
    }

    fn message(&self) -> String {
        match self {
            Problem::Events(faults) => {
                let first = faults.first().map_or_else(String::new, |fault| {
                    format!("event {}: {} {}", fault.index, fault.path, fault.rule)
                });
                let more = faults.len().saturating_sub(1);
                let more = if more > 0 { format!(", and {more} more") } else { String::new() };
                format!("nothing was kept: {first}{more}")
            }
            Problem::NoJson(unreadable) => unreadable.to_string(),
            Problem::TooLarge { limit } => {
                format!("the body has more than {limit} bytes, unpacked: divide it")
            }
            Problem::DamagedGzip => "the body is no gzip, or ends too early".to_owned(),
            Problem::ContentType(found) => {
                format!("`{found}` is not taken: send application/json")
            }
            Problem::ContentEncoding(found) => {
                format!("`{found}` is not taken: pack the body with gzip, or not at all")
            }
            Problem::Page => "what a page in a browser sends is not taken".to_owned(),
            Problem::Host => "without keys only requests to localhost or an address of numbers \
                              are answered: use one, or make a key with `assay keys create`"
                .to_owned(),
            Problem::NoKey => {
                "send a key that is known here, as `Authorization: Bearer KEY`".to_owned()
            }
            Problem::Role { role, deed } => {
                let deed = match deed {
                    Deed::Look => "look",
                    Deed::Send => "send events",
                    Deed::Change => "change anything",
                    Deed::Reveal => "see what contracts show to few",
                };
                format!("a key of a {role} may not {deed}: make one of another role")
            }
            Problem::Quota { .. } => {
                "you sent more than your quota: wait, and send it again".to_owned()
            }
            Problem::Busy => "too much is being taken in right now: send it again".to_owned(),
            Problem::Store { fault: Fault::Transient } => {
                "the store does not answer right now: send it again later".to_owned()
            }
            Problem::Store { fault: Fault::Permanent } => {
                "the store can't be used: what is wrong stands in the sidecar's log".to_owned()
            }
            Problem::SlowBody => "the body did not come in time".to_owned(),
            Problem::BrokenBody => "the body broke off".to_owned(),
            Problem::Log { fault: Fault::Transient } => {
                "the log does not answer right now: ask again later".to_owned()
            }
            Problem::Log { fault: Fault::Permanent } => {
                "the log can't be used: what is wrong stands in the sidecar's log lines".to_owned()
            }
            Problem::Question(why)
            | Problem::Results(why)
            | Problem::Unknown(why)
            | Problem::Conflict(why) => why.clone(),
            Problem::Nowhere => {
                "there is nothing here: /openapi.json lists what there is".to_owned()
            }
            Problem::NotSo => "another method is meant: see /openapi.json".to_owned(),
        }
    }

    fn wait(&self) -> Option<Duration> {
        match self {
            Problem::Quota { wait } => Some(*wait),
            Problem::Busy
            | Problem::Store { fault: Fault::Transient }
            | Problem::Log { fault: Fault::Transient } => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        // Where things are on our disk is not for clients.
        tracing::error!(%error, "a request could not be answered");
        Problem::Store { fault: error.fault() }
    }
}

impl From<DlqError> for Problem {
    fn from(error: DlqError) -> Problem {
        match error {
            // Where that log is, is not for clients.
            DlqError::Index(StoreError::Elsewhere { .. }) => Problem::Conflict(
                "the dead letters of this store are in the log of another host: ask there"
                    .to_owned(),
            ),
            DlqError::Index(error) => error.into(),
            DlqError::Log { source: LogError::UnknownTopic { topic, .. }, .. } => {
                Problem::Unknown(format!("topic `{topic}` is not in the log"))
            }
            error => {
                tracing::error!(%error, "a request about dead letters could not be answered");
                Problem::Log { fault: error.fault() }
            }
        }
    }
}

impl From<Behind> for Problem {
    fn from(behind: Behind) -> Problem {
        match behind {
            Behind::Busy => Problem::Busy,
            Behind::Letters(error) => error.into(),
        }
    }
}

impl From<NotMeant> for Problem {
    fn from(error: NotMeant) -> Problem {
        match error {
            NotMeant::Letters(error) => error.into(),
            other => Problem::Question(other.to_string()),
        }
    }
}

impl From<ForwardError> for Problem {
    fn from(error: ForwardError) -> Problem {
        match error {
            ForwardError::Letters(error) => error.into(),
            other => Problem::Question(other.to_string()),
        }
    }
}

impl From<NotFound> for Problem {
    fn from(error: NotFound) -> Problem {
        match error {
            NotFound::Store(error) => error.into(),
            other => Problem::Unknown(other.to_string()),
        }
    }
}

impl From<Unkept> for Problem {
    fn from(error: Unkept) -> Problem {
        match error {
            Unkept::Busy | Unkept::Ending => Problem::Busy,
            Unkept::Store(_) => Problem::Store { fault: error.fault() },
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

impl From<Unreadable> for Problem {
    fn from(body: Unreadable) -> Problem {
        match body {
            Unreadable::TooLarge { limit } => Problem::TooLarge { limit },
            Unreadable::Damaged => Problem::DamagedGzip,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let faults: &[receive::Fault] = match &self {
            Problem::Events(faults) => &faults[..faults.len().min(SHOWN)],
            _ => &[],
        };
        let told = Told {
            error: self.name(),
            message: self.message(),
            path: faults.first().map(|fault| fault.path.as_str()),
            rule: faults.first().map(|fault| fault.rule.as_str()),
            events: faults,
        };
        let mut answer = (self.status(), Json(told)).into_response();
        if let Problem::Events(faults) = &self {
            let handled = Handled { received: faults.len(), kept: 0 };
            answer.extensions_mut().insert(handled);
        }
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

//! One call to the server, and what its answer means.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde_json::Value;

use crate::http::{Answer, Client, Method, Request, excerpt};
use crate::target::{Refusal, plain_meaning};

/// What the server did not do, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// What the call names is not there.
    NotFound(String),
    /// It is there already, or another call makes it at this moment.
    Exists(String),
    /// The server does not take the body.
    Bad(String),
    /// This version has no such call.
    NoSuchCall(String),
    Other(Refusal),
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Refusal {
        match trouble {
            // It was deleted again and again, or a parent is missing: that may change.
            Trouble::NotFound(why) | Trouble::Exists(why) => Refusal::Failed(why),
            Trouble::Bad(why) | Trouble::NoSuchCall(why) => Refusal::Refused(why),
            Trouble::Other(refusal) => refusal,
        }
    }
}

/// A call that changed the server, or would have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `create`, `change`, `connect`, `status` or `result`.
    pub what: &'static str,
    pub kind: String,
    pub name: String,
}

/// In what newer servers differ, as far as this one has said.
#[derive(Debug, Default)]
pub(super) struct Dialect {
    /// A test case names no suite.
    pub(super) no_suite: AtomicBool,
    /// Results are posted.
    pub(super) posts_results: AtomicBool,
    /// What has one owner in the older ones has several.
    pub(super) owners: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct Api {
    /// Ends in `/api/v1`.
    pub(super) base: String,
    pub(super) client: Client,
    pub(super) dialect: Dialect,
    /// Nothing is changed, only noted.
    pub(super) dry: AtomicBool,
    pub(super) changes: Mutex<Vec<Change>>,
}

impl Api {
    pub(super) fn new(url: &str, client: Client) -> Api {
        let url = url.trim().trim_end_matches('/');
        let root = url.strip_suffix("/v1").unwrap_or(url);
        let root = root.strip_suffix("/api").unwrap_or(root);
        Api {
            base: format!("{root}/api/v1"),
            client,
            dialect: Dialect::default(),
            dry: AtomicBool::new(false),
            changes: Mutex::default(),
        }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Trouble> {
        let url = format!("{}{path}", self.base);
        let answer = self.client.send(Request::get(&url)).await;
        meaning(&answer.map_err(|none| Trouble::Other(none.into()))?)
    }

    /// Changes something, unless nothing is to be changed.
    pub(super) async fn change(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
        change: Change,
    ) -> Result<Value, Trouble> {
        if !self.dry.load(Ordering::Relaxed) {
            let body = serde_json::to_vec(body).map_err(|e| Trouble::Bad(e.to_string()))?;
            let url = format!("{}{path}", self.base);
            let kind = match method {
                Method::PATCH => "application/json-patch+json",
                _ => "application/json",
            };
            let request = Request { kind, ..Request::json(method, &url, body) };
            let answer = self.client.send(request).await;
            let value = meaning(&answer.map_err(|none| Trouble::Other(none.into()))?)?;
            self.note(change);
            return Ok(value);
        }
        self.note(change);
        Ok(Value::Null)
    }

    fn note(&self, change: Change) {
        if let Ok(mut changes) = self.changes.lock() {
            // A courier lives long, and nobody asks it.
            if changes.len() < 10_000 {
                changes.push(change);
            }
        }
    }
}

/// What an answer means. Its server hides several statuses in others.
pub(super) fn meaning(answer: &Answer) -> Result<Value, Trouble> {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
    let text = ["message", "responseMessage"].iter().find_map(|key| body[*key].as_str());
    let said = format!("it answered {}: {}", answer.status, excerpt(text.unwrap_or(&answer.body)));
    let text = text.unwrap_or_default();
    match answer.status {
        // A PUT of lineage is answered with nothing at all.
        200..=299 if answer.body.trim().is_empty() => Ok(Value::Null),
        200..=299 if answer.kind == "application/json" && !body.is_null() => Ok(body),
        200..=299 if !answer.page() => Err(Trouble::Other(Refusal::Failed(format!(
            "it answered {} with what is no JSON: {}",
            answer.status,
            answer.excerpt()
        )))),
        // Of a token whose user was deleted.
        404 if text.starts_with("user instance for") => {
            Err(Trouble::Other(Refusal::Unauthorized(said)))
        }
        404 if answer.kind == "application/json" && !text.starts_with("HTTP 404") => {
            Err(Trouble::NotFound(said))
        }
        404 | 405 | 415 if answer.kind == "application/json" => Err(Trouble::NoSuchCall(said)),
        409 => Err(Trouble::Exists(said)),
        412 => Err(Trouble::Other(Refusal::Failed(said))),
        400 | 406 | 413 | 422 if !answer.page() => Err(Trouble::Bad(said)),
        500 if text.contains("JWT Token keyID") => Err(Trouble::Other(Refusal::Unauthorized(said))),
        500 if ["[HTTP 404", "[HTTP 405", "[HTTP 406", "[HTTP 415"]
            .iter()
            .any(|is| text.contains(is)) =>
        {
            Err(Trouble::NoSuchCall(said))
        }
        _ => match plain_meaning(answer) {
            Ok(()) => Ok(body),
            Err(refusal) => Err(Trouble::Other(refusal)),
        },
    }
}

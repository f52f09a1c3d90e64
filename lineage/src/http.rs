//! One request and its answer, whatever the server does.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use assay_core::{Clock, TraceContext};
use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
pub use reqwest::{Method, StatusCode};

/// More than any answer that makes sense: a page of 2,000 columns takes 230 kB.
const LONGEST_ANSWER: usize = 16 << 20;

/// Shorter ones than this are none that keep anybody out.
const SHORTEST_SECRET: usize = 8;

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

tokio::task_local! {
    /// What is being delivered is part of it.
    static TRACE: Option<TraceContext>;
}

/// Does `work`; what it asks servers carries the trace.
pub(crate) async fn within<F: Future>(trace: Option<TraceContext>, work: F) -> F::Output {
    TRACE.scope(trace, work).await
}

/// What a server knows us by. It is in no message and in no log line.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    None,
    Text(String),
    /// Read before each request, so that one that was renewed counts at once.
    File(PathBuf),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credential::None => "none",
            Credential::Text(_) => "(secret)",
            Credential::File(_) => "(secret, in a file)",
        })
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NoAnswer {
    #[error("can't be reached: {0}")]
    Unreachable(String),
    #[error("did not answer within {0} s")]
    TimedOut(f64),
    #[error("broke off: {0}")]
    BrokenOff(String),
    #[error("the secret can't be read: {0}")]
    Secret(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The content type, without its parameters; empty when there is none.
    pub kind: String,
    pub retry_after: Option<Duration>,
    /// Where a redirection points to.
    pub location: Option<String>,
    pub body: String,
}

impl Answer {
    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it is a page for people, where none was asked for. Some do not say so.
    pub fn page(&self) -> bool {
        let start = self.body.trim_start().get(..14).unwrap_or_default().to_ascii_lowercase();
        ["text/html", "application/xhtml+xml"].contains(&self.kind.as_str())
            || start == "<!doctype html"
            || start.starts_with("<html")
    }

    /// The start of the body, in one line.
    pub fn excerpt(&self) -> String {
        excerpt(&self.body)
    }
}

/// At most 300 characters of what a server says, in one line.
pub(crate) fn excerpt(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut short: String = text.chars().take(300).map(plain).collect();
    if text.chars().nth(300).is_some() {
        short.push('…');
    }
    short.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Asks servers. Connections are kept.
#[derive(Clone)]
pub struct Client {
    inner: reqwest::Client,
    credential: Credential,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    answers: Arc<AtomicU64>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("credential", &self.credential).finish_non_exhaustive()
    }
}

impl Client {
    /// `timeout` is for a whole request, its answer included.
    pub fn new(
        credential: Credential,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Client, NoAnswer> {
        let inner = reqwest::Client::builder()
            .connect_timeout(CONNECT.min(timeout))
            .timeout(timeout)
            // A redirection of a PUT leads to the page of a login.
            .redirect(Policy::none())
            .user_agent(concat!("assay/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| NoAnswer::Unreachable(causes(&error)))?;
        let answers = Arc::default();
        Ok(Client { inner, credential, timeout, clock, answers })
    }

    /// How often the server has answered, whatever it said.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    pub async fn send(&self, request: Request<'_>) -> Result<Answer, NoAnswer> {
        let secret = self.secret().await?;
        let mut asked = self.inner.request(request.method, request.url);
        if let Some(secret) = &secret {
            asked = asked.header(AUTHORIZATION, format!("Bearer {secret}"));
        }
        if let Some(body) = request.body {
            asked = asked.header(CONTENT_TYPE, request.kind).body(body);
        }
        if request.gzip {
            asked = asked.header(CONTENT_ENCODING, "gzip");
        }
        let trace = TRACE.try_with(Clone::clone).ok().flatten();
        for (name, value) in trace.iter().flat_map(TraceContext::headers) {
            asked = asked.header(name, value);
        }
        let mut answer = asked.send().await.map_err(|error| self.no_answer(error))?;
        self.answers.fetch_add(1, Ordering::Relaxed);
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let kind = header(CONTENT_TYPE).and_then(|kind| kind.split(';').next());
        let kind = kind.unwrap_or_default().trim().to_ascii_lowercase();
        let retry_after = header(RETRY_AFTER).and_then(|value| wait(value, self.clock.now()));
        let location = header(LOCATION).map(plain_address);
        let status = answer.status().as_u16();
        let mut body = vec![];
        while let Some(part) = answer.chunk().await.map_err(|error| self.no_answer(error))? {
            body.extend_from_slice(&part);
            if body.len() > LONGEST_ANSWER {
                return Err(NoAnswer::BrokenOff("its answer is longer than 16 MB".to_owned()));
            }
        }
        let mut body = String::from_utf8_lossy(&body).into_owned();
        if let Some(secret) = secret {
            body = without(&secret, body);
        }
        Ok(Answer { status, kind, retry_after, location, body })
    }

    async fn secret(&self) -> Result<Option<String>, NoAnswer> {
        match &self.credential {
            Credential::None => Ok(None),
            Credential::Text(text) => Ok(Some(text.clone())),
            Credential::File(path) => {
                let read = tokio::fs::read_to_string(path).await;
                let text =
                    read.map_err(|e| NoAnswer::Secret(format!("{}: {e}", path.display())))?;
                Ok(Some(text.trim().to_owned()))
            }
        }
    }

    fn no_answer(&self, error: reqwest::Error) -> NoAnswer {
        // An address may hold a password.
        let error = error.without_url();
        if error.is_timeout() && !error.is_connect() {
            return NoAnswer::TimedOut(self.timeout.as_secs_f64());
        }
        match error.is_connect() || error.is_builder() {
            true => NoAnswer::Unreachable(causes(&error)),
            false => NoAnswer::BrokenOff(causes(&error)),
        }
    }
}

/// What is asked of a server.
#[derive(Debug)]
pub struct Request<'a> {
    pub method: Method,
    pub url: &'a str,
    pub kind: &'a str,
    pub body: Option<Vec<u8>>,
    pub gzip: bool,
}

impl<'a> Request<'a> {
    pub fn get(url: &'a str) -> Request<'a> {
        Request { method: Method::GET, url, kind: "", body: None, gzip: false }
    }

    pub fn json(method: Method, url: &'a str, body: Vec<u8>) -> Request<'a> {
        Request { method, url, kind: "application/json", body: Some(body), gzip: false }
    }
}

/// What a server said, which may be what it was asked.
fn without(secret: &str, text: String) -> String {
    // A short one is a word that stands elsewhere, too.
    let said = secret.len() >= SHORTEST_SECRET && text.contains(secret);
    if said { text.replace(secret, "(secret)") } else { text }
}

/// An address without what may be a secret: a user, and what is asked.
fn plain_address(address: &str) -> String {
    let address = address.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = address.split_once("//").map_or(("", address), |(s, rest)| (s, rest));
    let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let slashes = if address.contains("//") { "//" } else { "" };
    let path = path.map_or(String::new(), |path| format!("/{path}"));
    excerpt(&format!("{scheme}{slashes}{host}{path}"))
}

/// `Retry-After`: seconds, or a date.
fn wait(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds.min(86_400)));
    }
    let until = DateTime::parse_from_rfc2822(value.trim()).ok()?;
    Some(
        (until.with_timezone(&Utc) - now)
            .to_std()
            .unwrap_or_default()
            .min(Duration::from_secs(86_400)),
    )
}

/// An error and what caused it, each thing said once.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    excerpt(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_in_seconds_or_until_a_date_and_never_longer_than_a_day() {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let of = |value| wait(value, now).map(|wait| wait.as_secs());
        assert_eq!(of("7"), Some(7));
        assert_eq!(of("Sat, 21 Nov 2026 12:01:30 GMT"), Some(90));
        assert_eq!(of("Sat, 21 Nov 2026 11:00:00 GMT"), Some(0));
        assert_eq!(of("99999999999"), Some(86_400));
        assert_eq!(of("soon"), None);
    }

    #[test]
    fn an_address_is_told_without_what_may_be_a_secret() {
        for (said, told) in [
            ("https://u:SECRET@h:1/login?token=SECRET#SECRET", "https://h:1/login"),
            ("/login?next=SECRET", "/login"),
            ("https://h", "https://h"),
            ("//u@h/a@b", "//h/a@b"),
        ] {
            assert_eq!(plain_address(said), told);
        }
    }

    #[test]
    fn a_page_is_known_by_its_kind_or_its_beginning() {
        let page = |kind: &str, body: &str| {
            let (kind, body) = (kind.to_owned(), body.to_owned());
            Answer { status: 200, kind, retry_after: None, location: None, body }.page()
        };
        assert!(page("text/html", "") && page("application/xhtml+xml", ""));
        assert!(page("", "\n<html>login</html>") && page("text/plain", "<!DOCTYPE html><p>"));
        assert!(!page("", "") && !page("application/json", "{}") && !page("", "ok: <html> is odd"));
    }

    #[test]
    fn what_a_server_says_is_one_short_line_and_a_secret_is_said_by_nobody() {
        assert_eq!(excerpt("a\n b\u{7}c"), "a b c");
        assert_eq!(excerpt(&"ä".repeat(400)).chars().count(), 301);
        let secret = format!("{:?}", Credential::Text("hunter2".to_owned()));
        assert_eq!(secret, "(secret)");
        let said = "no: Bearer hunter2-hunter2".to_owned();
        assert_eq!(without("hunter2-hunter2", said), "no: Bearer (secret)");
        assert_eq!(without("no", "no".to_owned()), "no");
    }
}

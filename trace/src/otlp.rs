//! Requests of OTLP over HTTP, as protobuf.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prost::Message;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;

/// Attempts of one request, and the pause before the second; it doubles.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// Why nothing can be exported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoExport {
    #[error("`{0}` is no header: write a name and a text without line breaks")]
    Header(String),
    #[error("no client for OTLP: {0}")]
    Client(String),
}

/// One receiver.
#[derive(Debug)]
pub struct Otlp {
    client: reqwest::Client,
    headers: HeaderMap,
    /// The last request came to nothing, and that was said.
    away: AtomicBool,
}

/// Why a request came to nothing.
enum Failed {
    /// It may go well the next time.
    Away(String),
    Refused(String),
}

impl Otlp {
    /// `timeout` is for a whole request.
    pub fn new(headers: &[(String, String)], timeout: Duration) -> Result<Otlp, NoExport> {
        let client = reqwest::Client::builder()
            .connect_timeout(timeout)
            .timeout(timeout)
            .redirect(Policy::none())
            .user_agent(concat!("assay/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| NoExport::Client(error.to_string()))?;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let odd = || NoExport::Header(name.clone());
            let header = HeaderName::try_from(name.as_str()).map_err(|_| odd())?;
            let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| odd())?;
            value.set_sensitive(true);
            map.insert(header, value);
        }
        Ok(Otlp { client, headers: map, away: AtomicBool::new(false) })
    }

    /// Sends it, and says once when that does not work, and once when it works again.
    pub(crate) async fn send(&self, what: &'static str, url: &str, message: &impl Message) -> bool {
        let body = message.encode_to_vec();
        match self.persist(url, &body).await {
            Ok(()) => {
                if self.away.swap(false, Ordering::Relaxed) {
                    tracing::info!(what, "exported again over OTLP");
                }
                true
            }
            Err(Failed::Away(error) | Failed::Refused(error)) => {
                if !self.away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        what,
                        error,
                        "not exported over OTLP, and lost; the work goes on. Is `otlp.endpoint` \
                         the address of an OTLP receiver over HTTP?"
                    );
                }
                false
            }
        }
    }

    async fn persist(&self, url: &str, body: &[u8]) -> Result<(), Failed> {
        let mut pause = PAUSE;
        // One that was away is asked once: others wait for what is behind.
        let attempts = if self.away.load(Ordering::Relaxed) { 1 } else { ATTEMPTS };
        for _ in 1..attempts {
            match self.post(url, body).await {
                Err(Failed::Away(_)) => tokio::time::sleep(pause).await,
                outcome => return outcome,
            }
            pause *= 2;
        }
        self.post(url, body).await
    }

    async fn post(&self, url: &str, body: &[u8]) -> Result<(), Failed> {
        let asked = self
            .client
            .post(url)
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(body.to_vec());
        // An address may hold a password.
        let answer = asked.send().await.map_err(|e| Failed::Away(causes(&e.without_url())))?;
        let status = answer.status();
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Err(Failed::Away(format!("it answered {status}"))),
            status => Err(Failed::Refused(format!("it answered {status}"))),
        }
    }
}

/// An error and what caused it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

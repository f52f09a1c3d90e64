use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Of an answer that refuses, so many bytes are read.
const LONGEST_ANSWER: usize = 4096;

/// Where a Pushgateway is, and how long it may take for one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    host: String,
    port: u16,
    /// What its paths begin with, behind a proxy.
    prefix: String,
    limit: Duration,
}

/// The address is none of a Pushgateway.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the address of a Pushgateway: write http://HOST:PORT")]
pub struct NoGateway(String);

/// Why a push did not get there. All of them may work the next time, with the newest totals.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GatewayError {
    #[error("the Pushgateway at {at} can't be reached: {why}")]
    Unreachable { at: String, why: String },
    #[error("the Pushgateway at {at} did not answer within {seconds} s")]
    Slow { at: String, seconds: f64 },
    #[error("the Pushgateway at {at} answered {status}: {why}")]
    Refused { at: String, status: u16, why: String },
}

impl Gateway {
    pub fn new(url: &str, limit: Duration) -> Result<Gateway, NoGateway> {
        let wrong = || NoGateway(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let (Some("http"), Some(authority), None) = (uri.scheme_str(), authority, uri.query())
        else {
            return Err(wrong());
        };
        // What stands for a port and is none would else be 80.
        if authority.port_u16().is_none() && authority.as_str() != authority.host() {
            return Err(wrong());
        }
        Ok(Gateway {
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: authority.port_u16().unwrap_or(80),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            limit,
        })
    }

    /// How long one answer may take.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Replaces a group.
    pub(super) async fn put(&self, path: &str, text: String) -> Result<(), GatewayError> {
        self.send(Method::PUT, path, text).await
    }

    /// Deletes a group; one that is not there is no failure.
    pub(super) async fn delete(&self, path: &str) -> Result<(), GatewayError> {
        self.send(Method::DELETE, path, String::new()).await
    }

    async fn send(&self, method: Method, path: &str, text: String) -> Result<(), GatewayError> {
        let slow = || GatewayError::Slow { at: self.at(), seconds: self.limit.as_secs_f64() };
        let answer = tokio::time::timeout(self.limit, self.ask(method, path, text));
        let (status, body) = answer.await.map_err(|_| slow())??;
        if status.is_success() {
            return Ok(());
        }
        let why = body.lines().next().unwrap_or_default().to_owned();
        Err(GatewayError::Refused { at: self.at(), status: status.as_u16(), why })
    }

    /// One request on a connection of its own, which goes when this is dropped.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        text: String,
    ) -> Result<(StatusCode, String), GatewayError> {
        let unreachable = |why: String| GatewayError::Unreachable { at: self.at(), why };
        let stream = TcpStream::connect((self.host.as_str(), self.port));
        let stream = stream.await.map_err(|error| unreachable(error.to_string()))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.prefix))
            .header(HOST, self.at())
            .header(CONTENT_TYPE, crate::CONTENT_TYPE)
            .body(Full::new(Bytes::from(text)))
            .map_err(|error| unreachable(error.to_string()))?;
        let exchange = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        };
        let exchanged: Result<_, hyper::Error> = tokio::select! {
            answer = exchange => answer,
            // It ends with the answer, or with what went wrong; the answer is asked for first.
            Err(error) = connection => Err(error),
        };
        exchanged.map_err(|error| unreachable(error.to_string()))
    }

    fn at(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Gateway;

    #[test]
    fn an_address_is_plain_http_with_a_host() {
        let gateway = |url| Gateway::new(url, Duration::from_secs(1));
        assert_eq!(gateway("http://push:9091").unwrap().at(), "push:9091");
        assert_eq!(gateway("http://[::1]:9091/").unwrap().at(), "[::1]:9091");
        assert_eq!(gateway("http://proxy/push/").unwrap().prefix, "/push");
        for wrong in ["push:9091", "https://push", "http://me:secret@push", "http://", "http://a?b"]
        {
            let error = gateway(wrong).unwrap_err().to_string();
            assert!(error.contains("write http://HOST:PORT"), "{error}");
        }
    }
}

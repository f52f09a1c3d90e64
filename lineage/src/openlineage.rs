//! An endpoint that takes OpenLineage events, such as Marquez.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use assay_core::Clock;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::http::{Answer, Client, Credential, Method, NoAnswer, Request};
use crate::target::{Refusal, plain_meaning};

/// Where events go when only the server is named.
const PATH: &str = "/api/v1/lineage";

/// One endpoint.
#[derive(Debug)]
pub struct OpenLineage {
    pub name: String,
    url: String,
    gzip: bool,
    client: Client,
}

impl OpenLineage {
    /// `url` is a server, or the whole address of its endpoint.
    pub fn new(
        name: String,
        url: &str,
        credential: Credential,
        gzip: bool,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<OpenLineage, NoAnswer> {
        let url = endpoint(url);
        Ok(OpenLineage { name, url, gzip, client: Client::new(credential, timeout, clock)? })
    }

    pub(crate) fn answers(&self) -> u64 {
        self.client.answers()
    }

    pub(crate) async fn deliver(&self, event: &Value) -> Result<(), Refusal> {
        let text = event.to_string().into_bytes();
        let body = if self.gzip { packed(&text)? } else { text };
        let request = Request::json(Method::POST, &self.url, body);
        let request = Request { gzip: self.gzip, ..request };
        meaning(&self.client.send(request).await?)
    }
}

/// The address that events are posted to.
fn endpoint(url: &str) -> String {
    let url = url.trim().trim_end_matches('/');
    let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    match path {
        Some((_, path)) if path.ends_with("lineage") || path.contains('?') => url.to_owned(),
        Some((_, "api/v1")) => format!("{url}/lineage"),
        _ => format!("{url}{PATH}"),
    }
}

fn packed(text: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut encoder = GzEncoder::new(vec![], Compression::fast());
    let packed = encoder.write_all(text).and_then(|()| encoder.finish());
    packed.map_err(|error| Refusal::Failed(format!("it can't be packed: {error}")))
}

/// Marquez answers an event that it can't read with status 500 and the code 400 in the body.
fn meaning(answer: &Answer) -> Result<(), Refusal> {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
    if answer.status == 500 && body["code"].as_u64().is_some_and(|code| (400..500).contains(&code))
    {
        return Err(Refusal::Refused(format!("it can't read the event: {}", answer.excerpt())));
    }
    plain_meaning(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_or_the_whole_address_of_its_endpoint_is_named() {
        for (url, posted) in [
            ("http://marquez:5000", "http://marquez:5000/api/v1/lineage"),
            ("http://marquez:5000/", "http://marquez:5000/api/v1/lineage"),
            ("http://marquez:5000/api/v1/", "http://marquez:5000/api/v1/lineage"),
            ("https://h/marquez", "https://h/marquez/api/v1/lineage"),
            (
                "https://h/openapi/openlineage/api/v1/lineage",
                "https://h/openapi/openlineage/api/v1/lineage",
            ),
        ] {
            assert_eq!(endpoint(url), posted);
        }
    }

    fn answer(status: u16, kind: &str, body: &str) -> Answer {
        let (kind, body) = (kind.to_owned(), body.to_owned());
        Answer { status, kind, retry_after: None, location: None, body }
    }

    #[test]
    fn what_marquez_answers_is_taken_as_it_is_meant() {
        let json = "application/json";
        assert_eq!(meaning(&answer(201, "", "")), Ok(()));
        let missing = r#"{"errors":["run must not be null"]}"#;
        let refused =
            |status, body| matches!(meaning(&answer(status, json, body)), Err(Refusal::Refused(_)));
        assert!(refused(422, missing));
        assert!(refused(500, r#"{"code":400,"message":"Unexpected character ('b' (code 98))"}"#));
        let own = r#"{"code":500,"message":"There was an error processing your request. It has been logged (ID 3b9c0aaeccce94f8)."}"#;
        assert!(matches!(meaning(&answer(500, json, own)), Err(Refusal::Failed(_))));
        let nowhere = r#"{"code":404,"message":"HTTP 404 Not Found"}"#;
        let Err(Refusal::Away { why, .. }) = meaning(&answer(404, json, nowhere)) else { panic!() };
        assert!(why.contains("is `url` the address"), "{why}");
        let page = answer(200, "text/html", "<!doctype html>");
        assert!(matches!(meaning(&page), Err(Refusal::Away { .. })));
    }
}

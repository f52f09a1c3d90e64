//! Recordings of a server: what it was asked and what it answered, as text that people can read.

mod questions;

use std::fmt::Write as _;

use serde_json::Value;

use self::questions::{QUESTIONS, Question};
use super::OpenMetadata;
use crate::http::{Method, NoAnswer, Request};

/// One call, and its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exchange {
    pub title: String,
    pub method: String,
    /// Path and query.
    pub path: String,
    /// What was sent.
    pub sent: String,
    pub status: u16,
    pub kind: String,
    pub answered: String,
}

impl OpenMetadata {
    /// Asks the server what we ask servers, in services called `assay_recording`, which are deleted
    /// again at the end. The token is in none of it.
    pub async fn record(
        &self,
        mut heard: impl FnMut(&Exchange),
    ) -> Result<Vec<Exchange>, NoAnswer> {
        let (mut ids, mut exchanges) = (Ids::default(), vec![]);
        for question in QUESTIONS {
            let exchange = match self.ask(question, &ids).await {
                Ok(exchange) => exchange,
                Err(none) => {
                    self.delete_all(&ids).await;
                    return Err(none);
                }
            };
            ids.learn(&exchange);
            heard(&exchange);
            exchanges.push(exchange);
        }
        Ok(exchanges)
    }

    async fn ask(&self, question: &Question, ids: &Ids) -> Result<Exchange, NoAnswer> {
        let (title, method, path, body) = question;
        let (path, sent) = (ids.fill(path), ids.fill(body));
        let url = format!("{}{path}", self.api.base.trim_end_matches("/api/v1"));
        let method_of = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
        let kind =
            if *method == "PATCH" { "application/json-patch+json" } else { "application/json" };
        let body = (!sent.is_empty()).then(|| sent.clone().into_bytes());
        let request = Request { method: method_of, url: &url, kind, body, gzip: false };
        let answer = self.api.client.send(request).await?;
        Ok(Exchange {
            title: (*title).to_owned(),
            method: (*method).to_owned(),
            path,
            sent,
            status: answer.status,
            kind: answer.kind,
            answered: answer.body,
        })
    }

    /// Deletes what a recording has made that broke off, as far as the server lets it.
    async fn delete_all(&self, ids: &Ids) {
        for question in QUESTIONS.iter().filter(|(_, method, ..)| *method == "DELETE") {
            // What was not made has no id.
            if !ids.fill(question.2).contains('{')
                && let Err(error) = self.ask(question, ids).await
            {
                tracing::warn!(%error, path = ids.fill(question.2), "delete it by hand");
            }
        }
    }
}

/// What the server called the entities that it was told to make.
#[derive(Default)]
struct Ids(Vec<(String, String)>);

impl Ids {
    fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
    }

    fn learn(&mut self, exchange: &Exchange) {
        let value: Value = serde_json::from_str(&exchange.answered).unwrap_or(Value::Null);
        if let Some(id) = value["id"].as_str() {
            self.0.push((format!("{{{}}}", exchange.title), id.to_owned()));
        }
    }
}

/// A recording that answers as the server did.
#[derive(Debug, Default)]
pub struct Recording {
    exchanges: Vec<(Exchange, bool)>,
}

impl Recording {
    pub fn new(exchanges: Vec<Exchange>) -> Recording {
        Recording { exchanges: exchanges.into_iter().map(|exchange| (exchange, false)).collect() }
    }

    /// The answer to a call: first one of the same body, then the first that was not given yet, then
    /// the last one.
    pub fn answer(&mut self, method: &str, path: &str, body: &str) -> Option<Exchange> {
        let value = |text: &str| serde_json::from_str::<Value>(text).ok();
        let wanted = value(body);
        let same = |exchange: &Exchange| exchange.method == method && exchange.path == path;
        let alike = |exchange: &Exchange| same(exchange) && value(&exchange.sent) == wanted;
        let place = self.exchanges.iter().position(|(e, given)| !given && alike(e));
        let place = place.or_else(|| self.exchanges.iter().rposition(|(e, _)| alike(e)));
        let place =
            place.or_else(|| self.exchanges.iter().position(|(e, given)| !given && same(e)));
        let place = place.or_else(|| self.exchanges.iter().rposition(|(e, _)| same(e)))?;
        self.exchanges[place].1 = true;
        Some(self.exchanges[place].0.clone())
    }
}

impl Exchange {
    /// As it stands in a recording.
    pub fn written(&self) -> String {
        let mut text = format!("### {}\n```\n{} {}\n", self.title, self.method, self.path);
        if !self.sent.is_empty() {
            let _ = writeln!(text, "{}", self.sent);
        }
        let kind = if self.kind.is_empty() { "None" } else { &self.kind };
        let (status, size) = (self.status, self.answered.len());
        let _ =
            writeln!(text, "```\n→ **{status}** `{kind}` {size} B\n```\n{}\n```\n", self.answered);
        text
    }
}

/// Reads a recording; what is between the calls is for people.
pub fn parse_recording(text: &str) -> Vec<Exchange> {
    let mut exchanges = vec![];
    for part in text.split("\n### ").skip(1) {
        let mut lines = part.lines();
        let title = lines.next().unwrap_or_default().to_owned();
        let mut lines = lines.skip_while(|line| !line.starts_with("```")).skip(1);
        let Some((method, path)) = lines.next().and_then(|line| line.split_once(' ')) else {
            continue;
        };
        let sent: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
        let Some(head) = lines.by_ref().find(|line| line.starts_with("→ **")) else { continue };
        let status = head.split("**").nth(1).and_then(|status| status.parse().ok());
        let Some(status) = status else { continue };
        let kind = head.split('`').nth(1).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default();
        let rest = lines.skip_while(|line| !line.starts_with("```")).skip(1);
        let answered: Vec<&str> = rest.take_while(|line| !line.starts_with("```")).collect();
        exchanges.push(Exchange {
            title,
            method: method.to_owned(),
            path: path.trim().to_owned(),
            sent: sent.join("\n"),
            status,
            kind: if kind == "None" { String::new() } else { kind.to_owned() },
            answered: answered.join("\n"),
        });
    }
    exchanges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_that_was_written_is_read_and_answers_in_its_order() {
        let call = |title: &str, sent: &str, status: u16, answered: &str| Exchange {
            title: title.to_owned(),
            method: "PUT".to_owned(),
            path: "/api/v1/tables".to_owned(),
            sent: sent.to_owned(),
            status,
            kind: "application/json".to_owned(),
            answered: answered.to_owned(),
        };
        let all = [
            call("new", r#"{"name":"a"}"#, 201, r#"{"id":"1"}"#),
            call("again", r#"{"name":"a"}"#, 200, r#"{"id":"1"}"#),
            Exchange { kind: String::new(), ..call("empty", r#"{"name":"b"}"#, 405, "") },
        ];
        let text: String = all.iter().map(Exchange::written).collect();
        let read = parse_recording(&format!("# A recording\n\n{text}"));
        assert_eq!(read, all);
        let mut recording = Recording::new(read);
        let mut ask =
            |body: &str| recording.answer("PUT", "/api/v1/tables", body).map(|e| e.status);
        assert_eq!(ask(r#"{ "name": "a" }"#), Some(201));
        assert_eq!(ask(r#"{"name":"a"}"#), Some(200));
        assert_eq!(ask(r#"{"name":"a"}"#), Some(200));
        assert_eq!(ask(r#"{"name":"b"}"#), Some(405));
        assert_eq!(recording.answer("GET", "/api/v1/tables", ""), None);
    }
}

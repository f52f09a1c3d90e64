//! Divides a body into events.

use std::borrow::Cow;
use std::collections::HashMap;
use std::str::from_utf8;

use serde_json::value::RawValue;

use super::{Lines, Refusal, Refused};

/// What a body is, as its `Content-Type` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One event, or a list of them.
    Json,
    /// An event on each line.
    Lines,
    /// One event in an envelope.
    CloudEvent,
    /// A list of envelopes.
    CloudEvents,
}

/// An event in a body.
#[derive(Debug)]
pub(super) struct Event<'b> {
    pub(super) text: &'b [u8],
    /// The byte of the body at which it begins.
    pub(super) at: usize,
    /// What its envelope says of it.
    pub(super) beside: Vec<(&'static str, &'b str)>,
}

type Events<'b> = Vec<Result<Event<'b>, Refusal>>;

const MARK: &[u8] = b"\xef\xbb\xbf";

/// What an envelope says of its event, and the field that says the same in an event.
const ATTRIBUTES: [(&str, &str); 3] = [("id", "id"), ("type", "type"), ("time", "created_at")];

/// The events of a body, and whether it is one alone.
pub(super) fn divide(form: Form, body: &[u8]) -> Result<(Events<'_>, bool), Refusal> {
    let start = if body.starts_with(MARK) { MARK.len() } else { 0 };
    let rest = &body[start..];
    let first = rest.iter().position(|byte| !byte.is_ascii_whitespace());
    let Some(first) = first.map(|first| rest[first]) else {
        let detail = "the body is empty: send an event".to_owned();
        return Err(Refusal::at(Refused::InvalidJson, detail, start));
    };
    match form {
        Form::Lines => Ok((lines(body, start), false)),
        Form::Json if first == b'[' => {
            Ok((list(body, start)?.into_iter().map(Ok).collect(), false))
        }
        Form::Json => Ok((vec![Ok(Event::new(rest, start))], true)),
        Form::CloudEvent => Ok((vec![opened(Event::new(rest, start))], true)),
        Form::CloudEvents => Ok((list(body, start)?.into_iter().map(opened).collect(), false)),
    }
}

impl<'b> Event<'b> {
    fn new(text: &'b [u8], at: usize) -> Event<'b> {
        Event { text, at, beside: vec![] }
    }
}

fn lines(body: &[u8], start: usize) -> Events<'_> {
    let mut at = start;
    let mut events = vec![];
    for line in body[start..].split(|byte| *byte == b'\n') {
        let begun = at;
        at += line.len() + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
            events.push(Ok(Event::new(line, begun)));
        }
    }
    events
}

fn list(body: &[u8], start: usize) -> Result<Vec<Event<'_>>, Refusal> {
    let refused = |detail, at| {
        let mut lines = Lines { body, line: 1, byte: 0 };
        lines.place(Refusal::at(Refused::InvalidJson, detail, at))
    };
    let text = from_utf8(&body[start..])
        .map_err(|error| refused("not UTF-8".to_owned(), start + error.valid_up_to()))?;
    let all: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
        let at = start + place(text, error.line(), error.column());
        let what = match error.classify() {
            serde_json::error::Category::Eof => "the list ends too early",
            serde_json::error::Category::Data => "not a list",
            _ => "not JSON",
        };
        refused(what.to_owned(), at)
    })?;
    let at = |raw: &RawValue| raw.get().as_ptr().addr() - body.as_ptr().addr();
    Ok(all.into_iter().map(|raw| Event::new(raw.get().as_bytes(), at(raw))).collect())
}

/// The event in an envelope (CloudEvents 1.0, structured).
fn opened(envelope: Event<'_>) -> Result<Event<'_>, Refusal> {
    let schema = |detail: &str| Refusal::at(Refused::Schema, detail.to_owned(), envelope.at);
    let broken = |at| Refusal::at(Refused::InvalidJson, "not JSON".to_owned(), envelope.at + at);
    let text = from_utf8(envelope.text).map_err(|error| broken(error.valid_up_to()))?;
    let members: HashMap<Cow<'_, str>, &RawValue> =
        serde_json::from_str(text).map_err(|error| match error.is_data() {
            true => schema("a CloudEvent has to be a JSON object"),
            false => broken(place(text, error.line(), error.column())),
        })?;
    let member = |name: &str| members.get(name).map(|raw| raw.get());
    if member("specversion") != Some("\"1.0\"") {
        return Err(schema("not a CloudEvent of version 1.0: `specversion` has to say so"));
    }
    let data = member("data").filter(|data| data.starts_with('{'));
    let data = data.ok_or_else(|| schema("`data` of the CloudEvent has to be a JSON object"))?;
    let said = |(attribute, field): (&str, &'static str)| Some((field, member(attribute)?));
    Ok(Event {
        text: data.as_bytes(),
        at: envelope.at + (data.as_ptr().addr() - text.as_ptr().addr()),
        beside: ATTRIBUTES.into_iter().filter_map(said).collect(),
    })
}

/// The byte of a text, by the parser's line and column, which count from 1.
fn place(text: &str, line: usize, column: usize) -> usize {
    let before = text.split_inclusive('\n').take(line.saturating_sub(1));
    let start: usize = before.map(str::len).sum();
    (start + column.saturating_sub(1)).min(text.len())
}

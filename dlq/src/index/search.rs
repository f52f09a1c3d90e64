//! What only payloads can tell: they are read, letter by letter, which is said.

use std::str::FromStr;

use assay_store::LetterFilter;
use bytes::Bytes;
use serde_json::Value;

use super::Index;
use crate::{DlqError, LetterView};

/// What a payload must have.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matching {
    /// A place in its JSON, and the value there.
    pub path: Option<AtPath>,
    /// A text that is in it, whatever its case.
    pub text: Option<String>,
}

/// `$.a.b = 3`: what stands at a path of JSON is a value, or is not.
#[derive(Debug, Clone, PartialEq)]
pub struct AtPath {
    path: Vec<String>,
    equal: bool,
    value: Value,
}

/// What a search found, and how many letters it had to read for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub letters: Vec<LetterView>,
    pub scanned: u64,
}

impl FromStr for AtPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!(
                "`{text}` is no condition: write one such as `$.actor.login = \"anna\"`, with = or !="
            )
        };
        let (at, equal) = match (text.find("!="), text.find('=')) {
            (Some(at), Some(first)) if at < first => (at, false),
            (_, Some(at)) => (at, true),
            _ => return Err(wrong()),
        };
        let path = text[..at].trim().strip_prefix("$.").ok_or_else(wrong)?;
        let value = text[at + if equal { 1 } else { 2 }..].trim().trim_start_matches('=').trim();
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) || value.is_empty() {
            return Err(wrong());
        }
        // What is no JSON is meant as a text, as one types it.
        let bare = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
        let value = match bare {
            Some(bare) => Value::from(bare),
            None => serde_json::from_str(value).unwrap_or_else(|_| Value::from(value)),
        };
        Ok(AtPath { path, equal, value })
    }
}

impl AtPath {
    fn holds(&self, payload: &Value) -> bool {
        self.equal == (at(payload, &self.path) == Some(self.value.clone()))
    }
}

/// What stands at a path; a text that is JSON is gone into as well.
fn at(value: &Value, path: &[String]) -> Option<Value> {
    let Some((first, rest)) = path.split_first() else { return Some(value.clone()) };
    match value {
        Value::Object(members) => at(members.get(first)?, rest),
        Value::Array(values) => at(values.get(first.parse::<usize>().ok()?)?, rest),
        Value::String(text) => at(&serde_json::from_str(text).ok()?, path),
        _ => None,
    }
}

impl Matching {
    /// Whether anything is asked for that the index does not know.
    pub fn scans(&self) -> bool {
        self.path.is_some() || self.text.is_some()
    }

    /// Whether the payload has all of it; `json` reads payloads.
    pub fn holds(&self, letter: &LetterView, json: &dyn Fn(&LetterView) -> Option<Value>) -> bool {
        let path = |path: &AtPath| json(letter).is_some_and(|payload| path.holds(&payload));
        let text = |wanted: &String| {
            let wanted = wanted.to_lowercase();
            let payload = letter.payload.as_deref().unwrap_or_default();
            String::from_utf8_lossy(payload).to_lowercase().contains(&wanted)
                || json(letter).is_some_and(|it| it.to_string().to_lowercase().contains(&wanted))
        };
        self.path.as_ref().is_none_or(path) && self.text.as_ref().is_none_or(text)
    }
}

impl Index {
    /// The letters that fit and whose payloads match, newest first, at most so many, each with at
    /// most `keep` bytes of its payload. `json` reads a payload; `progress` hears how many were read.
    pub async fn search(
        &self,
        filter: &LetterFilter,
        matching: &Matching,
        json: &(dyn Fn(&LetterView) -> Option<Value> + Sync),
        (limit, keep): (usize, usize),
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Found, DlqError> {
        let mut found = Found { letters: Vec::new(), scanned: 0 };
        let take = |mut letter: LetterView| {
            if matching.holds(&letter, json) {
                // A copy: a slice would hold on to all of it.
                let beginning = |all: Bytes| Bytes::copy_from_slice(&all[..all.len().min(keep)]);
                letter.payload_truncated =
                    letter.payload.as_ref().is_some_and(|all| all.len() > keep);
                letter.payload = letter.payload.map(beginning);
                found.letters.push(letter);
            }
            found.scanned += 1;
            progress(found.scanned);
            Ok::<bool, DlqError>(found.letters.len() < limit)
        };
        self.each(filter, take).await?;
        Ok(found)
    }

    /// Gives every letter that fits with its payload, newest first, until `take` has enough.
    /// Memory is needed for some of them only.
    pub async fn each<E: From<DlqError>>(
        &self,
        filter: &LetterFilter,
        mut take: impl FnMut(LetterView) -> Result<bool, E> + Send,
    ) -> Result<(), E> {
        let mut reading = self.reading(filter, None);
        loop {
            let letters = reading.next().await?;
            if letters.is_empty() {
                return Ok(());
            }
            for letter in letters {
                if !take(letter)? {
                    return Ok(());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::AtPath;

    #[test]
    fn a_condition_goes_into_lists_and_into_texts_that_are_json() {
        let row =
            json!({"id": "7", "n": 7, "payload": r#"{"pull":{"number":3,"labels":["a","b"]}}"#});
        for (text, holds) in [
            ("$.n = 7", true),
            ("$.n != 7", false),
            ("$.id = \"7\"", true),
            ("$.id = 7", false),
            ("$.payload.pull.number=3", true),
            ("$.payload.pull.labels.1 = b", true),
            ("$.payload.pull.labels.1 == 'b'", true),
            ("$.payload.pull.none = 3", false),
            ("$.payload.pull.none != 3", true),
        ] {
            assert_eq!(text.parse::<AtPath>().unwrap().holds(&row), holds, "{text}");
        }
        for wrong in ["n = 7", "$.n", "$. = 1", "$.a..b = 1", "$.a ="] {
            assert!(wrong.parse::<AtPath>().is_err(), "{wrong}");
        }
    }
}

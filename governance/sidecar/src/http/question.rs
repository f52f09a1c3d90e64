//! What stands behind the question mark of an address.

use std::collections::BTreeMap;
use std::str::FromStr;

use assay_dlq::Moment;
use axum::http::Uri;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::error::Problem;

/// Pages have so many entries unless said otherwise, and never more than the second.
const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 1000;

/// The parameters of a request, each of which is known.
pub(super) struct Question(BTreeMap<String, String>);

impl Question {
    /// A parameter that `known` does not name is a mistake, so that none is misspelt in silence.
    pub(super) fn of(uri: &Uri, known: &[&str]) -> Result<Question, Problem> {
        let text = uri.query().unwrap_or_default();
        let all: BTreeMap<String, String> =
            form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        match all.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
                let known = known.join(", ");
                Err(Problem::Question(format!("`{name}` is no parameter: they are {known}")))
            }
            None => Ok(Question(all)),
        }
    }

    /// The same of the members of an object, which are texts or numbers.
    pub(super) fn of_object(
        members: &Map<String, Value>,
        known: &[&str],
    ) -> Result<Question, Problem> {
        let mut all = BTreeMap::new();
        for (name, value) in members {
            if !known.contains(&name.as_str()) {
                let told = format!("`{name}` is no condition: they are {}", known.join(", "));
                return Err(Problem::Question(told));
            }
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return Err(Problem::Question(format!("`{name}` is a text or a number"))),
            };
            all.insert(name.clone(), text);
        }
        Ok(Question(all))
    }

    pub(super) fn all(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        Ok(self.word(name, "true or false")?.unwrap_or(false))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    pub(super) fn needed(&self, name: &str) -> Result<&str, Problem> {
        self.text(name).ok_or_else(|| Problem::Question(format!("`{name}` is required")))
    }

    pub(super) fn word<T: FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, Problem> {
        let parse = |text: &str| {
            text.parse().map_err(|_| Problem::Question(format!("`{name}` is no {what}")))
        };
        self.text(name).map(parse).transpose()
    }

    pub(super) fn time(
        &self,
        name: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, Problem> {
        let what = "time, as 2026-11-21T12:00:00Z (a + is written %2B), 2026-11-21 or 2h";
        Ok(self.word::<Moment>(name, what)?.map(|moment| moment.time(now)))
    }

    pub(super) fn limit(&self) -> Result<u32, Problem> {
        match self.word("limit", "number")?.unwrap_or(PAGE) {
            limit if (1..=LARGEST_PAGE).contains(&limit) => Ok(limit),
            _ => Err(Problem::Question(format!("`limit` is from 1 to {LARGEST_PAGE}"))),
        }
    }
}

/// The part of a list that is asked for, and the cursor of the next one. The cursor is a place in
/// the list, which stays as it is for an answer `at` a time.
pub(super) fn page<T>(
    all: Vec<T>,
    question: &Question,
) -> Result<(Vec<T>, Option<String>), Problem> {
    let limit = question.limit()? as usize;
    let from: usize = question.word("cursor", "cursor of this list")?.unwrap_or(0);
    let next = from.saturating_add(limit);
    let next = (next < all.len()).then(|| next.to_string());
    Ok((all.into_iter().skip(from).take(limit).collect(), next))
}

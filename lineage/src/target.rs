//! Where events are sent, and what may stand against it.

use std::time::Duration;

use assay_store::{Delivery, Store};

use crate::http::{Answer, NoAnswer};
use crate::openlineage::OpenLineage;
use crate::openmetadata::OpenMetadata;

/// Why an event was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The target takes nothing at the moment; no event is to blame.
    #[error("{why}")]
    Away { why: String, retry_after: Option<Duration> },
    /// Something went wrong; it may go well the next time.
    #[error("{0}")]
    Failed(String),
    /// The target will never take this event.
    #[error("{0}")]
    Refused(String),
    /// The target does not take events from us.
    #[error("{0}")]
    Unauthorized(String),
}

impl Refusal {
    pub(crate) fn away(why: impl Into<String>) -> Refusal {
        Refusal::Away { why: why.into(), retry_after: None }
    }

    /// In a word.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Refusal::Away { .. } => "away",
            Refusal::Failed(_) => "failed",
            Refusal::Refused(_) => "refused",
            Refusal::Unauthorized(_) => "unauthorized",
        }
    }
}

impl From<NoAnswer> for Refusal {
    fn from(none: NoAnswer) -> Refusal {
        let why = none.to_string();
        match none {
            NoAnswer::Unreachable(_) => Refusal::away(why),
            // One event may be what it can't bear.
            NoAnswer::TimedOut(_) | NoAnswer::BrokenOff(_) => Refusal::Failed(why),
            NoAnswer::Secret(_) => Refusal::Unauthorized(why),
        }
    }
}

/// What every server means by its status, unless it is known to mean something else.
pub(crate) fn plain_meaning(answer: &Answer) -> Result<(), Refusal> {
    let said = || match answer.excerpt() {
        text if text.is_empty() => format!("it answered {}", answer.status),
        text => format!("it answered {}: {text}", answer.status),
    };
    let address = "is `url` the address of the API?";
    match answer.status {
        401 | 403 => Err(Refusal::Unauthorized(said())),
        404 | 405 => Err(Refusal::away(format!("{}: {address}", said()))),
        408 | 425 | 429 | 502..=504 => {
            Err(Refusal::Away { why: said(), retry_after: answer.retry_after })
        }
        300..=399 => {
            let to = answer.location.as_deref().unwrap_or("somewhere else");
            Err(Refusal::away(format!(
                "it answered {} and points to {to}: {address}",
                answer.status
            )))
        }
        // Whoever says so has not looked at the event.
        status if answer.page() && status < 500 => {
            Err(Refusal::away(format!("it answered {status} with a page for people: {address}")))
        }
        200..=299 => Ok(()),
        407 => Err(Refusal::away(said())),
        400 | 413 | 422 => Err(Refusal::Refused(said())),
        _ => Err(Refusal::Failed(said())),
    }
}

/// Where events are sent.
#[derive(Debug)]
pub enum Target {
    OpenLineage(OpenLineage),
    OpenMetadata(Box<OpenMetadata>),
}

impl Target {
    /// The name by which the outbox knows it.
    pub fn name(&self) -> &str {
        match self {
            Target::OpenLineage(target) => &target.name,
            Target::OpenMetadata(_) => OpenMetadata::NAME,
        }
    }

    /// How often it has answered in this process, whatever it said.
    pub(crate) fn answers(&self) -> u64 {
        match self {
            Target::OpenLineage(target) => target.answers(),
            Target::OpenMetadata(target) => target.answers(),
        }
    }

    /// How many events may be on their way at once, each of another subject.
    pub(crate) fn at_once(&self) -> usize {
        match self {
            Target::OpenLineage(_) => 4,
            // Jobs of one pipeline share entities, and what is put twice at once is refused.
            Target::OpenMetadata(_) => 1,
        }
    }

    pub(crate) async fn deliver(&self, delivery: &Delivery, store: &Store) -> Result<(), Refusal> {
        match self {
            Target::OpenLineage(target) => target.deliver(&delivery.body).await,
            Target::OpenMetadata(target) => target.deliver(&delivery.body, store).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_to_blame_only_when_somebody_looked_at_it() {
        let means = |status: u16, body: &str| {
            let (kind, body) = (String::new(), body.to_owned());
            let answer = Answer { status, kind, retry_after: None, location: None, body };
            plain_meaning(&answer).err().map(|refusal| refusal.name())
        };
        let page = "<html>The plain HTTP request was sent to HTTPS port</html>";
        for (status, body, name) in [
            (201, "", None),
            (204, "ok", None),
            (200, page, Some("away")),
            (400, page, Some("away")),
            (400, "{}", Some("refused")),
            (422, "{}", Some("refused")),
            (407, "", Some("away")),
            (409, "", Some("failed")),
            (423, "", Some("failed")),
            (401, page, Some("unauthorized")),
            (500, page, Some("failed")),
            (503, page, Some("away")),
            (302, "", Some("away")),
        ] {
            assert_eq!(means(status, body), name, "{status} {body}");
        }
    }
}

//! The answer to events that were taken in.

use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::intake::{Refusal, Taken};
use crate::segment::Durability;

/// What became of the events of a request.
#[derive(Serialize)]
pub(super) struct Answer<'t> {
    status: &'static str,
    /// The id of the event, when it was one alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<Uuid>,
    /// How safe the accepted ones are.
    durability: &'static str,
    accepted: usize,
    rejected: usize,
    results: Vec<Outcome<'t>>,
}

struct Outcome<'t>(&'t Result<Uuid, Refusal>);

#[derive(Serialize)]
struct Accepted {
    status: &'static str,
    event_id: Uuid,
}

#[derive(Serialize)]
struct Rejected<'t> {
    status: &'static str,
    #[serde(flatten)]
    refusal: &'t Refusal,
}

const ACCEPTED: &str = "accepted";
const REJECTED: &str = "rejected";

impl<'t> Answer<'t> {
    pub(super) fn of(taken: &'t Taken, durability: Durability) -> Answer<'t> {
        let accepted = taken.records.len();
        let rejected = taken.outcomes.len() - accepted;
        let status = match (accepted, rejected) {
            (_, 0) => ACCEPTED,
            (0, _) => REJECTED,
            _ => "partly accepted",
        };
        let alone = taken.outcomes.first().filter(|_| taken.single);
        let event_id = alone.and_then(|outcome| outcome.as_ref().ok()).copied();
        // An event that was alone and is accepted has its id above.
        let shown = if event_id.is_some() { &[][..] } else { &taken.outcomes[..] };
        let results = shown.iter().map(Outcome).collect();
        Answer { status, event_id, durability: durability.name(), accepted, rejected, results }
    }
}

impl Serialize for Outcome<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Ok(event_id) => {
                Accepted { status: ACCEPTED, event_id: *event_id }.serialize(serializer)
            }
            Err(refusal) => Rejected { status: REJECTED, refusal }.serialize(serializer),
        }
    }
}

use chrono::{DateTime, Months, Utc};
use serde_json::{Value, json};

use super::super::random::Random;
use super::time;

/// What can be wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Defect {
    /// The line ends in the middle of the event.
    CutOff,
    /// Two events on one line.
    TwoValues,
    /// A byte that is no UTF-8.
    InvalidUtf8,
    /// No `id`.
    MissingId,
    /// The `id` is a number, not a text.
    NumericId,
    /// The actor has no `login`.
    MissingActorLogin,
    /// A `type` that is not among the known ones.
    UnknownType,
    /// `created_at` is a text, but no time.
    UnreadableTime,
    /// `created_at` is twenty years ahead.
    FutureTime,
    /// The size of a push is the text `three`.
    TextPushSize,
    /// The exact copy of an earlier good line: a duplicate, not a reject.
    Repeated,
}

/// The first step that has to notice a defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CaughtBy {
    /// The line never becomes a message of the log.
    Ingest,
    /// The row is in bronze and is set aside on the way to silver.
    Parse,
    /// The row is in bronze, and silver has it already.
    Deduplication,
}

impl Defect {
    /// All of them, in the order in which they are planted.
    pub(crate) const ALL: [Defect; 11] = [
        Defect::CutOff,
        Defect::TwoValues,
        Defect::InvalidUtf8,
        Defect::MissingId,
        Defect::NumericId,
        Defect::MissingActorLogin,
        Defect::UnknownType,
        Defect::UnreadableTime,
        Defect::FutureTime,
        Defect::TextPushSize,
        Defect::Repeated,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Defect::CutOff => "cut_off",
            Defect::TwoValues => "two_values",
            Defect::InvalidUtf8 => "invalid_utf8",
            Defect::MissingId => "missing_id",
            Defect::NumericId => "numeric_id",
            Defect::MissingActorLogin => "missing_actor_login",
            Defect::UnknownType => "unknown_type",
            Defect::UnreadableTime => "unreadable_time",
            Defect::FutureTime => "future_time",
            Defect::TextPushSize => "text_push_size",
            Defect::Repeated => "repeated",
        }
    }

    pub(crate) fn caught_by(self) -> CaughtBy {
        match self {
            Defect::CutOff
            | Defect::TwoValues
            | Defect::InvalidUtf8
            | Defect::MissingId
            | Defect::NumericId => CaughtBy::Ingest,
            Defect::MissingActorLogin
            | Defect::UnknownType
            | Defect::UnreadableTime
            | Defect::FutureTime
            | Defect::TextPushSize => CaughtBy::Parse,
            Defect::Repeated => CaughtBy::Deduplication,
        }
    }

    /// The line of `event` with this defect in it. Those that take more than one event
    /// (`TwoValues`, `Repeated`) leave it as it is.
    pub(super) fn plant(self, mut event: Value, random: &mut Random) -> Vec<u8> {
        match self {
            Defect::MissingId => remove(&mut event, "id"),
            Defect::NumericId => event["id"] = json!(random.between(1, 1_000_000_000)),
            Defect::MissingActorLogin => remove(&mut event["actor"], "login"),
            Defect::UnknownType => event["type"] = json!("SponsorshipEvent"),
            Defect::UnreadableTime => event["created_at"] = json!("21.07.2021 06:00"),
            Defect::FutureTime => event["created_at"] = later(&event["created_at"]),
            Defect::TextPushSize => event["payload"]["size"] = json!("three"),
            Defect::CutOff | Defect::InvalidUtf8 | Defect::TwoValues | Defect::Repeated => {}
        }
        let mut line = event.to_string().into_bytes();
        match self {
            Defect::CutOff => line.truncate(random.between(20, line.len() as u64) as usize),
            Defect::InvalidUtf8 => {
                // Right behind the first letter of the id, so inside a text.
                let place = line.iter().position(u8::is_ascii_digit).unwrap_or_default();
                line.insert(place, 0xff);
            }
            _ => {}
        }
        line
    }
}

fn remove(object: &mut Value, key: &str) {
    if let Some(object) = object.as_object_mut() {
        object.shift_remove(key);
    }
}

fn later(at: &Value) -> Value {
    let at: Option<DateTime<Utc>> = at.as_str().and_then(|text| text.parse().ok());
    let later = at.and_then(|at| at.checked_add_months(Months::new(20 * 12)));
    later.map_or(Value::Null, |later| time(later).into())
}

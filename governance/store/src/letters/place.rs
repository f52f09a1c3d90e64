//! A place in a list of letters, at which the next page begins.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::LetterRow;
use crate::column::from_time;

/// Lists of letters are in this order, the last first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterPlace {
    pub failed_at: DateTime<Utc>,
    pub id: String,
    pub attempt: u32,
    /// Empty where there is none.
    pub draft: String,
}

impl LetterPlace {
    pub fn of(letter: &LetterRow) -> LetterPlace {
        LetterPlace {
            failed_at: letter.failed_at,
            id: letter.id.clone(),
            attempt: letter.attempt,
            draft: letter.draft.clone(),
        }
    }
}

impl fmt::Display for LetterPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LetterPlace { failed_at, id, attempt, draft } = self;
        write!(f, "{}_{id}_{attempt}_{draft}", from_time(*failed_at))
    }
}

impl FromStr for LetterPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let [at, id, attempt, draft] = text.split('_').collect::<Vec<_>>().try_into().ok()?;
            let at = DateTime::parse_from_rfc3339(at).ok()?.with_timezone(&Utc);
            let id = id.parse::<Uuid>().ok()?.to_string();
            Some(LetterPlace {
                failed_at: at,
                id,
                attempt: attempt.parse().ok()?,
                draft: draft.to_owned(),
            })
        };
        parse().ok_or_else(|| "this is no place in a list of letters".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let place = LetterPlace {
            failed_at: "2026-11-21T12:00:00.000000001Z".parse().unwrap(),
            id: Uuid::from_u128(7).to_string(),
            attempt: 3,
            draft: String::new(),
        };
        assert_eq!(place.to_string().parse(), Ok(place));
        for wrong in ["", "5", "2026-11-21T12:00:00Z_x_1_", "_ _ _ _ _"] {
            assert!(wrong.parse::<LetterPlace>().is_err(), "{wrong}");
        }
    }
}

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const SCHEMA_TOPIC: &str = "dlq_schema_validation_errors";
const PROCESSING_TOPIC: &str = "dlq_processing_errors";
const FAILED_TOPIC: &str = "dlq_failed_messages";

/// The topics that dead letters go to.
pub const TOPICS: [&str; 3] = [SCHEMA_TOPIC, PROCESSING_TOPIC, FAILED_TOPIC];

/// Why a row became a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The bytes are not of the format that the source has.
    Undecodable,
    /// They are, but not of the shape that it promises.
    Schema,
    TooLarge,
    /// A rule of the contract does not hold; the letter names the rules.
    RuleBroken,
    Late,
    /// It claims to be of a time to come.
    Ahead,
    /// A value is there and does not become what the stage needs.
    Untransformable,
    LoadFailed,
    /// It was sent back as often as the limit allows.
    AttemptsExhausted,
}

/// A text that is not the name of a reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a reason for a dead letter: write one of {names}", names = Reason::ALL.map(Reason::name).join(", "))]
pub struct UnknownReason(String);

impl Reason {
    pub const ALL: [Reason; 9] = [
        Reason::Undecodable,
        Reason::Schema,
        Reason::TooLarge,
        Reason::RuleBroken,
        Reason::Late,
        Reason::Ahead,
        Reason::Untransformable,
        Reason::LoadFailed,
        Reason::AttemptsExhausted,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Reason::Undecodable => "undecodable",
            Reason::Schema => "schema",
            Reason::TooLarge => "too-large",
            Reason::RuleBroken => "rule-broken",
            Reason::Late => "late",
            Reason::Ahead => "ahead",
            Reason::Untransformable => "untransformable",
            Reason::LoadFailed => "load-failed",
            Reason::AttemptsExhausted => "attempts-exhausted",
        }
    }

    /// The topic that letters with this reason go to.
    pub fn topic(self) -> &'static str {
        match self {
            Reason::Undecodable | Reason::Schema | Reason::TooLarge => SCHEMA_TOPIC,
            Reason::RuleBroken | Reason::Late | Reason::Ahead | Reason::Untransformable => {
                PROCESSING_TOPIC
            }
            Reason::LoadFailed | Reason::AttemptsExhausted => FAILED_TOPIC,
        }
    }

    /// The nearest of Kafka Connect's own stages, for tools that read its headers.
    pub(crate) fn connect_stage(self) -> &'static str {
        match self {
            Reason::Undecodable | Reason::Schema | Reason::TooLarge => "VALUE_CONVERTER",
            Reason::RuleBroken | Reason::Late | Reason::Ahead | Reason::Untransformable => {
                "TRANSFORMATION"
            }
            Reason::LoadFailed | Reason::AttemptsExhausted => "TASK_PUT",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Reason::ALL
            .into_iter()
            .find(|reason| reason.name() == text)
            .ok_or_else(|| UnknownReason(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_topic() {
        let picture: String = Reason::ALL
            .map(|reason| format!("{:<18} → {}\n", reason.name(), reason.topic()))
            .concat();
        insta::assert_snapshot!(picture, @"
        undecodable        → dlq_schema_validation_errors
        schema             → dlq_schema_validation_errors
        too-large          → dlq_schema_validation_errors
        rule-broken        → dlq_processing_errors
        late               → dlq_processing_errors
        ahead              → dlq_processing_errors
        untransformable    → dlq_processing_errors
        load-failed        → dlq_failed_messages
        attempts-exhausted → dlq_failed_messages
        ");
    }

    #[test]
    fn a_reason_has_one_name_in_text_and_in_json() {
        for reason in Reason::ALL {
            assert_eq!(reason.name().parse(), Ok(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
        assert!("bad luck".parse::<Reason>().is_err());
    }
}

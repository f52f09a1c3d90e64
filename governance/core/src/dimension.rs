use std::fmt;

use serde::{Deserialize, Serialize};

/// What a rule says of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    Completeness,
    Uniqueness,
    Validity,
    Consistency,
    Timeliness,
    Accuracy,
}

/// How a batch does in one dimension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DimensionScore {
    pub dimension: Dimension,
    /// 0–100, by the rules of the dimension alone; absent when no row was judged.
    pub score: Option<f64>,
    /// Points of the score of the whole that its rules cost. All of them sum to 100 − score.
    pub lost: f64,
    pub rules: usize,
}

impl Dimension {
    pub const ALL: [Dimension; 6] = [
        Dimension::Completeness,
        Dimension::Uniqueness,
        Dimension::Validity,
        Dimension::Consistency,
        Dimension::Timeliness,
        Dimension::Accuracy,
    ];

    /// The words that ODCS has for dimensions.
    pub const OF_THE_STANDARD: [&str; 7] = [
        "accuracy",
        "completeness",
        "conformity",
        "consistency",
        "coverage",
        "timeliness",
        "uniqueness",
    ];

    /// The dimension that a word of ODCS falls into: conformity is validity, and coverage, which
    /// asks whether all rows are there, completeness.
    pub fn of(word: &str) -> Option<Dimension> {
        Some(match word {
            "completeness" | "coverage" => Dimension::Completeness,
            "uniqueness" => Dimension::Uniqueness,
            "conformity" | "validity" => Dimension::Validity,
            "consistency" => Dimension::Consistency,
            "timeliness" => Dimension::Timeliness,
            "accuracy" => Dimension::Accuracy,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Dimension::Completeness => "completeness",
            Dimension::Uniqueness => "uniqueness",
            Dimension::Validity => "validity",
            Dimension::Consistency => "consistency",
            Dimension::Timeliness => "timeliness",
            Dimension::Accuracy => "accuracy",
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

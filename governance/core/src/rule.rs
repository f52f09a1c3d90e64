use std::fmt;

use chrono::{DateTime, Datelike, Timelike, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{DatasetName, TextFormat};

/// How bad it is when a rule does not hold.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Error,
    Critical,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What happens to the data when a rule does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFail {
    /// The row goes on, the report says so.
    Keep,
    /// The row leaves as a dead letter.
    Quarantine,
    /// Nothing of the batch is committed.
    Halt,
}

/// One end of a range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    pub value: Value,
    pub inclusive: bool,
}

/// What a rule looks at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    /// Row rules: decided for each row by itself.
    NotNull {
        column: String,
    },
    NotMissing {
        column: String,
        missing: Vec<Value>,
    },
    OneOf {
        column: String,
        values: Vec<Value>,
    },
    Matches {
        column: String,
        pattern: String,
    },
    Between {
        column: String,
        min: Option<Bound>,
        max: Option<Bound>,
    },
    Length {
        column: String,
        min: Option<u64>,
        max: Option<u64>,
    },
    /// A text is written as its format asks for.
    Format {
        column: String,
        format: TextFormat,
    },
    /// A number is a whole number of times the value.
    MultipleOf {
        column: String,
        of: Value,
    },
    /// A text is JSON that a JSON Schema takes.
    Conforms {
        column: String,
        schema: Value,
    },
    /// A SQL expression over the columns of a row that must not be false.
    Holds {
        expression: String,
    },
    /// A text is one of the values, and matches.
    Valid {
        column: String,
        values: Vec<Value>,
        pattern: String,
    },
    /// Every value is there in a column of another dataset; of several columns, the values of a
    /// row together in one row.
    References {
        columns: Vec<String>,
        dataset: DatasetName,
        targets: Vec<String>,
    },
    /// Batch rules: decided once, for all rows of a commit.
    Unique {
        columns: Vec<String>,
    },
    RowCount,
    /// The newest value of a time column is not older than the limit, in seconds.
    Fresh {
        column: String,
        warn_after_seconds: f64,
        error_after_seconds: f64,
    },
    /// The oldest value of a time column is not older than what is to be kept.
    Retained {
        column: String,
        seconds: f64,
    },
    /// One number that SQL computes of all rows; the contract may call them `table`.
    Sql {
        query: String,
        table: String,
    },
    /// The rows have the columns of the contract; with `exact`, no others.
    Columns {
        exact: bool,
    },
    /// The number of rows is about the median of earlier batches.
    Volume(Volume),
    /// The newest value of a time column is about as old as in earlier batches.
    Lag {
        column: String,
        lag: Lag,
    },
    /// The values of a column are about those of earlier runs.
    Drift {
        column: String,
        drift: Drift,
    },
}

/// How old the newest row may be, against the median of earlier batches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    /// How much older than their median, in percent of it.
    pub within_percent: f64,
    /// Batches that must be known before anything is said.
    pub at_least_batches: u32,
    pub season: Season,
}

/// How far the values of a column may move from those of earlier runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    pub by: DriftBy,
    pub at_most: f64,
    /// From here on it warns, and costs points.
    pub warn_above: f64,
    /// Earlier runs that are the reference, all of which must be known.
    pub runs: u32,
    /// Rows of a batch that are enough to tell.
    pub at_least_rows: u64,
    /// Which runs are the reference.
    #[serde(default)]
    pub season: Season,
}

/// How drift is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DriftBy {
    /// The population stability index.
    Psi,
    /// The distance of Kolmogorov and Smirnov.
    Ks,
}

impl DriftBy {
    pub fn name(self) -> &'static str {
        match self {
            DriftBy::Psi => "psi",
            DriftBy::Ks => "ks",
        }
    }
}

/// How the number of rows is held against those of earlier batches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    /// How far it may be from their median, in percent of it.
    pub within_percent: f64,
    /// Batches that must be known before anything is said.
    pub at_least_batches: u32,
    pub season: Season,
}

/// Which earlier batches, or runs, are like one of now.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub enum Season {
    /// All of them.
    #[default]
    None,
    /// Those of the same weekday.
    Weekday,
    /// Those of the same hour of the same weekday, in UTC.
    WeekdayHour,
}

impl Season {
    pub fn name(self) -> &'static str {
        match self {
            Season::None => "none",
            Season::Weekday => "weekday",
            Season::WeekdayHour => "weekdayHour",
        }
    }

    /// Whether a batch of one time is like one of another.
    pub fn like(self, one: DateTime<Utc>, other: DateTime<Utc>) -> bool {
        match self {
            Season::None => true,
            Season::Weekday => one.weekday() == other.weekday(),
            Season::WeekdayHour => (one.weekday(), one.hour()) == (other.weekday(), other.hour()),
        }
    }
}

impl Check {
    /// Whether each row is judged by itself.
    pub fn of_rows(&self) -> bool {
        !matches!(
            self,
            Check::Unique { .. }
                | Check::RowCount
                | Check::Fresh { .. }
                | Check::Retained { .. }
                | Check::Sql { .. }
                | Check::Columns { .. }
                | Check::Volume(_)
                | Check::Lag { .. }
                | Check::Drift { .. }
        )
    }

    /// The columns that the check looks at, where it names them.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Check::NotNull { column }
            | Check::NotMissing { column, .. }
            | Check::OneOf { column, .. }
            | Check::Matches { column, .. }
            | Check::Between { column, .. }
            | Check::Length { column, .. }
            | Check::Format { column, .. }
            | Check::MultipleOf { column, .. }
            | Check::Conforms { column, .. }
            | Check::Valid { column, .. }
            | Check::Lag { column, .. }
            | Check::Drift { column, .. }
            | Check::Fresh { column, .. }
            | Check::Retained { column, .. } => vec![column],
            Check::Unique { columns } | Check::References { columns, .. } => {
                columns.iter().map(String::as_str).collect()
            }
            Check::Holds { .. }
            | Check::RowCount
            | Check::Sql { .. }
            | Check::Columns { .. }
            | Check::Volume(_) => vec![],
        }
    }
}

/// The operators of ODCS. `Between` excludes its ends, as the standard defines it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Limit {
    Be(f64),
    NotBe(f64),
    GreaterThan(f64),
    GreaterOrEqual(f64),
    LessThan(f64),
    LessOrEqual(f64),
    Between(f64, f64),
    NotBetween(f64, f64),
}

impl Limit {
    /// Whether `value` is as the limit demands.
    pub fn holds(&self, value: f64) -> bool {
        match *self {
            Limit::Be(x) => value == x,
            Limit::NotBe(x) => value != x,
            Limit::GreaterThan(x) => value > x,
            Limit::GreaterOrEqual(x) => value >= x,
            Limit::LessThan(x) => value < x,
            Limit::LessOrEqual(x) => value <= x,
            Limit::Between(low, high) => value > low && value < high,
            Limit::NotBetween(low, high) => value <= low || value >= high,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Be(x) => write!(f, "= {x}"),
            Limit::NotBe(x) => write!(f, "≠ {x}"),
            Limit::GreaterThan(x) => write!(f, "> {x}"),
            Limit::GreaterOrEqual(x) => write!(f, "≥ {x}"),
            Limit::LessThan(x) => write!(f, "< {x}"),
            Limit::LessOrEqual(x) => write!(f, "≤ {x}"),
            Limit::Between(a, b) => write!(f, "between {a} and {b}, without them"),
            Limit::NotBetween(a, b) => write!(f, "not between {a} and {b}"),
        }
    }
}

/// How much may be wrong before the rule counts as broken. It changes the verdict, never the score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    pub limit: Limit,
    /// The limit is a share of the rows judged, 0–100, not a number of rows.
    pub percent: bool,
}

impl Threshold {
    /// No row may break the rule.
    pub const NONE: Threshold = Threshold { limit: Limit::Be(0.0), percent: false };

    pub fn holds(&self, count: u64, rows: u64) -> bool {
        #[allow(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
        let value = match self.percent {
            true if rows == 0 => 0.0,
            true => 100.0 * count as f64 / rows as f64,
            false => count as f64,
        };
        self.limit.holds(value)
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.limit, if self.percent { "% of rows" } else { "rows" })
    }
}

/// One promise of a contract, ready to be judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Unique in its contract, and stable: the id given there, else made from what it checks.
    pub name: String,
    pub check: Check,
    /// SQL over the columns of a row: the rule looks only at rows for which it is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    pub severity: Severity,
    pub on_fail: OnFail,
    pub threshold: Threshold,
    /// The data-quality dimension of ODCS: completeness, conformity, uniqueness, …
    pub dimension: String,
    /// Where the contract says it.
    pub line: u32,
}

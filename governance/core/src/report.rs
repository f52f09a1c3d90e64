use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    DatasetName, DimensionScore, DraftId, Mark, Position, Remembered, Run, Severity, Slice,
    TraceContext,
};

/// What a judgement means for the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    Warn,
    Halt,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Warn => "warn",
            Verdict::Halt => "halt",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where every row that was read went. Each number comes from a counter of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub read: u64,
    pub written: u64,
    pub rejected: u64,
    pub filtered: u64,
    pub duplicates: u64,
}

impl Counts {
    /// Whether every row read is written, rejected, filtered or a duplicate.
    pub fn balance(&self) -> bool {
        self.read == self.written + self.rejected + self.filtered + self.duplicates
    }

    pub fn add(&mut self, other: &Counts) {
        self.read += other.read;
        self.written += other.written;
        self.rejected += other.rejected;
        self.filtered += other.filtered;
        self.duplicates += other.duplicates;
    }
}

/// How one rule fared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    Passed,
    Failed,
    /// It could not be judged; it counts as failed by all rows.
    NotEvaluated {
        why: String,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleResult {
    pub rule: String,
    pub columns: Vec<String>,
    pub dimension: String,
    pub severity: Severity,
    pub outcome: Outcome,
    /// Rows that broke the rule; for a batch rule the rows to blame, where it can name them.
    pub failed: u64,
    /// What a batch rule measured: rows, or seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<f64>,
    /// What would have been fine, in words.
    pub expected: String,
    /// Points of the score that it cost. All of them sum to 100 − score.
    pub lost: f64,
    /// What judging it took beyond the one pass over the rows, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
}

/// What judging a batch found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// 0–100; absent when no row was judged.
    pub score: Option<f64>,
    pub verdict: Verdict,
    /// Why the verdict is not pass, in words for a person.
    pub because: Vec<String>,
    /// Rows judged.
    pub rows: u64,
    pub rules: Vec<RuleResult>,
    /// The same rows scored by the rules of one dimension alone, for each that has rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<DimensionScore>,
}

/// Which contract judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractRef {
    pub id: String,
    pub version: String,
}

/// A column of the dataset that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// Whether quality was judged at all. "Not evaluated" is said aloud, never left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Evaluated {
    Judged(Quality),
    NotEvaluated,
}

/// What is known of one batch: committed with its rows, and all that telling needs later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub run: Run,
    pub draft: DraftId,
    pub judged_at: DateTime<Utc>,
    pub inputs: Vec<DatasetName>,
    pub output: DatasetName,
    pub columns: Vec<Column>,
    pub contract: Option<ContractRef>,
    pub counts: Counts,
    /// For an aggregate stage, the rows that it wrote (its conserved sum stands for `written`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_out: Option<u64>,
    /// Why rows were rejected: a rule's name or a reason, and how many rows.
    pub rejected_by: BTreeMap<String, u64>,
    /// Dead letters by the topic they went to.
    pub letters: BTreeMap<String, u64>,
    pub quality: Evaluated,
    pub from: Position,
    pub upto: Position,
    /// When a person let the batch pass, though quality would have halted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<DateTime<Utc>>,
    /// The day that was computed anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recomputed: Option<NaiveDate>,
    /// Dead letters of that day that were closed, by the topic in which they lie.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub closed: BTreeMap<String, u64>,
    /// What later batches are held against, where quality was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remembered: Option<Remembered>,
    /// The commit's place in the trace that the batch is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
    /// The windows of the stage that rows of the batch fell into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<WindowScore>,
}

/// How good the rows of a window of time are, of those that were judged and came on time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowScore {
    /// The table that has a row for the window.
    pub dataset: DatasetName,
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    pub rows: u64,
    /// Those that left as dead letters.
    pub rejected: u64,
    /// What broken rules took from the rows: one for each that is worth nothing.
    pub lost: f64,
}

impl WindowScore {
    /// 0–100, by the rules about rows; none without a row.
    #[allow(clippy::cast_precision_loss, reason = "a share needs no 53 bits")]
    pub fn score(&self) -> Option<f64> {
        let share = self.lost / self.rows as f64;
        (self.rows > 0).then(|| (100.0 * (1.0 - share)).clamp(0.0, 100.0))
    }
}

impl Report {
    pub fn score(&self) -> Option<f64> {
        match &self.quality {
            Evaluated::Judged(quality) => quality.score,
            Evaluated::NotEvaluated => None,
        }
    }

    pub fn verdict(&self) -> Option<Verdict> {
        match &self.quality {
            Evaluated::Judged(quality) => Some(quality.verdict),
            Evaluated::NotEvaluated => None,
        }
    }

    /// The verdict in a word, also when there is none.
    pub fn verdict_name(&self) -> &'static str {
        match (self.verdict(), self.accepted_at) {
            (Some(Verdict::Halt), Some(_)) => "accepted",
            (verdict, _) => verdict.map_or("not evaluated", Verdict::name),
        }
    }

    /// What the batch read: of each slice that it moved, from which mark to which place. Batches
    /// that agree in this are of the same rows, whoever read them and however often.
    pub fn stretch(&self) -> BTreeMap<&Slice, (Option<&Mark>, u64)> {
        let moved = self.upto.moved_since(&self.from);
        moved.map(|(slice, mark)| (slice, (self.from.mark(slice), mark.at))).collect()
    }

    /// Rows in the dataset that this batch added.
    pub fn rows_added(&self) -> u64 {
        self.rows_out.unwrap_or(self.counts.written)
    }
}

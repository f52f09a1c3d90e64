use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One stage of one pipeline: `github_events/parse`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StageId {
    pub pipeline: String,
    pub stage: String,
}

impl fmt::Display for StageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pipeline, self.stage)
    }
}

/// Names one execution of a stage. Ids sort by the time they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub Uuid);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(RunId)
    }
}

/// Which parts of governance a run was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Governed {
    pub quality: bool,
    pub lineage: bool,
    pub dead_letters: bool,
    pub metrics: bool,
}

impl Governed {
    pub const ALL: Governed =
        Governed { quality: true, lineage: true, dead_letters: true, metrics: true };
}

/// One execution of a stage, as its batches know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub stage: StageId,
    pub started_at: DateTime<Utc>,
    pub governed: Governed,
    /// Whether it goes on with what comes, until it is told to stop.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub following: bool,
}

/// How a run stands, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    Running,
    Complete,
    /// Stopped by quality before anything was committed.
    Halted,
    Failed,
    /// Ended without saying how: its process died or was told to stop.
    Aborted,
}

impl RunStatus {
    pub const ALL: [RunStatus; 5] = [
        RunStatus::Running,
        RunStatus::Complete,
        RunStatus::Halted,
        RunStatus::Failed,
        RunStatus::Aborted,
    ];

    pub fn name(self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::Complete => "complete",
            RunStatus::Halted => "halted",
            RunStatus::Failed => "failed",
            RunStatus::Aborted => "aborted",
        }
    }
}

impl FromStr for RunStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = RunStatus::ALL.into_iter().find(|status| status.name() == text);
        known.ok_or_else(|| format!("`{text}` is not the status of a run"))
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

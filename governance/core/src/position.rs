use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Who reads: a stage of a pipeline, `github_events/parse`. Positions are kept per reader.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReaderId(pub String);

impl fmt::Display for ReaderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The part of a source that moves on its own: one partition of a topic, or a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slice(String);

const REPLAY: &str = "replay:";

impl Slice {
    pub fn partition(topic: &str, partition: u32) -> Slice {
        Slice(format!("{topic}/{partition}"))
    }

    pub fn table(table: &str) -> Slice {
        Slice(table.to_owned())
    }

    /// Letters that a job sends back.
    pub fn replay(job: Uuid) -> Slice {
        Slice(format!("{REPLAY}{job}"))
    }

    pub fn from_name(name: &str) -> Slice {
        Slice(name.to_owned())
    }

    /// The job whose letters it is of; none of another slice.
    pub fn job(&self) -> Option<Uuid> {
        self.0.strip_prefix(REPLAY)?.parse().ok()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A batch that was written but not yet committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DraftId(pub Uuid);

impl FromStr for DraftId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(DraftId)
    }
}

impl fmt::Display for DraftId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far one slice has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The next offset of a partition, or the greatest sequence number read of a table.
    pub at: u64,
    /// The greatest event time seen, where the source has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<DateTime<Utc>>,
    /// The last sequence taken from each collector, so that a batch sent twice is taken once.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub collectors: BTreeMap<String, u64>,
    /// Of the last record that was read of a partition: where a topic was made anew, another record
    /// stands there. Absent in marks of older versions, and where nothing was read since a rewind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The draft that moved the slice here: a rewind can't be mistaken for the old place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<DraftId>,
}

/// How far a reader has read, slice by slice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position(pub BTreeMap<Slice, Mark>);

impl Position {
    /// Whether it is one of letters that came back.
    pub fn is_replay(&self) -> bool {
        self.0.keys().any(|slice| slice.0.starts_with(REPLAY))
    }

    pub fn mark(&self, slice: &Slice) -> Option<&Mark> {
        self.0.get(slice)
    }

    /// The same of those slices alone.
    pub fn only(&self, wanted: impl Fn(&Slice) -> bool) -> Position {
        let marks = self.0.iter().filter(|(slice, _)| wanted(slice));
        Position(marks.map(|(slice, mark)| (slice.clone(), mark.clone())).collect())
    }

    /// Whether every slice that `other` names stands here as it stands there.
    pub fn agrees_with(&self, other: &Position) -> bool {
        other.0.iter().all(|(slice, mark)| self.mark(slice) == Some(mark))
    }

    /// Whether both reach equally far, by whatever drafts.
    pub fn reaches_as_far(&self, other: &Position) -> bool {
        let ends = |position: &Position| -> BTreeMap<Slice, u64> {
            position.0.iter().map(|(slice, mark)| (slice.clone(), mark.at)).collect()
        };
        ends(self) == ends(other)
    }

    /// The slices whose marks differ from `earlier`.
    pub fn moved_since<'a>(
        &'a self,
        earlier: &'a Position,
    ) -> impl Iterator<Item = (&'a Slice, &'a Mark)> {
        self.0.iter().filter(|(slice, mark)| earlier.mark(slice) != Some(mark))
    }
}

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// What became of the row of a letter that waits for nobody any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It was written.
    Landed,
    /// It was written, and added to windows that had been told without it.
    Corrected,
    /// It is in the target already.
    Duplicate,
    /// The stage's filter leaves such rows out.
    Filtered,
    /// It was a message of many rows, all of which are letters of their own now.
    Split,
    /// It is in the topic that it was refused at before.
    Sent,
    /// A person gave it up.
    Discarded,
    /// Its day was computed anew, and it was not set aside again.
    Recomputed,
}

impl Fate {
    pub const ALL: [Fate; 8] = [
        Fate::Landed,
        Fate::Corrected,
        Fate::Duplicate,
        Fate::Filtered,
        Fate::Split,
        Fate::Sent,
        Fate::Discarded,
        Fate::Recomputed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Fate::Landed => "landed",
            Fate::Corrected => "corrected",
            Fate::Duplicate => "duplicate",
            Fate::Filtered => "filtered",
            Fate::Split => "split",
            Fate::Sent => "sent",
            Fate::Discarded => "discarded",
            Fate::Recomputed => "recomputed",
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fate {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Fate::ALL.into_iter().find(|fate| fate.name() == text).ok_or(())
    }
}

//! The governance store: what is known of runs, batches, lineage and totals.
//!
//! It follows the targets: a commit is *told* to it once, in one transaction that moves the
//! target's mark and takes in the report, the events and the totals of that commit together.

mod audit;
mod backup;
mod belongings;
mod column;
mod database;
mod error;
mod events;
mod halts;
mod identity;
mod imported;
mod judged;
mod keys;
mod letters;
mod looks;
mod outbox;
mod pauses;
mod profiles;
mod prune;
mod readers;
mod replays;
mod reports;
mod runs;
mod schema;
mod space;
mod store;
mod told;
mod totals;
mod ways;
mod windows;

pub use audit::{Action, AuditEntry, AuditFilter};
pub use belongings::Belonging;
pub use error::StoreError;
pub use events::{Edge, Event, EventKind};
pub use halts::Halt;
pub use judged::JudgedBatch;
pub use keys::{Deed, KeyRecord, Role};
pub use letters::{
    LetterBatch, LetterCause, LetterClosed, LetterClosing, LetterFilter, LetterGroup,
    LetterOfReplay, LetterPlace, LetterRecord, LetterRow, LetterState, LetterWord,
};
pub use outbox::{Chosen, Delivery, DeliveryState, TargetHealth};
pub use pauses::Pause;
pub use profiles::ProfileRecord;
pub use prune::{Due, KeptSince, Kind};
pub use replays::{
    GivenUp, Outcome, Replay, ReplayLetter, ReplayOptions, ReplayState, ReplayTopic, Wish,
};
pub use reports::{CommitRef, ReportRecord};
pub use runs::{RunEnd, RunFilter, RunRecord, StageHealth};
pub use store::Store;
pub use told::{Telling, Told};
pub use totals::{Increment, Total};
pub use ways::{
    Atlas, ColumnWay, Direction, LineageRun, Prepared, Received, Stretch, Way, job, label,
};

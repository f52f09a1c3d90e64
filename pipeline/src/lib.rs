//! Runs pipelines: reads what is new, shapes and judges it, and commits rows, position and report
//! together.

mod avro;
mod definition;
mod expiry;
#[doc(hidden)]
pub mod foreign;
mod forward;
mod ingest;
mod inspect;
mod job;
mod lake;
mod ledger;
mod pending;
mod postgres;
mod query;
mod replay;
mod rewind;
mod runner;
mod scan;
mod session;
mod source;
mod stage;
mod stop;
mod target;
mod telling;

pub use avro::{RecordSchema, Undecodable};
pub use definition::{
    Aggregate, Folder, FolderError, Hop, IngestSpec, LoadError, MessageFormat, Pipeline, TableSpec,
    TopicSpec,
};
pub use expiry::{DueMessages, due_messages, prune_messages};
pub use forward::Forwarder;
pub use ingest::{
    EventEncoder, Ingest, IngestError, IngestSummary, Input, Resent, Wrong, message, part_of,
};
pub use inspect::{
    Earlier, FileFormat, Inferred, InspectError, Judgement, Look, Opening, Place, RefusedRows,
    Sample, Subject, infer, judge,
};
pub use lake::{
    CATALOG, Compact, Compacted, CompactedPartition, DayOfTable, Expire, Expired, Freed, Lake,
    LakeTarget, LakeTargets, Limits, Orphan, day_of_table,
};
pub use ledger::Ledger;
pub use pending::{Behind, Pending, Plan, behind, behind_stage, plan};
pub use postgres::{
    Migrated, Migration, NoAddress, Places, Postgres, PostgresTarget, REPLAYS_STAY,
};
pub use query::{Query, QueryError, SnapshotInfo, TableInfo};
pub use replay::{Carried, Changed, Died, ReplayError, Replayer};
pub use rewind::{Back, Destination, RewindError, Rewinding, plan_rewind, rewind};
pub use runner::{
    KEYS_PER_BATCH, Pace, Patience, Replaying, RunError, RunSummary, Runner, Sample as Replayed,
    Sign, Watch,
};
pub use source::SourceError;
pub use stage::{Also, EventTime, Merge, Reads, Stage, StageError, Windows, arrow_schema};
pub use stop::Stop;
pub use target::{
    Closing, Commit, Day, Draft, DraftOf, Fold, Lookup, Snapshot, Target, TargetError, Targets,
    Write,
};
pub use telling::{SILENCE, TellError};

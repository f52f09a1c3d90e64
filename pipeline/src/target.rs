//! Where a stage writes: a target takes a draft that nobody sees, and commits rows, position and
//! report together.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use assay_core::{DatasetName, DraftId, Fault, Mistakes, Position, ReaderId, Report, Slice};
use assay_quality::KeySet;
use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;

use crate::definition::TableSpec;
use crate::stage::{Also, EventTime};

/// How a draft's rows meet those that are there.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    Append,
    /// The rows replace every partition whose value of `column` is `from` or greater.
    Replace {
        column: String,
        from: ScalarValue,
    },
    /// The rows replace those of one day, in whatever partitions they are.
    Day(Day),
    /// The rows are added to those of the same key.
    Merge {
        key: Vec<String>,
        folds: Vec<(String, Fold)>,
    },
}

/// How two values of one key become one. The order in which they come does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    Sum,
    Min,
    Max,
}

/// One day of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// The column that says which day a row belongs to.
    pub column: String,
    pub date: NaiveDate,
}

impl Day {
    /// Since 1970-01-01, as Arrow and Iceberg count.
    pub(crate) fn days(&self) -> i32 {
        let days = (self.date - NaiveDate::default()).num_days();
        i32::try_from(days).expect("chrono's years are few enough")
    }

    pub(crate) fn value(&self) -> ScalarValue {
        ScalarValue::Date32(Some(self.days()))
    }
}

/// A state of a target that stays readable as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot(pub i64);

/// A batch that is in the target, with its report.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// Rises with every commit of the target.
    pub sequence: u64,
    pub snapshot: Snapshot,
    pub report: Report,
}

/// Commits that are read at once.
pub(crate) const PAGE: usize = 256;

/// What a commit will carry beside its rows.
#[derive(Debug, Clone, Copy)]
pub struct DraftOf<'a> {
    pub id: DraftId,
    pub reader: &'a ReaderId,
    pub from: &'a Position,
    /// The columns that deduplicate: what others wrote meanwhile must not hold a key of the draft.
    pub key: &'a [String],
    /// What else is written with it.
    pub also: &'a [Also],
    /// When its rows are late.
    pub event_time: Option<&'a EventTime>,
    pub begun_at: DateTime<Utc>,
}

/// What becomes visible together with the rows of a draft.
#[derive(Debug, Clone, Copy)]
pub struct Closing<'a> {
    pub upto: &'a Position,
    pub report: &'a Report,
    /// The keys of the rows, where the draft has a key.
    pub keys: &'a KeySet,
}

/// Finds the targets of stages.
pub trait Targets: Send + Sync {
    fn target(&self, spec: &Arc<TableSpec>) -> Box<dyn Target>;
}

/// One table or database that a stage writes.
#[async_trait]
pub trait Target: Send + Sync {
    /// Makes the target ready for its contract, or refuses a contract that takes something away.
    async fn prepare(&self) -> Result<(), TargetError>;

    /// Where lineage finds a table that is written with it, when that is not the lake: the
    /// namespace, and its name there.
    fn place(&self, _: &TableSpec) -> Option<(String, String)> {
        None
    }

    /// How far `reader` has come, as its last commit here says.
    async fn position(&self, reader: &ReaderId) -> Result<Position, TargetError>;

    /// Moves `reader` from one position to another, so that a worker which is building on the old
    /// place is refused. The lake keeps the reason too, and has its own way.
    async fn move_reader(
        &self,
        _: &ReaderId,
        _: (&Position, &Position),
    ) -> Result<(), TargetError> {
        let doing = "move a reader".to_owned();
        Err(TargetError::Refused { doing, why: "this target can't".to_owned() })
    }

    /// Opens a batch that nobody sees until it is committed.
    async fn draft(&self, of: DraftOf<'_>, write: Write) -> Result<Box<dyn Draft>, TargetError>;

    /// The commit of `draft`, if it is in the target: asked when a commit's answer was lost.
    async fn landed(&self, draft: DraftId) -> Result<Option<Commit>, TargetError>;

    /// Whether `draft` is what was committed under `sequence`, as far as the target still knows:
    /// false when it is another one than it was, made anew or restored, and counts for itself.
    async fn holds(&self, _sequence: u64, _draft: DraftId) -> Result<bool, TargetError> {
        Ok(true)
    }

    /// The commits with a report behind `after`, oldest first: all, or the first [`PAGE`] of them.
    /// Without `after` a target may begin with its newest page.
    async fn commits(&self, after: Option<u64>) -> Result<Vec<Commit>, TargetError>;

    /// Answers whether keys are there, as of `at`, else as of now; rows of the day `without` don't
    /// count.
    async fn lookup(
        &self,
        columns: &[String],
        at: Option<Snapshot>,
        without: Option<&Day>,
    ) -> Result<Box<dyn Lookup>, TargetError>;
}

/// A batch that is being written.
#[async_trait]
pub trait Draft: Send {
    /// The state of the target that the draft is built on.
    fn base(&self) -> Option<Snapshot>;

    /// Rows written so far, by the draft's own count.
    fn written(&self) -> u64;

    async fn write(&mut self, to: &DatasetName, rows: RecordBatch) -> Result<(), TargetError>;

    /// Makes rows, position and report visible together, or nothing of them. After an error that
    /// leaves open which (see [`TargetError::settled`]) it may be asked again.
    async fn commit(&mut self, closing: Closing<'_>) -> Result<Commit, TargetError>;

    /// Forgets the batch; what it left behind is swept later.
    async fn abandon(self: Box<Self>);
}

/// Knows the keys of one state of a target.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// For each row of `keys` (the columns looked up, in order) whether its key is there.
    async fn known(&self, keys: &RecordBatch) -> Result<BooleanArray, TargetError>;
}

/// Why a target did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("cannot {doing}")]
    Iceberg {
        doing: String,
        #[source]
        source: Box<iceberg::Error>,
    },
    #[error("cannot {doing}")]
    Catalog {
        doing: String,
        #[source]
        source: sqlx::Error,
    },
    #[error("cannot {doing}")]
    Query {
        doing: String,
        #[source]
        source: DataFusionError,
    },
    #[error("cannot {doing}")]
    File {
        doing: String,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot {doing}: {why}")]
    Postgres { doing: String, why: String, fault: Fault },
    #[error("cannot {doing}: {why}")]
    Refused { doing: String, why: String },
    #[error("the contract does not fit the table that is there: {0}")]
    Narrowed(Mistakes),
    #[error(
        "{dataset} was written by a newer Assay (format {found}, this one knows {known}): \
         update Assay to read or write it"
    )]
    Newer { dataset: DatasetName, found: String, known: u32 },
    #[error(
        "{reader} was fenced off from {dataset}: another worker moved its position. Nothing of \
         this batch was committed; look at `assay runs`, then run the stage again"
    )]
    Fenced { dataset: DatasetName, reader: ReaderId },
    #[error(
        "{dataset} was changed by another writer while the batch was built. Nothing of the batch \
         was committed; run the stage again"
    )]
    Moved { dataset: DatasetName },
    #[error(
        "a batch for {dataset} was begun more than {hours} hours ago; what has happened since \
         can't be judged. Nothing of it was committed; run the stage again"
    )]
    Stale { dataset: DatasetName, hours: i64 },
    #[error(
        "{dataset} was rolled back by another program: {reader} has read {slice} up to {at}, but \
         the commit that did so is not in the table's history any more. Roll the table forward \
         again, or go back with it: `assay rewind {reader} --to {snapshot} --reason …`"
    )]
    RolledBack { dataset: DatasetName, reader: ReaderId, slice: Slice, at: u64, snapshot: String },
    #[error("there is no table {dataset} yet: run the stage that writes it first")]
    Missing { dataset: DatasetName },
}

impl TargetError {
    pub(crate) fn iceberg(doing: impl Into<String>, source: iceberg::Error) -> TargetError {
        TargetError::Iceberg { doing: doing.into(), source: Box::new(source) }
    }

    /// Whether it is certain that nothing was committed. Another error of a commit may be one of
    /// the answer alone.
    pub fn settled(&self) -> bool {
        matches!(
            self,
            TargetError::Moved { .. } | TargetError::Stale { .. } | TargetError::Refused { .. }
        )
    }

    pub fn fault(&self) -> Fault {
        let transient = match self {
            TargetError::Postgres { fault, .. } => return *fault,
            TargetError::Iceberg { source, .. } => {
                source.retryable() || behind(source).is_some_and(may_pass)
            }
            TargetError::Catalog { source, .. } => may_pass(source),
            TargetError::Moved { .. } | TargetError::Stale { .. } => true,
            _ => false,
        };
        if transient { Fault::Transient } else { Fault::Permanent }
    }
}

/// What the catalog's database answered, where Iceberg's own client asked it.
fn behind(error: &iceberg::Error) -> Option<&sqlx::Error> {
    std::error::Error::source(error)?.downcast_ref()
}

fn may_pass(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::Io(_)) || busy(error)
}

/// SQLite's answer while another process holds the lock, whatever for: the low byte says that much.
fn busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}

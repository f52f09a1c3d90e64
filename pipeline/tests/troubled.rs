//! Ports that make trouble at a chosen moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::array::RecordBatch;
use assay_core::{DatasetName, DraftId, Position, ReaderId, StageId};
use assay_dlq::{Closed, DeadLetterQueue, DlqError, Letters, LogQueue, Payloads};
use assay_log::LogError;
use assay_pipeline::{
    Closing, Commit, Day, Draft, DraftOf, LakeTargets, Lookup, Snapshot, TableSpec, Target,
    TargetError, Targets, Write,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use uuid::Uuid;

/// Does something at the moment in which letters are put, and then fails if it is to.
pub(crate) struct AtPut {
    pub(crate) queue: Arc<LogQueue>,
    pub(crate) act: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
    pub(crate) fail: bool,
}

#[async_trait]
impl DeadLetterQueue for AtPut {
    async fn put(&self, letters: &mut Letters, draft: Option<DraftId>) -> Result<(), DlqError> {
        self.queue.put(letters, draft).await?;
        (self.act)().await;
        match self.fail {
            false => Ok(()),
            true => Err(DlqError::Log {
                doing: "go on".to_owned(),
                source: LogError::UnknownTopic { log: "log".to_owned(), topic: "t".to_owned() },
            }),
        }
    }

    async fn close(
        &self,
        stage: &StageId,
        those: &Payloads<'_>,
        again: &mut Letters,
        by: (DraftId, DateTime<Utc>),
    ) -> Result<BTreeMap<String, u64>, DlqError> {
        self.queue.close(stage, those, again, by).await
    }

    async fn settle(
        &self,
        letters: &[Closed],
        job: Uuid,
        by: (DraftId, DateTime<Utc>),
    ) -> Result<BTreeMap<String, u64>, DlqError> {
        self.queue.settle(letters, job, by).await
    }

    async fn sent(&self, letters: &[Closed], job: Uuid, at: DateTime<Utc>) -> Result<(), DlqError> {
        self.queue.sent(letters, job, at).await
    }

    async fn mark_committed(&self, draft: DraftId, topics: &[&str]) -> Result<(), DlqError> {
        self.queue.mark_committed(draft, topics).await
    }
}

/// Targets that commit and then say that they could not.
pub(crate) struct LosesAnswers {
    pub(crate) targets: LakeTargets,
    pub(crate) lost: Arc<AtomicU32>,
    /// Nor can they say afterwards whether the commit is there.
    pub(crate) forgets: bool,
}

struct LosesAnswersOf<T> {
    port: T,
    lost: Arc<AtomicU32>,
    forgets: bool,
}

fn no_answer() -> TargetError {
    TargetError::Catalog { doing: "commit".to_owned(), source: sqlx::Error::WorkerCrashed }
}

impl Targets for LosesAnswers {
    fn target(&self, spec: &Arc<TableSpec>) -> Box<dyn Target> {
        let (port, lost) = (self.targets.target(spec), Arc::clone(&self.lost));
        Box::new(LosesAnswersOf { port, lost, forgets: self.forgets })
    }
}

#[async_trait]
impl Target for LosesAnswersOf<Box<dyn Target>> {
    async fn prepare(&self) -> Result<(), TargetError> {
        self.port.prepare().await
    }

    async fn position(&self, reader: &ReaderId) -> Result<Position, TargetError> {
        self.port.position(reader).await
    }

    async fn draft(&self, of: DraftOf<'_>, write: Write) -> Result<Box<dyn Draft>, TargetError> {
        let (port, lost) = (self.port.draft(of, write).await?, Arc::clone(&self.lost));
        Ok(Box::new(LosesAnswersOf { port, lost, forgets: self.forgets }))
    }

    async fn landed(&self, draft: DraftId) -> Result<Option<Commit>, TargetError> {
        if self.forgets {
            return Err(no_answer());
        }
        self.port.landed(draft).await
    }

    async fn commits(&self, after: Option<u64>) -> Result<Vec<Commit>, TargetError> {
        self.port.commits(after).await
    }

    async fn lookup(
        &self,
        columns: &[String],
        at: Option<Snapshot>,
        without: Option<&Day>,
    ) -> Result<Box<dyn Lookup>, TargetError> {
        self.port.lookup(columns, at, without).await
    }
}

#[async_trait]
impl Draft for LosesAnswersOf<Box<dyn Draft>> {
    fn base(&self) -> Option<Snapshot> {
        self.port.base()
    }

    fn written(&self) -> u64 {
        self.port.written()
    }

    async fn write(&mut self, to: &DatasetName, rows: RecordBatch) -> Result<(), TargetError> {
        self.port.write(to, rows).await
    }

    async fn commit(&mut self, closing: Closing<'_>) -> Result<Commit, TargetError> {
        let commit = self.port.commit(closing).await?;
        match self.lost.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)) {
            Ok(_) => Err(no_answer()),
            Err(_) => Ok(commit),
        }
    }

    async fn abandon(self: Box<Self>) {
        self.port.abandon().await;
    }
}

//! Where runs are written down: what the runner asks of the governance store.

use assay_core::{
    ContractRef, DatasetName, Position, Profile, ReaderId, Report, Run, RunId, Season, StageId,
};
use assay_store::{
    Belonging, Event, Halt, Increment, Pause, RunEnd, RunRecord, Store, StoreError, Telling, Told,
};
use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

/// Keeps what is told of runs and commits. Each call takes effect whole or not at all, and again
/// does no harm.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// The name by which tables know this ledger; `made` when it had none.
    async fn identity(&self, made: Uuid) -> Result<String, StoreError>;

    /// Takes the lake of that name for the one whose commits are told; another one is refused.
    async fn belongs_to(&self, lake: &str, place: &str) -> Result<(), StoreError>;

    /// How far the commits of `target` have been told.
    async fn told(&self, target: &DatasetName) -> Result<Option<Told>, StoreError>;

    /// Begins to tell the commits of `target` from the first one, since it is another one than was
    /// told before. What was told stays, and a draft counts once.
    async fn tell_anew(&self, target: &DatasetName) -> Result<(), StoreError>;

    /// Remembers that `reader` reads `topic` into a database, where its position is.
    async fn read_into_database(
        &self,
        reader: &ReaderId,
        topic: &str,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// Who reads which topic into a database.
    async fn database_readers(&self) -> Result<Vec<(ReaderId, String)>, StoreError>;

    /// Takes in a commit; false when it was told before.
    async fn tell(&self, telling: &Telling) -> Result<bool, StoreError>;

    /// Takes in the report of a batch that was halted; false when it is there already.
    async fn halted(
        &self,
        report: &Report,
        events: &[Event],
        totals: &[Increment],
    ) -> Result<bool, StoreError>;

    /// The halted batch that a reader at `from` meets again, judged by the same contract; also one
    /// of the day that is computed anew.
    async fn latest_halt(
        &self,
        stage: &StageId,
        from: &Position,
        contract: &ContractRef,
        day: Option<NaiveDate>,
    ) -> Result<Option<Halt>, StoreError>;

    async fn start_run(&self, run: &Run, events: &[Event]) -> Result<bool, StoreError>;

    async fn heartbeat(&self, run: RunId, at: DateTime<Utc>) -> Result<bool, StoreError>;

    async fn end_run(
        &self,
        end: &RunEnd,
        events: &[Event],
        totals: &[Increment],
    ) -> Result<bool, StoreError>;

    /// Runs that should be running and have not been heard of since `silent_since`.
    async fn abandoned(&self, silent_since: DateTime<Utc>) -> Result<Vec<RunRecord>, StoreError>;

    /// Whether a person has stopped the stage for a while.
    async fn paused(&self, stage: &StageId) -> Result<Option<Pause>, StoreError>;

    /// When the newest committed batches of a dataset were judged, and the rows of each.
    async fn rows_added(
        &self,
        dataset: &DatasetName,
        limit: u32,
    ) -> Result<Vec<(DateTime<Utc>, u64)>, StoreError>;

    /// When the newest batches that a rule measured were judged, and how many seconds old the
    /// newest row of each was.
    async fn lags(
        &self,
        dataset: &DatasetName,
        rule: &str,
        limit: u32,
    ) -> Result<Vec<(DateTime<Utc>, f64)>, StoreError>;

    /// What the rows of the newest runs of a dataset look like that are like one of that time, but
    /// for one run; newest first.
    async fn profiles(
        &self,
        dataset: &DatasetName,
        but: RunId,
        like: (Season, DateTime<Utc>),
        limit: u32,
    ) -> Result<Vec<Profile>, StoreError>;
}

#[async_trait]
impl Ledger for Store {
    async fn identity(&self, made: Uuid) -> Result<String, StoreError> {
        Store::identity(self, made).await
    }

    async fn belongs_to(&self, lake: &str, place: &str) -> Result<(), StoreError> {
        Store::belongs_to(self, Belonging::Lake, (lake, place), true).await
    }

    async fn told(&self, target: &DatasetName) -> Result<Option<Told>, StoreError> {
        Store::told(self, target).await
    }

    async fn tell_anew(&self, target: &DatasetName) -> Result<(), StoreError> {
        Store::tell_anew(self, target).await
    }

    async fn read_into_database(
        &self,
        reader: &ReaderId,
        topic: &str,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        Store::read_into_database(self, reader, topic, at).await
    }

    async fn database_readers(&self) -> Result<Vec<(ReaderId, String)>, StoreError> {
        Store::database_readers(self).await
    }

    async fn tell(&self, telling: &Telling) -> Result<bool, StoreError> {
        Store::tell(self, telling).await
    }

    async fn halted(
        &self,
        report: &Report,
        events: &[Event],
        totals: &[Increment],
    ) -> Result<bool, StoreError> {
        Store::halted(self, report, events, totals).await
    }

    async fn latest_halt(
        &self,
        stage: &StageId,
        from: &Position,
        contract: &ContractRef,
        day: Option<NaiveDate>,
    ) -> Result<Option<Halt>, StoreError> {
        Store::latest_halt(self, stage, from, Some(contract), day).await
    }

    async fn start_run(&self, run: &Run, events: &[Event]) -> Result<bool, StoreError> {
        Store::start_run(self, run, run.started_at, events, &[]).await
    }

    async fn heartbeat(&self, run: RunId, at: DateTime<Utc>) -> Result<bool, StoreError> {
        Store::heartbeat(self, run, at).await
    }

    async fn end_run(
        &self,
        end: &RunEnd,
        events: &[Event],
        totals: &[Increment],
    ) -> Result<bool, StoreError> {
        Store::end_run(self, end, events, totals).await
    }

    async fn abandoned(&self, silent_since: DateTime<Utc>) -> Result<Vec<RunRecord>, StoreError> {
        Store::abandoned(self, silent_since).await
    }

    async fn paused(&self, stage: &StageId) -> Result<Option<Pause>, StoreError> {
        Store::paused(self, stage).await
    }

    async fn rows_added(
        &self,
        dataset: &DatasetName,
        limit: u32,
    ) -> Result<Vec<(DateTime<Utc>, u64)>, StoreError> {
        Store::rows_added(self, dataset, limit).await
    }

    async fn lags(
        &self,
        dataset: &DatasetName,
        rule: &str,
        limit: u32,
    ) -> Result<Vec<(DateTime<Utc>, f64)>, StoreError> {
        Store::lags(self, dataset, rule, limit).await
    }

    async fn profiles(
        &self,
        dataset: &DatasetName,
        but: RunId,
        like: (Season, DateTime<Utc>),
        limit: u32,
    ) -> Result<Vec<Profile>, StoreError> {
        let known = Store::profiles_like(self, dataset, Some(but), like, limit).await?;
        Ok(known.into_iter().map(|known| known.profile).collect())
    }
}

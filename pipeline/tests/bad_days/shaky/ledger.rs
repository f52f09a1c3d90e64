//! The store, as a process meets it that suffers.

use std::sync::Arc;

use assay_core::{
    ContractRef, DatasetName, Position, Profile, ReaderId, Report, Run, RunId, Season, StageId,
};
use assay_pipeline::Ledger;
use assay_store::{Event, Halt, Increment, Pause, RunEnd, RunRecord, StoreError, Telling, Told};
use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::{Shaky, in_store};

#[async_trait]
impl Ledger for Shaky<Arc<dyn Ledger>> {
    async fn identity(&self, made: Uuid) -> Result<String, StoreError> {
        self.fate.effect("identity", in_store, self.port.identity(made)).await
    }

    async fn belongs_to(&self, lake: &str, place: &str) -> Result<(), StoreError> {
        self.fate.effect("lake", in_store, self.port.belongs_to(lake, place)).await
    }

    async fn told(&self, target: &DatasetName) -> Result<Option<Told>, StoreError> {
        self.fate.effect("told", in_store, self.port.told(target)).await
    }

    async fn tell_anew(&self, target: &DatasetName) -> Result<(), StoreError> {
        self.fate.effect("anew", in_store, self.port.tell_anew(target)).await
    }

    async fn read_into_database(
        &self,
        reader: &ReaderId,
        topic: &str,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let remembering = self.port.read_into_database(reader, topic, at);
        self.fate.effect("reader", in_store, remembering).await
    }

    async fn database_readers(&self) -> Result<Vec<(ReaderId, String)>, StoreError> {
        self.fate.effect("readers", in_store, self.port.database_readers()).await
    }

    async fn tell(&self, telling: &Telling) -> Result<bool, StoreError> {
        self.fate.effect("tell", in_store, self.port.tell(telling)).await
    }

    async fn halted(
        &self,
        report: &Report,
        events: &[Event],
        totals: &[Increment],
    ) -> Result<bool, StoreError> {
        self.fate.effect("halted", in_store, self.port.halted(report, events, totals)).await
    }

    async fn latest_halt(
        &self,
        stage: &StageId,
        from: &Position,
        contract: &ContractRef,
        day: Option<NaiveDate>,
    ) -> Result<Option<Halt>, StoreError> {
        self.fate.effect("halt", in_store, self.port.latest_halt(stage, from, contract, day)).await
    }

    async fn start_run(&self, run: &Run, events: &[Event]) -> Result<bool, StoreError> {
        self.fate.effect("start", in_store, self.port.start_run(run, events)).await
    }

    async fn heartbeat(&self, run: RunId, at: DateTime<Utc>) -> Result<bool, StoreError> {
        self.fate.effect("beat", in_store, self.port.heartbeat(run, at)).await
    }

    async fn end_run(
        &self,
        end: &RunEnd,
        events: &[Event],
        totals: &[Increment],
    ) -> Result<bool, StoreError> {
        self.fate.effect("end", in_store, self.port.end_run(end, events, totals)).await
    }

    async fn abandoned(&self, silent_since: DateTime<Utc>) -> Result<Vec<RunRecord>, StoreError> {
        self.fate.effect("abandoned", in_store, self.port.abandoned(silent_since)).await
    }

    async fn paused(&self, stage: &StageId) -> Result<Option<Pause>, StoreError> {
        self.fate.effect("paused", in_store, self.port.paused(stage)).await
    }

    async fn rows_added(
        &self,
        dataset: &DatasetName,
        limit: u32,
    ) -> Result<Vec<(DateTime<Utc>, u64)>, StoreError> {
        self.fate.effect("history", in_store, self.port.rows_added(dataset, limit)).await
    }

    async fn lags(
        &self,
        dataset: &DatasetName,
        rule: &str,
        limit: u32,
    ) -> Result<Vec<(DateTime<Utc>, f64)>, StoreError> {
        self.fate.effect("lags", in_store, self.port.lags(dataset, rule, limit)).await
    }

    async fn profiles(
        &self,
        dataset: &DatasetName,
        but: RunId,
        like: (Season, DateTime<Utc>),
        limit: u32,
    ) -> Result<Vec<Profile>, StoreError> {
        self.fate.effect("profiles", in_store, self.port.profiles(dataset, but, like, limit)).await
    }
}

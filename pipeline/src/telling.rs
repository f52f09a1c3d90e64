//! Tells the store what was committed. The store follows the target: every commit behind its
//! told mark, in order, each in one transaction with the mark.

use std::collections::BTreeSet;

use assay_core::{Clock, DatasetName, Fault, Ids, Report, Run, RunStatus, StageId};
use assay_dlq::{DeadLetterQueue, DlqError};
use assay_lineage::{ColumnLineage, DatasetRef, batch, ended, started};
use assay_log::Log;
use assay_metrics::{of_batch, of_run};
use assay_store::{CommitRef, Event, RunEnd, StoreError, Telling};
use chrono::TimeDelta;

use crate::definition::Pipeline;
use crate::lake::{CATALOG, Lake};
use crate::ledger::Ledger;
use crate::stage::{Also, Stage};
use crate::target::{Commit, PAGE, Target, TargetError};

/// A run that was not heard of for so long has lost its process.
pub const SILENCE: TimeDelta = TimeDelta::minutes(1);

/// Why a commit is not told yet.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    DeadLetters(#[from] DlqError),
}

impl TellError {
    pub fn fault(&self) -> Fault {
        match self {
            TellError::Target(error) => error.fault(),
            TellError::Store(error) => error.fault(),
            TellError::DeadLetters(error) => error.fault(),
        }
    }
}

/// Knows a stage's datasets by the names that lineage has for them.
pub(crate) struct Teller<'a> {
    pub(crate) lake: &'a Lake,
    pub(crate) log: &'a dyn Log,
    pub(crate) ledger: &'a dyn Ledger,
    pub(crate) target: &'a dyn Target,
    pub(crate) queue: &'a dyn DeadLetterQueue,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) ids: &'a dyn Ids,
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) stage: &'a Stage,
}

impl Teller<'_> {
    /// Refuses to tell commits of a lake to a store that knows another: many hosts may share a store,
    /// and tables of the same name would be taken for one.
    pub(crate) async fn check_lake(&self) -> Result<(), TellError> {
        if self.stage.writes.postgres.is_some() {
            return Ok(());
        }
        let lake = self.lake.identity(self.ids.next()).await?;
        let place = self.lake.root().display().to_string();
        Ok(self.ledger.belongs_to(&lake, &place).await?)
    }

    /// Tells every commit of the stage's target that was not told yet.
    pub(crate) async fn follow(&self) -> Result<u64, TellError> {
        let spec = &self.stage.writes;
        let mut told = self.told(&spec.dataset).await?;
        let before = told;
        let mut count = 0;
        loop {
            let commits = self.target.commits(told).await?;
            let page = commits.len();
            for commit in commits {
                told = Some(commit.sequence);
                count += u64::from(self.tell(&spec.dataset, commit).await?);
            }
            if page < PAGE {
                break;
            }
        }
        if let Some(last) = told.filter(|_| told != before)
            && spec.postgres.is_none()
        {
            self.leave_mark(&spec.dataset, last).await;
        }
        Ok(count)
    }

    /// The number up to which the target's commits are told. Where the target is another one by
    /// now, its numbers mean nothing, and all of its commits are told: a draft counts once.
    async fn told(&self, dataset: &DatasetName) -> Result<Option<u64>, TellError> {
        let Some(told) = self.ledger.told(dataset).await? else { return Ok(None) };
        if self.target.holds(told.sequence, told.draft).await? {
            return Ok(Some(told.sequence));
        }
        let sequence = told.sequence;
        tracing::warn!(
            %dataset,
            sequence,
            "the database is another one, or was restored: its commits are told from the first"
        );
        self.ledger.tell_anew(dataset).await?;
        Ok(Some(0))
    }

    /// Leaves in the table how far it was told, so that no snapshot expires before. The mark may
    /// lag, so a failure is no more than a warning.
    async fn leave_mark(&self, dataset: &DatasetName, at: u64) {
        let left = async {
            let name = self.ledger.identity(self.ids.next()).await?;
            Ok::<_, TellError>(self.lake.leave_told(dataset, &name, at).await?)
        };
        if let Err(error) = left.await {
            tracing::warn!(%dataset, %error, "how far it was told could not be left in the table");
        }
    }

    /// The letters' marker goes first: it is the same however often it is written, and a letter
    /// of a commit that is told must not be hidden.
    async fn tell(&self, target: &DatasetName, commit: Commit) -> Result<bool, TellError> {
        let Commit { sequence, snapshot, report } = commit;
        let topics: BTreeSet<&str> =
            report.letters.keys().chain(report.closed.keys()).map(String::as_str).collect();
        let topics: Vec<&str> = topics.into_iter().collect();
        if !topics.is_empty() {
            self.queue.mark_committed(report.draft, &topics).await?;
        }
        let events = match report.run.governed.lineage {
            true => vec![self.batch(&report, sequence, snapshot.0)],
            false => vec![],
        };
        let totals = of_batch(&report);
        let target = target.clone();
        let telling = Telling { target, sequence, snapshot: snapshot.0, report, events, totals };
        Ok(self.ledger.tell(&telling).await?)
    }

    fn batch(&self, report: &Report, sequence: u64, snapshot: i64) -> Event {
        let inputs: Vec<DatasetRef> = report.inputs.iter().map(|name| self.dataset(name)).collect();
        let mut output = self.dataset(&report.output).with_columns(report.columns.clone());
        let mut also = self.also(&inputs, &output);
        // One that follows commits every few seconds; the start of its run has said it.
        match report.run.following {
            true => also.iter_mut().for_each(|table| table.column_lineage = None),
            false => output = output.made_as(self.stage.columns(), &inputs),
        }
        let commit = CommitRef { sequence, snapshot };
        let outputs = (&output, &also[..]);
        batch(report, &inputs, outputs, Some(commit), self.ids.next(), self.clock.now())
    }

    /// The further tables that are written with it, and what they are made of.
    fn also(&self, inputs: &[DatasetRef], output: &DatasetRef) -> Vec<DatasetRef> {
        let known: Vec<DatasetRef> = inputs.iter().chain([output]).cloned().collect();
        let table = |(also, lineage): (&Also, &ColumnLineage)| {
            self.dataset(&also.writes.dataset).made_as(lineage, &known)
        };
        self.stage.also_columns().map(table).collect()
    }

    fn dataset(&self, name: &DatasetName) -> DatasetRef {
        let also = self.stage.also.iter().map(|also| &also.writes);
        if let Some(spec) =
            [&self.stage.writes].into_iter().chain(also).find(|spec| spec.dataset == *name)
            && let Some((namespace, table)) = self.target.place(spec)
        {
            return DatasetRef::in_database(name, &namespace, &table);
        }
        match self.pipeline.topics.contains_key(name) {
            true => DatasetRef::topic(name, &self.log.namespace()),
            false => {
                DatasetRef::table(name, &self.lake.location(name).display().to_string(), CATALOG)
            }
        }
    }

    fn ends(&self) -> (Vec<DatasetRef>, Vec<DatasetRef>) {
        let (reads, writes) = (self.stage.reads.dataset(), &self.stage.writes.dataset);
        let inputs = vec![self.dataset(reads)];
        let output = self.dataset(writes).made_as(self.stage.columns(), &inputs);
        let also = self.also(&inputs, &output);
        (inputs, [output].into_iter().chain(also).collect())
    }

    /// The event of a run's start, where lineage is asked for.
    pub(crate) fn started(&self, run: &Run) -> Vec<Event> {
        let (inputs, outputs) = self.ends();
        let event = || started(run, None, &inputs, &outputs, self.ids.next(), self.clock.now());
        run.governed.lineage.then(event).into_iter().collect()
    }

    /// The event of a run's end, where lineage is asked for.
    pub(crate) fn ended(&self, end: &RunEnd, halt: Option<&Report>) -> Vec<Event> {
        let (inputs, outputs) = self.ends();
        let event = || ended(end, halt, &inputs, &outputs, self.ids.next());
        end.run.governed.lineage.then(event).into_iter().collect()
    }

    /// Closes the runs of the stage whose process was not heard of for a minute: complete when
    /// they were to end by themselves and have a commit, else aborted.
    pub(crate) async fn close_abandoned(&self, stage: &StageId) -> Result<(), TellError> {
        let now = self.clock.now();
        for record in self.ledger.abandoned(now - SILENCE).await? {
            if record.run.stage != *stage {
                continue;
            }
            // One that goes on until it is told to stop has no last batch.
            let (status, message) = match record.batches > 0 && !record.run.following {
                true => (RunStatus::Complete, None),
                false => {
                    (RunStatus::Aborted, Some("its process ended without saying how".to_owned()))
                }
            };
            let end = RunEnd {
                run: record.run,
                status,
                ended_at: record.heartbeat_at,
                counts: record.counts,
                batches: record.batches,
                message,
            };
            let (events, totals) = (self.ended(&end, None), of_run(&end));
            self.ledger.end_run(&end, &events, &totals).await?;
        }
        Ok(())
    }
}

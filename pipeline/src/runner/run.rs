//! A run from its start to its end, as the store is told of it.

use assay_core::{Counts, Governed, Run, RunId, RunStatus};
use assay_metrics::of_run;
use assay_store::RunEnd;
use chrono::NaiveDate;
use tracing::Instrument;

use super::{RunError, RunSummary, Runner, traced};
use crate::definition::Pipeline;
use crate::stage::{Reads, Stage};
use crate::target::Day;
use crate::telling::Teller;

impl Runner {
    /// Runs one stage over what its source gained since its position, and tells how it went.
    pub async fn run(
        &self,
        pipeline: &Pipeline,
        stage: &Stage,
        governed: Governed,
    ) -> Result<RunSummary, RunError> {
        self.run_ways(pipeline, stage, governed, None).await
    }

    /// Runs one stage over what is new, and then computes one day anew: the rows of that day, as
    /// far as they were read, replace those that were made of it. A topic has no days; there it is
    /// a run like any other.
    pub async fn recompute(
        &self,
        pipeline: &Pipeline,
        stage: &Stage,
        governed: Governed,
        date: NaiveDate,
    ) -> Result<RunSummary, RunError> {
        let column = match (&stage.reads, &stage.aggregate) {
            (Reads::Topic(_), _) => None,
            (_, Some(aggregate)) => Some(&aggregate.whole),
            (_, None) => Some(
                stage.day.as_ref().ok_or_else(|| RunError::NoDays { stage: stage.id.clone() })?,
            ),
        };
        let day = column.map(|column| Day { column: column.clone(), date });
        self.run_ways(pipeline, stage, governed, day).await
    }

    async fn run_ways(
        &self,
        pipeline: &Pipeline,
        stage: &Stage,
        governed: Governed,
        day: Option<Day>,
    ) -> Result<RunSummary, RunError> {
        let target = self.targets.target(&stage.writes);
        let teller = self.teller(pipeline, stage, target.as_ref());
        let run = self.begin(&teller, stage, governed, false).await?;
        let mut summary = RunSummary { run, counts: Counts::default(), batches: vec![] };
        let lines = traced::lines_of(&summary.run);
        let batches = self.batches(stage, target.as_ref(), &teller, day, &mut summary);
        let outcome = Box::pin(batches).instrument(lines).await;
        let batches = summary.batches.len() as u64;
        let told = self.end(&teller, &summary, batches, outcome.as_ref().err()).await;
        // What went wrong first is what a person has to hear.
        outcome?;
        told?;
        Ok(summary)
    }

    /// Tells first what an earlier process committed and could not tell; then writes down that a
    /// run has started.
    pub(super) async fn begin(
        &self,
        teller: &Teller<'_>,
        stage: &Stage,
        governed: Governed,
        following: bool,
    ) -> Result<Run, RunError> {
        let (id, started_at) = (RunId(self.ids.next()), self.clock.now());
        let run = Run { id, stage: stage.id.clone(), started_at, governed, following };
        if let (Some(_), Reads::Topic(topic)) = (&stage.writes.postgres, &stage.reads) {
            // Before it reads: no message may go that it has not read, also where nobody can ask
            // its database.
            let (reader, topic) = (stage.reader(), topic.dataset.name());
            let known = || self.ledger.read_into_database(&reader, topic, started_at);
            self.patience.keep(known).await?;
        }
        self.patience.keep(|| Box::pin(teller.check_lake())).await?;
        if let Err(error) = self.patience.keep(|| Box::pin(teller.follow())).await {
            tracing::warn!(%error, "an earlier commit can't be told yet");
        }
        self.patience.keep(|| Box::pin(teller.close_abandoned(&stage.id))).await?;
        let event = teller.started(&run);
        self.patience.keep(|| self.ledger.start_run(&run, &event)).await?;
        Ok(run)
    }

    /// Writes down a run that could not begin.
    pub(super) async fn refused(
        &self,
        teller: &Teller<'_>,
        (governed, following): (Governed, bool),
        error: &RunError,
    ) -> Result<(), RunError> {
        let (id, started_at) = (RunId(self.ids.next()), self.clock.now());
        let stage = teller.stage.id.clone();
        let run = Run { id, stage, started_at, governed, following };
        let event = teller.started(&run);
        self.ledger.start_run(&run, &event).await?;
        let summary = RunSummary { run, counts: Counts::default(), batches: vec![] };
        self.end(teller, &summary, 0, Some(error)).await
    }

    /// Writes down how the run ended.
    pub(super) async fn end(
        &self,
        teller: &Teller<'_>,
        summary: &RunSummary,
        batches: u64,
        error: Option<&RunError>,
    ) -> Result<(), RunError> {
        let mut counts = summary.counts;
        let halt = match error {
            Some(RunError::Halted { report, .. }) => Some(report.as_ref()),
            _ => None,
        };
        if let Some(report) = halt {
            // Nothing of a halted batch is written.
            counts.add(&Counts { written: 0, ..report.counts });
        }
        let end = RunEnd {
            run: summary.run.clone(),
            status: error.map_or(RunStatus::Complete, RunError::status),
            ended_at: self.clock.now(),
            counts,
            batches,
            message: error.map(RunError::told),
        };
        let (events, totals) = (teller.ended(&end, halt), of_run(&end));
        self.patience.keep(|| self.ledger.end_run(&end, &events, &totals)).await?;
        Ok(())
    }
}

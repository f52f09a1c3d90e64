//! The effects of a batch, in their order. Up to the commit nothing of it can be seen.

use assay_core::{DraftId, Report, Verdict};
use assay_dlq::{Closed, Letters};
use assay_metrics::of_halt;
use assay_quality::KeySet;
use assay_trace::Span;

use super::patience::Faulty;
use super::{RunError, Runner, traced};
use crate::stage::Stage;
use crate::target::{Closing, Day, Draft, Target, TargetError};

/// A batch that was judged, and waits to take effect.
pub(super) struct Judged {
    pub(super) draft: Box<dyn Draft>,
    pub(super) report: Report,
    pub(super) letters: Letters,
    pub(super) keys: KeySet,
    /// Letters whose rows are in it.
    pub(super) closed: Vec<Closed>,
    /// The day that is computed anew.
    pub(super) day: Option<Day>,
    pub(super) span: Span,
}

impl Runner {
    /// Commits the batch, or reports that it was halted.
    pub(super) async fn land(
        &self,
        stage: &Stage,
        target: &dyn Target,
        judged: Judged,
    ) -> Result<Report, RunError> {
        let Judged { mut draft, mut report, mut letters, keys, day, mut span, .. } = judged;
        if report.verdict() == Some(Verdict::Halt) && report.accepted_at.is_none() {
            span.fail("halted by quality");
            draft.abandon().await;
            let totals = of_halt(&report);
            self.patience.keep(|| self.ledger.halted(&report, &[], &totals)).await?;
            let (stage, report) = (stage.id.clone(), Box::new(report));
            return Err(RunError::Halted { stage, report, job: None });
        }
        if !letters.is_empty() {
            self.put(&mut letters, report.draft).await?;
        }
        if let Some(day) = &day {
            self.close_letters(stage, day, &mut letters, &mut report).await?;
        }
        let commit = traced::commit(&span, &mut report);
        let closing = Closing { upto: &report.upto, report: &report, keys: &keys };
        let outcome = self.commit(stage, target, draft.as_mut(), closing).await;
        traced::committed(commit, &outcome);
        outcome?;
        Ok(report)
    }

    /// Closes the letters of the day that were not put again: their rows are in now, or gone.
    async fn close_letters(
        &self,
        stage: &Stage,
        day: &Day,
        letters: &mut Letters,
        report: &mut Report,
    ) -> Result<(), RunError> {
        let date = day.date.to_string();
        let of_day = |payload: &[u8]| {
            let row: Option<serde_json::Value> = serde_json::from_slice(payload).ok();
            row.is_some_and(|row| row[&day.column] == date.as_str())
        };
        let by = (report.draft, report.judged_at);
        let mut tried = 0;
        report.closed = loop {
            match self.queue.close(&stage.id, &of_day, letters, by).await {
                Err(error)
                    if error.is_transient() && self.patience.pause(&mut tried, &error).await => {}
                outcome => break outcome?,
            }
        };
        Ok(())
    }

    /// Put again after an error, they are the same letters: readers take copies as one.
    pub(super) async fn put(&self, letters: &mut Letters, draft: DraftId) -> Result<(), RunError> {
        let mut tried = 0;
        loop {
            match self.queue.put(letters, Some(draft)).await {
                Err(error)
                    if error.is_transient() && self.patience.pause(&mut tried, &error).await => {}
                outcome => return Ok(outcome?),
            }
        }
    }

    /// Commits a draft. An error may be one of the answer alone, so the draft is looked for before
    /// it is committed again or given up.
    pub(super) async fn commit(
        &self,
        stage: &Stage,
        target: &dyn Target,
        draft: &mut dyn Draft,
        closing: Closing<'_>,
    ) -> Result<(), RunError> {
        let id = closing.report.draft;
        let mut tried = 0;
        loop {
            let error = match draft.commit(closing).await {
                Ok(_) => return Ok(()),
                Err(error) if error.settled() => return Err(error.into()),
                Err(error) => error,
            };
            match self.patience.keep(|| target.landed(id)).await {
                Ok(Some(_)) => return Ok(()),
                // That another has moved the position is certain, once it is not this draft.
                Ok(None) if matches!(error, TargetError::Fenced { .. }) => {
                    return Err(error.into());
                }
                Ok(None)
                    if error.is_transient() && self.patience.pause(&mut tried, &error).await => {}
                Ok(None) => return Err(error.into()),
                Err(_) => {
                    let stage = stage.id.clone();
                    return Err(RunError::Unknown { stage, draft: id, source: Box::new(error) });
                }
            }
        }
    }
}

//! What log lines and traces say of runs and batches: names, ids and counts.

use assay_core::{Report, Run, TraceContext};
use assay_trace::{Kind, Span};

use super::RunError;
use super::patience::Faulty;
use crate::stage::Stage;

/// Names the run in every log line of it.
pub(crate) fn lines_of(run: &Run) -> tracing::Span {
    // Of the highest level, so that no filter takes the run away from a line that it lets through.
    tracing::error_span!("run", run = %run.id, stage = %run.stage)
}

/// A batch, from its first rows on. It goes on from the first trace that it has rows of.
pub(super) fn begun(run: &Run, stage: &Stage, came_from: &[TraceContext]) -> Span {
    let mut span = Span::begin("batch", Kind::Consumer, came_from.first());
    if span.recording() {
        span.set("assay.run.id", run.id.to_string());
        span.set("assay.pipeline", stage.id.pipeline.clone());
        span.set("assay.stage", stage.id.stage.clone());
        span.set("assay.dataset.read", stage.reads.dataset().to_string());
        span.set("assay.dataset.written", stage.writes.dataset.to_string());
        came_from.iter().skip(1).for_each(|other| span.link(other));
    }
    span
}

/// What became of it, and the other traces that it has rows of.
pub(super) fn judged(span: &mut Span, report: &Report, came_from: &[TraceContext]) {
    if !span.recording() {
        return;
    }
    came_from.iter().for_each(|other| span.link(other));
    let counts = &report.counts;
    span.count("assay.rows.read", counts.read);
    span.count("assay.rows.written", counts.written);
    span.count("assay.rows.rejected", counts.rejected);
    span.count("assay.rows.filtered", counts.filtered);
    span.count("assay.rows.duplicates", counts.duplicates);
    span.set("assay.draft", report.draft.to_string());
    span.set("assay.verdict", report.verdict_name());
    if let Some(score) = report.score() {
        span.set("assay.score", score);
    }
}

/// The commit of a batch; the report names it, so that whoever tells or reads it goes on from there.
pub(super) fn commit(batch: &Span, report: &mut Report) -> Span {
    let span = batch.child("commit", Kind::Internal);
    report.trace = span.context().cloned();
    span
}

pub(super) fn committed(mut span: Span, outcome: &Result<(), RunError>) {
    if let Err(error) = outcome {
        span.fail(match error.is_transient() {
            true => "it may work the next time",
            false => "it can't be committed",
        });
    }
}

//! Writes the dead letters of a batch.

use assay_core::Run;
use assay_dlq::{
    DeadLetter, DlqError, LetterId, Letters, MOST_ATTEMPTS, Origin, PayloadKind, Reason, Source,
};
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::RunError;
use crate::source::{Again, Chunk, Refused};
use crate::stage::{Broken, Stage};

/// Turns rows that are set aside into letters, and counts them.
pub(super) struct Writer<'a> {
    run: &'a Run,
    stage: &'a Stage,
    letters: Letters,
    at: DateTime<Utc>,
    /// Of what was set aside, the rows that are nothing but late.
    late: u64,
    first: Option<String>,
    /// Rows of the chunk at hand.
    rejected: Vec<u32>,
    sensitive: Vec<String>,
}

/// Why a row is set aside.
struct Cause {
    reason: Reason,
    rules: Vec<String>,
    detail: String,
}

impl Cause {
    /// A row that came back once too often is parked.
    fn after(self, again: Option<Again>) -> Cause {
        let attempts = again.map_or(1, |again| again.attempt.saturating_add(1));
        if attempts < MOST_ATTEMPTS {
            return self;
        }
        let detail = format!("{} times: {}", attempts, self.detail);
        Cause { reason: Reason::AttemptsExhausted, detail, ..self }
    }
}

impl<'a> Writer<'a> {
    pub(super) fn new(run: &'a Run, stage: &'a Stage, letters: Letters, at: DateTime<Utc>) -> Self {
        let sensitive = stage.sensitive();
        Writer { run, stage, letters, at, late: 0, first: None, rejected: Vec::new(), sensitive }
    }

    /// Rows set aside so far.
    pub(super) fn rows(&self) -> u64 {
        self.letters.len()
    }

    /// Those of them that are nothing but late: how many come late says nothing of an outage.
    pub(super) fn late_rows(&self) -> u64 {
        self.late
    }

    /// What is wrong with the first of them, and where it was.
    pub(super) fn first_reason(&self) -> Option<String> {
        self.first.clone()
    }

    /// The rows of a chunk that were set aside since this was asked before.
    pub(super) fn take_rejected(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.rejected)
    }

    pub(super) fn finish(self) -> Letters {
        self.letters
    }

    pub(super) fn refused(&mut self, refused: &Refused) -> Result<(), RunError> {
        let detail = refused.detail.clone();
        let cause = Cause { reason: Reason::Undecodable, rules: vec![], detail };
        let payload = (refused.payload.clone(), refused.kind);
        let origin = (refused.origin.clone(), refused.again);
        self.push(cause, origin, refused.place.clone(), payload)
    }

    pub(super) fn broken(&mut self, chunk: &Chunk, broken: &Broken) -> Result<(), RunError> {
        let detail = broken.why.clone();
        self.row(
            chunk,
            broken.row,
            Cause { reason: Reason::Untransformable, rules: vec![], detail },
        )
    }

    pub(super) fn late(&mut self, chunk: &Chunk, row: u32, detail: String) -> Result<(), RunError> {
        self.late += 1;
        self.row(chunk, row, Cause { reason: Reason::Late, rules: vec![], detail })
    }

    pub(super) fn ahead(
        &mut self,
        chunk: &Chunk,
        row: u32,
        detail: String,
    ) -> Result<(), RunError> {
        self.row(chunk, row, Cause { reason: Reason::Ahead, rules: vec![], detail })
    }

    pub(super) fn rule_broken(
        &mut self,
        chunk: &Chunk,
        row: u32,
        rules: &[&str],
    ) -> Result<(), RunError> {
        let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        let detail = format!("broke {} of {}", rules.join(", "), self.stage.writes.dataset);
        self.row(chunk, row, Cause { reason: Reason::RuleBroken, rules, detail })
    }

    fn row(&mut self, chunk: &Chunk, row: u32, cause: Cause) -> Result<(), RunError> {
        self.rejected.push(row);
        let row = row as usize;
        let origin = (chunk.provenance.origin(row)?, chunk.provenance.again(row));
        let payload = chunk.provenance.payload(row)?;
        self.push(cause, origin, chunk.provenance.place(row), payload)
    }

    fn push(
        &mut self,
        cause: Cause,
        (origin, again): (Origin, Option<Again>),
        source: Option<Source>,
        (payload, payload_kind): (Bytes, PayloadKind),
    ) -> Result<(), RunError> {
        let place = source.as_ref().map(|source| format!(" ({source})")).unwrap_or_default();
        self.first.get_or_insert_with(|| format!("{}{place}", cause.detail));
        let cause = cause.after(again);
        let letter = DeadLetter {
            id: again.map_or_else(|| LetterId::of(&self.stage.id, &origin), |again| again.id),
            attempt: again.map_or(1, |again| again.attempt.saturating_add(1)),
            stage: self.stage.id.clone(),
            dataset: self.stage.writes.dataset.clone(),
            source,
            origin,
            run: self.run.id,
            reason: cause.reason,
            rules: cause.rules,
            detail: cause.detail,
            contract: Some(self.stage.writes.contract.version.clone()),
            payload,
            payload_kind,
            key: None,
            failed_at: self.at,
            first_failed_at: again.map_or(self.at, |again| again.first_failed_at),
            count: 1,
            sensitive: self.sensitive.clone(),
        };
        self.letters.push(letter).map_err(|error: DlqError| error.into())
    }
}

//! Where a letter's row went, from its first failure on.

use assay_core::DatasetName;
use assay_store::{Replay, ReplayLetter};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{Index, row};
use crate::{DlqError, Fate, LetterId, LetterView, Outcome};

/// The commit that a row is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Landing {
    pub table: DatasetName,
    /// Absent where the store has not been told of the commit, or has forgotten it.
    pub snapshot: Option<i64>,
    pub sequence: Option<u64>,
    pub committed_at: DateTime<Utc>,
}

/// One thing that happened to a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub enum Step {
    Failed { letter: Box<LetterView> },
    Replayed { job: Uuid, by: String, reason: String, state: &'static str, at: DateTime<Utc> },
    Closed { outcome: Outcome, landing: Option<Landing> },
}

/// What happened to the row of a letter, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Traced {
    pub id: LetterId,
    pub steps: Vec<Step>,
    /// Whether it waits for somebody.
    pub open: bool,
}

impl Index {
    /// Follows a letter from its first failure to where its row is now.
    pub async fn trace(&self, id: LetterId) -> Result<Option<Traced>, DlqError> {
        let records = self.store.letters_of(&id.to_string()).await?;
        let mut letters: Vec<LetterView> = records.into_iter().map(row::view).collect();
        letters.retain(|letter| !letter.void);
        if letters.is_empty() {
            return Ok(None);
        }
        let open = letters.iter().any(|letter| !letter.closed && !letter.older);
        let mut steps: Vec<(DateTime<Utc>, u8, Step)> = Vec::new();
        let last = letters.iter().find(|letter| letter.closed).cloned();
        if let Some(outcome) = last.as_ref().and_then(|letter| letter.outcome.clone()) {
            let landing = self.landing(&outcome, last.as_ref()).await?;
            steps.push((outcome.at, 2, Step::Closed { outcome, landing }));
        }
        for letter in letters {
            steps.push((letter.failed_at, 0, Step::Failed { letter: Box::new(letter) }));
        }
        for Replay { id, who, reason, state, created_at, .. } in
            self.store.replays_of(&id.to_string()).await?
        {
            let state = state.name();
            let step = Step::Replayed { job: id, by: who, reason, state, at: created_at };
            steps.push((created_at, 1, step));
        }
        steps.sort_by_key(|(at, order, _)| (*at, *order));
        let steps = steps.into_iter().map(|(_, _, step)| step).collect();
        Ok(Some(Traced { id, steps, open }))
    }

    /// The commit that closed a letter.
    pub async fn landing(
        &self,
        outcome: &Outcome,
        letter: Option<&LetterView>,
    ) -> Result<Option<Landing>, DlqError> {
        let Some(draft) = outcome.draft else { return Ok(None) };
        let told = self.store.report_of(draft).await?;
        let dataset = letter.and_then(|letter| letter.dataset.clone());
        let untold =
            |table| Landing { table, snapshot: None, sequence: None, committed_at: outcome.at };
        Ok(match told {
            Some(told) => Some(Landing {
                table: told.report.output.clone(),
                snapshot: told.commit.map(|commit| commit.snapshot),
                sequence: told.commit.map(|commit| commit.sequence),
                committed_at: told.report.judged_at,
            }),
            None => dataset.filter(|_| outcome.fate != Fate::Discarded).map(untold),
        })
    }

    /// What became of some letters of a job, from a number on.
    pub async fn proofs(
        &self,
        job: Uuid,
        from: u64,
        limit: u32,
    ) -> Result<Vec<(ReplayLetter, Option<LetterView>)>, DlqError> {
        let mut proofs = Vec::new();
        for letter in self.store.replay_letters(job, from, limit).await? {
            let all = self.store.letters_of(&letter.id).await?;
            let mut views = all.into_iter().map(row::view).filter(|view| !view.void);
            proofs.push((letter, views.next()));
        }
        Ok(proofs)
    }
}

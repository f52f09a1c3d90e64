//! Letters on their way back: which ones a job has, and their payloads, one after the other.

use assay_core::StageId;
use assay_store::{AuditEntry, LetterFilter, Replay, ReplayOptions, ReplayState};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::index::row;
use crate::{DlqError, Index, LetterView};

/// A letter that fails so often is parked: no replay takes it unless it is asked for by name.
pub const MOST_ATTEMPTS: u32 = 3;

/// A worker that gave no sign of life for so long is taken for dead.
pub const SILENCE: TimeDelta = TimeDelta::minutes(1);

/// Letters of a job that are read at once.
const LETTERS: u32 = 1000;

/// Who wants which letters sent back.
#[derive(Debug, Clone)]
pub struct Asked {
    pub stage: StageId,
    pub letters: LetterFilter,
    pub limit: Option<u64>,
    pub options: ReplayOptions,
    /// Whether nothing of it may take effect.
    pub dry: bool,
    pub who: String,
    pub reason: String,
}

/// The letters of a job.
#[derive(Clone)]
pub struct ReplaySet {
    index: Index,
    job: Uuid,
}

/// A letter on its way back, with its whole payload.
#[derive(Debug, Clone)]
pub struct Sent {
    pub number: u64,
    /// Absent when its topic does not have it any more.
    pub letter: Option<LetterView>,
}

impl Index {
    /// Makes a job of the letters that are asked for; which they are is fixed from here on.
    ///
    /// The index has to be caught up with the topics.
    pub async fn start(
        &self,
        asked: &Asked,
        id: Uuid,
        at: DateTime<Utc>,
        entry: Option<&AuditEntry>,
    ) -> Result<Replay, DlqError> {
        self.make(asked, (id, false), at, entry).await
    }

    /// The same, of a job that is left to whichever worker comes for it.
    pub async fn leave_to_workers(
        &self,
        asked: &Asked,
        id: Uuid,
        at: DateTime<Utc>,
        entry: Option<&AuditEntry>,
    ) -> Result<Replay, DlqError> {
        self.make(asked, (id, true), at, entry).await
    }

    async fn make(
        &self,
        asked: &Asked,
        (id, handed): (Uuid, bool),
        at: DateTime<Utc>,
        entry: Option<&AuditEntry>,
    ) -> Result<Replay, DlqError> {
        let job = Replay {
            id,
            stage: asked.stage.clone(),
            state: ReplayState::Waiting,
            dry: asked.dry,
            who: asked.who.clone(),
            reason: asked.reason.clone(),
            wanted: asked.letters.clone(),
            options: asked.options.clone(),
            created_at: at,
            beat_at: None,
            ended_at: None,
            letters: 0,
            skipped: 0,
            message: None,
            handed,
            wish: None,
            result: None,
        };
        Ok(self.store.start_replay(&job, asked.limit, entry).await?)
    }

    /// The letters of a job.
    pub fn letters_of(&self, job: Uuid) -> ReplaySet {
        ReplaySet { index: self.clone(), job }
    }
}

impl ReplaySet {
    pub fn job(&self) -> Uuid {
        self.job
    }

    /// The letters of the job from a number on: some, of about so many bytes; none behind the last.
    pub async fn next(&self, from: u64, most: u32, bytes: u64) -> Result<Vec<Sent>, DlqError> {
        let page = self.index.store.letters_of_replay(self.job, from, most.min(LETTERS)).await?;
        let mut views = Vec::new();
        let mut numbers = Vec::new();
        let mut weight = 0;
        for (number, record) in page {
            weight += record.as_ref().map_or(0, |record| record.letter.payload_bytes);
            if !numbers.is_empty() && weight > bytes {
                break;
            }
            numbers.push((number, record.as_ref().map(|_| views.len())));
            views.extend(record.map(row::view));
        }
        // Payloads are there or their topic has lost them, which a tombstone never is.
        let before: Vec<bool> = views.iter().map(|view| view.payload_bytes == 0).collect();
        self.index.fetch(&mut views, usize::MAX).await?;
        let sent = |(number, at): (u64, Option<usize>)| {
            let letter = at.map(|at| (&views[at], before[at]));
            let there = letter.filter(|(view, empty)| *empty || view.payload.is_some());
            Sent { number, letter: there.map(|(view, _)| view.clone()) }
        };
        Ok(numbers.into_iter().map(sent).collect())
    }
}

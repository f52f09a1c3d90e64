//! Letters on their way back: which ones a job has, and their payloads, one after the other.

use assay_core::StageId;
use assay_log::Record;
use assay_store::{
    AuditEntry, LetterFilter, LetterOfReplay, LetterState, Outcome, Replay, ReplayOptions,
    ReplayState,
};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::forward::{carried_along, sends};
use crate::index::payloads::Wanted;
use crate::view::id_of;
use crate::{DlqError, Index, LetterId, LetterView};

/// A letter that fails so often is parked: no replay takes it unless it is asked for by name.
pub const MOST_ATTEMPTS: u32 = 3;

/// A worker that gave no sign of life for so long is taken for dead.
pub const SILENCE: TimeDelta = TimeDelta::minutes(1);

/// Letters of a job that are read at once.
const LETTERS: u32 = 2000;

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
    /// Headers that it had before it died.
    pub carried: Vec<(String, Bytes)>,
    /// How often it was sent to a topic and died behind that.
    pub sends: u32,
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

    /// What became of the letters of a job, or would of a dry run. What its worker counted in the
    /// end stays, whatever becomes of the letters later.
    pub async fn outcome(&self, job: &Replay) -> Result<Outcome, DlqError> {
        let found = job.result.as_ref().filter(|_| job.dry || job.state == ReplayState::Complete);
        Ok(match found {
            Some(result) => serde_json::from_value(result["outcome"].clone()).unwrap_or_default(),
            None if job.dry => Outcome::new(),
            None => self.store.replay_outcome(job.id).await?,
        })
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

    /// Learns what became of the letters meanwhile, so that `next` says it.
    pub async fn catch_up(&self) -> Result<(), DlqError> {
        self.index.catch_up(&|_| {}).await.map(drop)
    }

    /// The letters of the job from a number on: some, of about so many bytes; none behind the last.
    /// What each is, its record says; the index knows where that lies.
    pub async fn next(&self, from: u64, most: u32, bytes: u64) -> Result<Vec<Sent>, DlqError> {
        let Index { store, .. } = &self.index;
        let mut page = store.letters_of_replay(self.job, from, most.min(LETTERS)).await?;
        let mut weight = 0;
        let mut fits = |letter: &LetterOfReplay| {
            weight += letter.payload_bytes;
            weight <= bytes
        };
        let some = page.iter().take_while(|letter| fits(letter)).count().max(1);
        page.truncate(some);
        let unseen = |number| Sent { number, letter: None, carried: vec![], sends: 0 };
        let mut sent: Vec<Sent> = page.iter().map(|letter| unseen(letter.number)).collect();
        let wanted = page.iter().map(|letter| Wanted {
            topic: &letter.topic,
            part: letter.part,
            place: letter.place,
        });
        let visit = |number: usize, record: &Record| {
            let LetterOfReplay { id, topic, state, .. } = &page[number];
            // In a topic that was made anew another letter may lie there.
            let same = id.parse().is_ok_and(|id: LetterId| id == id_of(topic, record));
            if let (true, Some(state)) = (same, state) {
                let mut letter = LetterView::of(topic, record, usize::MAX);
                letter.void = *state == LetterState::Void;
                letter.closed = *state == LetterState::Closed;
                letter.older = *state == LetterState::Older;
                sent[number].letter = Some(letter);
                sent[number].carried = carried_along(record);
                sent[number].sends = sends(record);
            }
        };
        self.index.records(wanted, visit).await?;
        Ok(sent)
    }
}

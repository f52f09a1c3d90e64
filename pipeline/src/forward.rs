//! Carries out jobs that send dead letters to a topic. No stage has a part in that.

use std::sync::Mutex;

use assay_core::{Clock, Counts};
use assay_dlq::{DlqError, Forward, Forwarded, Forwarding, Index, LetterView};
use assay_store::{AuditEntry, Outcome, Replay, ReplayState, ReplayTopic};
use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use crate::job::Held;
use crate::replay::{Carried, Changed, Died, ReplayError};
use crate::source::{patch, patched};
use crate::stop::Stop;
use crate::telling::SILENCE;

/// Letters whose change is shown.
const CHANGES: usize = 3;

/// Everything that such a job needs to be carried out.
pub struct Forwarder<'a> {
    pub index: &'a Index,
    pub clock: &'a dyn Clock,
    pub stop: &'a Stop,
}

/// A job on its way to a topic, and what is changed on the way.
struct Watching<'a> {
    held: &'a Held<'a>,
    stop: &'a Stop,
    patch: Option<Value>,
    changes: Mutex<Vec<Changed>>,
}

#[async_trait]
impl Forwarding for Watching<'_> {
    async fn goes_on(&self, done: &Forwarded) -> bool {
        let counts = Counts {
            read: done.sent + done.there + done.gone + done.refused,
            written: done.sent + done.there,
            rejected: done.refused,
            ..Counts::default()
        };
        (self.held.progress)(&counts);
        !self.stop.draining() && self.held.lives().await
    }

    fn changed(&self, letter: &LetterView) -> Result<Option<Vec<u8>>, String> {
        let Some(patch) = &self.patch else { return Ok(None) };
        let payload = letter.payload.as_deref().unwrap_or_default();
        let changed = patched(payload, patch)?;
        if let Ok(mut changes) = self.changes.lock()
            && changes.len() < CHANGES
            && changes.iter().all(|known| known.letter != letter.id.to_string())
        {
            let json = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or_default();
            let (before, after) = (json(payload), json(&changed));
            changes.push(Changed { letter: letter.id.to_string(), before, after });
        }
        Ok(Some(changed))
    }
}

impl Forwarder<'_> {
    /// Carries a job out, from wherever it stands. `worker` is whoever does so now.
    pub async fn carry_out(
        &self,
        id: Uuid,
        worker: Uuid,
        progress: &(dyn Fn(&Counts) + Send + Sync),
    ) -> Result<Carried, ReplayError> {
        let store = self.index.store();
        let job = store.replay(id).await.map_err(DlqError::from)?;
        let job = job.ok_or(ReplayError::NoJob(id))?;
        let to = job.options.to.as_ref().ok_or(ReplayError::NoJob(id))?;
        let held = Held::of(self.index, self.clock, &job, worker, progress);
        held.take().await?;
        let done = match merge_patch(job.options.transform.as_deref()) {
            Err(error) => Err(error),
            Ok(patch) => {
                let (held, stop, changes) = (&held, self.stop, Mutex::default());
                let watching = Watching { held, stop, patch, changes };
                held.while_it_lives(Box::pin(self.done(&job, to, &watching))).await
            }
        };
        held.leave(done).await
    }

    /// Whether payloads can be changed so without a stage that says what columns they have.
    pub fn check_transform(text: Option<&str>) -> Result<(), ReplayError> {
        merge_patch(text).map(drop)
    }

    async fn done(
        &self,
        job: &Replay,
        to: &ReplayTopic,
        watching: &Watching<'_>,
    ) -> Result<Carried, ReplayError> {
        let forward = Forward { index: self.index, job, to, clock: self.clock };
        let found = forward.send(watching).await?;
        let mut outcome = Outcome::new();
        if job.dry {
            outcome.insert("sent".to_owned(), found.sent);
            outcome.insert("gone".to_owned(), found.gone);
        } else {
            self.index.catch_up(&|_| {}).await?;
            outcome = self.index.store().replay_outcome(job.id).await.map_err(DlqError::from)?;
            // Those that the topic lost since are not coming, nor those that can't be changed.
            let waiting = outcome.remove("waiting").unwrap_or(0);
            if waiting > found.gone + found.refused {
                return Err(ReplayError::Waiting { job: job.id, letters: waiting });
            }
            *outcome.entry("gone".to_owned()).or_default() += waiting.saturating_sub(found.refused);
        }
        outcome.insert("refused".to_owned(), found.refused);
        outcome.retain(|_, count| *count > 0);
        let died =
            |(id, detail): (assay_dlq::LetterId, String)| Died { letter: id.to_string(), detail };
        let changes = watching.changes.lock().map(|changes| changes.clone()).unwrap_or_default();
        Ok(Carried {
            job: job.id,
            dry: job.dry,
            letters: job.letters,
            skipped: job.skipped,
            outcome,
            died_of: Outcome::new(),
            samples: found.samples.into_iter().map(died).collect(),
            changes,
            halted: vec![],
            twice: found.twice,
        })
    }

    /// Gives a job up, so that others may send what is left of its letters.
    pub async fn give_up(&self, job: &Replay, entry: &AuditEntry) -> Result<(), ReplayError> {
        let alive = job.beat_at.is_some_and(|beat| entry.at - beat < SILENCE);
        if job.state == ReplayState::Running && alive {
            return Err(ReplayError::Alive(job.id));
        }
        // What it sent is not open any more before others may choose from what is.
        self.index.catch_up(&|_| {}).await?;
        match self.index.store().cancel_replay(job.id, entry).await.map_err(DlqError::from)? {
            true => Ok(()),
            false => Err(ReplayError::Over(job.id, job.state.name())),
        }
    }
}

fn merge_patch(text: Option<&str>) -> Result<Option<Value>, ReplayError> {
    let Some(text) = text else { return Ok(None) };
    let sql = || "payloads are changed by a JSON merge patch; SQL needs columns".to_owned();
    let parsed = patch(text).map_err(ReplayError::Transform)?;
    parsed.ok_or_else(sql).map(Some).map_err(ReplayError::Transform)
}

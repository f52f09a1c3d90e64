//! Carries out jobs that send dead letters to a topic. No stage has a part in that.

use std::sync::Mutex;

use assay_core::{Clock, Counts};
use assay_dlq::{DlqError, Forward, ForwardError, Forwarded, Forwarding, Index, LetterView};
use assay_store::{AuditEntry, Outcome, Replay, ReplayState, ReplayTopic};
use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

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

/// Whoever waits for a job, and what is changed on the way.
struct Watching<'a> {
    of: &'a Forwarder<'a>,
    job: &'a Replay,
    worker: Uuid,
    patch: Option<Value>,
    changes: Mutex<Vec<Changed>>,
    progress: &'a (dyn Fn(&Counts) + Send + Sync),
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
        (self.progress)(&counts);
        if self.of.stop.draining() {
            return false;
        }
        let (store, now) = (self.of.index.store(), self.of.clock.now());
        match self.job.dry {
            true => true,
            false => match store.beat_replay(self.job.id, self.worker, now).await {
                Ok(ours) => ours,
                Err(error) => {
                    tracing::warn!(%error, "the job can't say that it is alive");
                    true
                }
            },
        }
    }

    fn changed(&self, letter: &LetterView) -> Result<Option<Vec<u8>>, String> {
        let Some(patch) = &self.patch else { return Ok(None) };
        let payload = letter.payload.as_deref().unwrap_or_default();
        let changed = patched(payload, patch)?;
        if let Ok(mut changes) = self.changes.lock()
            && changes.len() < CHANGES
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
        let patch = match job.options.transform.as_deref().map(patch).transpose() {
            Ok(Some(None)) => {
                let what = "payloads are changed by a JSON merge patch; SQL needs columns";
                return Err(ReplayError::Transform(what.to_owned()));
            }
            Ok(patch) => patch.flatten(),
            Err(what) => return Err(ReplayError::Transform(what)),
        };
        if !store.take_replay(id, worker, self.clock.now()).await.map_err(DlqError::from)? {
            return Err(ReplayError::Over(id, job.state.name()));
        }
        let changes = Mutex::default();
        let watching = Watching { of: self, job: &job, worker, patch, changes, progress };
        let done = self.done(&job, to, &watching).await;
        if job.dry {
            store.forget_replay(id).await.map_err(DlqError::from)?;
            return done;
        }
        let (state, message) = match &done {
            Ok(_) => (ReplayState::Complete, None),
            Err(ReplayError::Forward(ForwardError::Interrupted(_))) => {
                (ReplayState::Stopped, Some("stopped when asked to".to_owned()))
            }
            Err(error) => (ReplayState::Failed, Some(error.to_string())),
        };
        let at = (state, self.clock.now());
        let left = store.leave_replay(id, worker, at, message.as_deref()).await;
        match left.map_err(DlqError::from)? {
            true => done,
            false => Err(ReplayError::Taken(id)),
        }
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

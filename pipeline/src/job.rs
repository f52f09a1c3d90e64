//! A job as its worker has it: it gives signs of life, and says how it was left.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use assay_core::{Clock, Counts, Fault};
use assay_dlq::{DlqError, Index};
use assay_store::{Replay, ReplayState};
use uuid::Uuid;

use crate::replay::{Carried, ReplayError};

/// How often a worker gives a sign of life.
const BEAT: Duration = Duration::from_secs(5);

/// A job and its worker.
pub(crate) struct Held<'a> {
    pub(crate) index: &'a Index,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) job: &'a Replay,
    pub(crate) worker: Uuid,
    pub(crate) progress: &'a (dyn Fn(&Counts) + Send + Sync),
    /// The job was another's, or to be given up, at the last sign of life.
    pub(crate) lost: AtomicBool,
}

impl<'a> Held<'a> {
    pub(crate) fn of(
        index: &'a Index,
        clock: &'a dyn Clock,
        job: &'a Replay,
        worker: Uuid,
        progress: &'a (dyn Fn(&Counts) + Send + Sync),
    ) -> Held<'a> {
        Held { index, clock, job, worker, progress, lost: AtomicBool::new(false) }
    }

    /// Takes the job, whoever has it.
    pub(crate) async fn take(&self) -> Result<(), ReplayError> {
        let (store, id) = (self.index.store(), self.job.id);
        let taken = store.take_replay(id, self.worker, self.clock.now()).await;
        match taken.map_err(DlqError::from)? {
            true => Ok(()),
            false => Err(ReplayError::Over(id, self.job.state.name())),
        }
    }

    /// Waits for the work, and tells meanwhile that somebody is at it: a piece of it may take
    /// longer than silence may last.
    pub(crate) async fn while_it_lives<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            done = work => done,
            never = self.goes_on_telling() => match never {},
        }
    }

    async fn goes_on_telling(&self) -> Infallible {
        loop {
            tokio::time::sleep(BEAT).await;
            self.lives().await;
        }
    }

    /// False when the job is another's now, or is to be given up.
    pub(crate) async fn lives(&self) -> bool {
        if self.job.dry && !self.job.handed {
            return true;
        }
        let beat = self.index.store().beat_replay(self.job.id, self.worker, self.clock.now()).await;
        match beat {
            Ok(ours) => {
                self.lost.store(!ours, Ordering::Relaxed);
                ours
            }
            Err(error) => {
                tracing::warn!(%error, "the job can't say that it is alive");
                true
            }
        }
    }

    /// Keeps what became of the job, in this worker's hands.
    pub(crate) async fn leave(
        &self,
        done: Result<Carried, ReplayError>,
    ) -> Result<Carried, ReplayError> {
        let (store, job) = (self.index.store(), self.job);
        if job.dry && !job.handed {
            store.forget_replay(job.id).await.map_err(DlqError::from)?;
            return done;
        }
        if let Ok(carried) = &done {
            self.keep_result(carried).await?;
        }
        let (state, message) = match &done {
            Ok(_) => (ReplayState::Complete, None),
            // Left to workers, it needs nobody who resumes it after an outage.
            Err(error) if job.handed && error.fault() == Fault::Transient => {
                (ReplayState::Waiting, Some(error.told()))
            }
            Err(error) => (error.state(), Some(error.told())),
        };
        let at = (state, self.clock.now());
        let left = store.leave_replay(job.id, self.worker, at, message.as_deref()).await;
        match left.map_err(DlqError::from)? {
            true => done,
            // Another took it over; what it says of the job counts.
            false => Err(ReplayError::Taken(job.id)),
        }
    }

    /// Whoever made the job asks for what was found out, and may not see everything.
    async fn keep_result(&self, carried: &Carried) -> Result<(), ReplayError> {
        let mut shown = carried.clone();
        shown.hide(self.index).await?;
        let result = serde_json::to_value(&shown).unwrap_or_default();
        let kept = self.index.store().keep_replay_result(carried.job, &result).await;
        Ok(kept.map_err(DlqError::from)?)
    }
}

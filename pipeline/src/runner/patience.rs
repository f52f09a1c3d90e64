use std::time::Duration;

use assay_core::Fault;
use assay_dlq::DlqError;
use assay_store::StoreError;
use futures::future::BoxFuture;

use super::RunError;
use crate::source::SourceError;
use crate::stop::Stop;
use crate::target::TargetError;
use crate::telling::TellError;

/// How long a runner keeps trying what may work the next time.
#[derive(Debug, Clone)]
pub struct Patience {
    pub tries: u32,
    /// Before the second try; each further pause is twice as long …
    pub first_pause: Duration,
    /// … up to this.
    pub longest_pause: Duration,
    /// Ends a patience that has no end of its own.
    pub stop: Stop,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            tries: 5,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(10),
            stop: Stop::default(),
        }
    }
}

impl Patience {
    /// Goes on for as long as it takes, since nobody is there to start again; once the stage is
    /// asked to end, the usual number of tries is enough.
    pub fn endless(stop: Stop) -> Patience {
        Patience { tries: u32::MAX, stop, ..Patience::default() }
    }
}

/// Errors that know whether trying again can help.
pub(super) trait Faulty: std::fmt::Display + Sync {
    fn is_transient(&self) -> bool;
}

impl Patience {
    /// Does what does no harm when it is done again, until it is done, can't be, or patience ends.
    pub(super) async fn keep<'a, T, E: Faulty>(
        &self,
        mut effect: impl FnMut() -> BoxFuture<'a, Result<T, E>>,
    ) -> Result<T, E> {
        let mut tried = 0;
        loop {
            match effect().await {
                Err(error) if error.is_transient() && self.pause(&mut tried, &error).await => {}
                outcome => return outcome,
            }
        }
    }

    /// Waits before the next try; false when there is none left.
    pub(super) async fn pause(&self, tried: &mut u32, error: &impl Faulty) -> bool {
        *tried += 1;
        let few = self.stop.draining() && *tried >= Patience::default().tries;
        if *tried >= self.tries || few {
            return false;
        }
        tracing::warn!(%error, tried = *tried, "that may work the next time: trying again");
        let pause = self.first_pause * 2u32.saturating_pow((*tried - 1).min(20));
        self.stop.sleep(pause.min(self.longest_pause)).await;
        true
    }
}

impl Faulty for TargetError {
    fn is_transient(&self) -> bool {
        self.fault() == Fault::Transient
    }
}

impl Faulty for SourceError {
    fn is_transient(&self) -> bool {
        self.fault() == Fault::Transient
    }
}

impl Faulty for StoreError {
    fn is_transient(&self) -> bool {
        self.fault() == Fault::Transient
    }
}

impl Faulty for DlqError {
    fn is_transient(&self) -> bool {
        self.fault() == Fault::Transient
    }
}

impl Faulty for TellError {
    fn is_transient(&self) -> bool {
        self.fault() == Fault::Transient
    }
}

impl Faulty for RunError {
    fn is_transient(&self) -> bool {
        self.fault() == Fault::Transient
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn an_endless_patience_ends_soon_after_it_is_asked_to_and_no_sooner() {
        let (stop, tried) = (Stop::default(), AtomicU32::new(0));
        let patience = Patience { first_pause: Duration::ZERO, ..Patience::endless(stop.clone()) };
        let effect = || {
            if tried.fetch_add(1, Ordering::Relaxed) == 100 {
                stop.drain();
            }
            let (place, cause) = ("store".to_owned(), sqlx::Error::PoolTimedOut);
            let fault = Fault::Transient;
            let away = StoreError::Database { place, doing: "look", fault, cause };
            async { Err::<(), _>(away) }.boxed()
        };
        patience.keep(effect).await.unwrap_err();
        assert_eq!(tried.load(Ordering::Relaxed), 101);
    }

    #[tokio::test]
    async fn a_long_pause_ends_when_the_stage_is_asked_to() {
        let stop = Stop::default();
        let patience = Patience {
            first_pause: Duration::from_secs(3600),
            longest_pause: Duration::from_secs(3600),
            ..Patience::endless(stop.clone())
        };
        let error = SourceError::Log(assay_log::LogError::Failed {
            doing: "read".to_owned(),
            log: "log".to_owned(),
            advice: "",
            fault: Fault::Transient,
            source: "away".into(),
        });
        let mut tried = 0;
        let (again, ()) = tokio::join!(patience.pause(&mut tried, &error), async {
            tokio::task::yield_now().await;
            stop.drain();
        });
        assert!(again && tried == 1);
    }
}

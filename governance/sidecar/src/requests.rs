//! What was asked in the last seconds, until it is told to the store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use assay_core::Clock;
use assay_lineage::receive::Intake;
use assay_lineage::{Requests, api_requests};
use tokio::sync::Notify;

/// How often requests are told of.
const EVERY: Duration = Duration::from_secs(10);

/// Requests that nobody was told of yet, by address and answer.
#[derive(Default)]
pub(crate) struct Asked {
    open: Mutex<BTreeMap<(String, u16), Requests>>,
    pub(crate) ending: Notify,
}

/// What a request had in it, which its answer carries.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Handled {
    pub(crate) received: usize,
    pub(crate) kept: usize,
}

impl Asked {
    pub(crate) fn count(&self, endpoint: String, status: u16, handled: Handled, seconds: f64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let one = open.entry((endpoint.clone(), status)).or_insert(Requests {
            endpoint,
            status,
            count: 0,
            received: 0,
            kept: 0,
            seconds: 0.0,
        });
        one.count += 1;
        one.received += handled.received as u64;
        one.kept += handled.kept as u64;
        one.seconds += seconds;
    }

    /// Tells the store every few seconds, and a last time at the end.
    pub(crate) async fn tell(
        self: Arc<Asked>,
        intake: Intake,
        clock: Arc<dyn Clock>,
        instance: String,
    ) {
        let mut ended = false;
        while !ended {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.ending.notified() => ended = true,
            }
            let open =
                std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
            let now = clock.now();
            let events = open.values().map(|one| api_requests(one, &instance, now)).collect();
            if let Err(error) = intake.keep(events).await {
                tracing::warn!(%error, "requests of the last seconds are not told of");
            }
        }
    }
}

//! What becomes of a delivery, and of its target, when it was not taken.

use std::sync::atomic::Ordering;
use std::time::Duration;

use assay_store::{Delivery, StoreError};

use super::{Courier, Round, after};
use crate::target::Refusal;

/// A target that fails so often in a row, with nothing taken between, is left alone for a while.
const IN_A_ROW: u32 = 3;

/// So many times as often an event is tried before it is parked where its target takes no other:
/// that may be the event's fault all the same.
const MOST_PATIENCE: u64 = 5;

impl Courier {
    /// Notes a refusal; true when what is behind the delivery has to wait for it.
    pub(super) async fn failing(
        &self,
        round: &Round<'_>,
        delivery: &Delivery,
        refusal: Refusal,
    ) -> Result<bool, StoreError> {
        round.failed.fetch_add(1, Ordering::Relaxed);
        let (target, number) = (round.target.name(), delivery.sequence);
        match refusal {
            Refusal::Refused(why) => {
                // It may take others.
                round.failed_in_a_row.store(0, Ordering::Relaxed);
                self.park(round, delivery, &why).await?;
                Ok(false)
            }
            Refusal::Failed(why) => {
                let attempts = delivery.attempts + 1;
                let limit = self.persistence.attempts;
                let parked = attempts >= limit.saturating_mul(MOST_PATIENCE)
                    || attempts >= limit && self.takes_others(round).await?;
                if parked {
                    let why = format!("{why}; that was attempt {attempts}");
                    self.park(round, delivery, &why).await?;
                } else {
                    let due = after(self.clock.now(), self.wait(attempts));
                    tracing::debug!(target, number, attempts, why, "a delivery failed");
                    self.store.postpone(delivery, due, &why).await?;
                }
                if round.failed_in_a_row.fetch_add(1, Ordering::Relaxed) + 1 >= IN_A_ROW {
                    self.hold(round, &why, None).await?;
                }
                Ok(!parked)
            }
            Refusal::Away { why, retry_after } => {
                self.store.failed_attempt(target).await?;
                self.hold(round, &why, retry_after).await?;
                Ok(true)
            }
            Refusal::Unauthorized(why) => {
                let fix = "nothing is lost: give it a token that is valid and may write, then run \
                           `assay outbox deliver`";
                tracing::error!(target, why, fix, "the target does not take events from us");
                self.store.failed_attempt(target).await?;
                self.hold(round, &format!("{why}; {fix}"), None).await?;
                Ok(true)
            }
        }
    }

    /// Whether the target takes any event, as far as is known. One that fails at all of them has a
    /// fault of its own, and no event is given up for that.
    async fn takes_others(&self, round: &Round<'_>) -> Result<bool, StoreError> {
        let taken = round.delivered.load(Ordering::Relaxed) > 0;
        Ok(taken || self.store.held(round.target.name()).await?.0 == 0)
    }

    async fn park(
        &self,
        round: &Round<'_>,
        delivery: &Delivery,
        why: &str,
    ) -> Result<(), StoreError> {
        let (target, number) = (round.target.name(), delivery.sequence);
        tracing::warn!(target, number, why, "a delivery is parked: see `assay outbox list`");
        round.parked.fetch_add(1, Ordering::Relaxed);
        self.store.park(delivery, self.clock.now(), why).await
    }

    /// Leaves the target alone for a while.
    async fn hold(
        &self,
        round: &Round<'_>,
        why: &str,
        at_least: Option<Duration>,
    ) -> Result<(), StoreError> {
        if round.over.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let target = round.target.name();
        let (away, _) = self.store.held(target).await?;
        let wait = self.wait(away + 1).max(at_least.unwrap_or_default());
        if away == 0 {
            tracing::warn!(target, why, "nothing can be sent; it waits in the outbox");
        }
        self.store.hold(target, after(self.clock.now(), wait), why).await
    }

    /// Twice as long each time, and somewhere in the longer half of that, so that many who wait do
    /// not come back at once.
    pub(super) fn wait(&self, times: u64) -> Duration {
        let doubled = u32::try_from(times.clamp(1, 30) - 1).unwrap_or(29);
        let whole = self.persistence.first_wait.saturating_mul(1 << doubled);
        let whole = whole.min(self.persistence.longest_wait);
        // The last bits of an id are random.
        let random =
            u32::from_be_bytes(self.ids.next().as_bytes()[12..16].try_into().unwrap_or([0; 4]));
        whole.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
    }
}

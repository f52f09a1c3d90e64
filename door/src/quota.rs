//! How much each client may send: a bucket of tokens for each, an event costs one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::settings::Quota;

/// Clients that are remembered; those that were silent for longest have full buckets and go first.
const CLIENTS: usize = 10_000;

/// How much each client has left.
pub struct Quotas {
    quota: Quota,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

impl Quotas {
    pub fn new(quota: Quota) -> Quotas {
        Quotas { quota, buckets: Mutex::new(HashMap::new()) }
    }

    /// Takes the tokens of so many events, or says how long to wait. A request that is larger than
    /// the bucket passes when that is full, and the client waits longer after it.
    pub fn take(&self, client: &str, events: usize, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CLIENTS && !buckets.contains_key(client) {
            let quota = self.quota;
            buckets.retain(|_, bucket| bucket.at(now, quota).tokens < quota.burst);
        }
        let full = Bucket { tokens: self.quota.burst, filled_at: now };
        let known = buckets.get(client).copied();
        let mut bucket = known.map_or(full, |bucket| bucket.at(now, self.quota));
        #[allow(clippy::cast_precision_loss, reason = "events of one request are few")]
        let cost = events as f64;
        let needed = cost.min(self.quota.burst);
        let passes = bucket.tokens >= needed;
        if passes {
            bucket.tokens -= cost;
        }
        let missing = (needed - bucket.tokens).max(0.0);
        buckets.insert(client.to_owned(), bucket);
        match passes {
            true => Ok(()),
            false => Err(Duration::try_from_secs_f64(missing / self.quota.events_per_second)
                .unwrap_or(Duration::MAX)),
        }
    }
}

impl Bucket {
    fn at(self, now: Instant, quota: Quota) -> Bucket {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        let tokens = (self.tokens + passed * quota.events_per_second).min(quota.burst);
        Bucket { tokens, filled_at: now }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUOTA: Quota = Quota { events_per_second: 10.0, burst: 20.0 };

    #[test]
    fn a_client_that_sends_too_much_waits_and_others_do_not() {
        let (quotas, now) = (Quotas::new(QUOTA), Instant::now());
        assert_eq!(quotas.take("a", 20, now), Ok(()));
        assert_eq!(quotas.take("a", 5, now), Err(Duration::from_millis(500)));
        assert_eq!(quotas.take("b", 5, now), Ok(()));
        assert_eq!(quotas.take("a", 5, now + Duration::from_millis(500)), Ok(()));
    }

    #[test]
    fn a_request_larger_than_the_bucket_passes_and_is_paid_for_afterwards() {
        let (quotas, now) = (Quotas::new(QUOTA), Instant::now());
        assert_eq!(quotas.take("a", 100, now), Ok(()));
        assert_eq!(quotas.take("a", 1, now), Err(Duration::from_millis(8100)));
    }

    proptest! {
        /// Whatever the requests, as long as none is larger than the bucket: what passes in a time
        /// is at most the bucket and what flowed into it.
        #[test]
        fn no_more_passes_than_the_quota(
            requests in prop::collection::vec((0usize..20, 0u64..900), 1..60)
        ) {
            let (quotas, start) = (Quotas::new(QUOTA), Instant::now());
            let (mut now, mut passed) = (start, 0);
            for (events, pause) in requests {
                now += Duration::from_millis(pause);
                passed += if quotas.take("a", events, now).is_ok() { events } else { 0 };
            }
            let most = 20.0 + (now - start).as_secs_f64() * 10.0;
            prop_assert!(passed as f64 <= most + 1e-6, "{} > {}", passed, most);
        }
    }
}

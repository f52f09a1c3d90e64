//! What can be said of a collector under `collector` in the configuration.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use assay_door::{Key, Listen, Quota, Tls};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::segment::Durability;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub listen: Listen,
    pub durability: Durability,
    /// Megabytes that segments may take on the disk; beyond that events are refused.
    #[schemars(range(min = 8))]
    pub backlog_mb: u64,
    /// Events that may wait before the collector counts as spilling.
    #[schemars(range(min = 1))]
    pub queue_capacity: u64,
    /// Megabytes of one request's body, as it comes and unpacked.
    #[schemars(range(min = 1, max = 1024))]
    pub body_mb: usize,
    /// Megabytes of all bodies that are being taken in at one time.
    #[schemars(range(min = 1))]
    pub in_flight_mb: usize,
    /// Seconds that an event waits for others to go with, when there are few.
    pub linger_seconds: f64,
    /// Seconds after which an append that has not answered counts as failed.
    #[schemars(range(min = 1))]
    pub send_timeout_seconds: u64,
    /// Seconds that a collector which was asked to stop goes on sending.
    pub drain_seconds: u64,
    /// How many events one client may send; without it any number.
    pub quota: Option<Quota>,
    /// Who may send; needed on an address that others can reach.
    pub keys: Vec<Key>,
    pub tls: Option<Tls>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: Listen(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8000)),
            durability: Durability::Power,
            backlog_mb: 10_000,
            queue_capacity: 100_000,
            body_mb: 16,
            in_flight_mb: 256,
            linger_seconds: 5.0,
            send_timeout_seconds: 30,
            drain_seconds: 30,
            quota: None,
            keys: vec![],
            tls: None,
        }
    }
}

impl Settings {
    pub(crate) fn linger(&self) -> Duration {
        Duration::try_from_secs_f64(self.linger_seconds).unwrap_or(Duration::from_secs(5))
    }

    /// What makes no sense together, and what to do about it.
    pub(crate) fn check(&self) -> Result<(), String> {
        let positive = |number: f64| number.is_finite() && number > 0.0;
        if let Some(quota) = self.quota {
            quota.check()?;
        }
        if self.in_flight_mb < 4 * self.body_mb {
            return Err("`in_flight_mb` has to be at least four times `body_mb`".to_owned());
        }
        if !positive(self.linger_seconds) {
            return Err("`linger_seconds` needs a number above 0".to_owned());
        }
        Ok(())
    }
}

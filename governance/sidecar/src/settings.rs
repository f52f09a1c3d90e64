//! What can be said of a sidecar under `sidecar` in the configuration.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use assay_door::{Listen, Quota, Tls};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub listen: Listen,
    /// Megabytes of one request's body, as it comes and unpacked.
    #[schemars(range(min = 1, max = 1024))]
    pub body_mb: usize,
    /// Megabytes of all bodies that are being taken in at one time.
    #[schemars(range(min = 1))]
    pub in_flight_mb: usize,
    /// How many events one client may send.
    pub quota: Quota,
    pub tls: Option<Tls>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: Listen(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8484)),
            body_mb: 16,
            in_flight_mb: 128,
            quota: Quota { events_per_second: 5_000.0, burst: 20_000.0 },
            tls: None,
        }
    }
}

impl Settings {
    /// What makes no sense together, and what to do about it.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.quota.check()?;
        if self.in_flight_mb < 4 * self.body_mb {
            return Err("`in_flight_mb` has to be at least four times `body_mb`".to_owned());
        }
        Ok(())
    }
}

use std::time::Duration;

use assay_core::{Document, Mistakes};
use assay_metrics::Gateway;
use schemars::JsonSchema;
use serde::Deserialize;

/// `pushgateway` in the file of settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PushKeys {
    /// `http://HOST:PORT`.
    url: String,
    /// Which installation this is; two data folders at one gateway need two names.
    #[serde(default = "default_env")]
    env: String,
    /// How long one answer of the gateway may take.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 0.1, max = 60.0))]
    timeout_seconds: f64,
    /// How often a worker that follows pushes.
    #[serde(default = "default_every")]
    #[schemars(range(min = 1.0, max = 3600.0))]
    every_seconds: f64,
}

fn default_env() -> String {
    "default".to_owned()
}

fn default_timeout() -> f64 {
    2.0
}

fn default_every() -> f64 {
    15.0
}

/// Where the totals are pushed to.
#[derive(Debug, Clone)]
pub(crate) struct PushConfig {
    pub(crate) gateway: Gateway,
    pub(crate) environment: String,
    pub(crate) every: Duration,
}

impl PushKeys {
    pub(crate) fn read(self, document: &Document) -> Result<PushConfig, Mistakes> {
        let limit = Duration::from_secs_f64(self.timeout_seconds);
        let gateway = Gateway::new(&self.url, limit).map_err(|error| {
            let fix = "write http://HOST:PORT, without a user and without TLS";
            Mistakes::from(document.mistake("/pushgateway/url", error.to_string(), fix))
        })?;
        let every = Duration::from_secs_f64(self.every_seconds);
        Ok(PushConfig { gateway, environment: self.env, every })
    }
}

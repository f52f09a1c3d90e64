//! What services say of their doors in the configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::credentials::KeyHash;

/// An address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Listen(#[schemars(with = "String")] pub SocketAddr);

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Events that may come each second in the long run.
    pub events_per_second: f64,
    /// Events that may come at once after a silence.
    pub burst: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Whose key it is.
    pub name: String,
    /// The SHA-256 of the key, in hexadecimal.
    pub sha256: KeyHash,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate and those that vouch for it, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

impl Listen {
    /// Whether only programs of this machine reach it.
    pub fn is_loopback(self) -> bool {
        self.0.ip().is_loopback()
    }
}

impl Quota {
    /// What makes no sense in it, and what to do about it.
    pub fn check(self) -> Result<(), String> {
        let positive = |number: f64| number.is_finite() && number > 0.0;
        if !positive(self.events_per_second) || !positive(self.burst) {
            return Err("`quota` needs numbers above 0: leave it out for no quota".to_owned());
        }
        Ok(())
    }
}

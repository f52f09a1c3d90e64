//! Keys of clients, which are kept only as hashes.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};

use crate::settings::Key;

/// The SHA-256 of a key. Keys are long and random, so no slower hash is needed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, JsonSchema)]
pub struct KeyHash(#[schemars(with = "String")] [u8; 32]);

/// A text that is no SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 has 64 hexadecimal digits: copy it from what `assay keys create` printed")]
pub struct NoHash;

/// Knows which keys may send, and whose they are.
pub(crate) struct Credentials(HashMap<KeyHash, String>);

impl KeyHash {
    pub fn of(key: &str) -> KeyHash {
        KeyHash(Sha256::digest(key.as_bytes()).into())
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyHash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(NoHash);
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| NoHash)?;
        }
        Ok(KeyHash(bytes))
    }
}

impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Credentials {
    pub(crate) fn new(keys: &[Key]) -> Credentials {
        Credentials(keys.iter().map(|key| (key.sha256, key.name.clone())).collect())
    }

    /// Whether anyone may send.
    pub(crate) fn open(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose key it is. What is compared are hashes, so the time it takes tells nothing of a key.
    pub(crate) fn whose(&self, key: &str) -> Option<&str> {
        self.0.get(&KeyHash::of(key)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = KeyHash::of("secret");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!("12".parse::<KeyHash>(), Err(NoHash));
        assert_eq!("g".repeat(64).parse::<KeyHash>(), Err(NoHash));
        assert_eq!("é".repeat(32).parse::<KeyHash>(), Err(NoHash));
    }

    #[test]
    fn only_who_has_a_key_is_known() {
        let key = Key { name: "shop".to_owned(), sha256: KeyHash::of("secret") };
        let known = Credentials::new(&[key]);
        assert_eq!(known.whose("secret"), Some("shop"));
        assert_eq!(known.whose("Secret"), None);
    }
}

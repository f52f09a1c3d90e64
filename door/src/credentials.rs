//! Keys of clients, which are kept only as hashes: in the configuration, and in the store.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use assay_store::{Role, Store, StoreError};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::settings::Key;

/// What the store said of its keys is good for so long; then a key that was revoked opens nothing.
const FRESH: Duration = Duration::from_secs(1);

/// How long an answer of the store is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The SHA-256 of a key. Keys are long and random, so no slower hash is needed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, JsonSchema)]
pub struct KeyHash(#[schemars(with = "String")] [u8; 32]);

/// A text that is no SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 has 64 hexadecimal digits: copy it from what `assay keys create` printed")]
pub struct NoHash;

/// Whose key it is, and what that one may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub name: String,
    pub role: Role,
}

type Keys = HashMap<KeyHash, Known>;

/// Knows which keys open the door, and whose they are.
pub struct Credentials {
    /// Those of the configuration, who only send.
    written: Keys,
    store: Option<Store>,
    kept: RwLock<Kept>,
    /// Whoever asks the store.
    asking: Mutex<()>,
    /// An address that others reach is never open to all.
    locked: bool,
}

/// What the store said, and when.
struct Kept {
    keys: Arc<Keys>,
    read_at: Instant,
    /// It did not answer when it was last asked.
    away: bool,
}

impl Credentials {
    /// The keys of the configuration and, where there is a store, its own. Without any the door is
    /// open, unless it is `locked`.
    pub async fn load(
        written: &[Key],
        store: Option<Store>,
        locked: bool,
    ) -> Result<Credentials, StoreError> {
        let of = |key: &Key| Known { name: key.name.clone(), role: Role::Writer };
        let written = written.iter().map(|key| (key.sha256, of(key))).collect();
        let keys = match &store {
            Some(store) => Arc::new(read(store).await?),
            None => Arc::default(),
        };
        let kept = RwLock::new(Kept { keys, read_at: Instant::now(), away: false });
        Ok(Credentials { written, store, kept, asking: Mutex::new(()), locked })
    }

    /// Whether there is any key that opens the door.
    pub fn any(&self) -> bool {
        !self.written.is_empty() || !self.kept().is_empty()
    }

    /// Whether anyone may come in.
    pub async fn open(&self) -> bool {
        self.refresh().await;
        !self.locked && !self.any()
    }

    /// Whose key it is. What is compared are hashes, so the time it takes tells nothing of a key.
    pub async fn whose(&self, key: &str) -> Option<Known> {
        self.refresh().await;
        let hash = KeyHash::of(key);
        self.written.get(&hash).or(self.kept().get(&hash)).cloned()
    }

    fn kept(&self) -> Arc<Keys> {
        Arc::clone(&self.kept.read().unwrap_or_else(PoisonError::into_inner).keys)
    }

    /// Asks the store again when its answer is old. Whoever comes meanwhile waits for the new answer:
    /// by the old one a key might get in that was revoked long ago. Only while the store does not
    /// answer the old one counts, and nobody waits but who asks.
    async fn refresh(&self) {
        let Some(store) = &self.store else { return };
        let (fresh, away) = self.state();
        if fresh {
            return;
        }
        let turn = match away {
            false => Some(self.asking.lock().await),
            true => self.asking.try_lock().ok(),
        };
        if turn.is_none() || self.state().0 {
            return;
        }
        let begun = Instant::now();
        let answer = match timeout(PATIENCE, read(store)).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the store has not answered within {} s", PATIENCE.as_secs())),
        };
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.away = answer.is_err();
        match answer {
            Ok(keys) => (kept.keys, kept.read_at) = (Arc::new(keys), begun),
            Err(error) => {
                kept.read_at = Instant::now();
                tracing::warn!(%error, "the keys are as they were");
            }
        }
    }

    /// Whether the answer is not old yet, and whether the store did not answer when it was last asked.
    fn state(&self) -> (bool, bool) {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        (kept.read_at.elapsed() < FRESH, kept.away)
    }
}

async fn read(store: &Store) -> Result<Keys, StoreError> {
    let valid = store.keys().await?.into_iter().filter(|key| key.revoked_at.is_none());
    let known = valid.filter_map(|key| {
        let hash = key.sha256.parse().ok()?;
        Some((hash, Known { name: key.name, role: key.role }))
    });
    Ok(known.collect())
}

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

#[cfg(test)]
mod tests {
    use assay_store::KeyRecord;

    use super::*;

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = KeyHash::of("secret");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!("12".parse::<KeyHash>(), Err(NoHash));
        assert_eq!("g".repeat(64).parse::<KeyHash>(), Err(NoHash));
        assert_eq!("é".repeat(32).parse::<KeyHash>(), Err(NoHash));
    }

    #[tokio::test]
    async fn a_key_opens_the_door_until_it_is_revoked_wherever_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).await.unwrap();
        let at = "2026-11-21T12:00:00Z".parse().unwrap();
        let airflow = KeyRecord {
            name: "airflow".to_owned(),
            role: Role::Writer,
            sha256: KeyHash::of("kept").to_string(),
            made_at: at,
            made_by: "me".to_owned(),
            revoked_at: None,
            revoked_by: None,
        };
        let nobody = Credentials::load(&[], Some(store.clone()), false).await.unwrap();
        assert!(nobody.open().await && nobody.whose("kept").await.is_none());
        let locked = Credentials::load(&[], Some(store.clone()), true).await.unwrap();
        assert!(!locked.open().await);

        assert!(store.add_key(&airflow).await.unwrap());
        assert!(!store.add_key(&airflow).await.unwrap(), "a name opens the door once");
        let shop = Key { name: "shop".to_owned(), sha256: KeyHash::of("written") };
        let known = Credentials::load(&[shop], Some(store.clone()), false).await.unwrap();
        assert!(!known.open().await);
        assert_eq!(known.whose("kept").await.unwrap().name, "airflow");
        assert_eq!(known.whose("written").await.unwrap().name, "shop");
        assert_eq!(known.whose("Written").await, None);

        assert!(store.revoke_key("airflow", at, "me").await.unwrap());
        assert!(!store.revoke_key("airflow", at, "me").await.unwrap());
        tokio::time::sleep(FRESH).await;
        assert_eq!(known.whose("kept").await, None);
    }

    #[tokio::test]
    async fn of_requests_that_come_at_once_none_is_judged_by_an_old_answer() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).await.unwrap();
        let at = "2026-11-21T12:00:00Z".parse().unwrap();
        let key = KeyRecord {
            name: "airflow".to_owned(),
            role: Role::Operator,
            sha256: KeyHash::of("kept").to_string(),
            made_at: at,
            made_by: "me".to_owned(),
            revoked_at: None,
            revoked_by: None,
        };
        store.add_key(&key).await.unwrap();
        let known = Credentials::load(&[], Some(store.clone()), true).await.unwrap();
        assert!(known.whose("kept").await.is_some());
        store.revoke_key("airflow", at, "me").await.unwrap();
        tokio::time::sleep(FRESH).await;
        let at_once = futures::future::join_all((0..40).map(|_| known.whose("kept"))).await;
        assert_eq!(at_once.iter().flatten().count(), 0);
    }
}

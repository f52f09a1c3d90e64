use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const FILE: &str = "pushed.json";
const PAUSE: Duration = Duration::from_millis(20);

/// The file that says which groups the gateway has of this data folder. Who holds it may push; the
/// system lets it go with the process.
pub(crate) struct Held {
    path: PathBuf,
}

/// The turn to push.
pub(crate) struct Turn {
    file: File,
}

impl Held {
    pub(crate) fn at(data_dir: &Path) -> Held {
        Held { path: data_dir.join(FILE) }
    }

    /// Waits until no other process pushes.
    pub(crate) async fn wait(&self, limit: Duration) -> Result<Turn> {
        let mut open = File::options();
        open.read(true).write(true).create(true).truncate(false);
        let file = open.open(&self.path);
        let file = file.with_context(|| format!("cannot open {}", self.path.display()))?;
        let taken = async {
            loop {
                match file.try_lock() {
                    Ok(()) => return Ok(()),
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
                    Err(TryLockError::Error(error)) => return Err(error),
                }
            }
        };
        match tokio::time::timeout(limit, taken).await {
            Ok(taken) => taken.with_context(|| format!("cannot lock {}", self.path.display()))?,
            Err(_) => bail!("another process pushes, and takes longer than one answer may"),
        }
        Ok(Turn { file })
    }
}

impl Turn {
    /// The groups that the gateway had after the last push; none when that is not known.
    pub(crate) fn groups(&mut self) -> BTreeSet<String> {
        let mut text = String::new();
        let read = self.file.rewind().and_then(|()| self.file.read_to_string(&mut text));
        read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    pub(crate) fn keep(&mut self, groups: &BTreeSet<String>) -> Result<()> {
        let text = serde_json::to_vec(groups)?;
        self.file.set_len(0)?;
        self.file.rewind()?;
        Ok(self.file.write_all(&text)?)
    }
}

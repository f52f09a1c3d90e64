//! Files that no snapshot names any more, deleted when nobody can be reading them.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::Lake;

/// Files of one table that may go from a time on.
#[derive(Debug)]
pub(super) struct Leftover {
    pub(super) due: DateTime<Utc>,
    /// Where the table is.
    pub(super) here: String,
    pub(super) files: Vec<String>,
}

impl Lake {
    /// Deletes what is due, and remembers the rest for a later commit of this process. A process
    /// that ends before leaves files for the sweep.
    pub(super) fn leave_over(&self, leftover: Leftover) {
        let now = self.clock.now();
        let mut due = vec![];
        {
            let mut waiting = self.leftovers.lock().unwrap_or_else(|broken| broken.into_inner());
            waiting.push_back(leftover);
            while waiting.front().is_some_and(|first| first.due <= now) {
                due.extend(waiting.pop_front());
            }
        }
        for leftover in due {
            self.delete(&leftover.here, &leftover.files);
        }
    }

    /// Deletes files, but only those of the table that is `here` and reports. One that can't be
    /// deleted stays for the sweep.
    pub(super) fn delete(&self, here: &str, files: &[String]) -> Freed {
        let mut freed = Freed::default();
        for file in files {
            let Some(path) = self.ours(here, file) else { continue };
            let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
            match std::fs::remove_file(&path) {
                Ok(()) => freed.add(bytes),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => tracing::warn!(path = %path.display(), %error, "a file stays"),
            }
        }
        freed
    }

    /// What deleting these files would free.
    pub(super) fn size(&self, here: &str, files: &[String]) -> Freed {
        let mut freed = Freed::default();
        let paths = files.iter().filter_map(|file| self.ours(here, file));
        for metadata in paths.filter_map(|path| std::fs::metadata(path).ok()) {
            freed.add(metadata.len());
        }
        freed
    }

    /// The path of a file that is ours to delete: foreign metadata may name any.
    fn ours(&self, here: &str, file: &str) -> Option<PathBuf> {
        let plain = |place: &str| PathBuf::from(place.strip_prefix("file://").unwrap_or(place));
        let (table, path) = (plain(here), plain(file));
        let straight = !path.components().any(|part| part == std::path::Component::ParentDir);
        let inside = |folder: &Path| path.starts_with(folder) && folder.starts_with(&self.root);
        let ours = inside(&table) || inside(&self.root.join("reports"));
        (straight && ours).then_some(path)
    }
}

/// Files and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freed {
    pub files: u64,
    pub bytes: u64,
}

impl Freed {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

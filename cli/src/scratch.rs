//! Where a process spills: a folder of its own, locked as long as the process lives. What a killed
//! one left is known by its lock being free.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use uuid::Uuid;

const LOCK: &str = "lock";

/// The folder of this process. It is deleted with this.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
    /// Held, never read.
    _lock: File,
}

/// What a process left behind that is gone.
#[derive(Debug)]
pub(crate) struct Left {
    path: PathBuf,
    /// Keeps others from deleting it at the same time; absent for what has no lock.
    _lock: Option<File>,
    pub(crate) bytes: u64,
    pub(crate) touched_at: DateTime<Utc>,
}

impl Scratch {
    /// Makes a folder named `id` in `all`, the folder of all processes.
    pub(crate) fn claim(all: &Path, id: Uuid) -> io::Result<Scratch> {
        let folder = all.join(id.to_string());
        fs::create_dir_all(&folder)?;
        let lock = File::create(folder.join(LOCK))?;
        match lock.lock() {
            // Where files can't be locked, their age has to tell.
            Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(error),
            _ => Ok(Scratch { folder, _lock: lock }),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can't be deleted now is pruned later.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Left {
    pub(crate) fn remove(self) -> io::Result<()> {
        match fs::metadata(&self.path)?.is_dir() {
            true => fs::remove_dir_all(&self.path),
            false => fs::remove_file(&self.path),
        }
    }
}

/// What lies in `all`, was not touched from `since` on, and belongs to no process that lives.
pub(crate) fn left_in(all: &Path, since: DateTime<Utc>) -> io::Result<Vec<Left>> {
    let mut left = vec![];
    for entry in fs::read_dir(all)? {
        // A process that ends takes its folder with it while this looks.
        match look(&entry?.path(), since) {
            Ok(found) => left.extend(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(left)
}

fn look(path: &Path, since: DateTime<Utc>) -> io::Result<Option<Left>> {
    let (bytes, touched_at) = measure(path)?;
    if touched_at >= since {
        return Ok(None);
    }
    let lock = match File::open(path.join(LOCK)) {
        Ok(lock) => Some(lock),
        // A file, or a folder from before folders had locks.
        Err(error)
            if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) =>
        {
            None
        }
        Err(error) => return Err(error),
    };
    match lock.as_ref().map(File::try_lock) {
        Some(Err(TryLockError::WouldBlock)) => Ok(None),
        Some(Err(TryLockError::Error(error))) if error.kind() != io::ErrorKind::Unsupported => {
            Err(error)
        }
        _ => Ok(Some(Left { path: path.to_owned(), _lock: lock, bytes, touched_at })),
    }
}

/// Bytes below a path, and when the youngest of it was written.
fn measure(path: &Path) -> io::Result<(u64, DateTime<Utc>)> {
    let about = fs::symlink_metadata(path)?;
    let mut touched_at: DateTime<Utc> = about.modified()?.into();
    if !about.is_dir() {
        return Ok((about.len(), touched_at));
    }
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let (more, at) = measure(&entry?.path())?;
        bytes += more;
        touched_at = touched_at.max(at);
    }
    Ok((bytes, touched_at))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    /// Later than anything that the test writes.
    fn later(folder: &Path) -> DateTime<Utc> {
        measure(folder).unwrap().1 + TimeDelta::days(1)
    }

    #[test]
    fn a_process_that_lives_keeps_its_folder_and_takes_it_along() {
        let all = tempfile::tempdir().unwrap();
        let mine = Scratch::claim(all.path(), Uuid::from_u128(1)).unwrap();
        fs::write(mine.path().join("spilled"), "rows").unwrap();
        assert!(left_in(all.path(), later(all.path())).unwrap().is_empty());
        let folder = mine.path().to_owned();
        drop(mine);
        assert!(!folder.exists());
    }

    #[test]
    fn what_a_killed_process_left_is_found_when_it_is_old_enough() {
        let all = tempfile::tempdir().unwrap();
        // As kill -9 leaves it: the folder is there, the lock is free.
        let dead = all.path().join("dead");
        fs::create_dir_all(dead.join("datafusion-x")).unwrap();
        fs::write(dead.join("datafusion-x/spilled"), "rows").unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(all.path().join("of an old version"), "12345").unwrap();
        let alive = Scratch::claim(all.path(), Uuid::from_u128(2)).unwrap();

        let young = measure(&dead).unwrap().1 - TimeDelta::days(1);
        assert!(left_in(all.path(), young).unwrap().is_empty());
        let left = left_in(all.path(), later(all.path())).unwrap();
        let mut bytes: Vec<u64> = left.iter().map(|left| left.bytes).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, [4, 5]);
        left.into_iter().for_each(|left| left.remove().unwrap());
        let kept: Vec<_> = fs::read_dir(all.path()).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(kept, [alive.path()]);
    }
}

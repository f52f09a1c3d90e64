use std::io;
use std::path::{Path, PathBuf};

use assay_core::Fault;

/// What went wrong with the store, where, and while doing what.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("can't make the folder of the store {}: {cause}", path.display())]
    Folder { path: PathBuf, cause: io::Error },

    #[error("can't {doing} in the store {}: {cause}", path.display())]
    Database { path: PathBuf, doing: &'static str, fault: Fault, cause: sqlx::Error },

    #[error(
        "the store {} was written by a newer Assay (its version is {found}, this program knows up \
         to {known}): use the newer program, or name another store",
        path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },

    #[error(
        "can't make a backup of the store {} before it is brought up to date, so it was left as it \
         is: {cause}: see that there is room beside it and that this user may write there",
        path.display()
    )]
    Backup { path: PathBuf, cause: sqlx::Error },

    #[error(
        "can't bring the store {} from version {from} to {to}: {cause}; it is as it was, with a \
         backup in {}: use the program of version {from} until this is mended",
        path.display(), backup.display()
    )]
    Migration { path: PathBuf, from: i64, to: i64, backup: PathBuf, cause: sqlx::Error },

    #[error(
        "{} is a database of something else, not a store: name another file",
        path.display()
    )]
    Foreign { path: PathBuf },
}

impl StoreError {
    /// Whether trying again can help.
    pub fn fault(&self) -> Fault {
        match self {
            StoreError::Database { fault, .. } => *fault,
            StoreError::Backup { cause, .. } | StoreError::Migration { cause, .. } => {
                fault_of(cause)
            }
            StoreError::Folder { .. } | StoreError::Newer { .. } | StoreError::Foreign { .. } => {
                Fault::Permanent
            }
        }
    }

    /// Wraps what the database said while `doing` something.
    pub(crate) fn database(path: &Path, doing: &'static str, cause: sqlx::Error) -> StoreError {
        StoreError::Database { path: path.to_owned(), doing, fault: fault_of(&cause), cause }
    }
}

/// A column holds what this program can't read. Its content is not repeated.
#[derive(Debug, thiserror::Error)]
#[error("the column `{0}` holds something that this program did not write")]
pub(crate) struct Unreadable(pub(crate) &'static str);

fn fault_of(cause: &sqlx::Error) -> Fault {
    match cause {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => Fault::Transient,
        sqlx::Error::Database(database) => {
            // SQLite's extended codes keep the primary code in the low byte.
            let code = database.code().and_then(|code| code.parse::<u32>().ok());
            match code.map(|code| code & 0xff) {
                Some(SQLITE_BUSY | SQLITE_LOCKED | SQLITE_IOERR) => Fault::Transient,
                _ => Fault::Permanent,
            }
        }
        _ => Fault::Permanent,
    }
}

const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_IOERR: u32 = 10;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
    use sqlx::{Connection, Executor};

    use super::*;

    #[tokio::test]
    async fn a_lock_that_another_holds_is_worth_waiting_for() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("assay.db"))
            .create_if_missing(true)
            .busy_timeout(Duration::ZERO);
        let mut first = SqliteConnection::connect_with(&options).await.unwrap();
        let mut second = SqliteConnection::connect_with(&options).await.unwrap();
        first.execute("BEGIN EXCLUSIVE").await.unwrap();

        let cause = second.execute("BEGIN IMMEDIATE").await.unwrap_err();
        let error = StoreError::database(Path::new("assay.db"), "tell a commit", cause);
        assert_eq!(error.fault(), Fault::Transient);
        assert!(error.to_string().starts_with("can't tell a commit in the store assay.db: "));
        assert_eq!(fault_of(&sqlx::Error::PoolTimedOut), Fault::Transient);
        assert_eq!(fault_of(&sqlx::Error::RowNotFound), Fault::Permanent);
    }
}

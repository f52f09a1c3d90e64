use std::fmt::Display;
use std::io;
use std::path::PathBuf;

use assay_core::Fault;
use sqlx::postgres::PgDatabaseError;

use crate::Belonging;
use crate::database::said_by_postgres;

/// What went wrong with the store, where, and while doing what.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("can't make the folder of the store {}: {cause}", path.display())]
    Folder { path: PathBuf, cause: io::Error },

    #[error("can't {doing} in the store {place}: {}", explained(cause))]
    Database { place: String, doing: &'static str, fault: Fault, cause: sqlx::Error },

    #[error(
        "the address of the store can't be used: {what}: write \
         postgres://USER@HOST:PORT/DATABASE, with ?schema=NAME for another schema"
    )]
    Address { what: String },

    #[error(
        "the store {place} was written by a newer Assay (its version is {found}, this program knows \
         up to {known}): use the newer program, or name another store"
    )]
    Newer { place: String, found: i64, known: i64 },

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
        "can't bring the store {place} from version {from} to {to}: {}; it is as it was: use the \
         program of version {from} until this is mended",
        explained(cause)
    )]
    ServerMigration { place: String, from: i64, to: i64, cause: sqlx::Error },

    #[error(
        "{} is a database of something else, not a store: name another file",
        path.display()
    )]
    Foreign { path: PathBuf },

    #[error(
        "the schema of {place} has tables of something else, and is no store: name another with \
         ?schema=NAME"
    )]
    ForeignSchema { place: String },

    #[error(
        "the store {place} tells of the {} in {other}, not of that in {here}: {}",
        kind.name(), kind.advice()
    )]
    Elsewhere { place: String, kind: Belonging, here: String, other: String },

    #[error(
        "the clock of this host goes {seconds} seconds beside that of the store {place}: hosts that \
         share a store see by their clocks whether another one lives, so set it (NTP)"
    )]
    Clock { place: String, seconds: i64 },
}

impl StoreError {
    /// Whether trying again can help.
    pub fn fault(&self) -> Fault {
        match self {
            StoreError::Database { fault, .. } => *fault,
            StoreError::Backup { cause, .. }
            | StoreError::Migration { cause, .. }
            | StoreError::ServerMigration { cause, .. } => fault_of(cause),
            StoreError::Folder { .. }
            | StoreError::Address { .. }
            | StoreError::Newer { .. }
            | StoreError::Foreign { .. }
            | StoreError::ForeignSchema { .. }
            | StoreError::Elsewhere { .. }
            | StoreError::Clock { .. } => Fault::Permanent,
        }
    }

    /// Wraps what the database said while `doing` something.
    pub(crate) fn database(
        place: impl Display,
        doing: &'static str,
        cause: sqlx::Error,
    ) -> StoreError {
        StoreError::Database { place: place.to_string(), doing, fault: fault_of(&cause), cause }
    }
}

/// A column holds what this program can't read. Its content is not repeated.
#[derive(Debug, thiserror::Error)]
#[error("the column `{0}` holds something that this program did not write")]
pub(crate) struct Unreadable(pub(crate) &'static str);

fn fault_of(cause: &sqlx::Error) -> Fault {
    match cause {
        sqlx::Error::Io(io) if io.to_string().starts_with(UNTRUSTED) => Fault::Permanent,
        sqlx::Error::Io(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::BeginFailed
        | sqlx::Error::PoolTimedOut => Fault::Transient,
        sqlx::Error::Database(database) => {
            if let Some(server) = database.try_downcast_ref::<PgDatabaseError>() {
                return said_by_postgres(server.code());
            }
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

/// How what a client says begins that does not trust the server: it comes as if the line had failed.
const UNTRUSTED: &str = "invalid peer certificate";

/// What the database said, and what to do where its words do not tell.
fn explained(cause: &sqlx::Error) -> String {
    let code = cause
        .as_database_error()
        .and_then(|answer| answer.try_downcast_ref::<PgDatabaseError>())
        .map(PgDatabaseError::code);
    let advice = match (cause, code) {
        (sqlx::Error::Io(io), _) if io.kind() == io::ErrorKind::ConnectionRefused => {
            "is the server up, and are host and port right?"
        }
        (sqlx::Error::PoolTimedOut, _) => "is the server up, and does it take more connections?",
        (sqlx::Error::Tls(_), _) => "check `sslmode` and `sslrootcert` of the address",
        (sqlx::Error::Io(io), _) if io.to_string().starts_with(UNTRUSTED) => {
            "check `sslmode` and `sslrootcert` of the address"
        }
        (_, Some("28P01" | "28000")) => "check user and password of the address",
        (_, Some("3D000")) => "create it: CREATE DATABASE …",
        (_, Some("42501")) => {
            "the user of the address needs to own the schema of the store, or, where there is none \
             yet, GRANT CREATE ON DATABASE …"
        }
        (_, Some("25006")) => "the server is read-only: name the primary",
        (_, Some("53300")) => "raise max_connections, or stop other clients",
        (_, Some("55P03")) => "another process has held the write lock for 30 seconds",
        _ => return cause.to_string(),
    };
    format!("{cause}: {advice}")
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
        let error = StoreError::database("assay.db", "tell a commit", cause);
        assert_eq!(error.fault(), Fault::Transient);
        assert!(error.to_string().starts_with("can't tell a commit in the store assay.db: "));
        assert_eq!(fault_of(&sqlx::Error::PoolTimedOut), Fault::Transient);
        assert_eq!(fault_of(&sqlx::Error::RowNotFound), Fault::Permanent);
    }
}

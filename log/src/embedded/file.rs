use std::path::Path;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Executor, Sqlite, SqliteConnection, Transaction};

use assay_core::Fault;

use super::failure;
use crate::LogError;

/// What stands in the file: raised whenever an older version would misread it.
const FORMAT: i64 = 1;

/// "Asly", so that another program's database is not taken for a log.
const APPLICATION: i64 = 0x4173_6c79;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long a writer waits for the writers of other processes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Readers at the same time; more would only wait for the same disk.
const READERS: u32 = 4;

/// A record's `id` is its lane (15 bits) and its offset (48 bits), so a partition lies together and
/// in order, without an index. `bytes` stands before the blobs: it is read without them.
const SCHEMA: &str = "
    CREATE TABLE about (written_by TEXT NOT NULL);
    CREATE TABLE topic (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, retention_ms INTEGER);
    CREATE TABLE lane (
        id INTEGER PRIMARY KEY, topic INTEGER NOT NULL REFERENCES topic (id),
        partition INTEGER NOT NULL, start_offset INTEGER NOT NULL DEFAULT 0,
        end_offset INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
        UNIQUE (topic, partition));
    CREATE TABLE record (
        id INTEGER PRIMARY KEY, appended_at INTEGER NOT NULL, bytes INTEGER NOT NULL,
        key BLOB, headers BLOB, value BLOB);
";

/// The file and the connections to it: one that writes, so that the tasks of a process queue up
/// fairly, and some that read.
#[derive(Clone)]
pub(super) struct LogFile {
    path: String,
    writer: SqlitePool,
    readers: SqlitePool,
}

impl LogFile {
    pub(super) async fn open(path: &Path) -> Result<Self, LogError> {
        let shown = path.display().to_string();
        let io = |error| failure::file_system(&shown, "open the log", error);
        let path = std::path::absolute(path).map_err(io)?;
        if let Some(directory) = path.parent() {
            tokio::fs::create_dir_all(directory).await.map_err(io)?;
        }
        let shown = path.display().to_string();
        prepare(&path, &shown).await?;

        let options = SqliteConnectOptions::new()
            .filename(&path)
            .busy_timeout(PATIENCE)
            .synchronous(SqliteSynchronous::Full)
            // A reader that was slow must not leave a large write-ahead log behind for ever.
            .pragma("journal_size_limit", "67108864")
            // Rows on their way from SQLite to us are copies; a read bounds their bytes, and few of
            // them would mean to wait for each other all the time.
            .row_buffer_size(2048);
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(2 * PATIENCE)
                .test_before_acquire(false)
                .connect_lazy_with(options.clone())
        };
        Ok(LogFile { path: shown, writer: pool(1), readers: pool(READERS) })
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Starts a transaction that may write: it has the file's one write lock from the start. In a
    /// task of its own: a beginning that is given up halfway would be a transaction that nobody
    /// ends, and everybody would wait for its lock.
    pub(super) async fn write(
        &self,
        doing: &str,
    ) -> Result<Transaction<'static, Sqlite>, LogError> {
        let writer = self.writer.clone();
        let begun = tokio::spawn(async move { writer.begin_with("BEGIN IMMEDIATE").await });
        let begun = begun.await.map_err(|_| sqlx::Error::WorkerCrashed).flatten();
        begun.map_err(|error| self.failed(doing, error))
    }

    /// The connection that writes, without a transaction.
    pub(super) async fn writer(&self, doing: &str) -> Result<PoolConnection<Sqlite>, LogError> {
        self.writer.acquire().await.map_err(|error| self.failed(doing, error))
    }

    /// Starts a transaction that sees the file as it is now, whatever is written meanwhile.
    pub(super) async fn view(&self, doing: &str) -> Result<Transaction<'static, Sqlite>, LogError> {
        self.readers.begin().await.map_err(|error| self.failed(doing, error))
    }

    pub(super) fn failed(&self, doing: &str, error: sqlx::Error) -> LogError {
        failure::sqlite(&self.path, doing, error)
    }
}

/// Makes the tables in a new file and refuses a file that is not ours.
///
/// The change to a write-ahead log is the one step for which SQLite does not wait by itself when
/// several processes open a new file at once, so the waiting is here.
async fn prepare(path: &Path, shown: &str) -> Result<(), LogError> {
    const PAUSE: Duration = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    loop {
        match try_prepare(path, shown).await {
            Err(error) if error.fault() == Fault::Transient && waited < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
                waited += PAUSE;
            }
            done => return done,
        }
    }
}

async fn try_prepare(path: &Path, shown: &str) -> Result<(), LogError> {
    let failed = |error| failure::sqlite(shown, "open the log", error);
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .page_size(8192)
        // Only a new file can be told; room is then given back bit by bit, not by a copy.
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .busy_timeout(Duration::from_secs(1))
        .connect()
        .await
        .map_err(failed)?;
    if !is_ours(&mut connection, shown).await? {
        sqlx::query("PRAGMA journal_mode = WAL").execute(&mut connection).await.map_err(failed)?;
        let mut create = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        if !is_ours(&mut create, shown).await? {
            let marks = format!(
                "{SCHEMA} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT};
                 INSERT INTO about VALUES ('{VERSION}');"
            );
            create.execute(marks.as_str()).await.map_err(failed)?;
        }
        create.commit().await.map_err(failed)?;
    }
    connection.close().await.map_err(failed)
}

/// Whether the file is a log of this format already; an empty file is not, but may become one.
async fn is_ours(connection: &mut SqliteConnection, shown: &str) -> Result<bool, LogError> {
    let failed = |error| failure::sqlite(shown, "open the log", error);
    // One view for all three: another process may be making the file right now.
    let mut view = connection.begin().await.map_err(failed)?;
    let application = number(&mut view, "PRAGMA application_id").await.map_err(failed)?;
    let format = number(&mut view, "PRAGMA user_version").await.map_err(failed)?;
    let tables = number(&mut view, "SELECT count(*) FROM sqlite_master").await.map_err(failed)?;
    match (application, format, tables) {
        (APPLICATION, FORMAT, _) => Ok(true),
        (APPLICATION, found, _) if found > FORMAT => {
            let written_by = sqlx::query_scalar("SELECT written_by FROM about")
                .fetch_one(&mut *view)
                .await
                .unwrap_or_else(|_| "of a later version".to_owned());
            Err(LogError::Newer {
                log: shown.to_owned(),
                written_by,
                found,
                known: FORMAT,
                this: VERSION,
            })
        }
        (0, 0, 0) => Ok(false),
        _ => Err(LogError::Foreign { log: shown.to_owned() }),
    }
}

async fn number(connection: &mut SqliteConnection, question: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(question).fetch_one(connection).await
}

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use assay_core::Fault;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Sqlite, Transaction};
use tokio::time::{Instant, sleep};

use crate::outbox::Recipient;
use crate::{StoreError, schema};

/// How long a write waits for another process.
const PATIENCE: Duration = Duration::from_secs(30);

/// The governance store, a SQLite file that several processes may use at once.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
    /// Its one connection answers when what it wrote survives a loss of power.
    durable: SqlitePool,
    path: Arc<Path>,
    /// Where events are sent, and since when.
    pub(crate) recipients: Arc<[Recipient]>,
}

impl Store {
    /// Opens the store at `path`; makes it, and its folder, when there is none.
    ///
    /// A store that a newer program wrote is refused, and so is a database of something else. One
    /// of an older program is brought up to date, with a backup of it left beside it.
    pub async fn open(path: &Path) -> Result<Store, StoreError> {
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder)
                .await
                .map_err(|cause| StoreError::Folder { path: path.to_owned(), cause })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .busy_timeout(PATIENCE)
            // A power cut may take the last transactions, never half of one: what was lost is told
            // again, since the marks are lost with it.
            .synchronous(SqliteSynchronous::Normal)
            // Where few rows may be on their way, SQLite's thread and ours wait for each other.
            .row_buffer_size(1024);
        let failed = |cause| StoreError::database(path, "open the database", cause);
        let mut connection = options.connect().await.map_err(failed)?;
        schema::migrate(&mut connection, &options, path).await?;
        use_write_ahead_log(&mut connection, path).await?;
        let durable = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(
                options
                    .clone()
                    .synchronous(SqliteSynchronous::Full)
                    // Events have ids without order: their index is not read again for each.
                    .pragma("cache_size", "-16000")
                    // A page that many transactions change goes into the file once for all of them.
                    .pragma("wal_autocheckpoint", "4000"),
            );
        let pool = SqlitePoolOptions::new().acquire_timeout(PATIENCE).connect_lazy_with(options);
        connection.close().await.map_err(failed)?;
        Ok(Store { pool, durable, path: path.into(), recipients: Arc::new([]) })
    }

    /// Where the store is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes all connections; what was answered with Ok is in the file.
    pub async fn close(&self) {
        self.durable.close().await;
        self.pool.close().await;
    }

    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Begins a transaction that has the write lock from its first statement on, so that what it
    /// reads can't change before it writes.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        begin(self.pool.clone()).await
    }

    /// The same, for what nobody could tell again: it is synced to the disk.
    pub(crate) async fn write_durably(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        begin(self.durable.clone()).await
    }

    pub(crate) fn failed(&self, doing: &'static str) -> impl Fn(sqlx::Error) -> StoreError + '_ {
        move |cause| StoreError::database(&self.path, doing, cause)
    }
}

/// In a task of its own: a beginning that is given up halfway would be a transaction that nobody
/// ends, and everybody would wait for its lock.
async fn begin(pool: SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    let begun = tokio::spawn(async move { pool.begin_with("BEGIN IMMEDIATE").await });
    begun.await.map_err(|_| sqlx::Error::WorkerCrashed)?
}

/// Switches the file to its write-ahead log, for good. SQLite does not wait for the lock that the
/// switch needs, so this does.
async fn use_write_ahead_log(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), StoreError> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let switched = sqlx::query("PRAGMA journal_mode = WAL").execute(&mut *connection).await;
        let Err(cause) = switched else { return Ok(()) };
        let error = StoreError::database(path, "switch on the write-ahead log", cause);
        if error.fault() == Fault::Permanent || Instant::now() >= give_up {
            return Err(error);
        }
        sleep(Duration::from_millis(20)).await;
    }
}

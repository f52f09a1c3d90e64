//! A store in a file, which several processes of one host may use at once.

use std::path::Path;
use std::time::Duration;

use assay_core::Fault;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::time::{Instant, sleep};

use super::Pool;
use crate::{StoreError, schema};

/// How long a write waits for another process.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Opens the file, and makes it when it is not there.
pub(crate) async fn open(path: &Path) -> Result<Pool, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(PATIENCE)
        // A power cut may take the last transactions, never half of one: what was lost is told
        // again, since the marks are lost with it.
        .synchronous(SqliteSynchronous::Normal)
        // Where few rows may be on their way, SQLite's thread and ours wait for each other.
        .row_buffer_size(1024);
    let failed = |cause| StoreError::database(path.display(), "open the database", cause);
    let mut connection = options.connect().await.map_err(failed)?;
    schema::migrate(&mut connection, &options, path).await?;
    use_write_ahead_log(&mut connection, path).await?;
    let pool = SqlitePoolOptions::new().acquire_timeout(PATIENCE).connect_lazy_with(options);
    connection.close().await.map_err(failed)?;
    Ok(Pool::Sqlite(pool))
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
        let error = StoreError::database(path.display(), "switch on the write-ahead log", cause);
        if error.fault() == Fault::Permanent || Instant::now() >= give_up {
            return Err(error);
        }
        sleep(Duration::from_millis(20)).await;
    }
}

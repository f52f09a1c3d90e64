use std::path::Path;

use sqlx::{Connection, Executor, Row, SqliteConnection};

use crate::StoreError;

/// Each brings a store from the version before to its own; the first makes an empty one version 1.
const MIGRATIONS: [&str; 1] =
    [include_str!("../migrations/0001_told_runs_reports_lineage_totals.sql")];

/// Tells a store from any other SQLite file: "ASAY".
const APPLICATION: i64 = 0x4153_4159;

const DOING: &str = "bring the tables up to date";

/// Brings the store to the version of this program, or refuses it.
pub(crate) async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), StoreError> {
    let failed = |cause| StoreError::database(path, DOING, cause);
    // Most openings find the store as it should be, and then need no write lock.
    if version(connection, path).await? == known() {
        return Ok(());
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    // Asked again: another process may have migrated while this one waited for the lock.
    let found = version(&mut transaction, path).await?;
    let done = usize::try_from(found).unwrap_or(MIGRATIONS.len());
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.execute(sqlx::raw_sql(migration)).await.map_err(failed)?;
    }
    let stamp =
        format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {};", known());
    transaction.execute(sqlx::raw_sql(&stamp)).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

/// The version that the store has; 0 when it is empty.
async fn version(connection: &mut SqliteConnection, path: &Path) -> Result<i64, StoreError> {
    let failed = |cause| StoreError::database(path, "read the version", cause);
    let row = sqlx::query(
        "SELECT application_id, user_version, (SELECT COUNT(*) FROM sqlite_master) AS tables
         FROM pragma_application_id, pragma_user_version",
    )
    .fetch_one(connection)
    .await
    .map_err(failed)?;
    let application: i64 = row.try_get("application_id").map_err(failed)?;
    let found: i64 = row.try_get("user_version").map_err(failed)?;
    let tables: i64 = row.try_get("tables").map_err(failed)?;
    let empty = application == 0 && found == 0 && tables == 0;
    if application != APPLICATION && !empty {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    if found > known() {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: known() });
    }
    Ok(found)
}

fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

use std::path::Path;

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Executor, Row, SqliteConnection};

use crate::database::Server;
use crate::{StoreError, backup};

/// Each brings a store from the version before to its own; the first makes an empty one version 1.
///
/// A program of the version before may still be at work, so they only add; what it does not know of
/// is doubted when a sidecar starts. PostgreSQL takes the same ones.
const MIGRATIONS: [&str; 16] = [
    include_str!("../migrations/0001_told_runs_reports_lineage_totals.sql"),
    include_str!("../migrations/0002_audit_halts_pruned.sql"),
    include_str!("../migrations/0003_pauses.sql"),
    include_str!("../migrations/0004_imported.sql"),
    include_str!("../migrations/0005_profiles.sql"),
    include_str!("../migrations/0006_keys.sql"),
    include_str!("../migrations/0007_lineage_over_time.sql"),
    include_str!("../migrations/0008_outbox.sql"),
    include_str!("../migrations/0009_letters.sql"),
    include_str!("../migrations/0010_replays.sql"),
    include_str!("../migrations/0011_handed_replays.sql"),
    include_str!("../migrations/0012_database_readers.sql"),
    include_str!("../migrations/0013_letters_sent_to.sql"),
    include_str!("../migrations/0014_window_scores.sql"),
    include_str!("../migrations/0015_belongings.sql"),
    include_str!("../migrations/0016_column_sets_and_names.sql"),
];

/// Tells a store from any other SQLite file: "ASAY".
const APPLICATION: i64 = 0x4153_4159;

/// How long an opening waits for another process that migrates: 10 minutes, since that process
/// copies the whole store first.
const PATIENCE: &str = "PRAGMA busy_timeout = 600000";

/// Brings the store to the version of this program, or refuses it.
///
/// A store that holds something is copied first. When anything fails it is as it was.
pub(crate) async fn migrate(
    connection: &mut SqliteConnection,
    options: &SqliteConnectOptions,
    path: &Path,
) -> Result<(), StoreError> {
    let failed = |cause| StoreError::database(path.display(), "make the tables", cause);
    // Most openings find the store as it should be, and then need no write lock.
    if version(connection, path).await? == known() {
        return Ok(());
    }
    connection.execute(PATIENCE).await.map_err(failed)?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    // Asked again: another process may have migrated while this one waited for the lock.
    let found = version(&mut transaction, path).await?;
    if found == known() {
        return Ok(());
    }
    if found == 0 {
        advance(&mut transaction, found).await.map_err(failed)?;
        return transaction.commit().await.map_err(failed);
    }
    let backup = backup::make(options, path, found).await?;
    let failed = |cause| StoreError::Migration {
        path: path.to_owned(),
        from: found,
        to: known(),
        backup: backup.clone(),
        cause,
    };
    advance(&mut transaction, found).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    tracing::warn!(
        store = %path.display(),
        from = found,
        to = known(),
        backup = %backup.display(),
        "brought the store up to this version of Assay; the backup is as it was before"
    );
    Ok(())
}

/// Goes through all migrations that are behind the version `from`.
async fn advance(connection: &mut SqliteConnection, from: i64) -> Result<(), sqlx::Error> {
    let done = usize::try_from(from).unwrap_or(MIGRATIONS.len());
    for migration in MIGRATIONS.iter().skip(done) {
        connection.execute(sqlx::raw_sql(migration)).await?;
    }
    let stamp =
        format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {};", known());
    connection.execute(sqlx::raw_sql(&stamp)).await?;
    Ok(())
}

/// The version that the store has; 0 when it is empty.
async fn version(connection: &mut SqliteConnection, path: &Path) -> Result<i64, StoreError> {
    let failed = |cause| StoreError::database(path.display(), "read the version", cause);
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
        let place = path.display().to_string();
        return Err(StoreError::Newer { place, found, known: known() });
    }
    Ok(found)
}

/// What the tables need that PostgreSQL does not have, and where their version is written.
const SERVER: &str = include_str!("database/postgres.sql");
const VERSION: &str = "CREATE TABLE store_version (version bigint NOT NULL)";

/// The same for a schema of PostgreSQL. There is no copy: what fails there takes all of it back.
pub(crate) async fn migrate_server(
    pool: &PgPool,
    server: &Server,
    schema: &str,
    place: &str,
) -> Result<(), StoreError> {
    let failed = |cause| StoreError::database(place, "make the tables", cause);
    let mut connection = pool.acquire().await.map_err(failed)?;
    if server_version(&mut connection, schema, place).await? == Some(known()) {
        return Ok(());
    }
    drop(connection);
    // Another process may have much to migrate.
    let patient = "SET LOCAL lock_timeout = '10min'; SET LOCAL statement_timeout = 0;";
    let (mut transaction, _turn) = server.write_with(pool, patient).await.map_err(failed)?;
    // Asked again: another process may have migrated while this one waited for the lock.
    let found = match server_version(&mut transaction, schema, place).await? {
        Some(found) if found == known() => return Ok(()),
        Some(found) => found,
        None => {
            let make = format!("CREATE SCHEMA IF NOT EXISTS {schema}; {SERVER} {VERSION};");
            transaction.execute(sqlx::raw_sql(&make)).await.map_err(failed)?;
            0
        }
    };
    let advanced = advance_server(&mut transaction, found).await;
    let failed = |cause| match found {
        0 => failed(cause),
        from => StoreError::ServerMigration { place: place.to_owned(), from, to: known(), cause },
    };
    advanced.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    if found > 0 {
        let to = known();
        tracing::warn!(
            store = place,
            from = found,
            to,
            "brought the store up to this version of Assay"
        );
    }
    Ok(())
}

async fn advance_server(connection: &mut PgConnection, from: i64) -> Result<(), sqlx::Error> {
    let done = usize::try_from(from).unwrap_or(MIGRATIONS.len());
    for migration in MIGRATIONS.iter().skip(done) {
        // Texts are in the order of their bytes, as in SQLite, whatever the database's language.
        let migration = migration.replace(" TEXT", " TEXT COLLATE \"C\"");
        connection.execute(sqlx::raw_sql(&migration)).await?;
    }
    let stamp =
        format!("DELETE FROM store_version; INSERT INTO store_version VALUES ({});", known());
    connection.execute(sqlx::raw_sql(&stamp)).await?;
    Ok(())
}

/// The version that the store in a schema has; none when the schema is empty or not there.
async fn server_version(
    connection: &mut PgConnection,
    schema: &str,
    place: &str,
) -> Result<Option<i64>, StoreError> {
    let failed = |cause| StoreError::database(place, "read the version", cause);
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = $1")
            .bind(schema)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed)?;
    if tables.is_empty() {
        return Ok(None);
    }
    if !tables.iter().any(|table| table == "store_version") {
        return Err(StoreError::ForeignSchema { place: place.to_owned() });
    }
    // By its whole name: whoever may not see the schema is to hear that.
    let found: i64 = sqlx::query_scalar(&format!("SELECT version FROM {schema}.store_version"))
        .fetch_one(connection)
        .await
        .map_err(failed)?;
    if found > known() {
        return Err(StoreError::Newer { place: place.to_owned(), found, known: known() });
    }
    Ok(Some(found))
}

fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

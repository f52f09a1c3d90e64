//! Opens the catalog of a lake: a SQLite file that several processes may make at the same time.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use assay_core::Fault;
use iceberg::CatalogBuilder;
use iceberg::io::LocalFsStorageFactory;
use iceberg_catalog_sql::{SqlBindStyle, SqlCatalog, SqlCatalogBuilder};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
use tokio::time::{Instant, sleep};

use super::CATALOG;
use crate::target::TargetError;

/// How long others may hold the file before we give up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The database of the catalog in `root`, and Iceberg's client of it; both are made where there is
/// none.
pub(super) async fn catalog(root: &Path) -> Result<(SqlitePool, SqlCatalog), TargetError> {
    let options = SqliteConnectOptions::new()
        .filename(root.join("catalog.db"))
        .create_if_missing(true)
        .busy_timeout(PATIENCE);
    let give_up = Instant::now() + PATIENCE;
    loop {
        match try_open(root, &options).await {
            Err(error) if error.fault() == Fault::Transient && Instant::now() < give_up => {
                sleep(Duration::from_millis(20)).await;
            }
            done => return done,
        }
    }
}

/// SQLite does not wait for the lock that the change to a write-ahead log needs, nor Iceberg's
/// client long enough for a disk that is slow, so the waiting is around this.
async fn try_open(
    root: &Path,
    options: &SqliteConnectOptions,
) -> Result<(SqlitePool, SqlCatalog), TargetError> {
    let doing = || format!("open the lake in {}", root.display());
    let failed = |source| TargetError::Catalog { doing: doing(), source };
    // Only the first of all connections changes the file; it says so itself from then on.
    let first = options.clone().journal_mode(SqliteJournalMode::Wal).connect().await;
    let catalog = SqlCatalogBuilder::default()
        .uri(format!("sqlite://{}?mode=rwc", in_url(&root.join("catalog.db"))))
        .warehouse_location(format!("file://{}", root.display()))
        .sql_bind_style(SqlBindStyle::QMark)
        .with_storage_factory(Arc::new(LocalFsStorageFactory));
    let first = first.map_err(failed)?;
    let catalog = catalog
        .load(CATALOG, HashMap::new())
        .await
        .map_err(|source| TargetError::iceberg(doing(), source))?;
    let pool = SqlitePoolOptions::new().max_connections(2).connect_with(options.clone()).await;
    drop(first);
    Ok((pool.map_err(failed)?, catalog))
}

/// A path as a URL has it: everything but plain characters escaped.
fn in_url(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let escape = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    path.display().to_string().bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn many_may_make_the_same_lake_at_once() {
        for _ in 0..20 {
            let folder = tempfile::TempDir::new().unwrap();
            let root = folder.path().to_owned();
            let open = |_| {
                let root = root.clone();
                tokio::spawn(async move { catalog(&root).await })
            };
            let opened: Vec<_> = (0..8).map(open).collect();
            for one in opened {
                let (pool, _) = one.await.unwrap().unwrap();
                let mode = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&pool).await;
                let mode: String = mode.unwrap();
                assert_eq!(mode, "wal");
            }
        }
    }
}

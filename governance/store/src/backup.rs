use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::fs;

use crate::StoreError;

/// Copies the store, as it was last committed, to a file beside it that was not there before.
///
/// The caller holds the store's write lock, so nothing is written and no other copy is made
/// meanwhile. On return the copy survives a loss of power.
pub(crate) async fn make(
    options: &SqliteConnectOptions,
    path: &Path,
    version: i64,
) -> Result<PathBuf, StoreError> {
    // Under this name a copy that was not finished is found, and not taken for a backup.
    let part = beside(path, &format!(".v{version}.bak.part"));
    let made = copy(options, path, version, &part).await;
    if made.is_err() {
        // What can't be removed is overwritten by the next try.
        let _ = fs::remove_file(&part).await;
    }
    made.map_err(|cause| StoreError::Backup { path: path.to_owned(), cause })
}

async fn copy(
    options: &SqliteConnectOptions,
    path: &Path,
    version: i64,
    part: &Path,
) -> Result<PathBuf, sqlx::Error> {
    match fs::remove_file(part).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut connection = options.connect().await?;
    let name = part.to_str().ok_or_else(|| io::Error::other("its path is not UTF-8"))?;
    sqlx::query("VACUUM INTO $1").bind(name).execute(&mut connection).await?;
    sqlx::Connection::close(connection).await?;
    fs::File::open(part).await?.sync_all().await?;

    let written = written_at(path).await?.format("%Y%m%dT%H%M%SZ").to_string();
    let backup = free(path, &format!(".v{version}-{written}")).await?;
    fs::rename(part, &backup).await?;
    if let Some(folder) = backup.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::File::open(folder).await?.sync_all().await?;
    }
    Ok(backup)
}

/// When the store was written last, which is the time that its copy stands for.
async fn written_at(path: &Path) -> Result<DateTime<Utc>, io::Error> {
    let mut written = fs::metadata(path).await?.modified()?;
    // Looking makes an empty write-ahead log, which says nothing.
    let log = fs::metadata(beside(path, "-wal")).await;
    if let Some(log) = log.ok().filter(|log| log.len() > 0) {
        written = written.max(log.modified()?);
    }
    Ok(written.into())
}

/// A name for the backup that nothing has.
async fn free(path: &Path, middle: &str) -> Result<PathBuf, io::Error> {
    let mut backup = beside(path, &format!("{middle}.bak"));
    let mut number = 1_u32;
    while fs::try_exists(&backup).await? {
        number += 1;
        backup = beside(path, &format!("{middle}-{number}.bak"));
    }
    Ok(backup)
}

/// The path with more at the end of its name.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    PathBuf::from(name)
}

use sqlx::SqliteConnection;

use super::file::LogFile;
use crate::LogError;

/// Pages that one step gives back: 32 MB, so that writers never wait long.
const PAGES: i64 = 4096;

/// Gives free pages back to the disk, bit by bit.
///
/// A file that was made before files were told to allow it keeps its size; its free pages are used
/// again.
pub(super) async fn reclaim(file: &LogFile) -> Result<u64, LogError> {
    const DOING: &str = "give room back to the disk";
    let failed = |error| file.failed(DOING, error);
    let mut pages = 0;
    loop {
        // Between two steps the connection is free for those who append.
        let mut connection = file.writer(DOING).await?;
        let before = free(&mut connection).await.map_err(failed)?;
        let step = format!("PRAGMA incremental_vacuum({PAGES})");
        sqlx::query(&step).execute(&mut *connection).await.map_err(failed)?;
        let given = before - free(&mut connection).await.map_err(failed)?;
        // Others may free pages meanwhile, which looks like less was given back.
        if given <= 0 {
            break;
        }
        pages += given;
    }
    let mut connection = file.writer(DOING).await?;
    let size: i64 =
        sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut *connection).await.map_err(failed)?;
    // The file shrinks when the write-ahead log is emptied into it. Where a reader is in the way,
    // that happens later.
    sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    Ok((pages * size).cast_unsigned())
}

async fn free(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA freelist_count").fetch_one(connection).await
}

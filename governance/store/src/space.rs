use assay_core::Fault;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::column::count;
use crate::{Store, StoreError};

/// Below this it is not worth the work.
const LEAST: u64 = 1 << 20;

/// Above this the work would keep other processes waiting; free pages are used again anyway.
const MOST_KEPT: u64 = 1 << 30;

/// What the file is made of, in bytes.
struct Size {
    all: u64,
    free: u64,
}

impl Store {
    /// Gives room that deleted rows left back to the disk, where that pays: when a quarter of the
    /// file is free and the rest is copied in seconds. Says how many bytes that was; none where
    /// others are at work without a pause.
    pub async fn reclaim(&self) -> Result<u64, StoreError> {
        let reclaimed = async {
            let mut connection = self.pool().acquire().await?.detach();
            let before = size(&mut connection).await?;
            let kept = before.all - before.free;
            if before.free < LEAST || before.free * 4 < before.all || kept > MOST_KEPT {
                return Ok(0);
            }
            sqlx::query("VACUUM").execute(&mut connection).await?;
            // The file itself shrinks when the write-ahead log is emptied into it. Where a reader
            // is in the way, that happens later.
            sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut connection).await?;
            let after = size(&mut connection).await?;
            connection.close().await?;
            Ok(before.all.saturating_sub(after.all))
        };
        let reclaimed = reclaimed.await.map_err(self.failed("give room back to the disk"));
        match reclaimed {
            Err(error) if error.fault() == Fault::Transient => Ok(0),
            reclaimed => reclaimed,
        }
    }
}

async fn size(connection: &mut SqliteConnection) -> Result<Size, sqlx::Error> {
    let row = sqlx::query(
        "SELECT page_size * page_count AS whole, page_size * freelist_count AS free
         FROM pragma_page_size, pragma_page_count, pragma_freelist_count",
    )
    .fetch_one(connection)
    .await?;
    Ok(Size { all: count(&row, "whole")?, free: count(&row, "free")? })
}

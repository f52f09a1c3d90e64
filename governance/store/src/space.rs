use assay_core::Fault;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::column::{count, from_count, from_time, time};
use crate::database::{Pool, Row, Session, statement};
use crate::prune::kinds::{self, Table};
use crate::{Kind, Store, StoreError};

/// Below this it is not worth the work.
const LEAST: u64 = 1 << 20;

/// Above this the work would keep other processes waiting; free pages are used again anyway.
const MOST_KEPT: u64 = 1 << 30;

/// What the store is made of, in bytes.
struct Size {
    all: u64,
    free: u64,
}

/// What makes way when the store takes too much room. The audit is small, and stays.
const GIVE_WAY: [Kind; 8] = [
    Kind::Reports,
    Kind::Profiles,
    Kind::Runs,
    Kind::Events,
    Kind::Edges,
    Kind::Ways,
    Kind::ColumnWays,
    Kind::LineageRuns,
];

impl Store {
    /// From when on records can be kept for the store to take no more than `bytes`; none when it
    /// takes no more. Those from `before` on are kept whatever they take.
    ///
    /// What else the store holds, and what it needs to find its records, is taken to be in
    /// proportion to them.
    pub async fn fits_since(
        &self,
        bytes: u64,
        before: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let since = async {
            let mut moment = self.pool().moment().await?;
            let used = if let Session::Sqlite(transaction) = &mut moment {
                let size = size(transaction).await?;
                size.all - size.free
            } else {
                // Tables of a server keep the room of what was deleted: what counts is what rows take.
                weight(&mut moment).await?
            };
            if used <= bytes {
                return Ok(None);
            }
            let since = too_much(&mut moment, used, used - bytes, before).await?;
            moment.rollback().await?;
            Ok(Some(since.unwrap_or(before)))
        };
        since.await.map_err(self.failed("look for what is too much"))
    }

    /// Gives room that deleted rows left back to the disk, where that pays: when a quarter of the
    /// file is free and the rest is copied in seconds. Says how many bytes that was; none where
    /// others are at work without a pause, and in PostgreSQL, which does so by itself.
    pub async fn reclaim(&self) -> Result<u64, StoreError> {
        let reclaimed = async {
            let Pool::Sqlite(pool) = self.pool() else { return Ok(0) };
            let mut connection = pool.acquire().await?.detach();
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

/// The end of the oldest records that together take `excess` of what is `used`.
async fn too_much(
    moment: &mut Session,
    used: u64,
    excess: u64,
    before: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    let all = all();
    let weight = weight(moment).await?;
    let excess = u128::from(excess) * u128::from(weight) / u128::from(used.max(1));
    let last = format!(
        "SELECT at FROM (SELECT at, SUM(weight) OVER (ORDER BY at) AS gone FROM ({all}) a
             WHERE goes AND at < $1) b
         WHERE gone >= $2 ORDER BY at LIMIT 1"
    );
    let last = statement(&last)
        .bind(from_time(before))
        .bind(from_count(u64::try_from(excess).unwrap_or(u64::MAX)))
        .fetch_optional(moment)
        .await?;
    last.map(|row| Ok(time(&row, "at")? + TimeDelta::nanoseconds(1))).transpose()
}

/// All that may make way: when, how heavy, and whether nothing rests on it.
fn all() -> String {
    let of = |kind: Kind| {
        let Table { name, at, weight, goes, .. } = kinds::table(kind);
        format!("SELECT {at} AS at, {weight} AS weight, ({goes}) AS goes FROM {name} r")
    };
    GIVE_WAY.map(of).join(" UNION ALL ")
}

/// About how many bytes the rows are of what may make way.
async fn weight(moment: &mut Session) -> Result<u64, sqlx::Error> {
    let sql =
        format!("SELECT CAST(COALESCE(SUM(weight), 0) AS BIGINT) AS weight FROM ({}) a", all());
    count(&statement(&sql).fetch_one(moment).await?, "weight")
}

async fn size(connection: &mut SqliteConnection) -> Result<Size, sqlx::Error> {
    let row = sqlx::query(
        "SELECT page_size * page_count AS whole, page_size * freelist_count AS free
         FROM pragma_page_size, pragma_page_count, pragma_freelist_count",
    )
    .fetch_one(connection)
    .await
    .map(Row::Sqlite)?;
    Ok(Size { all: count(&row, "whole")?, free: count(&row, "free")? })
}

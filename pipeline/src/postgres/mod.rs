//! Postgres as a target: tables that a stage writes, with position and report in one transaction.

mod columns;
mod commit;
mod copy;
mod failure;
mod lookup;
mod migrate;
mod sheet;
mod target;
mod unique;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use assay_core::{Position, ReaderId, Slice};
use sqlx::Row;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use uuid::Uuid;

pub use self::migrate::{Migrated, Migration};
pub use self::target::{Places, PostgresTarget};

use crate::target::TargetError;

/// Enough for the stages of one process, and few enough for a server that many share.
const CONNECTIONS: u32 = 5;

/// How long a connection is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Days that the place of a job stays which is over.
pub const REPLAYS_STAY: i32 = 7;

/// What the server ends by itself, so that a worker which was suspended holds no lock: a transaction
/// in which nothing happens, the wait for a lock, and a statement that takes absurdly long.
const LIMITS: [(&str, &str); 4] = [
    ("statement_timeout", "10min"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("TimeZone", "UTC"),
];

/// A database, which is reached when it is first asked for something.
#[derive(Debug)]
pub struct Postgres {
    pool: PgPool,
    host: String,
    port: u16,
    database: String,
    /// Where drafts wait for their commit.
    spool: PathBuf,
}

/// An address that is none of Postgres.
#[derive(Debug, thiserror::Error)]
#[error("it is no address of Postgres: write postgres://USER@HOST:PORT/DATABASE")]
pub struct NoAddress;

impl Postgres {
    /// The database at `url`; `password` is for those who do not want it there.
    pub fn at(url: &str, password: Option<&str>, spool: &Path) -> Result<Postgres, NoAddress> {
        let scheme = url.starts_with("postgres://") || url.starts_with("postgresql://");
        let options = PgConnectOptions::from_str(url).map_err(|_| NoAddress)?;
        if !scheme {
            return Err(NoAddress);
        }
        let options = match password {
            Some(password) => options.password(password),
            None => options,
        };
        let options = options.application_name("assay").options(LIMITS);
        let user = options.get_username().to_owned();
        Ok(Postgres {
            host: options.get_host().to_owned(),
            port: options.get_port(),
            database: options.get_database().map_or(user, str::to_owned),
            spool: spool.to_owned(),
            pool: PgPoolOptions::new()
                .max_connections(CONNECTIONS)
                .acquire_timeout(PATIENCE)
                .connect_lazy_with(options),
        })
    }

    /// How messages and lineage name it; there is no password in it.
    pub fn place(&self) -> String {
        format!("postgres://{}:{}/{}", self.host, self.port, self.database)
    }

    /// The rows of a query that gives texts, for those who look at what was written.
    pub async fn texts(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, TargetError> {
        let rows = sqlx::query(sql).fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| failure::of(format!("query {}", self.place()), error))?;
        Ok(rows.iter().map(|row| (0..row.len()).map(|place| row.get(place)).collect()).collect())
    }

    /// As OpenLineage names a table: the server, and database, schema and table.
    fn lineage(&self, table: &str) -> (String, String) {
        let table = match table.contains('.') {
            true => table.to_owned(),
            false => format!("public.{table}"),
        };
        (format!("postgres://{}:{}", self.host, self.port), format!("{}.{table}", self.database))
    }

    /// Forgets where these jobs stood that sent letters back and are over, and says how many places
    /// that were; a `dry` one only says it. A place stays for some days, so that a worker which was
    /// suspended finds that it moved.
    pub async fn forget_replays(&self, jobs: &[Uuid], dry: bool) -> Result<u64, TargetError> {
        let failed =
            |error| failure::of(format!("forget places of replays in {}", self.place()), error);
        let known: bool = sqlx::query_scalar("SELECT to_regclass('assay.positions') IS NOT NULL")
            .fetch_one(&self.pool)
            .await
            .map_err(failed)?;
        if !known {
            return Ok(0);
        }
        let slices: Vec<String> =
            jobs.iter().map(|job| Slice::replay(*job).as_str().to_owned()).collect();
        let which = "FROM assay.positions WHERE slice = ANY($1) \
                     AND moved_at < now() - make_interval(days => $2)";
        let count = match dry {
            true => {
                let sql = format!("SELECT count(*) {which}");
                let count = sqlx::query_scalar(&sql).bind(&slices).bind(REPLAYS_STAY);
                count.fetch_one(&self.pool).await.map(i64::unsigned_abs)
            }
            false => {
                let sql = format!("DELETE {which}");
                let deleted = sqlx::query(&sql).bind(&slices).bind(REPLAYS_STAY);
                deleted.execute(&self.pool).await.map(|deleted| deleted.rows_affected())
            }
        };
        count.map_err(failed)
    }

    /// How far each reader has come whose position is kept there.
    pub(crate) async fn positions(&self) -> Result<Vec<(ReaderId, Position)>, TargetError> {
        let failed =
            |error| failure::of(format!("look at the positions in {}", self.place()), error);
        let known: bool = sqlx::query_scalar("SELECT to_regclass('assay.positions') IS NOT NULL")
            .fetch_one(&self.pool)
            .await
            .map_err(failed)?;
        if !known {
            return Ok(vec![]);
        }
        let rows = sqlx::query("SELECT reader, slice, mark FROM assay.positions")
            .fetch_all(&self.pool)
            .await
            .map_err(failed)?;
        let mut all: BTreeMap<ReaderId, Position> = BTreeMap::new();
        for row in rows {
            let (slice, mark): (String, String) = (row.get(1), row.get(2));
            let position = all.entry(ReaderId(row.get(0))).or_default();
            position.0.insert(Slice::from_name(&slice), target::read_mark(&mark)?);
        }
        Ok(all.into_iter().collect())
    }
}

/// A name as Postgres takes it, whatever is in it; `schema.table` is two.
fn quoted(name: &str) -> String {
    let parts = name.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\"")));
    parts.collect::<Vec<_>>().join(".")
}

fn quoted_all<S: AsRef<str>>(names: &[S]) -> String {
    names.iter().map(|name| quoted(name.as_ref())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_whatever_is_in_it() {
        assert_eq!(quoted("public.a\"b"), "\"public\".\"a\"\"b\"");
    }

    #[tokio::test]
    async fn an_address_is_one_of_postgres_and_is_told_without_its_password() {
        for wrong in ["", "realtime", "kafka://a:1", "mysql://a/b"] {
            assert!(Postgres::at(wrong, None, Path::new("/tmp")).is_err(), "{wrong}");
        }
        let at = Postgres::at("postgres://me:secret@db:5433/realtime", None, Path::new("/tmp"));
        assert_eq!(at.unwrap().place(), "postgres://db:5433/realtime");
    }
}

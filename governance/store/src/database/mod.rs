//! The databases that a store may lie in: SQLite for one host, PostgreSQL for many. Whoever asks
//! writes one SQL for both; what PostgreSQL does not have of it is in `postgres.sql`.

mod building;
mod here;
mod postgres;
mod row;
mod sqlite;
mod statement;

use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use sqlx::{Postgres, Sqlite, Transaction};
use tokio::sync::OwnedSemaphorePermit;

pub(crate) use building::Building;
use here::Here;
pub(crate) use here::Home;
pub(crate) use postgres::{Server, answered as said_by_postgres, connect};
pub(crate) use row::Row;
pub(crate) use sqlite::open;
pub(crate) use statement::{On, Statement, Value, statement};

/// Connections to one of them.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool, Server),
}

/// A transaction. One that writes is alone: nobody else writes before it has ended.
pub(crate) enum Session {
    Sqlite(Transaction<'static, Sqlite>),
    /// In the thread of the caller.
    Here(Here),
    /// With the turn that it has among those of this process, when it writes.
    Postgres(Transaction<'static, Postgres>, Option<OwnedSemaphorePermit>),
}

impl Pool {
    /// Begins a transaction that has the write lock from its first statement on, so that what it
    /// reads can't change before it writes.
    ///
    /// In a task of its own: a beginning that is given up halfway would be a transaction that
    /// nobody ends, and everybody would wait for its lock.
    pub(crate) async fn write(&self) -> Result<Session, sqlx::Error> {
        let pool = self.clone();
        let begun = tokio::spawn(async move {
            match pool {
                Pool::Sqlite(pool) => pool.begin_with("BEGIN IMMEDIATE").await.map(Session::Sqlite),
                Pool::Postgres(pool, server) => {
                    let (transaction, turn) = server.write(&pool).await?;
                    Ok(Session::Postgres(transaction, Some(turn)))
                }
            }
        });
        begun.await.map_err(|_| sqlx::Error::WorkerCrashed)?
    }

    /// Begins a transaction that only reads, and sees all as it is at one moment.
    pub(crate) async fn moment(&self) -> Result<Session, sqlx::Error> {
        match self {
            Pool::Sqlite(pool) => pool.begin().await.map(Session::Sqlite),
            Pool::Postgres(pool, _) => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                let transaction = pool.begin_with(begin).await?;
                Ok(Session::Postgres(transaction, None))
            }
        }
    }

    /// What has to be said in other words to each of them.
    pub(crate) fn either<'s>(&self, sqlite: &'s str, postgres: &'s str) -> &'s str {
        match self {
            Pool::Sqlite(_) => sqlite,
            Pool::Postgres(..) => postgres,
        }
    }

    /// An expression for all rows at once, as one text: an array of arrays of these columns. A row
    /// each costs more than all that is in it.
    pub(crate) fn rows_as_json(&self, columns: &str) -> String {
        match self {
            Pool::Sqlite(_) => format!("json_group_array(json_array({columns}))"),
            Pool::Postgres(..) => {
                format!("COALESCE(CAST(json_agg(json_build_array({columns})) AS TEXT), '[]')")
            }
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool, _) => pool.close().await,
        }
    }
}

impl Session {
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Session::Sqlite(transaction) => transaction.commit().await,
            Session::Here(here) => here.commit(),
            Session::Postgres(transaction, turn) => {
                transaction.commit().await?;
                drop(turn);
                Ok(())
            }
        }
    }

    pub(crate) async fn rollback(self) -> Result<(), sqlx::Error> {
        match self {
            Session::Sqlite(transaction) => transaction.rollback().await,
            Session::Here(here) => {
                drop(here);
                Ok(())
            }
            Session::Postgres(transaction, _) => transaction.rollback().await,
        }
    }
}

//! A store in a schema of PostgreSQL, which several hosts may use at once.

use std::str::FromStr;
use std::time::Duration;

use assay_core::Fault;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Postgres, Transaction};

use super::Pool;
use crate::{StoreError, schema};

/// Enough for one process, and few enough for a server that many share.
const CONNECTIONS: u32 = 8;

/// How long a connection is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a store is when the address names no schema.
const SCHEMA: &str = "assay_store";

/// What the server ends by itself: the wait for the write lock, a statement that takes absurdly
/// long, and a transaction in which nothing happens, so that a process which was suspended does
/// not keep all others from writing.
const LIMITS: [(&str, &str); 4] = [
    ("lock_timeout", "30s"),
    ("statement_timeout", "10min"),
    ("idle_in_transaction_session_timeout", "30s"),
    ("client_min_messages", "warning"),
];

/// What of a server is a store.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Begins a transaction that waits until no other writes.
    ///
    /// Under READ COMMITTED a statement sees what was committed before it began. So those behind
    /// the lock see all that others wrote, and numbers that count up become visible in their order.
    begin: String,
}

impl Server {
    fn of(schema: &str) -> Server {
        let lock = format!("pg_advisory_xact_lock(hashtextextended('assay store {schema}', 0))");
        Server { begin: format!("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT {lock}") }
    }

    pub(crate) async fn lock(
        &self,
        pool: &PgPool,
    ) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        pool.begin_with(self.begin.clone()).await
    }
}

/// Reaches the store at `url`, makes it when it is not there, and says how it is called.
pub(crate) async fn connect(
    url: &str,
    password: Option<&str>,
) -> Result<(Pool, String), StoreError> {
    let (options, schema) = read(url, password)?;
    let database = options.get_database().unwrap_or(options.get_username());
    let (host, port) = (options.get_host(), options.get_port());
    let place = format!("postgres://{host}:{port}/{database}?schema={schema}");
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .connect_lazy_with(options);
    let server = Server::of(&schema);
    schema::migrate_server(&pool, &server, &schema, &place).await?;
    Ok((Pool::Postgres(pool, server), place))
}

/// The address without `schema`, which is ours, and the schema.
fn read(url: &str, password: Option<&str>) -> Result<(PgConnectOptions, String), StoreError> {
    let mistake = |what: &str| StoreError::Address { what: what.to_owned() };
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(mistake("it does not begin with postgres://"));
    }
    let (address, settings) = url.split_once('?').unwrap_or((url, ""));
    let (ours, theirs): (Vec<&str>, Vec<&str>) = settings
        .split('&')
        .filter(|setting| !setting.is_empty())
        .partition(|setting| setting.starts_with("schema="));
    let schema = ours.last().map_or(SCHEMA, |setting| &setting["schema=".len()..]);
    if !is_plain(schema) {
        return Err(mistake(
            "its `schema` is a name of small letters, digits and _, at most 63 of them",
        ));
    }
    let address = format!("{address}?{}", theirs.join("&"));
    let options = PgConnectOptions::from_str(&address).map_err(|_| mistake("it can't be read"))?;
    let options = match password {
        Some(password) => options.password(password),
        None => options,
    };
    let options = options.application_name("assay").options(LIMITS);
    Ok((options.options([("search_path", schema)]), schema.to_owned()))
}

/// Whether a name means the same with quotes and without, and holds none.
fn is_plain(name: &str) -> bool {
    let mut characters = name.bytes();
    let first = characters.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_');
    let rest = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
    first && characters.all(rest) && name.len() <= 63 && !name.starts_with("pg_")
}

/// Whether what the server said goes by: connections, conflicts with others, too little room, a
/// server on its way down or up, and the limits that we set ourselves.
pub(crate) fn answered(code: &str) -> Fault {
    let class = code.get(..2).unwrap_or_default();
    let passes = matches!(class, "08" | "40" | "53" | "58")
        || matches!(code, "55P03" | "57014" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03");
    if passes { Fault::Transient } else { Fault::Permanent }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_name_a_schema() {
        let (options, schema) = read("postgres://me@db:5433/shop", None).unwrap();
        assert_eq!((options.get_port(), schema.as_str()), (5433, "assay_store"));
        let url = "postgres://me@db/shop?sslmode=disable&schema=team_a&application_name=x";
        let (options, schema) = read(url, None).unwrap();
        assert_eq!((options.get_database(), schema.as_str()), (Some("shop"), "team_a"));
        for bad in ["Team", "a b", "a'b", "", "1a", "pg_x", "a;drop"] {
            let error = read(&format!("postgres://db/shop?schema={bad}"), None).unwrap_err();
            assert!(error.to_string().contains("small letters"), "{bad}: {error}");
        }
        assert!(read("mysql://db/shop", None).is_err());
        assert!(read("postgres://db:port/shop", None).is_err());
    }
}

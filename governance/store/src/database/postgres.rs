//! A store in a schema of PostgreSQL, which several hosts may use at once.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use assay_core::{Clock, Fault, SystemClock};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, Postgres, Row, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::Pool;
use crate::{StoreError, schema};

/// Enough for one process, and few enough for a server that many share.
const CONNECTIONS: u32 = 8;

/// How long a connection is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a connection is used.
const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Where a store is when the address names no schema.
const SCHEMA: &str = "assay_store";

/// What the server ends by itself: the wait for the write lock, a statement that takes absurdly
/// long, and a transaction in which nothing happens, so that a process which was suspended does
/// not keep all others from writing. The wait is longer than two of those: whoever waits behind one
/// and behind the next that was in the same process still gets the lock.
const LIMITS: [(&str, &str); 6] = [
    ("lock_timeout", "30s"),
    ("statement_timeout", "10min"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("client_min_messages", "warning"),
    // Questions go by indexes that are mostly in memory, and are short.
    ("random_page_cost", "1.1"),
    ("jit", "off"),
];

/// What an address may say beside the schema. Others are refused: a wrong name would be ignored, and
/// another store be opened than was meant.
const SETTINGS: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// How far clocks of hosts may differ, in seconds: by them one sees whether another one lives, and
/// waits 15 before it takes something over. Two are worth a word.
const CLOCKS: f64 = 5.0;
const CLOCKS_SAID: f64 = 2.0;

/// What of a server is a store.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Waits until no other host writes.
    lock: String,
    /// Writers of this process wait here, so that they have no connection meanwhile that others read
    /// by.
    turn: Arc<Semaphore>,
}

/// A transaction that writes, and its turn among those of this process.
pub(crate) type Writing = (Transaction<'static, Postgres>, OwnedSemaphorePermit);

impl Server {
    fn of(schema: &str) -> Server {
        let lock = format!("pg_advisory_xact_lock(hashtextextended('assay store {schema}', 0))");
        Server { lock: format!("SELECT {lock}"), turn: Arc::new(Semaphore::new(1)) }
    }

    /// Begins a transaction that waits until no other writes.
    ///
    /// Under READ COMMITTED a statement sees what was committed before it began. So those behind
    /// the lock see all that others wrote, and numbers that count up become visible in their order.
    pub(crate) async fn write(&self, pool: &PgPool) -> Result<Writing, sqlx::Error> {
        self.write_with(pool, "").await
    }

    /// The same, with settings of the transaction.
    pub(crate) async fn write_with(
        &self,
        pool: &PgPool,
        settings: &str,
    ) -> Result<Writing, sqlx::Error> {
        let turn = Arc::clone(&self.turn).acquire_owned();
        let turn = turn.await.map_err(|_| sqlx::Error::PoolClosed)?;
        let mut transaction = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        // Statements of their own: where the lock can't be had, the transaction is rolled back.
        transaction.execute(sqlx::raw_sql(&format!("{settings} {}", self.lock))).await?;
        Ok((transaction, turn))
    }
}

/// Reaches the store at `url`, makes it when it is not there, and says how it is called.
pub(crate) async fn connect(
    url: &str,
    password: Option<&str>,
) -> Result<(Pool, String), StoreError> {
    let (options, schema) = read(url, password)?;
    let database = options.get_database().unwrap_or_default();
    let (host, port) = (options.get_host(), options.get_port());
    let place = format!("postgres://{host}:{port}/{database}?schema={schema}");
    check_clock(&options, &place).await?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        // A statement that a newer program gave more columns can't be used again on a connection
        // that knows it.
        .max_lifetime(LIFETIME)
        .connect_lazy_with(options);
    let server = Server::of(&schema);
    schema::migrate_server(&pool, &server, &schema, &place).await?;
    Ok((Pool::Postgres(pool, server), place))
}

/// Refuses a host whose clock is not that of the server. By a connection of its own, which says why
/// none can be had: a pool tries again until its patience ends, and says that.
async fn check_clock(options: &PgConnectOptions, place: &str) -> Result<(), StoreError> {
    let failed = |cause| StoreError::database(place, "reach the server", cause);
    let connected = timeout(PATIENCE, options.connect()).await;
    let connected = connected.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    let mut connection = connected.map_err(failed)?;
    let asked = Instant::now();
    let there = sqlx::query("SELECT EXTRACT(EPOCH FROM clock_timestamp())::float8 AS there")
        .fetch_one(&mut connection)
        .await
        .and_then(|row| row.try_get::<f64, _>("there"))
        .map_err(failed)?;
    let took = asked.elapsed().as_secs_f64();
    connection.close().await.map_err(failed)?;
    let here = SystemClock.now().timestamp_micros();
    #[allow(clippy::cast_precision_loss, reason = "microseconds of our time fit")]
    let apart = here as f64 / 1e6 - there;
    // The answer may have been on its way all the time.
    let apart = if apart > 0.0 { (apart - took).max(0.0) } else { apart };
    if apart.abs() > CLOCKS {
        #[allow(clippy::cast_possible_truncation, reason = "as near as a person needs it")]
        let seconds = apart.round() as i64;
        return Err(StoreError::Clock { place: place.to_owned(), seconds });
    }
    if apart.abs() > CLOCKS_SAID {
        tracing::warn!(place, seconds = apart, "the clock of this host is not that of the store");
    }
    Ok(())
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
    for setting in &theirs {
        let name = setting.split('=').next().unwrap_or_default();
        if !SETTINGS.contains(&name) {
            // Its value may be a secret.
            return Err(mistake(&format!("`{name}` is no setting of an address")));
        }
    }
    if ours.len() > 1 {
        return Err(mistake("it names two schemas"));
    }
    let schema = ours.last().map_or(SCHEMA, |setting| &setting["schema=".len()..]);
    if !is_plain(schema) {
        return Err(mistake(
            "its `schema` is a name of small letters, digits and _, at most 63 of them, that does not \
             begin with pg_",
        ));
    }
    let address = format!("{address}?{}", theirs.join("&"));
    let options = PgConnectOptions::from_str(&address).map_err(|_| mistake("it can't be read"))?;
    let options = match password {
        Some(password) => options.password(password),
        None => options,
    };
    if options.get_database().is_none() {
        return Err(mistake("it names no database"));
    }
    // What the address sets by itself stays.
    let set = |name: &str| theirs.iter().any(|setting| setting.contains(name));
    let limits = LIMITS.into_iter().filter(|(name, _)| !set(name));
    let options = options.application_name("assay").options(limits);
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
        || matches!(code, "55P03" | "57014" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03")
        // A transaction that the server has ended, and a statement of older columns.
        || matches!(code, "25P02" | "0A000")
        // A server that is no primary at the moment, or does not take connections to the database.
        || matches!(code, "25006" | "55000");
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
        let error = read("postgres://db/shop?shema=team&sslmode=disable", None).unwrap_err();
        assert!(error.to_string().contains("`shema`"), "{error}");
        let error = read("postgres://db/shop?passwd=hunter2", None).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(read("postgres://db", None).is_err());
        assert!(read("postgres://db/shop?schema=a&schema=b", None).is_err());
        assert!(read("mysql://db/shop", None).is_err());
        assert!(read("postgres://db:port/shop", None).is_err());
    }
}

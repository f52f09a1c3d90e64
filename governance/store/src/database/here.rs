//! SQLite in the thread of the caller. By a pool every statement goes to a thread of the connection
//! and back, which costs more than the statement: of events that others send each needs some.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags, Statement, ToSql, ffi};
use sqlx::error::{DatabaseError, ErrorKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::sqlite::PATIENCE;
use super::statement::Value;

const WRITE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);
const READ: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Statements that are kept as they were prepared.
const PREPARED: usize = 64;

/// Who may read all of a file at once: each holds much of it in memory.
const READERS: usize = 2;

/// Where the connection that is written by stays meanwhile, and how many read beside it.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    path: PathBuf,
    spare: Arc<Mutex<Option<Connection>>>,
    readers: Arc<Semaphore>,
}

/// A transaction that writes. What it wrote survives a loss of power once it is committed; without
/// that it is taken back.
pub(crate) struct Here {
    /// There until the end.
    connection: Option<Connection>,
    home: Home,
}

/// A row of an answer, and the names of its columns.
pub(crate) struct HereRow {
    columns: Arc<[String]>,
    values: Vec<rusqlite::types::Value>,
}

/// A row that is looked at, and not kept.
pub(crate) struct Seen<'r>(&'r rusqlite::Row<'r>);

impl Home {
    pub(crate) fn new(path: &Path) -> Home {
        let readers = Arc::new(Semaphore::new(READERS));
        Home { path: path.to_owned(), spare: Arc::default(), readers }
    }

    /// Begins a transaction once nobody else writes, which is waited for.
    pub(crate) fn begin(&self) -> Result<Here, sqlx::Error> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        let connection = spare.map_or_else(|| self.open(), Ok).map_err(said)?;
        let here = Here { connection: Some(connection), home: self.clone() };
        // Where it can't, the connection goes back.
        here.prepared("BEGIN IMMEDIATE")?.raw_execute().map_err(said)?;
        Ok(here)
    }

    /// The turn of one that reads.
    pub(crate) async fn reader(&self) -> Result<OwnedSemaphorePermit, sqlx::Error> {
        let turn = Arc::clone(&self.readers).acquire_owned().await;
        turn.map_err(|_| sqlx::Error::PoolClosed)
    }

    /// Hands rows over `each` by each, as they lie in the file, all of one moment; false ends it.
    pub(crate) fn each(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut each: impl FnMut(Seen<'_>) -> Result<bool, sqlx::Error>,
    ) -> Result<(), sqlx::Error> {
        let connection = Connection::open_with_flags(&self.path, READ).map_err(said)?;
        connection.busy_timeout(PATIENCE).map_err(said)?;
        let mut statement = connection.prepare(sql).map_err(said)?;
        bind(&mut statement, values)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(said)? {
            if !each(Seen(row))? {
                break;
            }
        }
        Ok(())
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(&self.path, WRITE)?;
        connection.busy_timeout(PATIENCE)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        // Events have ids without order: their index is not read again for each. A page that many
        // transactions change goes into the file once for all of them.
        connection.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA cache_size = -16000; PRAGMA wal_autocheckpoint = 4000;",
        )?;
        Ok(connection)
    }

    pub(crate) fn close(&self) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Here {
    pub(super) fn commit(self) -> Result<(), sqlx::Error> {
        self.prepared("COMMIT")?.raw_execute().map_err(said)?;
        Ok(())
    }

    /// Runs what writes; how many rows that changed.
    pub(super) fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, sqlx::Error> {
        let mut statement = self.prepared(sql)?;
        bind(&mut statement, values)?;
        let changed = statement.raw_execute().map_err(said)?;
        Ok(changed as u64)
    }

    pub(super) fn rows(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<HereRow>, sqlx::Error> {
        let mut statement = self.prepared(sql)?;
        bind(&mut statement, values)?;
        let columns: Arc<[String]> =
            statement.column_names().into_iter().map(str::to_owned).collect();
        let (mut rows, mut all) = (statement.raw_query(), vec![]);
        while let Some(row) = rows.next().map_err(said)? {
            let values = (0..columns.len()).map(|place| row.get(place).map_err(said));
            let values = values.collect::<Result<_, _>>()?;
            all.push(HereRow { columns: columns.clone(), values });
        }
        Ok(all)
    }

    fn prepared(&self, sql: &str) -> Result<CachedStatement<'_>, sqlx::Error> {
        let connection = self.connection.as_ref().ok_or(sqlx::Error::PoolClosed)?;
        connection.prepare_cached(sql).map_err(said)
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        // One that can't take back what it did is closed, which does so.
        if connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok() {
            let spare = &self.home.spare;
            *spare.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        }
    }
}

impl<'r> Seen<'r> {
    pub(crate) fn text(&self, place: usize) -> Result<&'r str, sqlx::Error> {
        let value = self.0.get_ref(place).map_err(said)?;
        value.as_str().map_err(|error| sqlx::Error::Decode(error.into()))
    }
}

/// `$2` is the second of the values, wherever it stands first.
fn bind(statement: &mut Statement<'_>, values: &[Value<'_>]) -> Result<(), sqlx::Error> {
    for place in 1..=statement.parameter_count() {
        let number = statement.parameter_name(place).and_then(|name| name[1..].parse().ok());
        let value = values.get(number.unwrap_or(place) - 1).ok_or_else(|| {
            sqlx::Error::Protocol("a statement has more places than values".to_owned())
        })?;
        statement.raw_bind_parameter(place, value).map_err(said)?;
    }
    Ok(())
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Value::Integer(Some(number)) => ValueRef::Integer(*number),
            Value::Real(Some(number)) => ValueRef::Real(*number),
            Value::Text(None) | Value::Integer(None) | Value::Real(None) => ValueRef::Null,
        }))
    }
}

/// A column of an answer, by its name or its place.
pub(crate) trait Place {
    fn place_in(&self, row: &HereRow) -> Option<usize>;
}

impl Place for &str {
    fn place_in(&self, row: &HereRow) -> Option<usize> {
        row.columns.iter().position(|column| column == self)
    }
}

impl Place for usize {
    fn place_in(&self, _row: &HereRow) -> Option<usize> {
        Some(*self)
    }
}

/// What a value is read as.
pub(crate) trait OfValue<'r>: Sized {
    fn of(value: &'r rusqlite::types::Value) -> Option<Self>;
}

impl<'r> OfValue<'r> for &'r str {
    fn of(value: &'r rusqlite::types::Value) -> Option<Self> {
        if let rusqlite::types::Value::Text(text) = value { Some(text) } else { None }
    }
}

impl OfValue<'_> for String {
    fn of(value: &rusqlite::types::Value) -> Option<Self> {
        <&str>::of(value).map(str::to_owned)
    }
}

impl OfValue<'_> for i64 {
    fn of(value: &rusqlite::types::Value) -> Option<Self> {
        if let rusqlite::types::Value::Integer(number) = value { Some(*number) } else { None }
    }
}

impl OfValue<'_> for f64 {
    fn of(value: &rusqlite::types::Value) -> Option<Self> {
        if let rusqlite::types::Value::Real(number) = value { Some(*number) } else { None }
    }
}

impl<'r, T: OfValue<'r>> OfValue<'r> for Option<T> {
    fn of(value: &'r rusqlite::types::Value) -> Option<Self> {
        match value {
            rusqlite::types::Value::Null => Some(None),
            value => T::of(value).map(Some),
        }
    }
}

impl HereRow {
    pub(super) fn try_get<'r, T: OfValue<'r>>(
        &'r self,
        column: impl Place,
    ) -> Result<T, sqlx::Error> {
        let value = column.place_in(self).and_then(|place| self.values.get(place));
        let value = value.ok_or_else(|| sqlx::Error::ColumnNotFound("of an answer".to_owned()))?;
        T::of(value).ok_or_else(|| sqlx::Error::Decode("a value of another type".into()))
    }
}

/// What SQLite said, as it is told of the other connections.
#[derive(Debug)]
struct Said {
    code: ffi::Error,
    message: String,
}

fn said(error: rusqlite::Error) -> sqlx::Error {
    match error {
        rusqlite::Error::SqliteFailure(code, message) => {
            let message = message.unwrap_or_else(|| code.to_string());
            sqlx::Error::Database(Box::new(Said { code, message }))
        }
        other => sqlx::Error::Decode(other.into()),
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "(code: {}) {}", self.code.extended_code, self.message)
    }
}

impl std::error::Error for Said {}

impl DatabaseError for Said {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(self.code.extended_code.to_string().into())
    }

    fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one table, and its home.
    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let make = "PRAGMA journal_mode = WAL; CREATE TABLE t (a TEXT, b BIGINT)";
        Connection::open(&path).unwrap().execute_batch(make).unwrap();
        (folder, Home::new(&path))
    }

    #[test]
    fn values_come_back_and_what_is_not_committed_does_not_stay() {
        let (_folder, home) = home();
        let here = home.begin().unwrap();
        let values = [Value::from("x"), Value::from(7_i64)];
        // The second value stands first.
        let put = "INSERT INTO t (b, a) VALUES ($2, $1)";
        assert_eq!(here.execute(put, &values).unwrap(), 1);
        here.commit().unwrap();
        let here = home.begin().unwrap();
        here.execute(put, &values).unwrap();
        drop(here);
        let here = home.begin().unwrap();
        let rows = here.rows("SELECT a, b, NULL AS c FROM t WHERE b = $1", &values[1..]).unwrap();
        let [row] = &rows[..] else { panic!("{} rows", rows.len()) };
        assert_eq!(row.try_get::<&str>("a").unwrap(), "x");
        assert_eq!(row.try_get::<i64>(1).unwrap(), 7);
        assert_eq!(row.try_get::<Option<String>>("c").unwrap(), None);
        assert!(row.try_get::<i64>("a").is_err() && row.try_get::<i64>("d").is_err());
    }

    #[test]
    fn while_another_writes_it_is_waited_for_and_then_told_and_the_connection_stays() {
        let (_folder, home) = home();
        drop(home.begin().unwrap());
        let other = home.open().unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let spare = home.spare.lock().unwrap().take().unwrap();
        spare.busy_timeout(std::time::Duration::from_millis(20)).unwrap();
        *home.spare.lock().unwrap() = Some(spare);
        let Err(error) = home.begin() else { panic!("two write at once") };
        let error = crate::StoreError::database("store.db", "take in lineage events", error);
        assert_eq!(error.fault(), assay_core::Fault::Transient, "{error}");
        assert!(home.spare.lock().unwrap().is_some());
        other.execute_batch("ROLLBACK").unwrap();
        home.begin().unwrap().commit().unwrap();
    }
}

use std::path::Path;
use std::sync::Arc;

use crate::StoreError;
use crate::database::{self, Home, Pool, Session};
use crate::outbox::Recipient;

/// The governance store: a SQLite file that several processes may use at once, or a schema of
/// PostgreSQL that several hosts may.
#[derive(Debug, Clone)]
pub struct Store {
    pool: Pool,
    /// Of a file: where what others sent is written by whoever has a thread for it.
    home: Option<Home>,
    place: Arc<str>,
    /// Where events are sent, and since when.
    pub(crate) recipients: Arc<[Recipient]>,
}

impl Store {
    /// Opens the store at `path`; makes it, and its folder, when there is none.
    ///
    /// A store that a newer program wrote is refused, and so is a database of something else. One
    /// of an older program is brought up to date, with a backup of it left beside it.
    pub async fn open(path: &Path) -> Result<Store, StoreError> {
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder)
                .await
                .map_err(|cause| StoreError::Folder { path: path.to_owned(), cause })?;
        }
        let pool = database::open(path).await?;
        let place = path.display().to_string().into();
        Ok(Store { pool, home: Some(Home::new(path)), place, recipients: Arc::new([]) })
    }

    /// Reaches the store at `postgres://USER@HOST:PORT/DATABASE?schema=NAME`; makes its schema and
    /// tables when there are none. `password` is for those who do not want it in the address.
    ///
    /// A store that a newer program wrote is refused, and so is a schema with tables of something
    /// else. One of an older program is brought up to date, in one transaction.
    pub async fn connect(url: &str, password: Option<&str>) -> Result<Store, StoreError> {
        let (pool, place) = database::connect(url, password).await?;
        let place = place.into();
        Ok(Store { pool, home: None, place, recipients: Arc::new([]) })
    }

    /// Where the store is, as messages name it; there is no password in it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether [`Store::receive_prepared`] works in the thread of its caller.
    pub fn receives_in_thread(&self) -> bool {
        self.home.is_some()
    }

    /// How many events are best taken in together: one sync of the disk for all of them, and others
    /// wait as long. A server on another host is asked several times for each.
    pub fn events_at_once(&self) -> usize {
        match self.pool {
            Pool::Sqlite(_) => 1000,
            Pool::Postgres(..) => 100,
        }
    }

    /// Closes all connections; what was answered with Ok is kept.
    pub async fn close(&self) {
        self.home.iter().for_each(Home::close);
        self.pool.close().await;
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Begins a transaction that has the write lock.
    pub(crate) async fn write(&self) -> Result<Session, sqlx::Error> {
        self.pool.write().await
    }

    /// The same, for what nobody could tell again: it is synced to the disk. In a file it is written
    /// in the thread of the caller, who does not wait in between.
    pub(crate) async fn write_here(&self) -> Result<Session, sqlx::Error> {
        match &self.home {
            Some(home) => home.begin().map(Session::Here),
            None => self.pool.write().await,
        }
    }

    /// Where a file is read in the thread of the caller.
    pub(crate) fn home(&self) -> Option<&Home> {
        self.home.as_ref()
    }

    pub(crate) fn failed(&self, doing: &'static str) -> impl Fn(sqlx::Error) -> StoreError + '_ {
        move |cause| StoreError::database(&self.place, doing, cause)
    }
}

//! Where the stores of these tests are: in files, or in schemas of a server when it is named.

use std::sync::atomic::{AtomicU32, Ordering};

use assay_store::Store;
use tempfile::TempDir;

/// The variable that names a database of a server.
pub(crate) const DATABASE: &str = "ASSAY_STORE_TESTS";

pub(crate) enum Home {
    /// Goes when it is dropped.
    Folder(TempDir),
    /// Goes with its database.
    Schema(String),
}

impl Home {
    pub(crate) fn new() -> Home {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        match std::env::var_os(DATABASE) {
            Some(database) => {
                let database = database.into_string().unwrap();
                let number = NEXT.fetch_add(1, Ordering::Relaxed);
                Home::Schema(format!("{database}?schema=of_{}_{number}", std::process::id()))
            }
            None => Home::Folder(tempfile::tempdir().unwrap()),
        }
    }

    pub(crate) fn is_file(&self) -> bool {
        matches!(self, Home::Folder(_))
    }

    /// The store that is there, or a new one.
    pub(crate) async fn open(&self) -> Store {
        match self {
            Home::Folder(folder) => Store::open(&folder.path().join("assay.db")).await.unwrap(),
            Home::Schema(address) => Store::connect(address, None).await.unwrap(),
        }
    }
}

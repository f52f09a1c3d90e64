//! A data directory and a database of their own, and the command that works on them.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use assay_core::SystemClock;
use assay_log::{EmbeddedLog, Log};
use assay_store::Store;
use serde_json::Value;

use crate::psql::{SERVER, is_there, psql};

pub(crate) const RUN: [&str; 5] = ["run", "stream", "--pipeline", "ecommerce", "--governed"];

pub(crate) struct Office {
    folder: tempfile::TempDir,
    pub(crate) database: String,
}

/// None, and a word of why, where there is no Postgres.
pub(crate) fn office(name: &str) -> Option<Office> {
    if !is_there() {
        println!("skipped: no Postgres; ./dev services start postgres");
        return None;
    }
    let database = format!("database_{name}_{}", std::process::id());
    let office = Office { folder: tempfile::tempdir().unwrap(), database };
    office.anew();
    Some(office)
}

impl Drop for Office {
    fn drop(&mut self) {
        self.drops();
    }
}

impl Office {
    fn drops(&self) {
        psql("postgres", &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database));
    }

    /// Another database of the same name.
    pub(crate) fn anew(&self) {
        self.drops();
        psql("postgres", &format!("CREATE DATABASE {}", self.database));
        self.done(&["db", "migrate", "--pipeline", "ecommerce"]);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn sql(&self, sql: &str) -> String {
        psql(&self.database, sql)
    }

    pub(crate) fn assay(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_assay"))
            .args(arguments)
            .env("ASSAY_DATA_DIR", self.path("data"))
            .env("ASSAY_POSTGRES", format!("{SERVER}/{}", self.database))
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.assay(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[arguments, &["-o", "json"]].concat())).unwrap()
    }

    /// What it says that fails, in one line.
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.assay(arguments);
        assert!(!output.status.success(), "{arguments:?} should have failed");
        String::from_utf8(output.stderr).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn generates(&self, arguments: &[&str]) {
        self.done(&[&["generate", "ecommerce"], arguments].concat());
    }

    pub(crate) async fn log(&self) -> EmbeddedLog {
        let path = self.path("data/log.db");
        EmbeddedLog::open(&path, Arc::new(SystemClock)).await.unwrap()
    }

    pub(crate) async fn store(&self) -> Store {
        Store::open(&self.path("data/store.db")).await.unwrap()
    }

    /// Deletes the first messages of a partition, whoever has read them.
    pub(crate) async fn loses(&self, partition: u32, before: u64) {
        self.log().await.delete_before("events_raw", partition, before).await.unwrap();
    }
}

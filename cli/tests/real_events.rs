//! The shipped pipeline on whole files, its tables computed again by DuckDB and compared row by
//! row (tests/compare.py), and read by engines that share no code with ours.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const PIPELINE: &str = "github_events";

/// What tests/compare.py answers when the packages that it needs can't be had.
const SKIPPED: i32 = 77;

#[test]
fn real_events_become_the_tables_that_duckdb_computes_from_the_same_file() {
    let real = root().join("../shared/data/github_events.jsonl");
    if !real.is_file() {
        return skip("real events, because ../shared/data has none");
    }
    let office = Office::open();
    office.take(&real);
    assert_eq!(office.rows("bronze.github_events"), 400, "every real event is accepted");
    office.compare(&real);
    office.take_again(&real);
}

#[test]
fn of_a_dirty_file_the_good_events_become_the_tables_that_duckdb_computes() {
    let office = Office::open();
    let dirty = office.folder.path().join("dirty.jsonl");
    let out = dirty.to_str().unwrap();
    let wanted = ["--count", "3000", "--seed", "7", "--defects", "5%", "--out", out];
    office.assay(&[&["generate", "github-events"], &wanted[..]].concat());
    office.take(&dirty);
    let (bronze, silver) =
        (office.rows("bronze.github_events"), office.rows("silver.github_events"));
    assert!(0 < silver && silver < bronze && bronze < 3000, "{bronze} in bronze, {silver} good");
    office.compare(&dirty);
    office.take_again(&dirty);
}

/// The real binary on a data folder of its own.
struct Office {
    folder: TempDir,
}

impl Office {
    fn open() -> Office {
        Office { folder: TempDir::new().unwrap() }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn take(&self, file: &Path) {
        self.assay(&["ingest", PIPELINE, "--file", file.to_str().unwrap()]);
        self.run();
    }

    /// Neither another run nor the same file again adds anything.
    fn take_again(&self, file: &Path) {
        let before = self.tables();
        self.run();
        assert_eq!(self.tables(), before, "a run that has nothing to read commits nothing");
        let rows = self.all_rows();
        self.take(file);
        assert_eq!(self.all_rows(), rows, "the same file again adds no row");
    }

    fn run(&self) {
        self.assay(&["run", "all", "--pipeline", PIPELINE, "--governed"]);
    }

    /// Compares with what readers compute that are not ours, where they can be had.
    fn compare(&self, raw: &Path) {
        let script = root().join("tests/compare.py");
        let catalog = self.data().join("lake/catalog.db");
        let done = Command::new("python3").arg(script).arg(raw).arg(catalog).output();
        let Ok(done) = done else {
            assert!(!python_is_required(), "the comparison needs python3");
            return skip("the comparison, because there is no python3");
        };
        let told = [done.stdout, done.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        if done.status.code() == Some(SKIPPED) {
            return skip(told.rsplit("skipped: ").next().unwrap_or_default().trim_end());
        }
        println!("{told}");
        assert!(done.status.success(), "the comparison found differences, see above");
    }

    fn tables(&self) -> Value {
        serde_json::from_str(&self.assay(&["tables", "--output", "json"])).unwrap()
    }

    fn all_rows(&self) -> Vec<(String, u64)> {
        let rows = |table: &Value| {
            (table["table"].as_str().unwrap().to_owned(), table["rows"].as_u64().unwrap())
        };
        let found: Vec<_> = self.tables().as_array().unwrap().iter().map(rows).collect();
        assert!(!found.is_empty(), "there are tables");
        found
    }

    fn rows(&self, table: &str) -> u64 {
        let found = self.all_rows().into_iter().find(|(name, _)| name == table);
        found.unwrap_or_else(|| panic!("there is no table {table}")).1
    }

    /// What a command prints, which must succeed.
    fn assay(&self, arguments: &[&str]) -> String {
        let done = Command::new(env!("CARGO_BIN_EXE_assay"))
            .arg("--data-dir")
            .arg(self.data())
            .args(arguments)
            // No settings of the user's.
            .current_dir(self.folder.path())
            .env_remove("ASSAY_CONFIG")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "assay {arguments:?}: {}\n{told}", done.status);
        String::from_utf8(done.stdout).unwrap()
    }
}

fn root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().expect("the crate is below the root").to_owned()
}

fn python_is_required() -> bool {
    std::env::var_os("ASSAY_REQUIRE").is_some_and(|what| what.to_string_lossy().contains("python"))
}

/// Says so where a test's own output is kept back.
fn skip(what: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}

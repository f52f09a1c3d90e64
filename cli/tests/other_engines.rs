//! Upkeep as other engines see it, and ours beside theirs: pyiceberg and DuckDB read every row
//! before and after, and pyiceberg changes tables as it likes (tests/compare/foreign.py).
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// What tests/compare.py answers when the packages that it needs can't be had.
const SKIPPED: i32 = 77;

const ACTIVITY: &str = "SELECT sum(total_events) AS n FROM gold.user_activity";
const EVENTS: &str = "SELECT count(*) AS n FROM silver.github_events";

#[test]
fn other_engines_read_the_same_rows_before_and_after_upkeep() {
    let office = Office::with_batches(4);
    let Some(before) = office.contents() else { return };
    assert_eq!(before.lines().count(), 4, "{before}");
    for table in ["bronze.github_events", "silver.github_events_parsed", "silver.github_events"] {
        let planned = office.json(&["table", "compact", table, "--dry-run"]);
        let done = office.json(&["table", "compact", table]);
        let files = |answer: &Value, what: &str| -> u64 {
            let partitions = answer["partitions"].as_array().unwrap();
            partitions.iter().map(|one| one[what].as_u64().unwrap()).sum()
        };
        assert!(files(&done, "files") >= 4, "{table}: {done}");
        assert!(files(&done, "into_files") < files(&done, "files"), "{table}: {done}");
        assert_eq!(files(&planned, "files"), files(&done, "files"), "{table}");
    }
    assert_eq!(office.contents().unwrap(), before);
    for table in ["bronze.github_events", "silver.github_events", "gold.user_activity"] {
        // All of this took less than a minute, so the marks are those of the first batch.
        office.foreign(&["forget", table]);
        let expire = ["table", "expire", table, "--older-than", "0s", "--keep", "1"];
        assert_eq!(office.json(&expire)["kept"], 1, "{table}");
    }
    assert_eq!(office.contents().unwrap(), before);
    // Nothing is new to any stage, and what comes next goes its way.
    office.run();
    assert_eq!(office.contents().unwrap(), before);
    office.take(99);
    assert_eq!(office.number(ACTIVITY), office.number(EVENTS));
}

#[test]
fn what_other_engines_do_to_tables_leads_to_no_wrong_row() {
    let office = Office::with_batches(2);
    let Some(before) = office.contents() else { return };
    let events = office.number(EVENTS);
    // A compaction with new sequence numbers shows rows again; they are known.
    office.foreign(&["overwrite", "silver.github_events_parsed"]);
    office.foreign(&["overwrite", "silver.github_events"]);
    office.run();
    assert_eq!((office.number(EVENTS), office.number(ACTIVITY)), (events, events));
    // An append of rows that are there, upstream.
    let one = ["bronze.github_events", "type", "PushEvent"];
    office.foreign(&[&["append"], &one[..]].concat());
    office.run();
    assert_eq!((office.number(EVENTS), office.number(ACTIVITY)), (events, events));
    // Rows go, some with their whole files and some without.
    office.foreign(&["delete", "silver.github_events", "event_type", "PushEvent"]);
    let left = office.number(EVENTS);
    assert!(0 < left && left < events, "{left} of {events}");
    office.run();
    assert_eq!((office.number(EVENTS), office.number(ACTIVITY)), (left, left));
    // When nobody knows any more what went, the stage stops and says what helps; and that helps.
    office.foreign(&["delete", "silver.github_events", "event_type", "WatchEvent"]);
    office.foreign(&["delete", "silver.github_events", "event_type", "CreateEvent"]);
    office.foreign(&["expire", "silver.github_events"]);
    let run = ["run", "silver-to-gold", "--pipeline", "github_events", "--governed"];
    let refused = office.try_assay(&run);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    let rewind = "assay rewind user_activity --pipeline github_events --to beginning";
    assert!(told.contains(rewind), "{told}");
    let rewind: Vec<&str> =
        rewind.split(' ').skip(1).chain(["--reason", "a test", "--yes"]).collect();
    office.assay(&rewind);
    office.run();
    let left = office.number(EVENTS);
    assert_eq!(office.number(ACTIVITY), left);
    // Ours goes on beside theirs.
    office.take(99);
    office.assay(&["table", "compact", "silver.github_events"]);
    office.assay(&["table", "expire", "silver.github_events", "--older-than", "0s"]);
    assert_eq!(office.number(ACTIVITY), office.number(EVENTS));
    assert!(office.number(EVENTS) > left);
    assert_ne!(office.contents().unwrap(), before);
}

#[test]
fn between_two_reads_another_engine_may_compact_what_is_new_and_let_the_past_go() {
    let office = Office::with_batches(1);
    if office.contents().is_none() {
        return;
    }
    let quiet = Office::with_batches(3);
    let hops = ["kafka-to-bronze", "bronze-to-silver", "silver-to-gold"];
    // What is new lies in one file with what was read: in the source of a stage that knows its rows,
    // where no snapshot tells them apart any more, and in that of one that computes whole days.
    for (seed, changed) in (1..).zip(["bronze", "silver"]) {
        office.ingest(seed);
        for hop in hops {
            office.hop(hop);
            let source = format!("{changed}.github_events");
            if hop.ends_with(changed) {
                office.foreign(&["overwrite", &source]);
            }
            if hop.ends_with(changed) && changed == "bronze" {
                office.foreign(&["expire", &source]);
            }
        }
    }
    for count in [EVENTS, ACTIVITY] {
        assert_eq!(office.number(count), quiet.number(count), "{count}");
    }
}

/// The real binary on a data folder of its own.
struct Office {
    folder: TempDir,
}

impl Office {
    fn with_batches(batches: u64) -> Office {
        let office = Office { folder: TempDir::new().unwrap() };
        for seed in 0..batches {
            office.take(seed);
        }
        office
    }

    fn take(&self, seed: u64) {
        self.ingest(seed);
        self.run();
    }

    fn ingest(&self, seed: u64) {
        let file = self.folder.path().join(format!("{seed}.jsonl"));
        let (file, seed) = (file.to_str().unwrap(), seed.to_string());
        let until = ["--until", "2026-03-02T00:00:00Z", "--count", "200"];
        let generate = ["generate", "github-events", "--seed", &seed, "--out", file];
        self.assay(&[&generate[..], &until].concat());
        self.assay(&["ingest", "github_events", "--file", file]);
    }

    fn run(&self) {
        self.hop("all");
    }

    fn hop(&self, hop: &str) {
        self.assay(&["run", hop, "--pipeline", "github_events", "--governed"]);
    }

    fn number(&self, sql: &str) -> i64 {
        let answer = self.json(&["query", sql]);
        let number = &answer[0]["n"];
        number
            .as_i64()
            .or_else(|| number.as_str()?.parse().ok())
            .unwrap_or_else(|| panic!("{answer}"))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.assay(&[arguments, &["-o", "json"]].concat())).unwrap()
    }

    /// What a command prints, which must succeed.
    fn assay(&self, arguments: &[&str]) -> String {
        let done = self.try_assay(arguments);
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "assay {arguments:?}: {}\n{told}", done.status);
        String::from_utf8(done.stdout).unwrap()
    }

    fn try_assay(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_assay"))
            .arg("--data-dir")
            .arg(self.folder.path().join("data"))
            .args(arguments)
            // No settings of the user's.
            .current_dir(self.folder.path())
            .env_remove("ASSAY_CONFIG")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// One line for each table, of all its rows; the same from both engines. None where they
    /// can't be had.
    fn contents(&self) -> Option<String> {
        self.try_foreign(&["contents"])
    }

    fn foreign(&self, arguments: &[&str]) {
        assert!(self.try_foreign(arguments).is_some(), "it could be had a moment ago");
    }

    fn try_foreign(&self, arguments: &[&str]) -> Option<String> {
        let catalog = self.folder.path().join("data/lake/catalog.db");
        let script = root().join("tests/compare.py");
        let mut python = Command::new("python3");
        let Ok(done) = python.arg(script).arg("foreign").arg(catalog).args(arguments).output()
        else {
            assert!(!python_is_required(), "the comparison needs python3");
            return skip("other engines, because there is no python3");
        };
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        if done.status.code() == Some(SKIPPED) {
            return skip(told.rsplit("skipped: ").next().unwrap_or_default().trim_end());
        }
        assert!(done.status.success(), "{arguments:?}: {told}");
        Some(String::from_utf8(done.stdout).unwrap())
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
fn skip<T>(what: &str) -> Option<T> {
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
    None
}

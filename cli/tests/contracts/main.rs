//! `assay contract`, and what others say of our contracts.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod diffing;
mod linting;
mod standard;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn assay(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_assay"))
        .current_dir(folder)
        .env_remove("ASSAY_DATA_DIR")
        .env_remove("ASSAY_CONFIG")
        .args(arguments)
        .output()
        .unwrap()
}

/// The code, what was printed, and the error.
fn done(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = assay(folder, arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let (code, text, error) = done(folder, &[arguments, &["-o", "json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|wrong| panic!("{code} {wrong}: {text}{error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The contracts that we ship.
fn shipped() -> Vec<PathBuf> {
    let folder = root().join("pipelines/github_events/contracts");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    files
}

/// Says so where a test's own output is kept back.
fn skip(what: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}

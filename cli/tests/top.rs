//! `assay top` on a terminal, and where there is none.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

fn assay(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.current_dir(folder).env_remove("ASSAY_DATA_DIR").env_remove("ASSAY_CONFIG");
    command.args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A data folder in which a few events were refused.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let generate = ["generate", "github-events", "--count", "200", "--defects", "20%"];
    let steps: [&[&str]; 3] = [
        &[&generate[..], &["--out", "events.jsonl"]].concat(),
        &["ingest", "github_events", "--file", "events.jsonl"],
        &["run", "kafka-to-bronze", "--pipeline", "github_events", "--governed"],
    ];
    for step in steps {
        let done = assay(folder.path(), step);
        assert!(done.status.success(), "{step:?}: {}", text(&done.stderr));
    }
    folder
}

#[test]
fn one_frame_is_text_and_without_a_terminal_the_view_says_what_to_use() {
    let folder = folder();
    let done = assay(folder.path(), &["top", "--once"]);
    let frame = text(&done.stdout);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(!frame.contains('\u{1b}') && frame.lines().all(|l| l.chars().count() <= 80), "{frame}");
    let said = ["github_events/land", "complete", "bronze.github_events", "undecodable"];
    let missing: Vec<_> = said.iter().filter(|said| !frame.contains(**said)).collect();
    assert!(missing.is_empty(), "{missing:?} in {frame}");

    for arguments in [&["top"][..], &["top", "-o", "json"]] {
        let done = assay(folder.path(), arguments);
        assert_eq!(done.status.code(), Some(2));
        assert!(text(&done.stderr).contains("`assay status"), "{}", text(&done.stderr));
        assert!(done.stdout.is_empty());
    }
}

#[test]
fn a_run_that_goes_on_says_how_its_stage_is_whatever_ran_beside_it() {
    let folder = folder();
    let run = ["run", "kafka-to-bronze", "--pipeline", "github_events"];
    let mut follower = Command::new(env!("CARGO_BIN_EXE_assay"));
    follower.current_dir(folder.path()).args(run).arg("--follow");
    let mut follower = follower.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let land = || {
        let status = assay(folder.path(), &["status", "-o", "json"]).stdout;
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
        let stages = status["stages"].as_array().unwrap();
        let land = stages.iter().find(|stage| stage["stage"] == "github_events/land").unwrap();
        land["status"].as_str().unwrap().to_owned()
    };
    let until = Instant::now() + Duration::from_secs(60);
    while land() != "running" {
        assert!(Instant::now() < until, "the follower never ran");
        std::thread::sleep(Duration::from_millis(100));
    }
    // It has nothing to do, or is fenced off.
    assay(folder.path(), &run);
    let now = land();
    follower.kill().unwrap();
    follower.wait().unwrap();
    assert_eq!(now, "running");
}

#[test]
fn on_a_terminal_it_draws_follows_the_size_and_leaves_everything_as_it_was() {
    let folder = folder();
    let binary = env!("CARGO_BIN_EXE_assay");
    let data = folder.path().join("assay-data");
    let order = format!(
        "stty rows 24 cols 80; '{binary}' --data-dir '{}' top --every 0.2; echo code $?; stty -a",
        data.display()
    );
    let began = Command::new("script")
        .args(["-qec", &order, "/dev/null"])
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut terminal) = began else {
        return println!("skipped: the view on a terminal, because there is no `script`");
    };
    let shown = Arc::new(Mutex::new(Vec::new()));
    let (mut out, keep) = (terminal.stdout.take().unwrap(), Arc::clone(&shown));
    let reading = std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(read @ 1..) = out.read(&mut piece) {
            keep.lock().unwrap().extend(&piece[..read]);
        }
    });
    let start = Instant::now();
    while !text(&shown.lock().unwrap()).contains("github_events/land") {
        assert!(start.elapsed() < Duration::from_secs(60), "{}", text(&shown.lock().unwrap()));
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut keys = terminal.stdin.take().unwrap();
    keys.write_all(b"j q").unwrap();
    keys.flush().unwrap();
    assert!(terminal.wait().unwrap().success());
    reading.join().unwrap();
    let said = text(&shown.lock().unwrap());
    let (drawn, after) = said.rsplit_once("\u{1b}[?1049l").unwrap_or_else(|| panic!("{said}"));
    assert!(drawn.contains("\u{1b}[?1049h") && drawn.contains("\u{1b}[?25l"), "{said}");
    assert!(after.contains("code 0"), "{said}");
    assert!(after.contains(" icanon") && !after.contains("-echo "), "{said}");
}

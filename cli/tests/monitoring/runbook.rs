//! Every command of the runbook is one, and those that only look say something.

use std::collections::BTreeSet;
use std::fs;

use crate::office::{Office, RUN};
use crate::servers::root;

/// Commands in blocks and between backticks, as words.
fn commands() -> BTreeSet<Vec<String>> {
    let text = fs::read_to_string(root().join("alerts/runbook.md")).unwrap();
    // A command between backticks may be broken over two lines.
    let inline = text.split('`').skip(1).step_by(2).map(|part| part.replace('\n', " "));
    let blocks = text.lines().map(str::to_owned);
    let all = blocks.chain(inline).filter(|line| line.starts_with("assay "));
    // What only says the beginning of a command is none.
    let whole = all.filter(|line| !line.contains('…') && !line.contains('`'));
    whole.map(|line| words(&line)).collect()
}

/// Words as a shell takes them; what stands between quotes is one.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![];
    for (at, part) in line.split('"').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words.remove(0);
    words
}

#[test]
fn every_command_of_the_runbook_is_one_and_those_that_look_find_something() {
    let office = Office::open("");
    office.ingest(400, 5, "20%");
    office.fine(&RUN);
    let commands = commands();
    assert!(commands.len() > 25, "{commands:?}");
    let mut ran = 0;
    for command in &commands {
        let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
        let draft = "0199c0de-0000-7000-8000-000000000000";
        words.iter_mut().filter(|word| **word == "ID").for_each(|word| *word = draft);
        words.iter_mut().filter(|w| **w == "DATASET").for_each(|w| *w = "gold.user_activity");
        let looks = !command.iter().any(|word| word == "ID")
            && match words[0] {
                "status" | "runs" | "tables" | "lineage" | "check" | "--version" => true,
                "metrics" | "prune" => {
                    words.len() == 1 && words[0] == "metrics" || words.contains(&"--dry-run")
                }
                "audit" => true,
                "quality" | "dlq" => {
                    !["work", "replay"].contains(&words[1]) || words.contains(&"--dry-run")
                }
                "outbox" => words.get(1) == Some(&"list"),
                "table" => words.contains(&"--dry-run"),
                _ => false,
            };
        // The line is read to its end before help is given.
        let parsed = office.assay(&[&words[..], &["--help"]].concat());
        let error = String::from_utf8_lossy(&parsed.stderr).into_owned();
        assert!(parsed.status.success(), "{words:?}: {error}");
        let complete =
            words.len() > 2 || ["status", "runs", "tables", "--version"].contains(&words[0]);
        if looks && complete {
            let done = office.assay(&words);
            let error = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(done.status.success(), "{words:?}: {error}");
            ran += 1;
        }
    }
    assert!(ran > 15, "only {ran} were run");
}

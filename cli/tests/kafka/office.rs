use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// The binary with a data folder, and a log.
pub(crate) struct Office {
    pub(crate) folder: TempDir,
}

impl Office {
    pub(crate) fn open(log: &str) -> Office {
        let office = Office { folder: TempDir::new().unwrap() };
        office.settle(log);
        office
    }

    /// Names the log from now on.
    pub(crate) fn settle(&self, log: &str) {
        let settings = format!("data_dir: data\nlog: {log}\n");
        std::fs::write(self.folder.path().join("assay.yaml"), settings).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command
            .current_dir(self.folder.path())
            .env_remove("ASSAY_DATA_DIR")
            .env_remove("ASSAY_CONFIG")
            .args(arguments);
        command
    }

    pub(crate) fn fine(&self, arguments: &[&str]) -> String {
        let done = self.command(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{arguments:?}: {error}");
        String::from_utf8(done.stdout).unwrap()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.fine(&[arguments, &["-o", "json"]].concat())).unwrap()
    }

    /// A copy of a shipped pipeline, to be changed.
    pub(crate) fn copy_of(&self, pipeline: &str, name: &str) -> PathBuf {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines").join(pipeline);
        let copy = self.folder.path().join(name);
        for part in ["contracts", "models", "schemas", "."] {
            std::fs::create_dir_all(copy.join(part)).unwrap();
            for entry in std::fs::read_dir(shipped.join(part)).unwrap() {
                let from = entry.unwrap().path();
                if from.is_file() {
                    std::fs::copy(&from, copy.join(part).join(from.file_name().unwrap())).unwrap();
                }
            }
        }
        copy
    }

    pub(crate) fn events(&self, name: &str, seed: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        let wanted = ["--count", "20000", "--seed", seed, "--out", file.to_str().unwrap()];
        self.fine(&[&["generate", "github-events"], &wanted[..]].concat());
        file
    }

    pub(crate) fn take(&self, file: &Path) {
        self.fine(&["ingest", "github_events", "--file", file.to_str().unwrap()]);
        self.run();
    }

    pub(crate) fn run(&self) {
        self.fine(&["run", "all", "--pipeline", "github_events", "--governed"]);
    }

    /// Rows of the tables, in an order that is theirs and not that of their files.
    pub(crate) fn answers(&self) -> Vec<Value> {
        let gold = "actor_id, activity_date, total_events, unique_events, total_activity_score, \
                    top_repo, cumulative_events, user_specialization";
        let bronze = "id, type, actor_id, repo_name, created_at, trace_id";
        let silver = "event_id, event_type, event_category, activity_score, event_date";
        [
            format!("SELECT {bronze} FROM bronze.github_events ORDER BY trace_id"),
            format!("SELECT {silver} FROM silver.github_events ORDER BY event_id"),
            format!("SELECT {gold} FROM gold.user_activity ORDER BY actor_id, activity_date"),
        ]
        .iter()
        .map(|sql| self.json(&["query", sql, "--limit", "100000"]))
        .collect()
    }

    /// Dead letters without what differs from run to run.
    pub(crate) fn letters(&self) -> Vec<String> {
        let listed = self.json(&["dlq", "list", "--limit", "10000"]);
        let letters = listed.as_array().unwrap_or_else(|| panic!("{listed}")).iter();
        let mut letters: Vec<String> = letters
            .map(|letter| {
                let of = |key: &str| letter[key].to_string();
                let topic = &letter["at"]["topic"];
                format!("{} {} {topic} {}", of("id"), of("reason"), of("rules"))
            })
            .collect();
        letters.sort();
        letters
    }
}

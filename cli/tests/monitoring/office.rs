use std::process::{Command, Output};

use tempfile::TempDir;

/// The binary with a data folder and settings of its own.
pub(crate) struct Office {
    pub(crate) folder: TempDir,
}

impl Office {
    /// `settings` are further lines of assay.yaml.
    pub(crate) fn open(settings: &str) -> Office {
        let office = Office { folder: TempDir::new().unwrap() };
        office.settle(settings);
        office
    }

    pub(crate) fn settle(&self, settings: &str) {
        let settings = format!("data_dir: data\n{settings}");
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

    pub(crate) fn assay(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn fine(&self, arguments: &[&str]) -> String {
        let done = self.assay(arguments);
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{arguments:?}: {error}");
        String::from_utf8(done.stdout).unwrap()
    }

    /// Makes so many events up and takes them in.
    pub(crate) fn ingest(&self, count: u32, seed: u32, defects: &str) {
        let (count, seed) = (count.to_string(), seed.to_string());
        let generate = ["generate", "github-events", "--count", &count, "--seed", &seed];
        let more = ["--defects", defects, "--out", "events.jsonl"];
        self.fine(&[&generate[..], &more].concat());
        self.fine(&["ingest", "github_events", "--file", "events.jsonl"]);
    }
}

pub(crate) const RUN: [&str; 5] = ["run", "all", "--pipeline", "github_events", "--governed"];

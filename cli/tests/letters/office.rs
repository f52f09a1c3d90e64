//! The real binary on a data folder of its own, and a client of its sidecar.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Office {
    pub(crate) folder: TempDir,
}

const CONTRACT: &str = "contracts/silver.github_events_parsed.odcs.yaml";

impl Office {
    /// A copy of the shipped pipeline whose contract forgets that people watch repositories, and
    /// so many events that went through it.
    pub(crate) fn with_a_wrong_contract(events: u32) -> Office {
        let office = Office { folder: tempfile::tempdir().unwrap() };
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/github_events");
        for part in ["contracts", "models", "schemas", "."] {
            std::fs::create_dir_all(office.path("own").join(part)).unwrap();
            for entry in std::fs::read_dir(shipped.join(part)).unwrap() {
                let from = entry.unwrap().path();
                if from.is_file() {
                    let to = office.path("own").join(part).join(from.file_name().unwrap());
                    std::fs::copy(&from, to).unwrap();
                }
            }
        }
        office.edit("          - value: WatchEvent\n", "");
        let count = events.to_string();
        let generate = ["generate", "github-events", "--defects", "0%", "--count", &count];
        office.fine(&[&generate[..], &["--out", "events.jsonl"]].concat());
        office.fine(&["ingest", "own", "--file", "events.jsonl"]);
        office.fine(&["run", "all", "--pipeline", "own", "--governed"]);
        office
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn edit(&self, from: &str, to: &str) {
        let path = self.path("own").join(CONTRACT);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} is not in the contract");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    /// The contract as it should have been.
    pub(crate) fn mend(&self) {
        self.edit(
            "          - value: ReleaseEvent\n",
            "          - value: ReleaseEvent\n          - value: WatchEvent\n",
        );
        self.edit("version: 1.0.0", "version: 1.1.0");
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command
            .current_dir(self.folder.path())
            .env_remove("ASSAY_DATA_DIR")
            .env_remove("ASSAY_CONFIG")
            .args(["--as", "anna"])
            .args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn fine(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command says that is refused.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.fine(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// Rows of bronze that silver does not have, and rows that it has twice.
    pub(crate) fn astray(&self) -> (i64, i64) {
        let missing = "SELECT count(*) AS n FROM bronze.github_events b WHERE NOT EXISTS (
            SELECT 1 FROM silver.github_events_parsed s WHERE s.event_id = b.id)";
        let twice = "SELECT count(*) - count(DISTINCT event_id) AS n
            FROM silver.github_events_parsed";
        let number = |sql: &str| self.json(&["query", sql])[0]["n"].as_i64().unwrap();
        (number(missing), number(twice))
    }

    pub(crate) fn letters(&self) -> Vec<String> {
        let letters = self.json(&["dlq", "list", "--limit", "0"]);
        let ids = letters.as_array().unwrap().iter();
        ids.map(|letter| letter["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// A process that is killed when nobody needs it any more.
pub(crate) struct Running(pub(crate) Child);

/// A sidecar, and the key that is shown to it.
pub(crate) struct Sidecar {
    _process: Running,
    address: SocketAddr,
    key: String,
}

impl Office {
    pub(crate) fn started(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// A sidecar that listens, as an operator sees it.
    pub(crate) fn sidecar(&self) -> Sidecar {
        let made = self.json(&["keys", "create", "console", "--role", "operator"]);
        let mut command = self.command(&["sidecar", "--listen", "127.0.0.1:0"]);
        let mut process = Running(command.stderr(Stdio::piped()).spawn().unwrap());
        let mut lines = BufReader::new(process.0.stderr.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let address = first.strip_prefix("listening on ").unwrap_or_else(|| panic!("{first}"));
        let address = address.trim().parse().unwrap();
        // Somebody has to read what it says.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Sidecar { _process: process, address, key: made["key"].as_str().unwrap().to_owned() }
    }
}

impl Sidecar {
    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, "");
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.ask("POST", path, &body.to_string())
    }

    /// What stands at an address as soon as it is as wanted.
    pub(crate) fn wait(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let found = self.get(path);
            if wanted(&found) {
                return found;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{path} is still {found}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let (key, length) = (&self.key, body.len());
        let request = format!(
            "{method} /api/v1/dlq/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nAuthorization: Bearer {key}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! The real binary on a data folder of its own, and what other programs send to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Office {
    folder: TempDir,
    /// The address of a store that others have as well.
    store: Option<String>,
}

/// A sidecar that runs. It is killed when nobody asked it to stop.
pub(crate) struct Running {
    address: SocketAddr,
    process: Child,
    told: Option<JoinHandle<String>>,
}

impl Office {
    pub(crate) fn new() -> Office {
        Office { folder: tempfile::tempdir().unwrap(), store: None }
    }

    /// A folder of its own, and a store that is not in it.
    pub(crate) fn sharing(store: &str) -> Office {
        Office { store: Some(store.to_owned()), ..Office::new() }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Puts a file into the folder that commands are given in.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command
            .current_dir(self.folder.path())
            .env_remove("ASSAY_DATA_DIR")
            .env_remove("ASSAY_CONFIG")
            .env_remove("ASSAY_STORE")
            .envs(self.store.iter().map(|store| ("ASSAY_STORE", store)))
            .arg("--data-dir")
            .arg(self.data())
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// What a command prints that ends well.
    pub(crate) fn assay(&self, arguments: &[&str]) -> String {
        let done = self.command(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{arguments:?}: {told}");
        String::from_utf8(done.stdout).unwrap()
    }

    /// The code and the error of a command that does not end well.
    pub(crate) fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let done = self.command(arguments).output().unwrap();
        (done.status.code().unwrap(), String::from_utf8_lossy(&done.stderr).into_owned())
    }

    pub(crate) fn sidecar(&self, more: &[&str]) -> Running {
        self.sidecar_at("127.0.0.1:0", more)
    }

    pub(crate) fn sidecar_at(&self, listen: &str, more: &[&str]) -> Running {
        let arguments = [&["sidecar", "--listen", listen], more].concat();
        let mut process = self.command(&arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let address = first.strip_prefix("listening on ").unwrap_or_else(|| panic!("{first}"));
        let address = address.trim().parse().unwrap();
        let told = std::thread::spawn(move || {
            let mut told = String::new();
            let _ = lines.read_to_string(&mut told);
            told
        });
        Running { address, process, told: Some(told) }
    }
}

impl Running {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The status of the answer.
    pub(crate) fn post(&self, event: &str) -> u16 {
        let head = "POST /api/v1/lineage HTTP/1.1\r\nContent-Type: application/json";
        self.ask(head, event).0
    }

    /// The same of one that may be gone: none where there was no answer.
    pub(crate) fn try_post(address: SocketAddr, event: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        let length = event.len();
        let request = format!(
            "POST /api/v1/lineage HTTP/1.1\r\nContent-Type: application/json\r\n\
             Host: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{event}"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// The status and the answer to what another tool has found.
    pub(crate) fn found(&self, query: &str, result: &str) -> (u16, Value) {
        let head = format!(
            "POST /api/v1/quality/results{query} HTTP/1.1\r\nContent-Type: application/json"
        );
        let (status, answer) = self.ask(&head, result);
        (status, serde_json::from_str(&answer).unwrap())
    }

    pub(crate) fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1"), "").1
    }

    pub(crate) fn get_with(&self, path: &str, key: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nAuthorization: Bearer {key}"), "").1
    }

    fn ask(&self, head: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let length = body.len();
        let request = format!(
            "{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to stop, and returns what it said.
    pub(crate) fn stop(mut self) -> String {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let told = self.told.take().unwrap().join().unwrap();
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{status}: {told}");
        told
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The bodies that Airflow and dbt sent, as they were.
pub(crate) fn recorded() -> Option<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/openlineage");
    let mut bodies = vec![];
    for name in ["airflow.jsonl", "airflow_scheduler.jsonl", "dbt.jsonl"] {
        let text = std::fs::read_to_string(folder.join(name)).ok()?;
        for line in text.lines() {
            let call: Value = serde_json::from_str(line).unwrap();
            bodies.push(call["body"].to_string());
        }
    }
    Some(bodies)
}

/// A real result of another tool.
pub(crate) fn result(name: &str) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/quality");
    std::fs::read_to_string(folder.join(name)).ok()
}

/// Says so where a test's own output is kept back.
pub(crate) fn skip(what: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}

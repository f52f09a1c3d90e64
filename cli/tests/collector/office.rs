//! The real binary on a data folder of its own, and clients that keep their connections.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Office {
    folder: TempDir,
}

/// A collector that runs. It is killed when nobody asked it to stop.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    process: Child,
    told: Option<JoinHandle<String>>,
}

/// Clients that send without a pause.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<BTreeSet<String>>>,
}

pub(crate) struct Client {
    stream: TcpStream,
    pub(crate) key: Option<String>,
}

impl Office {
    pub(crate) fn new() -> Office {
        Office { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn segments(&self) -> PathBuf {
        self.data().join("collector/github_events")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command
            .current_dir(self.folder.path())
            .env_remove("ASSAY_DATA_DIR")
            .env_remove("ASSAY_CONFIG")
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

    pub(crate) fn collect(&self, more: &[&str]) -> Collector {
        let arguments = [&["collect", "github_events", "--listen", "127.0.0.1:0"], more].concat();
        let mut process = self.command(&arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let address = first.strip_prefix("listening on ").unwrap_or_else(|| panic!("{first}"));
        let address = address.split(',').next().unwrap().parse().unwrap();
        let told = std::thread::spawn(move || {
            let mut told = String::new();
            let _ = lines.read_to_string(&mut told);
            told
        });
        Collector { address, process, told: Some(told) }
    }

    pub(crate) fn run_bronze(&self) {
        self.assay(&["run", "kafka-to-bronze", "--pipeline", "github_events", "--governed"]);
    }

    /// The ids in bronze, as often as they are there.
    pub(crate) fn landed(&self) -> Vec<String> {
        let sql = "SELECT id FROM bronze.github_events ORDER BY id";
        let rows = self.assay(&["query", sql, "--limit", "0", "-o", "json"]);
        let rows: Vec<Value> = serde_json::from_str(&rows).unwrap();
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Every id that was answered for is in bronze once, and no id is there twice.
    pub(crate) fn must_have_landed(&self, accepted: &BTreeSet<String>) {
        let landed = self.landed();
        let distinct: BTreeSet<&String> = landed.iter().collect();
        assert_eq!(landed.len(), distinct.len(), "events are in bronze twice");
        let missing: Vec<_> = accepted.iter().filter(|id| !distinct.contains(id)).collect();
        assert!(
            missing.is_empty(),
            "{} of {} are lost: {:?} …",
            missing.len(),
            accepted.len(),
            &missing[..missing.len().min(20)]
        );
    }

    pub(crate) fn generated(&self, count: usize) -> Vec<String> {
        let count = count.to_string();
        let generate = ["generate", "github-events", "--defects", "0", "--count", &count];
        self.assay(&generate).lines().map(str::to_owned).collect()
    }
}

impl Collector {
    pub(crate) fn load(&self, clients: usize, name: &str) -> Load {
        self.paced(clients, name, Duration::ZERO)
    }

    /// Load in which every client sends once in so much time, or as soon as it can after that.
    pub(crate) fn paced(&self, clients: usize, name: &str, every: Duration) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let address = self.address;
        let client = |number: usize| {
            let (stop, name) = (Arc::clone(&stop), name.to_owned());
            std::thread::spawn(move || send(address, &format!("{name}-{number}"), every, &stop))
        };
        Load { clients: (0..clients).map(client).collect(), stop }
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

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Load {
    /// The ids that were answered for.
    pub(crate) fn stop(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    }
}

/// Sends single events and lines of ten in turn, until it is stopped or nobody answers.
fn send(address: SocketAddr, name: &str, every: Duration, stop: &AtomicBool) -> BTreeSet<String> {
    let mut answered = BTreeSet::new();
    let mut client = Client::connect(address);
    let mut next = Instant::now();
    for number in 0.. {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        next = Instant::now().max(next + every);
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let many = if number % 7 == 0 { 10 } else { 1 };
        let ids: Vec<String> = (0..many).map(|n| format!("{name}-{number}-{n}")).collect();
        let event = |id: &String| {
            format!(r#"{{"id":"{id}","type":"PushEvent","payload":{{"size":{number}}}}}"#)
        };
        let body = ids.iter().map(event).collect::<Vec<_>>().join("\n");
        let kind = if many > 1 { "application/x-ndjson" } else { "application/json" };
        match client.send(kind, &body) {
            Ok(202) => answered.extend(ids),
            Ok(503) => std::thread::sleep(Duration::from_millis(10)),
            Ok(other) => panic!("answered with {other}"),
            // The collector is gone: what it did not answer for may be lost.
            Err(_) => break,
        }
    }
    answered
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Client { stream, key: None }
    }

    pub(crate) fn post(&mut self, event: &str) -> io::Result<u16> {
        self.send("application/json", event)
    }

    fn send(&mut self, kind: &str, body: &str) -> io::Result<u16> {
        let key = self.key.as_ref().map(|key| format!("Authorization: Bearer {key}\r\n"));
        let head = format!(
            "POST /collect HTTP/1.1\r\nHost: test\r\nContent-Type: {kind}\r\n{}Content-Length: {}\r\n\r\n",
            key.unwrap_or_default(),
            body.len()
        );
        self.stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
        self.answer()
    }

    /// Reads one answer to its end, and returns its status.
    fn answer(&mut self) -> io::Result<u16> {
        let (mut answer, mut buffer) = (vec![], [0; 4096]);
        loop {
            let count = self.stream.read(&mut buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            answer.extend_from_slice(&buffer[..count]);
            let text = String::from_utf8_lossy(&answer).to_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.split("content-length: ").nth(1).unwrap();
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            if body.len() >= length {
                return Ok(head.split(' ').nth(1).unwrap().parse().unwrap());
            }
        }
    }
}

pub(crate) fn python_is_required() -> bool {
    std::env::var_os("ASSAY_REQUIRE").is_some_and(|what| what.to_string_lossy().contains("python"))
}

/// Says so where a test's own output is kept back.
pub(crate) fn skip<T: Default>(what: &str) -> T {
    let _ = writeln!(io::stderr(), "skipped: {what}");
    T::default()
}

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use assay_core::{RandomIds, SystemClock};
use assay_log::{EmbeddedLog, Log};
use assay_sidecar::{Listen, Parts, Settings, Sidecar, SidecarError};
use assay_store::Store;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A sidecar in a folder of its own.
pub(crate) struct Desk {
    pub(crate) folder: TempDir,
    pub(crate) settings: Settings,
}

pub(crate) struct Open {
    pub(crate) address: SocketAddr,
    pub(crate) key: Option<String>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Desk {
    pub(crate) fn new() -> Desk {
        let listen = Listen("127.0.0.1:0".parse().unwrap());
        let settings = Settings { listen, ..Settings::default() };
        Desk { folder: tempfile::tempdir().unwrap(), settings }
    }

    pub(crate) async fn store(&self) -> Store {
        Store::open(&self.folder.path().join("store.db")).await.unwrap()
    }

    pub(crate) async fn log(&self) -> Arc<dyn Log> {
        let file = self.folder.path().join("log.db");
        Arc::new(EmbeddedLog::open(&file, Arc::new(SystemClock)).await.unwrap())
    }

    pub(crate) async fn try_open(&self) -> Result<Open, SidecarError> {
        let (settings, store, log) = (self.settings.clone(), self.store().await, self.log().await);
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(RandomIds));
        let results =
            |_: &[u8], _: Option<&[u8]>| Err("these are tested with the binary".to_owned());
        let parts = Parts { settings, store, log, clock, ids, results };
        let sidecar = Sidecar::start(parts).await?;
        let address = sidecar.address();
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        Ok(Open { address, key: None, stop, running: tokio::spawn(sidecar.run(stopped)) })
    }

    pub(crate) async fn open(&self) -> Open {
        self.try_open().await.unwrap()
    }
}

impl Open {
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let headers = [("Content-Type", "application/json")];
        self.send(&format!("POST {path}"), &headers, body.to_string().as_bytes()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path}"), &[], b"").await
    }

    /// A request in one piece, or as its own headers say.
    pub(crate) async fn send(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head.push_str("Host: localhost\r\n");
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(key) = &self.key {
            head.push_str(&format!("Authorization: Bearer {key}\r\n"));
        }
        let chunked = headers.iter().any(|(name, _)| *name == "Transfer-Encoding");
        if !chunked {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let request = [head.as_bytes(), b"\r\n", body].concat();
        let address = self.address;
        tokio::task::spawn_blocking(move || exchange(address, &request)).await.unwrap()
    }

    pub(crate) async fn close(self) {
        let _ = self.stop.send(());
        self.running.await.unwrap();
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(request);
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), text: text.to_owned() }
}

/// An event of a run that made `output` of `input`.
pub(crate) fn event(kind: &str, at: &str, run: &str, input: &str, output: &str) -> Value {
    json!({
        "eventType": kind, "eventTime": format!("2026-11-21T{at}Z"),
        "producer": "https://example.org", "schemaURL": "https://openlineage.io/spec/2-0-2",
        "run": {"runId": run, "facets": {}},
        "job": {"namespace": "shop", "name": "sum", "facets": {}},
        "inputs": [{"namespace": "postgresql://db", "name": input}],
        "outputs": [{"namespace": "s3://lake", "name": output}],
    })
}

//! A collector on a folder and a log of its own, and a client that speaks to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apache_avro::Reader;
use apache_avro::types::Value as Avro;
use assay_collect::{Collector, CollectorError, Drained, Listen, Parts, Settings};
use assay_core::{Clock, RandomIds, SystemClock};
use assay_log::{EmbeddedLog, Fetch, Log, Record};
use assay_pipeline::{Folder, Pipeline};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::rough_log::RoughLog;

pub(crate) const TOPIC: &str = "raw_metrics_avro";

pub(crate) struct Desk {
    pub(crate) folder: TempDir,
    pub(crate) log: Arc<RoughLog>,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A collector that listens.
pub(crate) struct Open {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<Drained, CollectorError>>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Desk {
    pub(crate) async fn new() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(&folder.path().join("log.db"), Arc::new(SystemClock)).await;
        let settings = Settings {
            listen: Listen("127.0.0.1:0".parse().unwrap()),
            linger_seconds: 0.1,
            drain_seconds: 5,
            send_timeout_seconds: 1,
            ..Settings::default()
        };
        let clock = Arc::new(SystemClock);
        Desk { log: Arc::new(RoughLog::over(log.unwrap())), folder, settings, clock }
    }

    pub(crate) fn pipeline() -> Pipeline {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/github_events");
        Pipeline::load(&Folder::Disk(folder.into())).unwrap()
    }

    pub(crate) async fn try_open(&self) -> Result<Open, CollectorError> {
        let log: Arc<dyn Log> = Arc::clone(&self.log) as _;
        let parts = Parts {
            settings: self.settings.clone(),
            log,
            clock: Arc::clone(&self.clock),
            ids: Arc::new(RandomIds),
            store: None,
            folder: self.folder.path().join("collector"),
        };
        let collector = Collector::start(&Desk::pipeline(), parts).await?;
        let address = collector.address();
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        Ok(Open { address, stop, running: tokio::spawn(collector.run(stopped)) })
    }

    pub(crate) async fn open(&self) -> Open {
        self.try_open().await.unwrap()
    }

    /// The messages of the topic.
    pub(crate) async fn messages(&self) -> Vec<Record> {
        let mut messages = vec![];
        // Before the first message there may be no topic.
        for ends in self.log.ends(TOPIC).await.unwrap_or_default() {
            let fetch = Fetch { max_records: usize::MAX, max_bytes: usize::MAX };
            messages.extend(self.log.read(TOPIC, ends.partition, 0, fetch).await.unwrap());
        }
        messages
    }

    /// The ids of the events in the topic, each message's own once by its sequence numbers, as
    /// bronze takes them.
    pub(crate) async fn landed(&self) -> Vec<String> {
        let mut next = std::collections::HashMap::new();
        let mut ids = vec![];
        for message in self.messages().await {
            let text = |name| String::from_utf8(message.header(name).unwrap().to_vec()).unwrap();
            let number = |name| text(name).parse::<usize>().unwrap();
            let first = number("assay.first_sequence");
            let value = message.value.as_ref().unwrap();
            let records: Vec<_> =
                Reader::new(&value[..]).unwrap().map(|r| id(r.unwrap())).collect();
            assert_eq!(records.len(), number("assay.count"));
            let known = next.entry((message.partition, text("assay.collector"))).or_insert(0);
            let (skip, rows) = (usize::saturating_sub(*known, first), records.len());
            ids.extend(records.into_iter().skip(skip));
            *known = (first + rows).max(*known);
        }
        ids.sort();
        ids
    }

    /// Waits until so many events have landed.
    pub(crate) async fn wait_for(&self, events: usize) -> Vec<String> {
        for _ in 0..600 {
            let landed = self.landed().await;
            if landed.len() >= events {
                return landed;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{} of {events} events have landed", self.landed().await.len());
    }
}

impl Open {
    pub(crate) async fn close(self) -> Drained {
        self.stop.send(()).unwrap();
        self.running.await.unwrap().unwrap()
    }

    pub(crate) async fn post(&self, kind: &str, body: &[u8]) -> Answer {
        self.send("POST /collect", &[("Content-Type", kind)], body).await
    }

    pub(crate) async fn event(&self, id: &str) -> Answer {
        let body = format!("{{\"id\":\"{id}\",\"type\":\"PushEvent\"}}");
        self.post("application/json", body.as_bytes()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path}"), &[], b"").await
    }

    pub(crate) async fn send(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut head = format!(
            "{line} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        // A server that has heard enough does not listen to the rest.
        let _ = stream.write_all(body).await;
        let mut answer = vec![];
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), text: text.to_owned() }
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// The id of an event, which is its first field.
fn id(record: Avro) -> String {
    match record {
        Avro::Record(fields) => match fields.into_iter().next() {
            Some((_, Avro::String(id))) => id,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

//! Stores, clocks, couriers and events for the tests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use assay_core::{Clock, Governed, Ids, Run, RunId, StageId};
use assay_lineage::http::Credential;
use assay_lineage::openmetadata::Naming;
use assay_lineage::{Courier, OpenLineage, OpenMetadata, Persistence, Target};
use assay_store::{Chosen, Delivery, Event, EventKind, Store};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::double::Double;

/// A clock that stands until it is moved.
pub(crate) struct TestClock(Mutex<DateTime<Utc>>);

impl TestClock {
    pub(crate) fn new() -> Arc<TestClock> {
        Arc::new(TestClock(Mutex::new("2026-11-21T12:00:00Z".parse().unwrap())))
    }

    pub(crate) fn goes(&self, seconds: i64) {
        *self.0.lock().unwrap() += TimeDelta::seconds(seconds);
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

/// Ids in a row, so that every wait is known.
#[derive(Default)]
pub(crate) struct Counted(AtomicU64);

impl Ids for Counted {
    fn next(&self) -> Uuid {
        Uuid::from_u128(0x1000_0000 + u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }
}

pub(crate) struct World {
    _folder: TempDir,
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) name: String,
}

/// How long requests may take here.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(400);

impl World {
    pub(crate) async fn sending_to(name: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        let clock = TestClock::new();
        let store = Store::open(&folder.path().join("assay.db")).await.unwrap();
        let store = store.sending_to(&[name.to_owned()], clock.now()).await.unwrap();
        World { _folder: folder, store: Arc::new(store), clock, name: name.to_owned() }
    }

    pub(crate) fn courier(&self, target: Target) -> Courier {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let persistence = Persistence { attempts: 4, ..Persistence::default() };
        Courier::new(
            Arc::clone(&self.store),
            vec![target],
            clock,
            Arc::new(Counted::default()),
            persistence,
        )
    }

    pub(crate) fn marquez(&self, server: &Double) -> Courier {
        self.courier(self.endpoint(&server.url, false))
    }

    pub(crate) fn endpoint(&self, url: &str, gzip: bool) -> Target {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let name = self.name.clone();
        Target::OpenLineage(
            OpenLineage::new(name, url, Credential::None, gzip, TIMEOUT, clock).unwrap(),
        )
    }

    /// Keeps an event of each job, numbered from `from` on.
    pub(crate) async fn happens(&self, from: u64, jobs: &[&str]) {
        for (number, job) in (from..).zip(jobs) {
            let run = run(number);
            let event = Event {
                id: Uuid::from_u64_pair(7, number),
                run: run.id,
                kind: EventKind::JobStart,
                at: self.clock.now(),
                body: event(job, number),
                inputs: vec![],
                outputs: vec![],
            };
            self.store.start_run(&run, event.at, &[event], &[]).await.unwrap();
        }
    }

    /// Keeps an event of each job in one transaction.
    pub(crate) async fn happens_at_once(&self, jobs: &[String]) {
        let run = run(1);
        let event = |(number, job): (u64, &String)| Event {
            id: Uuid::from_u64_pair(7, number),
            run: run.id,
            kind: EventKind::JobStart,
            at: self.clock.now(),
            body: event(job, number),
            inputs: vec![],
            outputs: vec![],
        };
        let events: Vec<Event> = (1..).zip(jobs).map(event).collect();
        self.store.start_run(&run, self.clock.now(), &events, &[]).await.unwrap();
    }

    /// Keeps an event as it is.
    pub(crate) async fn tells(&self, number: u64, body: Value) {
        let run = run(number);
        let event = Event {
            id: Uuid::from_u64_pair(7, number),
            run: run.id,
            kind: EventKind::Transformation,
            at: self.clock.now(),
            body,
            inputs: vec![],
            outputs: vec![],
        };
        self.store.start_run(&run, event.at, &[event], &[]).await.unwrap();
    }

    pub(crate) async fn left(&self) -> Vec<Delivery> {
        self.store.outbox(&Chosen::default(), 20_000).await.unwrap()
    }
}

fn run(number: u64) -> Run {
    Run {
        id: RunId(Uuid::from_u64_pair(3, number)),
        stage: StageId { pipeline: "p".into(), stage: "s".into() },
        started_at: "2026-11-21T12:00:00Z".parse().unwrap(),
        governed: Governed::ALL,
        following: false,
    }
}

fn event(job: &str, number: u64) -> Value {
    json!({
        "eventType": "START", "eventTime": "2026-11-21T12:00:00Z", "producer": "https://example.com",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": Uuid::from_u64_pair(3, number)},
        "job": {"namespace": "assay", "name": job}, "inputs": [], "outputs": [], "number": number,
    })
}

/// A client of the double with a token.
pub(crate) fn client(server: &Double, token: &str, clock: &Arc<TestClock>) -> OpenMetadata {
    let credential = Credential::Text(token.to_owned());
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    OpenMetadata::new(&server.url, credential, Naming::default(), TIMEOUT, clock).unwrap()
}

/// A batch of ours: bronze became silver, one rule was broken, and columns are known.
pub(crate) fn batch(run: Uuid, second: u32) -> Value {
    let table = |layer: &str, fields: Value, more: Value| {
        let mut facets = json!({
            "schema": {"fields": fields},
            "datasetType": {"datasetType": "TABLE"},
            "symlinks": {"identifiers": [{"namespace": "assay", "name": format!("{layer}.orders.v1"), "type": "TABLE"}]},
        });
        for (key, value) in more.as_object().unwrap() {
            facets[key] = value.clone();
        }
        json!({"namespace": "file", "name": format!("/lake/{layer}/orders"), "facets": facets})
    };
    let field = |name: &str, kind: &str| json!({"name": name, "type": kind});
    let from = |column: &str, kind: &str| {
        json!({"namespace": "file", "name": "/lake/bronze/orders", "field": column,
        "transformations": [{"type": kind, "subtype": "TRANSFORMATION", "description": "amt * 100"}]})
    };
    let mut silver = table(
        "silver",
        json!([
            field("order_id", "bigint"),
            field("cents", "bigint"),
            field("made.at", "timestamptz")
        ]),
        json!({
            "columnLineage": {"fields": {
                "order_id": {"inputFields": [from("id", "DIRECT"), from("amt", "INDIRECT")]},
                "cents": {"inputFields": [from("amt", "DIRECT")]},
                "made.at": {"inputFields": [from("not_there", "DIRECT")]},
            }},
            "dataQualityAssertions": {"assertions": [
                {"assertion": "completeness", "name": "order_id.not_null", "column": "order_id", "success": false,
                 "severity": "error", "expected": "no failed rows", "actual": "4 failed rows"},
                {"assertion": "timeliness", "name": "fresh", "column": "made.at", "success": true,
                 "severity": "warn", "expected": "at most 7200 s", "actual": "12"},
                {"assertion": "consistency", "name": "pair", "success": false, "severity": "warn",
                 "expected": "no failed rows", "actual": "not evaluated: no such column"},
            ]},
        }),
    );
    silver["outputFacets"] = json!({"assay_quality": {"score": 98.75, "verdict": "warn"}});
    json!({
        "eventType": "RUNNING", "eventTime": format!("2026-11-21T12:00:{second:02}Z"),
        "producer": "https://example.com",
        "run": {"runId": run, "facets": {}},
        "job": {"namespace": "assay", "name": "shop.parse", "facets": {"sql": {"query": "SELECT 1"}}},
        "inputs": [table("bronze", json!([field("id", "bigint"), field("amt", "decimal(12,2)")]), json!({}))],
        "outputs": [silver],
    })
}

/// The start or the end of a run.
pub(crate) fn end(run: Uuid, kind: &str, second: u32) -> Value {
    json!({
        "eventType": kind, "eventTime": format!("2026-11-21T12:00:{second:02}Z"),
        "producer": "https://example.com",
        "run": {"runId": run, "facets": {"assay_run": {"status": kind}}},
        "job": {"namespace": "assay", "name": "shop.parse"}, "inputs": [], "outputs": [],
    })
}

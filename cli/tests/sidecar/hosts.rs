//! Several hosts that share one store, in PostgreSQL.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::office::{Office, Running, skip};
use crate::psql::{SERVER, is_there, psql};

/// A database of its own, which goes when it is dropped.
struct Database(String);

impl Database {
    /// None, and a word of why, where there is no server.
    fn new(name: &str) -> Option<Database> {
        if !is_there() {
            skip("a shared store, because there is no Postgres; ./dev services start postgres");
            return None;
        }
        let database = Database(format!("shared_{name}_{}", std::process::id()));
        psql("postgres", &format!("CREATE DATABASE {}", database.0));
        Some(database)
    }

    fn address(&self) -> String {
        format!("{SERVER}/{}?schema=team", self.0)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        psql("postgres", &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.0));
    }
}

/// An event of the run `number` of one of five jobs.
fn event(number: usize, kind: &str) -> String {
    let table = |name: String| json!({"namespace": "postgres://db:5432", "name": name});
    let job = number % 5;
    json!({
        "eventType": kind,
        "eventTime": format!("2026-11-29T10:{:02}:{:02}Z", number / 60, number % 60),
        "run": {"runId": format!("019a0000-0000-7000-8000-{number:012}")},
        "job": {"namespace": "etl", "name": format!("job_{job}")},
        "inputs": [table(format!("shop.public.in_{job}"))],
        "outputs": [table(format!("shop.public.out_{job}"))],
        "producer": "https://example.com/etl",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    })
    .to_string()
}

/// How many starts and ends of runs it knows; sidecars tell of their own requests, too.
fn of_jobs(sidecar: &Running) -> Value {
    let stats: Value = serde_json::from_str(&sidecar.get("/api/v1/lineage/stats")).unwrap();
    let kinds = &stats["event_breakdown"];
    json!([kinds["job_start"], kinds["job_end"]])
}

#[test]
fn two_sidecars_of_one_store_are_one_and_killing_them_again_and_again_loses_no_event() {
    let Some(database) = Database::new("killed") else { return };
    let central = Office::new();
    let target = central.sidecar(&[]);
    let offices = [(); 2].map(|()| Office::sharing(&database.address()));
    for office in &offices {
        let text =
            format!("openlineage:\n  - {{name: central, url: \"http://{}\"}}\n", target.address());
        office.write("assay.yaml", &text);
    }
    let mut sidecars = offices.each_ref().map(|office| office.sidecar(&[]));
    let (count, next) = (600, AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let addresses = sidecars.each_ref().map(Running::address);
        // Whoever gets no answer asks the other one; each run's end goes where it can.
        let client = |first: usize| {
            let next = &next;
            move || loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                for kind in ["START", "COMPLETE"] {
                    let mut turn = first;
                    while Running::try_post(addresses[turn % 2], &event(number, kind)) != Some(201)
                    {
                        turn += 1;
                        std::thread::sleep(std::time::Duration::from_millis(10));
                    }
                }
            }
        };
        for first in [0, 1, 0, 1] {
            scope.spawn(client(first));
        }
        // One of them is always there; the other begins anew at its old address.
        for turn in 0..6 {
            std::thread::sleep(std::time::Duration::from_millis(400));
            let which = turn % 2;
            sidecars[which].kill();
            let listen = addresses[which].to_string();
            sidecars[which] = offices[which].sidecar_at(&listen, &[]);
        }
    });
    let all = json!([count, count]);
    assert_eq!(sidecars.each_ref().map(of_jobs), [all.clone(), all.clone()]);
    for question in ["/api/v1/lineage/runs?limit=1000", "/api/v1/lineage/datasets"] {
        assert_eq!(sidecars[0].get(question), sidecars[1].get(question));
    }
    let show = |office: &Office| office.assay(&["lineage", "show", "out_3"]);
    assert_eq!(show(&offices[0]), show(&offices[1]));

    // Whoever was killed may have the right to send for some seconds.
    let give_up = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while of_jobs(&target) != all {
        assert!(std::time::Instant::now() < give_up, "{}", of_jobs(&target));
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    // Of each job what was sent first came first there: a run never ends before it has begun.
    let all = target.get("/api/v1/lineage/runs?limit=1000");
    let all: Value = serde_json::from_str(&all).unwrap();
    let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
    for run in all["runs"].as_array().unwrap() {
        *statuses.entry(run["status"].as_str().unwrap()).or_default() += 1;
    }
    assert_eq!(statuses, BTreeMap::from([("complete", count)]));
    for sidecar in sidecars {
        let told = sidecar.stop();
        assert!(told.contains("stopped"), "{told}");
    }
}

#[test]
fn a_sidecar_that_stands_still_does_not_keep_the_other_from_taking_events() {
    let Some(database) = Database::new("still") else { return };
    let offices = [(); 2].map(|()| Office::sharing(&database.address()));
    let [one, other] = offices.each_ref().map(|office| office.sidecar(&[]));
    std::thread::scope(|scope| {
        let address = one.address();
        // It is in the middle of something when it is stopped.
        for number in 0..20 {
            scope.spawn(move || Running::try_post(address, &event(number, "START")));
        }
        std::thread::sleep(std::time::Duration::from_millis(30));
        one.signal("-STOP");
        // At the latest the server ends the transaction of a process that does nothing in it.
        assert_eq!(other.post(&event(1000, "START")), 201);
        one.signal("-CONT");
    });
    // It goes on, whatever the server has ended.
    assert_eq!(one.post(&event(1001, "START")), 201);
    assert_eq!(of_jobs(&one), of_jobs(&other));
}

#[test]
fn what_one_host_does_all_others_know() {
    let Some(database) = Database::new("hosts") else { return };
    let (worker, elsewhere) =
        (Office::sharing(&database.address()), Office::sharing(&database.address()));
    worker.assay(&["generate", "github-events", "--count", "300", "--out", "events.jsonl"]);
    worker.assay(&["ingest", "github_events", "--file", "events.jsonl"]);
    worker.assay(&["run", "all", "--pipeline", "github_events", "--governed"]);
    assert!(!worker.data().join("store.db").exists());
    for question in [
        &["runs"][..],
        &["lineage", "show", "gold.user_activity"],
        &["lineage", "show", "gold.user_activity", "--column", "total_commits"],
        &["lineage", "blame", "gold.user_activity"],
        &["quality", "show", "silver.github_events"],
        &["audit"],
        &["outbox", "list"],
    ] {
        let (here, there) = (worker.assay(question), elsewhere.assay(question));
        assert_eq!(here, there, "{question:?}");
        assert!(!here.is_empty(), "{question:?}");
    }
    // What lies in the log of the worker is seen from here as the store knows it.
    let status = elsewhere.assay(&["status"]);
    assert!(status.contains("land") && status.contains("parse"), "{status}");
    assert!(status.contains("store in postgres://") && status.contains("schema=team"), "{status}");
    assert_eq!(worker.assay(&["dlq", "topics"]), elsewhere.assay(&["dlq", "topics"]));
    let (code, told) = elsewhere.refused(&["dlq", "groups"]);
    assert!(code == 1 && told.contains("tells of the log in"), "{code} {told}");
    assert!(worker.assay(&["dlq", "groups"]).contains("undecodable"));
    let (code, told) = elsewhere.refused(&["prune"]);
    assert!(code == 1 && told.contains("tells of the lake in"), "{code} {told}");
    let made = worker.assay(&["keys", "create", "console", "--role", "viewer", "-o", "json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let audit = elsewhere.assay(&["audit", "--action", "create-key"]);
    assert!(audit.contains("console"), "{audit}");
    let listed = elsewhere.assay(&["keys", "list"]);
    assert!(listed.contains("console"), "{listed}");
    assert!(made["key"].is_string());

    // A log of its own has topics of the same names, and nobody would find its letters.
    elsewhere.assay(&["generate", "github-events", "--count", "50", "--out", "events.jsonl"]);
    let ingest = ["ingest", "github_events", "--file", "events.jsonl"];
    let (code, told) = elsewhere.refused(&ingest);
    assert!(code == 1 && told.contains("tells of the log in"), "{code} {told}");
    let run = ["run", "all", "--pipeline", "github_events", "--governed"];
    let (code, told) = elsewhere.refused(&run);
    assert!(code == 1 && told.contains("tells of the log in"), "{code} {told}");
    // So has a lake: tables of the same names, and other numbers of commits.
    psql(&database.0, "DELETE FROM team.belongings WHERE kind = 'log'");
    elsewhere.assay(&ingest);
    let (code, told) = elsewhere.refused(&run);
    assert!(code == 1 && told.contains("tells of the lake in"), "{code} {told}");
    psql(&database.0, "DELETE FROM team.belongings WHERE kind = 'log'");
    // What the one has was not touched.
    worker.assay(&run);
    worker.assay(&["prune"]);
}

//! How many events a sidecar keeps each second, of clients that post one at a time over
//! connections of their own: `./dev bench lineage [CLIENTS [SECONDS [EVENTS-A-REQUEST]]]`, with
//! `--postgres URL` into a store there, which has to be empty.
#![allow(clippy::unwrap_used, reason = "a measurement that can't go on panics")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use assay_core::{RandomIds, SystemClock};
use assay_log::EmbeddedLog;
use assay_sidecar::{Listen, Parts, Quota, Settings, Sidecar};
use assay_store::Store;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // Cargo adds a flag of its own.
    let said: Vec<u64> = std::env::args().filter_map(|text| text.parse().ok()).collect();
    let number = |at: usize, default| said.get(at).copied().unwrap_or(default);
    let (clients, seconds, many) = (number(0, 64), number(1, 10), number(2, 1));
    let build = || tokio::runtime::Builder::new_multi_thread();
    let runtime = build().enable_all().build().unwrap();
    // In threads of their own, so that what they use can be told apart.
    let beside = build().enable_all().worker_threads(2).thread_name(CLIENTS).build().unwrap();
    let beside = beside.handle();
    let server = std::env::args().skip_while(|text| text != "--postgres").nth(1);
    let load = (clients, Duration::from_secs(seconds), many);
    runtime.block_on(measure(beside, load, server.as_deref()));
}

/// What the threads of clients are called.
const CLIENTS: &str = "clients";

async fn measure(
    beside: &Handle,
    (clients, time, many): (u64, Duration, u64),
    server: Option<&str>,
) {
    let folder = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let store = match server {
        Some(url) => Store::connect(url, None).await.unwrap(),
        None => Store::open(&folder.path().join("store.db")).await.unwrap(),
    };
    let settings = Settings {
        listen: Listen("127.0.0.1:0".parse().unwrap()),
        quota: Quota { events_per_second: 1e9, burst: 1e9 },
        ..Settings::default()
    };
    let clock = Arc::new(SystemClock);
    let log = EmbeddedLog::open(&folder.path().join("log.db"), clock.clone()).await.unwrap();
    let (log, ids) = (Arc::new(log), Arc::new(RandomIds));
    let results = |_: &[u8], _: Option<&[u8]>| Err("not asked for here".to_owned());
    let parts = Parts { settings, store: store.clone(), log, clock, ids, results };
    let sidecar = Sidecar::start(parts).await.unwrap();
    let address = sidecar.address();
    let ready = begun.elapsed().as_secs_f64() * 1000.0;
    println!("listens after {ready:.0} ms; {:.0} MB of memory", memory("VmRSS"));
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(sidecar.run(async {
        let _ = stopped.await;
    }));
    let kept = Arc::new(AtomicU64::new(0));
    let (begun, cpu, of_clients) = (Instant::now(), cpu(), cpu_of_clients());
    let client = |client: u64| {
        let kept = Arc::clone(&kept);
        beside.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut answer = vec![0; 4096];
            for number in 0.. {
                if begun.elapsed() > time {
                    break;
                }
                let request = request(client, number, many);
                stream.write_all(request.as_bytes()).await.unwrap();
                let read = stream.read(&mut answer).await.unwrap();
                assert!(answer[..read].starts_with(b"HTTP/1.1 201"), "{read}");
                kept.fetch_add(many, Ordering::Relaxed);
            }
        })
    };
    for one in (0..clients).map(client).collect::<Vec<_>>() {
        one.await.unwrap();
    }
    let (wall, used) = (begun.elapsed().as_secs_f64(), self::cpu() - cpu);
    let own = used - (cpu_of_clients() - of_clients);
    #[allow(clippy::cast_precision_loss, reason = "shown without decimals")]
    let kept = kept.load(Ordering::Relaxed) as f64;
    let stored: u64 = store.event_counts().await.unwrap().values().sum();
    println!("{kept} events answered, {stored} kept, of about {} bytes", request(0, 0, 1).len());
    println!(
        "{:.0} events/s; {:.0} for each second of processor, {:.0} with what the clients use",
        kept / wall,
        kept / own,
        kept / used
    );
    stop.send(()).unwrap();
    running.await.unwrap();
    println!("{:.0} MB of memory at most", memory("VmHWM"));
}

/// Starts and ends of runs in turn, as dbt sends them: of 200 jobs that read one table each and say
/// where four columns come from.
fn request(client: u64, number: u64, many: u64) -> String {
    let event = |at: u64| {
        let number = number * many + at;
        let job = (client * 7 + number / 2) % 200;
        let field = |name: &str| {
            json!({"inputFields": [{
                "namespace": "postgres://db:5432", "name": format!("shop.public.source_{job}"),
                "field": name, "transformations": [{"type": "DIRECT", "subtype": "IDENTITY"}],
            }]})
        };
        let producer = "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/integration/dbt";
        let facet = |name: &str| {
            json!({
                "_producer": producer, "_schemaURL": format!("https://openlineage.io/spec/facets/{name}"),
                "text": "what facets say beside lineage is as long as this, or longer",
            })
        };
        let columns = ["id", "name", "amount", "at"];
        let schema: Vec<_> =
            columns.iter().map(|c| json!({"name": c, "type": "VARCHAR"})).collect();
        json!({
            "eventType": if number.is_multiple_of(2) { "START" } else { "COMPLETE" },
            "eventTime": format!("2026-11-21T{:02}:{:02}:{:02}.{client:03}Z", number / 3600 % 24, number / 60 % 60, number % 60),
            "producer": producer,
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": format!("0199c0de-{:04x}-7000-8000-{:012x}", client, number / 2), "facets": {
                "processing_engine": facet("ProcessingEngine"), "dbt_run": facet("dbt_run"),
                "parent": {"run": {"runId": "0199c0de-0000-7000-8000-000000000000"},
                           "job": {"namespace": "dbt", "name": "dbt-run-shop"}},
            }},
            "job": {"namespace": "dbt", "name": format!("shop.model_{job}"), "facets": {"jobType": facet("JobType")}},
            "inputs": [{"namespace": "postgres://db:5432", "name": format!("shop.public.source_{job}"), "facets": {"schema": {"fields": schema}}}],
            "outputs": [{"namespace": "postgres://db:5432", "name": format!("shop.public.model_{job}"), "facets": {
                "schema": {"fields": schema},
                "columnLineage": {"fields": {"id": field("id"), "name": field("name"), "amount": field("amount"), "at": field("at")}},
            }}],
        })
    };
    let body = match many {
        1 => event(0).to_string(),
        _ => serde_json::Value::Array((0..many).map(event).collect()).to_string(),
    };
    format!(
        "POST /api/v1/lineage HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Seconds of processor that this process has used.
fn cpu() -> f64 {
    used(&std::fs::read_to_string("/proc/self/stat").unwrap())
}

/// Those of its threads that are clients.
fn cpu_of_clients() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let stats = threads
        .filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).ok());
    let named = format!("({CLIENTS})");
    stats.filter(|stat| stat.contains(&named)).map(|stat| used(&stat)).sum()
}

fn used(stat: &str) -> f64 {
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum();
    ticks / 100.0
}

/// The memory of this process in megabytes: `VmRSS` now, `VmHWM` the most that it has had.
fn memory(which: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(which)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1000.0
}

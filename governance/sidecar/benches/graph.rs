//! How long questions to a graph of 10,000 datasets and 100,000 edges take:
//! `./dev bench lineage`.
#![allow(clippy::unwrap_used, reason = "a measurement that can't go on panics")]

use std::time::Instant;

use assay_lineage::receive::read;
use assay_lineage::{Names, Route, changes, impact, sources, walk};
use assay_store::Store;
use serde_json::{Value, json};

const DATASETS: usize = 10_000;
/// Jobs write one dataset each, from ten.
const INPUTS: usize = 10;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db")).await.unwrap();
    let begun = Instant::now();
    let all: Vec<Value> = (0..DATASETS).map(event).collect();
    for some in all.chunks(500) {
        let body = read(Value::Array(some.to_vec()).to_string().as_bytes()).unwrap();
        assert!(body.faults.is_empty());
        store.receive(&body.events).await.unwrap();
    }
    println!("taken in: {:.1} s", begun.elapsed().as_secs_f64());
    let at = |text: &str| Some(text.parse().unwrap());
    let near = Route { upstream: true, downstream: true, depth: Some(3), at: None };
    let far = Route { depth: None, ..near };
    let then = Route { at: at("2026-11-21T12:00:00Z"), ..near };
    for round in 0..2 {
        for (name, route) in [("3 steps", near), ("3 steps as of then", then), ("all", far)] {
            let begun = Instant::now();
            let names = Names::load(&store).await.unwrap();
            let dataset = names.find(&store, &name_of(DATASETS / 2)).await.unwrap();
            let map = walk(&store, &names, &dataset, route).await.unwrap();
            let (nodes, links) = (map.nodes.len(), map.links.len());
            said(round, &format!("graph, {name}: {nodes} datasets, {links} links"), begun);
        }
        let begun = Instant::now();
        let names = Names::load(&store).await.unwrap();
        let dataset = format!("s3://lake {}", name_of(DATASETS / 2));
        let reached = impact(&store, &names, &dataset, "c", None).await.unwrap();
        said(round, &format!("impact: {} columns", reached.len()), begun);
        let begun = Instant::now();
        let links = sources(&store, &names, &dataset, "c", None, None).await.unwrap();
        said(round, &format!("sources of a column: {} links", links.len()), begun);
        let begun = Instant::now();
        let (from, to) = ("2026-11-21T10:00:00Z", "2026-11-21T10:10:00Z");
        let all = changes(&store, &names, from.parse().unwrap(), to.parse().unwrap());
        said(round, &format!("diff: {} changes", all.await.unwrap().len()), begun);
    }
}

fn said(round: usize, what: &str, begun: Instant) {
    // The first round finds nothing in memory.
    if round > 0 {
        println!("{what}: {:.1} ms", begun.elapsed().as_secs_f64() * 1000.0);
    }
}

fn name_of(number: usize) -> String {
    format!("warehouse/table_{number:05}")
}

/// A run that made the dataset of that number from ten before it, in layers of 500.
fn event(number: usize) -> Value {
    let place = |number: usize| json!({"namespace": "s3://lake", "name": name_of(number)});
    let layer = number / 500 * 500;
    let input = |at: usize| (layer + DATASETS - 500 + (number * 37 + at * 101) % 500) % DATASETS;
    let fields: Value = json!({"c": {"inputFields": [{
        "namespace": "s3://lake", "name": name_of(input(0)), "field": "c"}]}});
    let mut output = place(number);
    output["facets"] = json!({"columnLineage": {"fields": fields}});
    json!({
        "eventType": "COMPLETE",
        "eventTime": format!("2026-11-21T10:{:02}:{:02}Z", number / 60 % 60, number % 60),
        "producer": "bench", "schemaURL": "x",
        "run": {"runId": format!("0199c0de-0000-7000-8000-{number:012x}")},
        "job": {"namespace": "bench", "name": format!("job_{number}")},
        "inputs": (0..INPUTS).map(|at| place(input(at))).collect::<Vec<_>>(),
        "outputs": [output],
    })
}

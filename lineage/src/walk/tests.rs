use proptest::prelude::proptest;
use proptest::test_runner::Config;
use serde_json::json;

use super::*;
use crate::receive::read;

/// A run of a job that reads one dataset and writes another; some name theirs by another name too.
fn told(number: usize, (job, input, output, alias): (u8, u8, u8, bool)) -> serde_json::Value {
    let dataset = |number: u8| {
        let mut dataset = json!({"namespace": "s3://lake", "name": format!("d{number}")});
        if alias {
            let link = json!({"namespace": "hive://h", "name": format!("t{}", number / 2)});
            dataset["facets"] = json!({"symlinks": {"identifiers": [link]}});
        }
        dataset
    };
    json!({
        "eventType": if number.is_multiple_of(3) { "COMPLETE" } else { "RUNNING" },
        "eventTime": format!("2026-11-21T10:00:{:02}Z", number % 60),
        "producer": "p", "schemaURL": "s", "run": {"runId": format!("run {number}")},
        "job": {"namespace": "n", "name": format!("j{job}")},
        "inputs": [dataset(input)], "outputs": [dataset(output)],
    })
}

async fn alike(runs: &[(u8, u8, u8, bool)], depth: Option<u32>, at: Option<u32>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db")).await.unwrap();
    let events = runs.iter().enumerate().map(|(number, run)| told(number, *run)).collect();
    let body = read(serde_json::Value::Array(events).to_string().as_bytes()).unwrap();
    store.receive(&body.events).await.unwrap();
    let names = Names::load(&store).await.unwrap();
    let at = at.map(|at| format!("2026-11-21T10:00:{:02}Z", at % 60).parse().unwrap());
    let start = names.best("s3://lake d1").to_owned();
    for (upstream, downstream) in [(true, false), (false, true), (true, true)] {
        let route = Route { upstream, downstream, depth, at };
        let near = walk_by(&store, &names, &start, route, usize::MAX).await.unwrap();
        let far = walk_by(&store, &names, &start, route, 0).await.unwrap();
        assert_eq!(near, far);
    }
    store.close().await;
}

proptest! {
    #![proptest_config(Config { cases: 24, ..Config::default() })]

    #[test]
    fn a_walk_that_goes_far_finds_what_one_by_steps_finds(
        runs in proptest::collection::vec((0..6_u8, 0..8_u8, 0..8_u8, proptest::bool::weighted(0.2)), 1..25),
        depth in proptest::option::of(0..5_u32),
        at in proptest::option::of(0..30_u32),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(alike(&runs, depth, at));
    }
}

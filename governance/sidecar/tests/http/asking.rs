use serde_json::{Value, json};

use crate::desk::{Desk, event};

const RUN: &str = "0199c0de-0000-7000-8000-000000000001";
const NEXT: &str = "0199c0de-0000-7000-8000-000000000002";

fn with_columns(mut event: Value, column: &str, from: &str) -> Value {
    let namespace = event["inputs"][0]["namespace"].clone();
    let name = event["inputs"][0]["name"].clone();
    event["outputs"][0]["facets"] = json!({"columnLineage": {"fields": {column: {"inputFields": [{
        "namespace": namespace, "name": name, "field": from,
        "transformations": [{"type": "DIRECT", "subtype": "AGGREGATION"}],
    }]}}}});
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn facets_of_a_run_are_merged_in_whatever_order_its_events_come() {
    let desk = Desk::new();
    let open = desk.open().await;
    let facet = |value: &str| json!({"value": value});
    let mut start = event("START", "10:00:00", RUN, "a", "b");
    start["run"]["facets"] = json!({"old": facet("start"), "both": facet("start")});
    start["outputs"] = json!([]);
    let mut end = event("COMPLETE", "10:05:00", RUN, "a", "b");
    end["run"]["facets"] = json!({"new": facet("end"), "both": facet("end")});
    end["inputs"] = json!([]);
    for sent in [&end, &start] {
        assert_eq!(open.post("/api/v1/lineage", sent).await.status, 201);
    }
    let run = open.get(&format!("/api/v1/lineage/runs/{RUN}")).await.json();
    let facets = json!({"old": facet("start"), "both": facet("end"), "new": facet("end")});
    assert_eq!(run["facets"], facets);
    assert_eq!((&run["status"], &run["events"]), (&json!("complete"), &json!(2)));
    assert_eq!(run["started_at"], "2026-11-21T10:00:00Z");
    // What it read stood in one event and what it wrote in another.
    let graph = open.get("/api/v1/lineage/graph?dataset=b").await.json();
    assert_eq!(graph["links"][0]["input"], "postgres://db a");

    open.post("/api/v1/lineage", &event("START", "10:10:00", NEXT, "a", "b")).await;
    let runs = open.get("/api/v1/lineage/runs?limit=1").await.json();
    // It began long ago, and nobody said how it ended.
    assert!(["running", "lost"].contains(&runs["runs"][0]["status"].as_str().unwrap()));
    let cursor = runs["next"].as_str().unwrap();
    let rest = open.get(&format!("/api/v1/lineage/runs?cursor={cursor}")).await.json();
    assert_eq!((&rest["runs"][0]["run"], &rest["next"]), (&json!(RUN), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_graph_is_as_it_was_at_any_time_and_a_dataset_has_all_its_names() {
    let desk = Desk::new();
    let open = desk.open().await;
    // A run that completes with another input says how its job goes from then on.
    for (kind, at, run, input) in [
        ("START", "10:00:00", RUN, "old"),
        ("COMPLETE", "10:01:00", RUN, "old"),
        ("START", "11:00:00", NEXT, "new"),
        ("COMPLETE", "11:01:00", NEXT, "new"),
    ] {
        let sent = with_columns(event(kind, at, run, input, "sums"), "total", "price");
        assert_eq!(open.post("/api/v1/lineage", &sent).await.status, 201);
    }
    let mut linked = event("COMPLETE", "11:02:00", "third", "x", "sums2");
    linked["inputs"] = json!([{"namespace": "hive://h", "name": "shop.sums", "facets": {"symlinks": {
        "identifiers": [{"namespace": "s3://lake", "name": "sums", "type": "TABLE"}]}}}]);
    linked["job"]["name"] = json!("again");
    assert_eq!(open.post("/api/v1/lineage", &linked).await.status, 201);

    let inputs = |graph: &Value| -> Vec<String> {
        let links = graph["links"].as_array().unwrap();
        links.iter().map(|link| link["input"].as_str().unwrap().to_owned()).collect()
    };
    let sums = "/api/v1/lineage/graph?dataset=hive://h+shop.sums&direction=upstream";
    let now = open.get(sums).await.json();
    assert_eq!(inputs(&now), ["postgres://db new"]);
    let then = open.get(&format!("{sums}&at=2026-11-21T10:30:00Z")).await.json();
    assert_eq!(inputs(&then), ["postgres://db old"]);
    let of_run = open.get(&format!("{sums}&run={RUN}")).await.json();
    assert_eq!(inputs(&of_run), ["postgres://db old"]);
    let before = open.get(&format!("{sums}&at=2026-11-21T09:00:00Z")).await.json();
    assert_eq!(inputs(&before), Vec::<String>::new());
    let both = open.get("/api/v1/lineage/graph?dataset=sums2&direction=both").await.json();
    assert_eq!(both["links"].as_array().unwrap().len(), 2, "{both}");

    let diff = "/api/v1/lineage/diff?from=2026-11-21T10:30:00Z&to=2026-11-21T11:30:00Z&limit=3";
    let page = open.get(diff).await.json();
    let next = page["next"].as_str().unwrap();
    let rest = open.get(&format!("{diff}&cursor={next}")).await.json();
    let signs = |page: &Value| -> Vec<String> {
        let all = page["changes"].as_array().unwrap().iter();
        all.map(|c| format!("{} {}", c["what"].as_str().unwrap(), c["input"].as_str().unwrap()))
            .collect()
    };
    let mut all = [signs(&page), signs(&rest)].concat();
    all.sort();
    assert_eq!(
        all,
        [
            "added hive://h shop.sums",
            "added postgres://db new",
            "added postgres://db new",
            "removed postgres://db old",
            "removed postgres://db old"
        ]
    );
    let reached = "/api/v1/lineage/impact?dataset=new&column=price";
    let reached = open.get(reached).await.json();
    assert_eq!(reached["reached"][0]["why"], "values");
    assert_eq!(reached["reached"][0]["column"], "total");
    // The job behind did not say which columns it uses.
    assert_eq!(reached["reached"][1]["why"], "unknown");
    let columns = open.get("/api/v1/lineage/columns?dataset=sums&column=total").await.json();
    assert_eq!(columns["links"][0]["how"], "aggregation");

    for (path, status) in [
        ("/api/v1/lineage/graph?dataset=nobody", 404),
        ("/api/v1/lineage/graph", 400),
        ("/api/v1/lineage/graph?dataset=sums&deep=1", 400),
        ("/api/v1/lineage/graph?dataset=sums&at=yesterday", 400),
        ("/api/v1/lineage/runs/1", 404),
        ("/api/v1/lineage/blame?dataset=sums", 200),
    ] {
        let answer = open.get(path).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
}

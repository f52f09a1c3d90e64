//! The sidecar as people run it, on what Airflow and dbt really sent.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod hosts;
mod office;
#[path = "../database/psql.rs"]
mod psql;
mod worker;

use std::path::Path;

use office::{Office, recorded, result, skip};
use serde_json::Value;

#[test]
fn what_airflow_and_dbt_send_becomes_a_graph_and_kill_9_loses_none_of_it() {
    let Some(events) = recorded() else {
        return skip("events of Airflow and dbt, because they are not at hand");
    };
    let office = Office::new();
    let mut sidecar = office.sidecar(&[]);
    for (number, event) in events.iter().enumerate() {
        assert_eq!(sidecar.post(event), 201, "event {number}");
        // At once behind an answer, again and again.
        if number % 15 == 7 {
            sidecar.kill();
            sidecar = office.sidecar(&[]);
        }
    }
    sidecar.kill();
    // Whoever got no answer sends again, and nothing is there twice.
    let sidecar = office.sidecar(&[]);
    for event in &events {
        assert_eq!(sidecar.post(event), 201);
    }
    let stats: Value = serde_json::from_str(&sidecar.get("/api/v1/lineage/stats")).unwrap();
    assert_eq!(stats["total_lineage_events"], events.len());
    let told = sidecar.stop();
    assert!(told.contains("stopped: all that was answered for is kept"), "{told}");

    let tree = office.assay(&["lineage", "show", "orders_by_status"]);
    insta::assert_snapshot!(tree, @r"
    duckdb://lab.duckdb lab.main.orders_by_status
    └── [lab-dbt/lab.main.lab.orders_by_status] duckdb://lab.duckdb lab.main.stg_orders
        └── [lab-dbt/lab.main.lab.stg_orders, lab-dbt/lab.main.lab.stg_orders.build.run] duckdb://lab.duckdb lab.main.raw_orders
    ");
    let tree = office.assay(&[
        "lineage",
        "show",
        "s3://landing orders/2026-01-02.parquet",
        "--downstream",
    ]);
    insta::assert_snapshot!(tree, @r"
    s3://landing orders/2026-01-02.parquet
    └── [lab-airflow/lab_assets.merge] postgres://127.0.0.1:5432 lab.public.orders
    ");
    let columns = ["lineage", "show", "orders_by_status", "--column", "total"];
    insta::assert_snapshot!("columns", office.assay(&columns));
    insta::assert_snapshot!("impact", office.assay(&["lineage", "impact", "stg_orders.status"]));

    let blame = office.assay(&["lineage", "blame", "orders_by_status", "-o", "json"]);
    let blame: Value = serde_json::from_str(&blame).unwrap();
    assert_eq!(blame["accused"]["run"].as_str().map(str::len), Some(36), "{blame}");
    let behind = &blame["behind"][0];
    assert_eq!(behind["dataset"], "duckdb://lab.duckdb lab.main.stg_orders", "{blame}");
    // dbt's own tests of it failed.
    assert!(!behind["failed"].as_array().unwrap().is_empty(), "{blame}");
    let svg = office.assay(&["lineage", "show", "orders_by_status", "-o", "svg"]);
    assert!(svg.starts_with("<svg ") && svg.contains("lab.main.stg_orders"), "{svg}");
    let listed = office.assay(&["lineage", "events", "--kind", "job_end", "--limit", "3"]);
    assert!(listed.contains("lab-airflow/lab_fails ") && listed.contains("failed"), "{listed}");
}

#[test]
fn our_own_stages_are_in_the_same_graph() {
    let office = Office::new();
    office.assay(&["demo", "--events", "300"]);
    let sidecar = office.sidecar(&[]);
    let table = office.data().join("lake").join("silver").join("github_events");
    let shown = office.assay(&["lineage", "show", "gold.user_activity"]);
    assert!(shown.contains("└── [github_events/user_activity] silver.github_events"), "{shown}");
    // Spark knows the table by its folder only, and reads it.
    let graph = office.assay(&["lineage", "show", "silver.github_events", "-o", "json"]);
    let graph: Value = serde_json::from_str(&graph).unwrap();
    let alias = graph["nodes"][0]["aliases"][0].as_str().unwrap().to_owned();
    assert!(alias.starts_with("file ") && Path::new(&alias[5..]).exists(), "{alias} {table:?}");
    let spark = serde_json::json!({
        "eventType": "START", "eventTime": "2026-11-21T10:00:00Z", "producer": "spark",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": "spark-1"}, "job": {"namespace": "spark", "name": "report"},
        "inputs": [{"namespace": "file", "name": &alias[5..]}],
        "outputs": [{"namespace": "s3://reports", "name": "daily"}],
    });
    assert_eq!(sidecar.post(&spark.to_string()), 201);
    // A column of another column, which has a dot in its name.
    let city = serde_json::json!({"inputFields": [
        {"namespace": "s3://reports", "name": "daily", "field": "addr.city"}]});
    let mut next = spark.clone();
    next["run"]["runId"] = "spark-2".into();
    next["job"]["name"] = "cities".into();
    next["inputs"] = serde_json::json!([{"namespace": "s3://reports", "name": "daily"}]);
    next["outputs"] = serde_json::json!([{"namespace": "s3://reports", "name": "cities",
        "facets": {"columnLineage": {"fields": {"city": city}}}}]);
    assert_eq!(sidecar.post(&next.to_string()), 201);
    let foreign = office.assay(&["lineage", "blame", "s3://reports cities", "-o", "json"]);
    let foreign: Value = serde_json::from_str(&foreign).unwrap();
    let (code, told) = office.refused(&["runs", foreign["accused"]["run"].as_str().unwrap()]);
    assert!(code == 2 && told.contains("a run of spark/cities"), "{code} {told}");
    let reached = office.assay(&["lineage", "impact", "s3://reports daily.addr.city"]);
    assert!(reached.contains("s3://reports cities") && reached.contains("city"), "{reached}");
    let (code, told) = office.refused(&["lineage", "impact", "s3://reports daily.addr.cty"]);
    assert!(code == 2 && told.contains("daily"), "{code} {told}");
    let metrics = sidecar.get("/metrics");
    assert!(metrics.contains("event_breakdown{event_type=\"transformation\"}"), "{metrics}");
    sidecar.stop();
    let shown = office.assay(&["lineage", "show", "bronze.github_events", "--downstream"]);
    assert!(shown.contains("[spark/report] s3://reports daily"), "{shown}");
    let blame = office.assay(&["lineage", "blame", "gold.user_activity"]);
    assert!(blame.contains("look first at silver.github_events_parsed"), "{blame}");
    assert!(blame.contains("broken: actor_login.not_null"), "{blame}");
}

#[test]
fn what_other_tools_found_is_taken_in_over_http_as_it_is_from_files() {
    let names =
        ["gx_result.json", "soda4_result.json", "dbt/run_results.json", "dbt/manifest.json"];
    let [Some(gx), Some(soda), Some(dbt), Some(manifest)] = names.map(result) else {
        return skip("results of other tools, because they are not at hand");
    };
    let office = Office::new();
    let sidecar = office.sidecar(&[]);
    let (status, told) = sidecar.found("", &gx);
    let found = &told["results"][0];
    assert_eq!(
        (status, &found["dataset"], &found["new"]),
        (201, &"lab.orders".into(), &true.into())
    );
    assert_eq!((&found["passed"], &found["failed"]), (&1.into(), &6.into()), "{told}");
    // Whoever got no answer sends again.
    assert_eq!(sidecar.found("", &gx).1["results"][0]["new"], false);
    let both = format!("{{\"run_results\": {dbt}, \"manifest\": {manifest}}}");
    let (status, told) = sidecar.found("", &both);
    assert_eq!((status, told["results"].as_array().map(Vec::len)), (201, Some(2)), "{told}");
    let (status, told) = sidecar.found("?dataset=silver.orders", &soda);
    assert_eq!((status, &told["results"][0]["dataset"]), (201, &"silver.orders".into()), "{told}");

    for (query, body, says) in [
        ("", dbt.as_str(), "send {\"run_results\": …, \"manifest\": …}"),
        ("", "{\"a\": 1}", "no result that is known here"),
        ("", "{\"success\": tru", "is no JSON"),
        ("?dataset=one", both.as_str(), "several datasets, main."),
    ] {
        let (status, told) = sidecar.found(query, body);
        assert_eq!((status, &told["error"]), (400, &"results".into()), "{told}");
        assert!(told["message"].as_str().unwrap().contains(says), "{told}");
    }
    let (status, told) = sidecar.found("?name=one", &gx);
    assert_eq!((status, &told["error"]), (400, &"question".into()), "{told}");
    sidecar.stop();

    let shown = office.assay(&["quality", "show", "lab.orders"]);
    assert!(shown.contains("lab.orders imported from great-expectations 1.24.1"), "{shown}");
    let shown = office.assay(&["quality", "show", "silver.orders"]);
    assert!(shown.contains("silver.orders imported from soda"), "{shown}");
    let shown = office.assay(&["quality", "show", "main.stg_orders"]);
    assert!(shown.contains("main.stg_orders imported from dbt"), "{shown}");
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let office = Office::new();
    let made: Value = serde_json::from_str(
        &office.assay(&["keys", "create", "grafana", "--role", "viewer", "-o", "json"]),
    )
    .unwrap();
    let sidecar = office.sidecar(&[]);
    assert_eq!(sidecar.post("{}"), 401);
    let key = made["key"].as_str().unwrap();
    assert!(sidecar.get_with("/api/v1/lineage/stats", key).contains("total_lineage_events"));
    assert_eq!(sidecar.found("", "{}").0, 401);
    let listed = office.assay(&["keys", "list"]);
    assert!(listed.contains("grafana") && listed.contains("viewer"), "{listed}");
    assert!(!listed.contains(key), "a key is shown once");
    let told = office.assay(&["keys", "revoke", "grafana"]);
    assert!(told.contains("it was the last"), "{told}");
    let listed = office.assay(&["keys", "list"]);
    assert!(listed.contains("revoked"), "{listed}");
    let first = office.assay(&["keys", "create", "airflow"]);
    assert!(first.contains("ask for a key from now on"), "{first}");
    let second = office.assay(&["keys", "create", "dbt"]);
    assert!(!second.contains("from now on"), "{second}");
    let told = office.assay(&["keys", "revoke", "dbt"]);
    assert!(!told.contains("it was the last"), "{told}");
    office.assay(&["keys", "revoke", "airflow"]);
    let (code, told) = office.refused(&["keys", "revoke", "grafana"]);
    assert_eq!(code, 2, "{told}");
    let (code, told) = office.refused(&["sidecar", "--listen", "0.0.0.0:0"]);
    assert!(code == 2 && told.contains("assay keys create"), "{code} {told}");
    let (code, told) = office.refused(&["lineage", "show", "nobody"]);
    assert!(code == 2 && told.contains("no event named nobody"), "{code} {told}");
}

//! Which run is to blame, what a change reaches, and what a picture of columns shows.

use assay_core::Clock;
use serde_json::{Value, json};

use crate::desk::{Desk, Open, event};

/// A run of `job` that made `output` of `input`, both of the lake.
fn ran(kind: &str, at: &str, job: &str, input: &str, output: &str) -> Value {
    let mut sent = event(kind, at, &format!("{job} {at}"), input, output);
    sent["job"]["name"] = json!(job);
    sent["inputs"][0]["namespace"] = json!("s3://lake");
    sent
}

async fn sends(open: &Open, events: &[Value]) {
    for sent in events {
        let answer = open.post("/api/v1/lineage", sent).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
}

async fn blamed(open: &Open, dataset: &str) -> Value {
    open.get(&format!("/api/v1/lineage/blame?dataset={dataset}&limit=1000")).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_run_that_ended_is_accused_and_one_that_goes_on_is_named() {
    let desk = Desk::new();
    let open = desk.open().await;
    let done = ran("COMPLETE", "10:00:00", "facts", "raw", "facts");
    sends(&open, &[done, ran("START", "12:00:00", "facts", "raw", "facts")]).await;
    let blame = blamed(&open, "facts").await;
    assert_eq!(blame["accused"]["status"], "complete", "{blame}");
    assert_eq!(blame["going"].as_array().unwrap().len(), 1, "{blame}");
    assert_eq!(blame["first"], json!([]));
    // Where none has ended that one is all there is.
    sends(&open, &[ran("START", "12:00:00", "other", "raw", "only")]).await;
    let blame = blamed(&open, "only").await;
    assert_eq!((&blame["accused"]["status"], &blame["going"]), (&json!("lost"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_may_be_at_fault_equally_far_up_are_looked_at_first() {
    let desk = Desk::new();
    let open = desk.open().await;
    let mut shop = ran("COMPLETE", "09:00:00", "load_shop", "shop", "orders");
    let broken =
        json!({"assertions": [{"assertion": "not_null", "column": "amount", "success": false}]});
    shop["outputs"][0]["facets"] = json!({"dataQualityAssertions": broken});
    let mut fact = ran("COMPLETE", "11:00:00", "facts", "orders", "facts");
    let customers = json!({"namespace": "s3://lake", "name": "customers"});
    fact["inputs"].as_array_mut().unwrap().push(customers);
    sends(
        &open,
        &[
            ran("COMPLETE", "08:00:00", "load_crm", "crm", "customers"),
            shop,
            ran("FAIL", "10:00:00", "load_crm", "crm", "customers"),
            fact,
        ],
    )
    .await;
    let blame = blamed(&open, "facts").await;
    let first = blame["first"].as_array().unwrap();
    let mut datasets: Vec<&str> =
        first.iter().map(|one| one["dataset"].as_str().unwrap()).collect();
    datasets.sort_unstable();
    assert_eq!(datasets, ["s3://lake customers", "s3://lake orders"], "{blame}");
    // A run that failed may have written nothing: the rows that are there are of the one before.
    let behind = blame["behind"].as_array().unwrap();
    let of_customers = behind.iter().filter(|one| one["dataset"] == "s3://lake customers");
    let mut stand: Vec<&str> = of_customers.map(|one| one["status"].as_str().unwrap()).collect();
    stand.sort_unstable();
    assert_eq!(stand, ["complete", "failed"], "{blame}");
}

/// The columns of an output: each with its source and how it comes from there.
fn made(mut sent: Value, columns: &[(&str, &str, &str, &str)]) -> Value {
    let mut facet = json!({"fields": {}, "dataset": []});
    for (column, from, field, kind) in columns {
        let input = json!({"namespace": "s3://lake", "name": from, "field": field,
            "transformations": [{"type": if *kind == "JOIN" { "INDIRECT" } else { "DIRECT" }, "subtype": kind}]});
        if *column == "*" {
            facet["dataset"].as_array_mut().unwrap().push(input);
        } else {
            facet["fields"][*column] = json!({"inputFields": [input]});
        }
    }
    sent["outputs"][0]["facets"] = json!({"columnLineage": facet});
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn what_decides_about_rows_is_followed_through_and_never_called_a_value() {
    let desk = Desk::new();
    let open = desk.open().await;
    let mut joined = made(
        ran("COMPLETE", "10:00:00", "stage", "orders", "joined"),
        &[("amount", "orders", "amount", "IDENTITY"), ("*", "people", "id", "JOIN")],
    );
    joined["inputs"]
        .as_array_mut()
        .unwrap()
        .push(json!({"namespace": "s3://lake", "name": "people"}));
    let sums = made(
        ran("COMPLETE", "11:00:00", "sum", "joined", "sums"),
        &[("total", "joined", "amount", "AGGREGATION")],
    );
    sends(&open, &[joined, sums]).await;
    let reaches = async |dataset: &str, column: &str| -> Vec<String> {
        let path = format!("/api/v1/lineage/impact?dataset={dataset}&column={column}");
        let all = open.get(&path).await.json();
        let all = all["reached"].as_array().unwrap().iter();
        let told = |one: &Value| {
            let text = |key: &str| one[key].as_str().unwrap().to_owned();
            format!("{} {} {}", text("dataset"), text("column"), text("why"))
        };
        all.map(told).collect()
    };
    assert_eq!(
        reaches("people", "id").await,
        ["s3://lake joined * rows", "s3://lake sums total rows"]
    );
    assert_eq!(
        reaches("orders", "amount").await,
        ["s3://lake joined amount values", "s3://lake sums total values"]
    );
    // The join stands behind the first step, and is drawn all the same.
    let drawn = open.get("/api/v1/lineage/columns?dataset=sums&column=total&format=dot").await;
    insta::assert_snapshot!(drawn.text, @r#"
    digraph lineage {
      rankdir=LR;
      node [shape=box];
      "s3://lake joined.amount";
      "s3://lake orders.amount";
      "s3://lake people.id";
      "s3://lake sums.total" [style=bold];
      "s3://lake joined.amount" -> "s3://lake sums.total" [label="shop/sum (aggregation)"];
      "s3://lake orders.amount" -> "s3://lake joined.amount" [label="shop/stage (identity)"];
      "s3://lake people.id" -> "s3://lake joined.amount" [label="shop/stage (join)"];
    }
    "#);
    let near = open.get("/api/v1/lineage/columns?dataset=sums&column=total&depth=1").await.json();
    assert_eq!(near["links"].as_array().unwrap().len(), 1, "{near}");
    let odd = open.get("/api/v1/lineage/columns?dataset=sums&column=total&format=tree").await;
    assert_eq!(odd.status, 400, "{}", odd.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_ahead_does_not_hide_what_comes_after() {
    let desk = Desk::new();
    let open = desk.open().await;
    let mut ahead = ran("COMPLETE", "10:00:00", "job", "old", "out");
    let mut right = ran("COMPLETE", "10:00:01", "job", "new", "out");
    let now = assay_core::SystemClock.now();
    ahead["eventTime"] = json!((now + chrono::TimeDelta::hours(3)).to_rfc3339());
    right["eventTime"] = json!((now + chrono::TimeDelta::seconds(5)).to_rfc3339());
    sends(&open, &[ahead, right]).await;
    let graph = open.get("/api/v1/lineage/graph?dataset=out").await.json();
    let links = graph["links"].as_array().unwrap();
    let inputs: Vec<&str> = links.iter().map(|link| link["input"].as_str().unwrap()).collect();
    assert_eq!(inputs, ["s3://lake new"], "{graph}");
}

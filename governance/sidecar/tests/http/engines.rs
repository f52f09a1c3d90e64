//! Events of Spark and Flink, recorded ones and some in their shape, see `tests/events`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::desk::{Desk, Open, event};

const SPARK: &str = include_str!("../events/spark.jsonl");
const FLINK: &str = include_str!("../events/flink.jsonl");
const SPARK_RECORDED: &str = include_str!("../events/spark-recorded.jsonl");
const FLINK_RECORDED: &str = include_str!("../events/flink-recorded.jsonl");

async fn post_each(open: &Open, lines: &str) {
    for line in lines.lines() {
        let sent: Value = serde_json::from_str(line).unwrap();
        let answer = open.post("/api/v1/lineage", &sent).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
}

fn links(graph: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let link = |link: &Value| format!("{} -> {}", text(&link["input"]), text(&link["output"]));
    graph["links"].as_array().unwrap().iter().map(link).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_spark_and_flink_say_is_one_graph_from_topic_to_table() {
    let desk = Desk::new();
    let open = desk.open().await;
    post_each(&open, SPARK).await;
    post_each(&open, FLINK).await;
    // Spark writes s3a:// where Flink writes s3://, and Hive knows the table by another name.
    let graph = open.get("/api/v1/lineage/graph?dataset=hive://metastore:9083+shop.customer_totals&direction=upstream");
    assert_eq!(
        links(&graph.await.json()),
        [
            "kafka://broker:9092 orders -> s3://lake bronze/orders",
            "s3://lake bronze/orders -> s3://lake warehouse/customer_totals"
        ]
    );
    let columns = "/api/v1/lineage/columns?dataset=totals&column=total";
    let columns = open.get(columns).await;
    assert_eq!(columns.status, 404, "a part of a word is no end of a name: {}", columns.text);
    let columns = "/api/v1/lineage/columns?dataset=customer_totals&column=total";
    let columns = open.get(columns).await.json();
    let hows: Vec<&str> =
        columns["links"].as_array().unwrap().iter().map(|l| l["how"].as_str().unwrap()).collect();
    assert_eq!(hows, ["aggregation", "group_by"], "{columns}");

    let run = |id: &str| format!("/api/v1/lineage/runs/{id}");
    let written = open.get(&run("019a1f00-0000-7000-8000-00000000a001")).await.json();
    assert_eq!(written["status"], "complete");
    assert!(written["facets"]["spark.logicalPlan"]["plan"].is_array(), "{written}");
    assert_eq!(written["parent"], "019a1f00-0000-7000-8000-00000000a000");
    let failed = open.get(&run("019a1f00-0000-7000-8000-00000000a002")).await.json();
    assert_eq!(failed["status"], "failed");
    // A job that streams never ends, and one of Flink 2 says no more than that it began.
    let streams = open.get(&run("019a1f00-0000-7000-8000-00000000f001")).await.json();
    assert_eq!(
        (&streams["events"], &streams["facets"]["checkpoints"]["total"]),
        (&json!(3), &json!(2))
    );
    let named = open.get(&run("flink%202%20without%20a%20uuid")).await;
    assert_eq!(named.status, 200, "{}", named.text);
    let clicks = open.get("/api/v1/lineage/graph?dataset=clicks").await.json();
    assert_eq!(links(&clicks), ["kafka://broker:9092 clicks_raw -> kafka://broker:9092 clicks"]);
    let then = "/api/v1/lineage/graph?dataset=clicks&run=flink%202%20without%20a%20uuid";
    assert_eq!(open.get(then).await.status, 200);

    let events = open.get("/api/v1/lineage/events?kind=job_end&limit=1000").await.json();
    let of_sums = events["events"].as_array().unwrap().iter().find(|one| one["rows_out"] == 1200);
    assert_eq!(of_sums.unwrap()["rows_in"], 90000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newer_facet_counts_before_the_older_one_on_datasets_and_on_jobs() {
    let desk = Desk::new();
    let open = desk.open().await;
    let input = |field: &str| {
        json!({"namespace": "s3://lake", "name": "raw", "type": "DATASET", "field": field,
               "transformations": [{"type": "DIRECT", "subtype": "TRANSFORMATION"}]})
    };
    let job = json!({"namespace": "n", "name": "j", "type": "JOB"});
    let mut sent = event("COMPLETE", "10:00:00", "r", "other", "clean");
    sent["outputs"][0]["facets"] = json!({
        "lineage": {"inputs": [input("deleted_at"), job], "fields": {"amount": {"inputs": [input("payload")]}}},
        "columnLineage": {"fields": {"amount": {"inputFields": [
            {"namespace": "s3://lake", "name": "raw", "field": "older"}]}}},
    });
    sent["job"]["facets"] = json!({"lineage": {"entries": [
        {"namespace": "s3://lake", "name": "audit", "type": "DATASET",
         "inputs": [{"namespace": "s3://lake", "name": "log", "type": "DATASET"}],
         "fields": {"who": {"inputs": [input("actor")]}}},
        {"type": "JOB", "inputs": [job]},
    ]}});
    assert_eq!(open.post("/api/v1/lineage", &sent).await.status, 201);
    let from = async |dataset: &str, column: &str| -> Vec<String> {
        let path = format!("/api/v1/lineage/columns?dataset={dataset}&column={column}");
        let page = open.get(&path).await.json();
        let all = page["links"].as_array().unwrap_or_else(|| panic!("{page}")).iter();
        all.map(|link| link["input"]["column"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(from("clean", "amount").await, ["deleted_at", "payload"]);
    assert_eq!(from("audit", "who").await, ["actor"]);
    let graph = open.get("/api/v1/lineage/graph?dataset=audit&direction=upstream").await.json();
    assert!(links(&graph).contains(&"s3://lake log -> s3://lake audit".to_owned()), "{graph}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_misspelt_is_not_one_that_nobody_uses() {
    let desk = Desk::new();
    let open = desk.open().await;
    let mut sent = event("COMPLETE", "10:00:00", "r", "orders", "sums");
    let schema = json!({"schema": {"fields": [{"name": "customer"}, {"name": "comment"}]}});
    sent["inputs"][0]["facets"] = schema;
    sent["outputs"][0]["facets"] = json!({"columnLineage": {"fields": {"who": {"inputFields": [
        {"namespace": "postgresql://db", "name": "orders", "field": "customer"}]}}}});
    assert_eq!(open.post("/api/v1/lineage", &sent).await.status, 201);
    for (address, dataset, column, status, said) in [
        ("impact", "orders", "custmer", 404, "did you mean customer?"),
        ("impact", "orders", "price", 404, "there is comment, customer"),
        ("columns", "sums", "whom", 404, "did you mean who?"),
        // Nothing uses it, but it is there.
        ("impact", "orders", "comment", 200, "\"reached\":[]"),
        ("impact", "orders", "customer", 200, "who"),
    ] {
        let path = format!("/api/v1/lineage/{address}?dataset={dataset}&column={column}");
        let answer = open.get(&path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        assert!(answer.text.contains(said), "{path}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blame_comes_in_pages() {
    let desk = Desk::new();
    let open = desk.open().await;
    for (number, (input, output)) in [("a", "b"), ("b", "c"), ("c", "d")].iter().enumerate() {
        let (run, at) = (format!("run {number}"), format!("10:0{number}:00"));
        let mut sent = event("COMPLETE", &at, &run, input, output);
        sent["inputs"][0]["namespace"] = json!("s3://lake");
        sent["job"]["name"] = json!(run);
        assert_eq!(open.post("/api/v1/lineage", &sent).await.status, 201);
    }
    let first = open.get("/api/v1/lineage/blame?dataset=d&run=run+2&limit=1").await.json();
    assert_eq!((&first["behind"][0]["distance"], &first["cut"]), (&json!(1), &json!(false)));
    let next = first["next"].as_str().unwrap();
    let path = format!("/api/v1/lineage/blame?dataset=d&run=run+2&limit=1&cursor={next}");
    let rest = open.get(&path).await.json();
    assert_eq!((&rest["behind"][0]["distance"], &rest["next"]), (&json!(2), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_real_spark_and_a_real_flink_sent_is_understood() {
    let desk = Desk::new();
    let open = desk.open().await;
    post_each(&open, SPARK_RECORDED).await;
    post_each(&open, FLINK_RECORDED).await;
    // Rows are known by their folder, the table by its name in the catalog.
    let graph = open.get("/api/v1/lineage/graph?dataset=shop.best&direction=upstream");
    assert_eq!(
        links(&graph.await.json()),
        [
            "file /data/lake/iceberg/shop/best -> file /data/lake/iceberg/shop/best",
            "file /data/lake/iceberg/shop/totals -> file /data/lake/iceberg/shop/best",
            "file /data/lake/orders_csv -> file /data/lake/iceberg/shop/totals",
        ]
    );
    let from = async |dataset: &str, column: &str| -> BTreeSet<String> {
        let path = format!("/api/v1/lineage/columns?dataset={dataset}&column={column}");
        let page = open.get(&path).await.json();
        let all = page["links"].as_array().unwrap_or_else(|| panic!("{page}")).iter();
        let said = |link: &Value| {
            let [column, how] = [&link["input"]["column"], &link["how"]].map(|v| v.as_str());
            format!("{} {}", how.unwrap(), column.unwrap())
        };
        let own = |link: &&Value| {
            let output = &link["output"];
            output["dataset"].as_str().unwrap().ends_with(&dataset.replace('.', "/"))
                && (output["column"] == column || output["column"] == "*")
        };
        all.filter(own).map(said).collect()
    };
    let sums = BTreeSet::from(["aggregation amount".to_owned(), "group_by customer".to_owned()]);
    assert_eq!(from("shop.totals", "total").await, sums);
    let place = from("shop.best", "place").await;
    assert!(place.contains("window total") && place.contains("identity place"), "{place:?}");
    // It says FAIL, and then COMPLETE.
    let blamed = open.get("/api/v1/lineage/blame?dataset=broken").await.json();
    assert_eq!(blamed["accused"]["status"], "failed", "{blamed}");
    let ends = open.get("/api/v1/lineage/events?kind=job_end&limit=1000").await.json();
    let all = ends["events"].as_array().unwrap();
    let why = all.iter().find_map(|one| one["error"].as_str()).unwrap();
    assert!(why.starts_with("Job aborted due to stage failure"), "{why}");
    let best =
        all.iter().find(|one| one["job"]["stage"] == "shop_orders.append_data.lake_shop_best");
    assert_eq!((&best.unwrap()["rows_in"], &best.unwrap()["rows_out"]), (&json!(7), &json!(7)));
    let clicks = open.get("/api/v1/lineage/graph?dataset=fl_orders_clean").await.json();
    assert_eq!(
        links(&clicks),
        ["kafka://broker:9092 fl_orders_raw -> kafka://broker:9092 fl_orders_clean"]
    );
    // To another job the same name of a table is of another topic.
    let other =
        FLINK_RECORDED.replace("fl_orders_clean", "elsewhere").replace("01a2271a", "01a2271b");
    post_each(&open, &other).await;
    let names = open.get("/api/v1/lineage/graph?dataset=fl_orders_clean").await.json();
    assert_eq!(names["nodes"].as_array().unwrap().len(), 2, "{names}");
}

//! What an event shows in OpenMetadata.

use assay_lineage::Target;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::calls::Catalog;
use crate::double::Double;
use crate::sample::{World, batch, client, end};

/// A run that began at noon: ids of this kind know when they were made.
fn run() -> Uuid {
    let noon: chrono::DateTime<chrono::Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
    let ms = u128::try_from(noon.timestamp_millis()).unwrap();
    Uuid::from_u128((ms << 80) | (0x7 << 76) | (0x8 << 60) | 42)
}

async fn shown(events: &[Value]) -> (Double, World) {
    let (server, world) = (Double::openmetadata().await, World::sending_to("openmetadata").await);
    show(&server, &world, 1, events).await;
    (server, world)
}

async fn show(server: &Double, world: &World, from: u64, events: &[Value]) {
    for (number, event) in (from..).zip(events) {
        world.tells(number, event.clone()).await;
    }
    let target = Target::OpenMetadata(Box::new(client(server, "bot", &world.clock)));
    world.courier(target).pass().await.unwrap();
    let left = world.left().await;
    assert!(left.is_empty(), "{:?}", left.iter().map(|row| &row.reason).collect::<Vec<_>>());
}

fn catalog<T>(server: &Double, look: impl FnOnce(&mut Catalog) -> T) -> T {
    server.with(|inner| look(inner.catalog.as_mut().unwrap()))
}

fn entity(server: &Double, collection: &str, name: &str) -> Value {
    catalog(server, |catalog| catalog.find(collection, name).cloned())
        .unwrap_or_else(|| panic!("there is no {name} in {collection}"))
}

const BRONZE: &str = "assay.lake.bronze.\"orders.v1\"";
const SILVER: &str = "assay.lake.silver.\"orders.v1\"";

#[tokio::test]
async fn a_batch_shows_its_tables_their_edge_with_columns_and_the_pipeline_behind_it() {
    let (server, _world) = shown(&[batch(run(), 5)]).await;
    let silver = entity(&server, "tables", SILVER);
    assert_eq!(silver["tableType"], "Iceberg");
    let kinds: Vec<_> = silver["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["dataType"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["BIGINT", "BIGINT", "TIMESTAMPZ"]);
    let amt = entity(&server, "tables", BRONZE)["columns"][1].clone();
    assert_eq!(
        (&amt["dataType"], &amt["precision"], &amt["scale"]),
        (&json!("DECIMAL"), &json!(12), &json!(2))
    );
    let pipeline = entity(&server, "pipelines", "assay.shop");
    assert_eq!(pipeline["tasks"][0]["name"], "parse");

    let edges = catalog(&server, |catalog| catalog.edges.clone());
    let ((from, to), details) = edges.first_key_value().unwrap();
    assert_eq!((from, to), (&id(&entity(&server, "tables", BRONZE)), &id(&silver)));
    assert_eq!(details["source"], "PipelineLineage");
    assert_eq!(details["sqlQuery"], "SELECT 1");
    assert_eq!(details["pipeline"]["id"], pipeline["id"]);
    // What only decides which rows come is no source, and a column that is not there is left out.
    assert_eq!(
        details["columnsLineage"],
        json!([
            {"fromColumns": [format!("{BRONZE}.amt")], "toColumn": format!("{SILVER}.cents"), "function": "amt * 100"},
            {"fromColumns": [format!("{BRONZE}.id")], "toColumn": format!("{SILVER}.order_id"), "function": "amt * 100"},
        ])
    );
}

fn id(entity: &Value) -> String {
    entity["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn rules_and_the_score_are_test_cases_with_a_result_for_each_batch() {
    let (server, _world) = shown(&[batch(run(), 5), batch(run(), 6)]).await;
    let results = catalog(&server, |catalog| catalog.results.clone());
    let of = |name: &str| results.get(name).unwrap_or_else(|| panic!("no {name} in {results:?}"));
    let broken = of(&format!("{SILVER}.order_id.\"order_id.not_null\""));
    assert_eq!(broken.len(), 2);
    let broken = broken.values().next().unwrap();
    assert_eq!(broken["testCaseStatus"], "Failed");
    assert_eq!(broken["result"], "4 failed rows; expected: no failed rows");
    let fresh = of(&format!("{SILVER}.\"made.at\".fresh"));
    assert_eq!(fresh.values().next().unwrap()["testCaseStatus"], "Success");
    let pair = of(&format!("{SILVER}.pair"));
    assert_eq!(pair.values().next().unwrap()["testCaseStatus"], "Aborted");
    let score = of(&format!("{SILVER}.assay score")).values().next().unwrap().clone();
    assert_eq!(score["testResultValue"], json!([{"name": "score", "value": "98.75"}]));
}

#[tokio::test]
async fn a_run_is_pending_from_its_start_and_then_as_it_ended() {
    let (server, world) = shown(&[end(run(), "START", 0)]).await;
    let status = || catalog(&server, |catalog| catalog.statuses["assay.shop"].clone());
    let first = status();
    let (at, pending) = first.first_key_value().unwrap();
    assert_eq!(*at, 1_795_262_400_000);
    assert_eq!(pending["executionStatus"], "Pending");
    show(&server, &world, 2, &[end(run(), "FAIL", 42)]).await;
    let last = status();
    assert_eq!(last.len(), 1, "one status for the run");
    let task = &last[at]["taskStatus"][0];
    assert_eq!(task["executionStatus"], "Failed");
    assert_eq!(task["endTime"].as_i64().unwrap() - at, 42_000);
    // What began in the same millisecond is beside it.
    let mut other = end(run(), "COMPLETE", 43);
    other["job"]["name"] = json!("shop.enrich");
    show(&server, &world, 3, &[other]).await;
    let tasks = status()[at]["taskStatus"].as_array().unwrap().len();
    assert_eq!((tasks, status()[at]["executionStatus"].clone()), (2, json!("Failed")));
}

#[tokio::test]
async fn the_same_again_changes_nothing() {
    let events = [end(run(), "START", 0), batch(run(), 5), end(run(), "COMPLETE", 9)];
    let (server, world) = shown(&events).await;
    server.forget();
    show(&server, &world, 11, &events).await;
    let changed = server.mutations();
    // Results have no question that is cheaper than the refusal of what is there.
    let others: Vec<_> =
        changed.iter().filter(|asked| !asked.path.ends_with("testCaseResult")).collect();
    // A start that comes again after the end takes nothing back.
    assert!(others.is_empty(), "{others:#?}");
    let results = catalog(&server, |catalog| catalog.results.values().map(|all| all.len()).max());
    assert_eq!(results, Some(1));
}

#[tokio::test]
async fn what_people_and_other_jobs_said_stays() {
    let (server, world) = shown(&[batch(run(), 5)]).await;
    catalog(&server, |catalog| {
        for table in catalog.entities.values_mut().filter(|e| e["fullyQualifiedName"] == SILVER) {
            table["description"] = json!("by a person");
            table["columns"][1]["description"] = json!("in cents");
        }
        for details in catalog.edges.values_mut() {
            details["description"] = json!("why it is so");
            let theirs = json!({"fromColumns": [format!("{BRONZE}.id")], "toColumn": format!("{SILVER}.\"made.at\"")});
            details["columnsLineage"].as_array_mut().unwrap().push(theirs);
        }
        let pipelines =
            catalog.entities.values_mut().filter(|e| e["fullyQualifiedName"] == "assay.shop");
        for pipeline in pipelines {
            pipeline["tasks"]
                .as_array_mut()
                .unwrap()
                .push(json!({"name": "theirs", "taskType": "x"}));
        }
    });
    let mut more = batch(run(), 6);
    let columns = more["outputs"][0]["facets"]["schema"]["fields"].as_array_mut().unwrap();
    columns.push(json!({"name": "new", "type": "struct<a:int>"}));
    more["job"]["name"] = json!("shop.other");
    show(&server, &world, 2, &[more]).await;
    let silver = entity(&server, "tables", SILVER);
    assert_eq!(
        (&silver["description"], &silver["columns"][1]["description"]),
        (&json!("by a person"), &json!("in cents"))
    );
    assert_eq!(silver["columns"][3]["dataType"], "STRUCT");
    let tasks = entity(&server, "pipelines", "assay.shop")["tasks"].clone();
    let names: Vec<_> =
        tasks.as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["parse", "theirs", "other"]);
    let details = catalog(&server, |catalog| catalog.edges.values().next().unwrap().clone());
    assert_eq!(details["description"], "why it is so");
    assert_eq!(details["columnsLineage"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_was_deleted_there_while_we_thought_it_there_is_made_again() {
    let (server, world) = (Double::openmetadata().await, World::sending_to("openmetadata").await);
    let target = Target::OpenMetadata(Box::new(client(&server, "bot", &world.clock)));
    let courier = world.courier(target);
    world.tells(1, batch(run(), 5)).await;
    courier.pass().await.unwrap();
    for (number, soft) in [(2, true), (3, false)] {
        catalog(&server, |catalog| {
            if soft {
                let deleted =
                    catalog.entities.values_mut().filter(|e| e["fullyQualifiedName"] == SILVER);
                deleted.for_each(|table| table["deleted"] = json!(true));
            } else {
                *catalog = Catalog::default();
            }
        });
        let mut event = batch(run(), 5 + u32::try_from(number).unwrap());
        event["job"]["facets"]["sql"]["query"] = json!(format!("SELECT {number}"));
        world.tells(number, event).await;
        courier.pass().await.unwrap();
        assert!(world.left().await.is_empty(), "{:?}", world.left().await);
        assert_eq!(entity(&server, "tables", SILVER)["columns"].as_array().unwrap().len(), 3);
    }
}

#[tokio::test]
async fn every_name_is_shown_under_a_name_that_the_server_takes() {
    let long = "n".repeat(300);
    for name in [
        "a.b.c",
        "with \"quotes\"",
        "a::b",
        "  blank ",
        "🦀 crabs",
        "Bestände 2026",
        "a/b=1",
        &long,
    ] {
        let mut event = batch(run(), 5);
        event["outputs"][0]["facets"]["symlinks"]["identifiers"][0]["name"] =
            json!(format!("silver.{name}"));
        event["outputs"][0]["facets"]["schema"]["fields"][0]["name"] = json!(name);
        event["outputs"][0]["facets"]["dataQualityAssertions"]["assertions"][0]["name"] =
            json!(name);
        event["outputs"][0]["facets"]["dataQualityAssertions"]["assertions"][0]["column"] =
            json!(name);
        event["job"]["name"] = json!(format!("{name}.parse"));
        let (server, _world) = shown(&[event.clone(), event]).await;
        assert_eq!(catalog(&server, |catalog| catalog.edges.len()), 1, "{name}");
    }
}

#[tokio::test]
async fn events_of_other_tools_show_what_they_say() {
    let table = |namespace: &str, name: &str| {
        json!({"namespace": namespace, "name": name, "facets": {
        "schema": {"fields": [{"name": "id", "type": "VARCHAR"}, {"name": "id", "type": "INT"}]}}})
    };
    let event = json!({
        "eventType": "COMPLETE", "eventTime": "2026-11-21T12:00:00+01:00", "producer": "https://example.com",
        "run": {"runId": "not-a-uuid", "facets": {"parent": {"job": {"namespace": "airflow", "name": "daily"}}}},
        "job": {"namespace": "airflow", "name": "daily.load"},
        "inputs": [table("postgres://db:5432", "shop.public.orders"), table("file", "/in/a.csv")],
        "outputs": [table("kafka://k1:9092", "orders.v1"), table("postgres://db:5432", "shop.public.copy")],
    });
    let (server, _world) = shown(&[event]).await;
    assert_eq!(entity(&server, "services/databaseServices", "db:5432")["serviceType"], "Postgres");
    assert_eq!(entity(&server, "topics", "k1:9092.\"orders.v1\"")["partitions"], 1);
    assert_eq!(catalog(&server, |catalog| catalog.edges.len()), 2);
    let statuses = catalog(&server, |catalog| catalog.statuses["assay.daily"].clone());
    assert_eq!(statuses.values().next().unwrap()["taskStatus"][0]["name"], "load");
}

/// An event of a job of others, with so much more.
fn told(kind: &str, job: &str, more: Value) -> Value {
    let mut event = json!({
        "eventType": kind, "eventTime": "2026-11-21T12:00:00Z", "producer": "p", "schemaURL": "s",
        "run": {"runId": format!("run of {job}")}, "job": {"namespace": "n", "name": job},
    });
    for (key, value) in more.as_object().unwrap() {
        event[key] = value.clone();
    }
    event
}

fn of_db(name: &str, facets: Value) -> Value {
    json!({"namespace": "postgres://db:5432", "name": format!("lab.main.{name}"), "facets": facets})
}

/// Receives an event and sends it, as a process does that was just started.
async fn receive(server: &Double, world: &World, event: &Value) {
    let body = assay_lineage::receive::read(event.to_string().as_bytes()).unwrap();
    assert!(body.faults.is_empty(), "{:?}", body.faults);
    world.store.receive(&body.events).await.unwrap();
    show(server, world, 1, &[]).await;
}

/// The edges by the last parts of their names.
fn edges(server: &Double) -> Vec<String> {
    let mut all: Vec<String> = catalog(server, |catalog| {
        let name = |id: &str| {
            let one = catalog.entities.values().find(|one| one["id"] == id).unwrap();
            one["name"].as_str().unwrap().to_owned()
        };
        catalog.edges.keys().map(|(from, to)| format!("{} → {}", name(from), name(to))).collect()
    });
    all.sort();
    all
}

#[tokio::test]
async fn what_a_run_told_in_several_events_is_one_way_also_for_a_process_that_came_later() {
    let (server, world) = (Double::openmetadata().await, World::sending_to("openmetadata").await);
    let begun = told("START", "load", json!({"inputs": [of_db("orders", json!({}))]}));
    receive(&server, &world, &begun).await;
    assert!(edges(&server).is_empty());
    let ended = told("COMPLETE", "load", json!({"outputs": [of_db("copy", json!({}))]}));
    receive(&server, &world, &ended).await;
    assert_eq!(edges(&server), ["orders → copy"]);
    // A stream says at its start what it does, and never ends.
    let both = json!({"inputs": [of_db("a", json!({}))], "outputs": [of_db("b", json!({}))]});
    receive(&server, &world, &told("START", "stream", both)).await;
    assert_eq!(edges(&server), ["a → b", "orders → copy"]);
}

#[tokio::test]
async fn what_is_read_may_be_named_by_columns_alone() {
    let (server, world) = (Double::openmetadata().await, World::sending_to("openmetadata").await);
    let from = |name: &str, column: &str| json!({"namespace": "postgres://db:5432", "name": format!("lab.main.{name}"), "field": column});
    let of = |key: &str, source: Value| json!({"fields": {"id": {key: [source]}}});
    let outputs = json!([
        of_db("stg", json!({"columnLineage": of("inputFields", from("raw", "id"))})),
        of_db("sums", json!({"lineage": of("inputs", from("stg", "id"))})),
    ]);
    receive(&server, &world, &told("COMPLETE", "build", json!({"outputs": outputs}))).await;
    assert_eq!(edges(&server), ["raw → stg", "raw → sums", "stg → sums"]);
}

#[tokio::test]
async fn a_test_that_others_ran_is_shown_with_the_table_that_it_read() {
    let (server, world) = (Double::openmetadata().await, World::sending_to("openmetadata").await);
    let assertions = json!([
        {"assertion": "not_null", "column": "id", "success": false},
        {"assertion": "unique", "column": "id", "success": true},
    ]);
    let facets = json!({"dataQualityAssertions": {"assertions": assertions}});
    for kind in ["COMPLETE", "FAIL"] {
        let input = of_db(&kind.to_lowercase(), facets.clone());
        receive(&server, &world, &told(kind, kind, json!({"inputs": [input]}))).await;
    }
    let results = catalog(&server, |catalog| catalog.results.len());
    assert_eq!(results, 4);
    assert!(edges(&server).is_empty());
}

#[tokio::test]
async fn what_is_said_of_a_table_alone_makes_no_pipeline() {
    let (server, world) = (Double::openmetadata().await, World::sending_to("openmetadata").await);
    let alone = json!({
        "eventTime": "2026-11-21T12:00:00Z", "producer": "p", "schemaURL": "s",
        "dataset": of_db("alone", json!({"schema": {"fields": [{"name": "id", "type": "int"}]}})),
    });
    receive(&server, &world, &alone).await;
    assert_eq!(entity(&server, "tables", "db:5432.lab.main.alone")["name"], "alone");
    let pipelines = |catalog: &mut Catalog| {
        catalog.entities.keys().filter(|(shelf, _)| shelf == "pipelines").count()
    };
    assert_eq!(catalog(&server, pipelines), 0);
}

#[tokio::test]
async fn a_start_that_comes_late_replaces_nothing_and_odd_parts_stop_nobody() {
    let (server, world) = (Double::openmetadata().await, World::sending_to("openmetadata").await);
    let with = |kind: &str, minute: u8, column: &str| {
        let facets = json!({"schema": {"fields": [{"name": column, "type": "int"}]}});
        let mut sent = told(kind, "load", json!({"outputs": [of_db("copy", facets)]}));
        sent["eventTime"] = json!(format!("2026-11-21T12:{minute:02}:00Z"));
        sent
    };
    receive(&server, &world, &with("RUNNING", 5, "new")).await;
    receive(&server, &world, &with("START", 1, "old")).await;
    let copy = entity(&server, "tables", "db:5432.lab.main.copy");
    assert_eq!(copy["columns"][0]["name"], "new", "{copy}");
    let entry = json!({"type": "DATASET", "namespace": "n", "name": "x", "fields": {}});
    let mut odd =
        told("COMPLETE", "odd", json!({"dataset": {"namespace": "n", "name": "x", "facets": "x"}}));
    odd["job"]["facets"] = json!({"lineage": {"entries": [entry]}});
    receive(&server, &world, &odd).await;
    receive(&server, &world, &with("COMPLETE", 6, "new")).await;
}

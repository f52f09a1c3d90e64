//! `sync` and `check`.

use assay_lineage::openmetadata::{
    Change, WantedColumn, WantedPipeline, WantedTable, WantedTask, WantedTopic,
};
use serde_json::json;

use crate::double::{Double, Fault};
use crate::sample::{TestClock, client};

fn wanted() -> WantedPipeline {
    let column = |name: &str, kind: &str| WantedColumn {
        name: name.into(),
        kind: kind.into(),
        description: Some(format!("the {name}")),
    };
    let table = |layer: &str| WantedTable {
        layer: layer.into(),
        name: "orders".into(),
        description: Some(format!("orders in {layer}")),
        columns: vec![column("id", "bigint"), column("amount", "decimal(12,2)")],
        owners: vec!["ann".into(), "nobody".into()],
        tags: vec!["money".into()],
    };
    let named = |layer: &str, name: &str| (layer.to_owned(), name.to_owned());
    WantedPipeline {
        name: "shop".into(),
        description: Some("what was bought".into()),
        tasks: vec![
            WantedTask {
                name: "land".into(),
                sql: Some("SELECT 1".into()),
                downstream: vec!["parse".into()],
                reads: named("log", "raw"),
                writes: named("bronze", "orders"),
            },
            WantedTask {
                name: "parse".into(),
                sql: None,
                downstream: vec![],
                reads: named("bronze", "orders"),
                writes: named("silver", "orders"),
            },
        ],
        topics: vec![WantedTopic {
            namespace: "assay-log:///data/log.db".into(),
            layer: "log".into(),
            name: "raw".into(),
            partitions: 3,
        }],
        tables: vec![table("bronze"), table("silver")],
    }
}

#[tokio::test]
async fn a_dry_run_changes_nothing_a_sync_does_what_it_said_and_a_second_one_nothing() {
    let (server, clock) = (Double::openmetadata().await, TestClock::new());
    server.with(|inner| inner.catalog.as_mut().unwrap().plant("users", "ann"));
    let catalog = client(&server, "bot", &clock);
    let planned = catalog.sync(&wanted(), true, false).await.unwrap();
    assert!(server.mutations().is_empty());
    let done = catalog.sync(&wanted(), false, false).await.unwrap();
    let names = |changes: &[Change]| -> Vec<String> {
        let made = changes.iter().filter(|change| change.what != "change");
        made.map(|change| format!("{} {}", change.kind, change.name)).collect()
    };
    for change in names(&planned) {
        assert!(names(&done).contains(&change), "{change} is not in {done:#?}");
    }
    server.forget();
    let again = catalog.sync(&wanted(), false, false).await.unwrap();
    assert_eq!(again, []);
    assert_eq!(server.mutations().len(), 0);

    let table = server.with(|inner| {
        let catalog = inner.catalog.as_ref().unwrap();
        catalog.find("tables", "assay.lake.silver.orders").cloned().unwrap()
    });
    assert_eq!(table["description"], "orders in silver");
    assert_eq!(table["columns"][0]["description"], "the id");
    assert_eq!(table["tags"][0]["tagFQN"], "Contract.money");
    assert_eq!(table["owner"]["type"], "user");
    server.with(|inner| {
        let catalog = inner.catalog.as_ref().unwrap();
        assert_eq!(catalog.find("topics", "assay.raw").unwrap()["partitions"], 3);
        let pipeline = catalog.find("pipelines", "assay.shop").unwrap();
        assert_eq!(pipeline["tasks"][0]["downstreamTasks"], json!(["parse"]));
        assert_eq!(catalog.edges.len(), 2);
    });
}

#[tokio::test]
async fn texts_of_others_stay_unless_they_are_to_be_overwritten() {
    let (server, clock) = (Double::openmetadata().await, TestClock::new());
    let catalog = client(&server, "bot", &clock);
    catalog.sync(&wanted(), false, false).await.unwrap();
    let silver = "assay.lake.silver.orders";
    let table = || {
        server
            .with(|inner| inner.catalog.as_ref().unwrap().find("tables", silver).cloned().unwrap())
    };
    server.with(|inner| {
        let tables = inner.catalog.as_mut().unwrap().entities.values_mut();
        for table in tables.filter(|e| e["fullyQualifiedName"] == silver) {
            table["description"] = json!("by a person");
            table["columns"][1]["description"] = json!("by a person");
        }
    });
    assert_eq!(catalog.sync(&wanted(), false, false).await.unwrap(), []);
    assert_eq!(table()["description"], "by a person");
    let changes = catalog.sync(&wanted(), false, true).await.unwrap();
    assert_eq!(changes.len(), 1);
    let asked = server.mutations().pop().unwrap();
    assert_eq!(
        (asked.method.as_str(), asked.kind.as_str()),
        ("PATCH", "application/json-patch+json")
    );
    assert_eq!(table()["description"], "orders in silver");
    assert_eq!(table()["columns"][1]["description"], "the amount");
}

#[tokio::test]
async fn a_look_says_what_is_wrong_and_how_to_mend_it() {
    let (server, clock) = (Double::openmetadata().await, TestClock::new());
    let look = client(&server, "bot", &clock).look().await;
    assert!(look.fine(), "{look:?}");
    assert_eq!(look.version.as_deref(), Some("1.2.0-SNAPSHOT"));
    for (token, fix) in [
        ("expired", "it is too old"),
        ("old", "a newer one was made"),
        ("foreign", "it is of another server"),
        ("ghost", "its user was deleted"),
        ("garbage", "Generate New Token"),
    ] {
        let look = client(&server, token, &clock).look().await;
        let last = look.found.last().unwrap();
        assert!(!look.fine() && last.what == "token", "{look:?}");
        assert!(last.fix.as_ref().unwrap().contains(fix), "{token}: {last:?}");
    }
    server.fails([Fault::Page]);
    let look = client(&server, "bot", &clock).look().await;
    assert!(look.found[0].said.contains("a page for people"), "{look:?}");
    server.fails([Fault::Status(500, "{}")]);
    let look = client(&server, "bot", &clock).look().await;
    assert!(look.found[0].fix.as_ref().unwrap().contains("see its log"), "{look:?}");
    for odd in [Fault::Status(200, r#"{"status":"UP"}"#), Fault::Status(201, "")] {
        server.fails([odd]);
        let look = client(&server, "bot", &clock).look().await;
        assert!(!look.fine() && look.found[0].said.contains("not as OpenMetadata"), "{look:?}");
    }
    let mut gone = server.clone();
    gone.url = "http://127.0.0.1:9".to_owned();
    let look = client(&gone, "bot", &clock).look().await;
    assert!(look.found[0].fix.as_ref().unwrap().contains("8585"), "{look:?}");
    assert!(server.mutations().is_empty());
}

#[tokio::test]
async fn a_recording_of_a_server_answers_as_it_did_and_leaves_nothing_there() {
    let (server, clock) = (Double::openmetadata().await, TestClock::new());
    let exchanges = client(&server, "bot", &clock).record(|_| {}).await.unwrap();
    assert!(exchanges.len() > 40);
    let text: String =
        exchanges.iter().map(assay_lineage::openmetadata::Exchange::written).collect();
    assert!(!text.contains("Bearer"));
    let read = assay_lineage::openmetadata::parse_recording(&format!("\n{text}"));
    assert_eq!(read, exchanges);
    assert_eq!(recorded_services(&server), Vec::<&str>::new());
}

#[tokio::test]
async fn a_recording_that_breaks_off_leaves_nothing_there_either() {
    let (server, clock) = (Double::openmetadata().await, TestClock::new());
    let mut heard = 0;
    let recorder = client(&server, "bot", &clock);
    let broken = recorder.record(|_| {
        heard += 1;
        if heard == 30 {
            assert!(!recorded_services(&server).is_empty());
            server.fails([Fault::CloseMidBody]);
        }
    });
    broken.await.unwrap_err();
    assert_eq!(recorded_services(&server), Vec::<&str>::new());
}

fn recorded_services(server: &Double) -> Vec<&'static str> {
    let all = ["databaseServices", "messagingServices", "pipelineServices"];
    server.with(|inner| {
        let catalog = inner.catalog.as_ref().unwrap();
        let there = |service: &&str| {
            catalog.find(&format!("services/{service}"), "assay_recording").is_some()
        };
        all.into_iter().filter(there).collect()
    })
}

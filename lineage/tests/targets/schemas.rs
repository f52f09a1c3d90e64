//! Every body that we send keeps OpenMetadata's own JSON schemas. They come from Maven Central and
//! are not ours to keep here.

use std::path::{Path, PathBuf};
use std::process::Command;

use assay_lineage::Target;
use assay_lineage::openmetadata::{WantedColumn, WantedPipeline, WantedTable, WantedTopic};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::double::{Asked, Double};
use crate::sample::{World, batch, client, end};

/// The folder of the schemas, fetched when they are not there.
fn fetched() -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/services/openmetadata.sh");
    let ran = Command::new("bash").arg(script).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&ran.stdout).trim().to_owned();
    if ran.status.success() { Ok(PathBuf::from(said)) } else { Err(said) }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false if path.extension().is_some_and(|end| end == "json") => found.push(path),
            false => {}
        }
    }
}

/// The schema of a body, by what it was sent to.
fn schema_of(asked: &Asked) -> Option<&'static str> {
    let path = asked.path.strip_prefix("/api/v1/").unwrap();
    Some(match (asked.method.as_str(), path) {
        ("PUT", "services/databaseServices") => "api/services/createDatabaseService.json",
        ("PUT", "services/messagingServices") => "api/services/createMessagingService.json",
        ("PUT", "services/pipelineServices") => "api/services/createPipelineService.json",
        ("PUT", "databases") => "api/data/createDatabase.json",
        ("PUT", "databaseSchemas") => "api/data/createDatabaseSchema.json",
        ("PUT", "tables") => "api/data/createTable.json",
        ("PUT", "topics") => "api/data/createTopic.json",
        ("PUT", "pipelines") => "api/data/createPipeline.json",
        ("PUT", "lineage") => "api/lineage/addLineage.json",
        ("PUT", "classifications") => "api/classification/createClassification.json",
        ("PUT", "tags") => "api/classification/createTag.json",
        ("PUT", "dataQuality/testDefinitions") => "api/tests/createTestDefinition.json",
        ("PUT", "dataQuality/testCases") => "api/tests/createTestCase.json",
        ("POST", "dataQuality/testSuites/executable") => "api/tests/createTestSuite.json",
        ("PUT", path) if path.ends_with("/status") => {
            "entity/data/pipeline.json#/definitions/pipelineStatus"
        }
        ("PUT", path) if path.ends_with("/testCaseResult") => {
            "tests/basic.json#/definitions/testCaseResult"
        }
        _ => return None,
    })
}

/// Everything that an event and a sync send.
async fn sent() -> Vec<Asked> {
    let (server, world) = (Double::openmetadata().await, World::sending_to("openmetadata").await);
    let run = Uuid::from_u128((0x01a0_2b3c_4d5e_u128 << 80) | (0x7 << 76) | (0x8 << 60) | 42);
    let mut foreign = batch(run, 7);
    foreign["outputs"][0] = json!({"namespace": "kafka://k1:9092", "name": "orders.v1"});
    foreign["inputs"][0] = json!({"namespace": "postgres://db:5432", "name": "shop.public.orders", "facets": {
        "schema": {"fields": [{"name": "v", "type": "VARCHAR(20)"}, {"name": "a", "type": "array<string>"},
            {"name": "s", "type": "struct<x:int>"}, {"name": "m", "type": "map<string,int>"}, {"name": "?", "type": ""}]}}});
    let events = [end(run, "START", 0), batch(run, 5), foreign, end(run, "COMPLETE", 9)];
    for (number, event) in (1..).zip(events) {
        world.tells(number, event).await;
    }
    let target = Target::OpenMetadata(Box::new(client(&server, "bot", &world.clock)));
    world.courier(target).pass().await.unwrap();
    assert!(world.left().await.is_empty());
    let column =
        WantedColumn { name: "c".into(), kind: "int".into(), description: Some("d".into()) };
    let table = WantedTable {
        layer: "gold".into(),
        name: "new".into(),
        description: Some("said".into()),
        columns: vec![column],
        owners: vec![],
        tags: vec!["money".into()],
    };
    let topic = WantedTopic {
        namespace: "assay-log://x".into(),
        layer: "log".into(),
        name: "t".into(),
        partitions: 3,
    };
    let wanted = WantedPipeline {
        name: "p".into(),
        description: Some("d".into()),
        tasks: vec![],
        topics: vec![topic],
        tables: vec![table],
    };
    client(&server, "bot", &world.clock).sync(&wanted, false, false).await.unwrap();
    server.mutations()
}

#[tokio::test]
async fn every_body_keeps_the_servers_own_schemas() {
    let folder = match fetched() {
        Ok(folder) => folder,
        Err(why) => {
            println!("skipped: {why}");
            return;
        }
    };
    let mut found = vec![];
    files(&folder, &mut found);
    let mut registry = jsonschema::Registry::new();
    for file in &found {
        // A flag that only Java's expressions have.
        let text = std::fs::read_to_string(file).unwrap().replace("(?U)", "");
        let Ok(mut schema) = serde_json::from_str::<Value>(&text) else { continue };
        let id = format!("http://om.invalid/{}", file.strip_prefix(&folder).unwrap().display());
        schema["$id"] = json!(id);
        registry = registry.add(id, schema).unwrap();
    }
    let registry = registry.prepare().unwrap();
    let check = |schema: &str, body: &Value| -> Vec<String> {
        let wanted = json!({"$schema": "http://json-schema.org/draft-07/schema#",
            "$ref": format!("http://om.invalid/{schema}")});
        let validator =
            jsonschema::options().with_registry(&registry).offline().build(&wanted).unwrap();
        validator.iter_errors(body).map(|error| error.to_string()).collect()
    };
    // That it refuses at all.
    assert!(!check("api/data/createTable.json", &json!({"name": "x", "bogus": 1})).is_empty());
    let mut kinds = std::collections::BTreeSet::new();
    for asked in sent().await {
        if asked.method == "PATCH" {
            continue;
        }
        let schema = schema_of(&asked).unwrap_or_else(|| panic!("no schema for {asked:?}"));
        let errors = check(schema, &asked.body);
        assert!(errors.is_empty(), "{} {}: {errors:#?}\n{}", asked.method, asked.path, asked.body);
        kinds.insert(schema);
    }
    assert_eq!(kinds.len(), 16, "{kinds:?}");
}

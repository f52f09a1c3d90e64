//! How OpenMetadata 1.2 answers, as far as we ask it: made from the recordings, and held against
//! them by `recordings.rs`.

mod checks;
mod more;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::double::{Asked, Said};
pub(crate) use checks::columns_of;

/// What a server has.
#[derive(Default)]
pub(crate) struct Catalog {
    pub(crate) entities: BTreeMap<(String, String), Value>,
    pub(crate) edges: BTreeMap<(String, String), Value>,
    pub(crate) statuses: BTreeMap<String, BTreeMap<i64, Value>>,
    pub(crate) results: BTreeMap<String, BTreeMap<i64, Value>>,
    made: u128,
}

/// Collections, the word for what is in them, the field that names the parent, the parents'
/// collection, and the fields that a body may have.
pub(crate) type Shelf =
    (&'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

const SHELVES: &[Shelf] = &[
    (
        "services/databaseServices",
        "databaseService",
        "",
        "",
        &["name", "serviceType", "connection", "description", "displayName", "tags", "owner"],
    ),
    (
        "services/messagingServices",
        "messagingService",
        "",
        "",
        &["name", "serviceType", "connection", "description", "displayName", "tags", "owner"],
    ),
    (
        "services/pipelineServices",
        "pipelineService",
        "",
        "",
        &["name", "serviceType", "connection", "description", "displayName", "tags", "owner"],
    ),
    (
        "databases",
        "database",
        "service",
        "services/databaseServices",
        &["name", "service", "description", "displayName"],
    ),
    (
        "databaseSchemas",
        "databaseSchema",
        "database",
        "databases",
        &["name", "database", "description", "displayName"],
    ),
    (
        "tables",
        "table",
        "databaseSchema",
        "databaseSchemas",
        &[
            "name",
            "databaseSchema",
            "tableType",
            "columns",
            "description",
            "displayName",
            "tags",
            "owner",
            "tableConstraints",
        ],
    ),
    (
        "topics",
        "topic",
        "service",
        "services/messagingServices",
        &["name", "service", "partitions", "messageSchema", "description", "displayName"],
    ),
    (
        "pipelines",
        "pipeline",
        "service",
        "services/pipelineServices",
        &[
            "name",
            "service",
            "tasks",
            "description",
            "displayName",
            "scheduleInterval",
            "sourceUrl",
            "startDate",
        ],
    ),
    ("classifications", "classification", "", "", &["name", "description", "displayName"]),
    (
        "tags",
        "tag",
        "classification",
        "classifications",
        &["name", "classification", "description", "displayName"],
    ),
    ("users", "user", "", "", &[]),
    ("teams", "team", "", "", &[]),
    (
        "dataQuality/testDefinitions",
        "testDefinition",
        "",
        "",
        &["name", "description", "entityType", "testPlatforms", "displayName"],
    ),
    (
        "dataQuality/testSuites",
        "testSuite",
        "",
        "",
        &["name", "description", "displayName", "executableEntityReference"],
    ),
    (
        "dataQuality/testCases",
        "testCase",
        "",
        "",
        &[
            "name",
            "entityLink",
            "testSuite",
            "testDefinition",
            "parameterValues",
            "description",
            "displayName",
        ],
    ),
];

pub(crate) fn say(status: u16, value: &Value) -> Said {
    (status, "application/json", value.to_string())
}

pub(crate) fn refuse(status: u16, message: impl Into<String>) -> Said {
    say(status, &json!({"code": status, "message": message.into()}))
}

/// What its servlet makes of paths and methods that it has not.
pub(crate) fn no_such(what: &str) -> Said {
    let message =
        format!("An exception with message [HTTP {what}] was thrown while processing request.");
    say(500, &json!({"responseMessage": message}))
}

pub(crate) fn missing(kind: &str, name: &str) -> Said {
    refuse(404, format!("{kind} instance for {name} not found"))
}

pub(crate) fn quoted(part: &str) -> String {
    if part.contains('.') { format!("\"{part}\"") } else { part.to_owned() }
}

impl Catalog {
    pub(crate) fn answer(&mut self, asked: &Asked, body: &str, token: &str) -> Said {
        let Some(path) = asked.path.strip_prefix("/api") else { return outside(asked) };
        let Some(path) = path.strip_prefix("/v1/") else { return no_such("404 Not Found") };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if path == "system/version" {
            return say(200, &json!({"version": "1.2.0-SNAPSHOT", "revision": "bf880daf"}));
        }
        let who = match checks::token(token) {
            Ok(who) => who,
            Err(refused) => return refused,
        };
        if asked.method != "GET" && !body.is_empty() && serde_json::from_str::<Value>(body).is_err()
        {
            let text = "Unexpected character ('b' (code 98)): was expecting double-quote to start field name";
            return (400, "text/plain", text.to_owned());
        }
        if who == "ann" && asked.method != "GET" {
            let operation = if path == "lineage" { "EditLineage" } else { "Create" };
            let principal = "CatalogPrincipal{name='ann'}";
            return refuse(
                403,
                format!("Principal: {principal} operations [{operation}] not allowed"),
            );
        }
        if path == "lineage" || path.starts_with("lineage/") {
            return self.lineage(asked, path, query);
        }
        let shelf = SHELVES.iter().find(|shelf| {
            path.strip_prefix(shelf.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        let Some(shelf) = shelf else { return no_such("404 Not Found") };
        let rest = path[shelf.0.len()..].trim_start_matches('/');
        let parts: Vec<String> = rest.split('/').filter(|p| !p.is_empty()).map(decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match (asked.method.as_str(), &parts[..]) {
            ("PUT", []) => self.put(shelf, &asked.body, &who, false),
            ("POST", []) => self.put(shelf, &asked.body, &who, true),
            ("POST", ["executable"]) if shelf.1 == "testSuite" => self.suite(shelf, &asked.body),
            ("GET", []) => say(200, &json!({"data": [], "paging": {"total": 0}})),
            ("GET", ["name", name]) => self.get(shelf, name, query),
            ("PATCH", [id]) => self.patch(shelf, id, &asked.body, &who),
            ("DELETE", [id]) => self.delete(shelf, id, query),
            ("GET", [id]) if Uuid::parse_str(id).is_ok() => match self.by_id(id) {
                Some((_, entity)) => say(200, &entity),
                None => missing(shelf.1, id),
            },
            ("PUT", [name, "status"]) if shelf.1 == "pipeline" => self.status(name, &asked.body),
            ("GET", [name, "status"]) if shelf.1 == "pipeline" => self.list_status(name, query),
            ("PUT", [name, "testCaseResult"]) => self.result(name, &asked.body),
            ("GET", _) => no_such("404 Not Found"),
            ("POST", ["testCaseResults", _]) => no_such("404 Not Found"),
            _ => no_such("405 Method Not Allowed"),
        }
    }

    /// An entity that is there from the beginning.
    pub(crate) fn plant(&mut self, collection: &str, name: &str) -> String {
        let id = self.id();
        let entity = json!({"id": id, "name": name, "fullyQualifiedName": name, "version": 0.1});
        self.entities.insert((collection.to_owned(), name.to_owned()), entity);
        id
    }

    pub(crate) fn id(&mut self) -> String {
        self.made += 1;
        Uuid::from_u128(0x9a52_0000_0000_4000_8000_0000_0000_0000 + self.made).to_string()
    }

    pub(crate) fn find(&self, collection: &str, name: &str) -> Option<&Value> {
        let found = self.entities.get(&(collection.to_owned(), name.to_owned()))?;
        (found["deleted"] != true).then_some(found)
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<((String, String), Value)> {
        let found = self.entities.iter().find(|(_, entity)| entity["id"] == id)?;
        (found.1["deleted"] != true).then(|| (found.0.clone(), found.1.clone()))
    }

    fn get(&self, shelf: &Shelf, name: &str, query: &str) -> Said {
        let known = [
            "columns",
            "tags",
            "owner",
            "tasks",
            "pipelineStatus",
            "testCaseResult",
            "testSuite",
            "roles",
        ];
        for field in query.split('&').filter_map(|part| part.strip_prefix("fields=")) {
            if let Some(unknown) = field.split(',').find(|field| !known.contains(field)) {
                return refuse(400, format!("Invalid field name {unknown}"));
            }
        }
        match self.find(shelf.0, name) {
            Some(entity) => say(200, entity),
            None => missing(shelf.1, name),
        }
    }

    fn put(&mut self, shelf: &Shelf, body: &Value, who: &str, only_new: bool) -> Said {
        let body = match body.as_object() {
            Some(body) => body.clone(),
            None => return refuse(400, "[body must not be null]"),
        };
        if let Err(refused) = self.check(shelf, &body) {
            return refused;
        }
        let full = self.full_name(shelf, &body);
        let key = (shelf.0.to_owned(), full.clone());
        let Some(before) = self.entities.get(&key).cloned() else {
            let mut entity = body;
            entity.insert("id".to_owned(), json!(self.id()));
            entity.insert("fullyQualifiedName".to_owned(), json!(full));
            entity.insert("version".to_owned(), json!(0.1));
            entity.insert("updatedBy".to_owned(), json!(who));
            checks::name_columns(&mut entity, &full);
            let entity = Value::Object(entity);
            self.entities.insert(key, entity.clone());
            return say(201, &entity);
        };
        if only_new {
            return refuse(409, "Entity already exists");
        }
        let after = changed(&before, body, who, &full);
        self.entities.insert(key, after.clone());
        say(200, &after)
    }

    /// The full name that the server gives to what a body describes.
    fn full_name(&self, shelf: &Shelf, body: &Map<String, Value>) -> String {
        let name = body["name"].as_str().unwrap();
        match shelf.1 {
            // It is called as it is named.
            "testSuite" => name.to_owned(),
            "testCase" => {
                let link = body["entityLink"].as_str().unwrap().trim_start_matches("<#E::table::");
                let link = link.trim_end_matches('>');
                let (table, column) = match link.split_once("::columns::") {
                    Some((table, column)) => (table, format!(".{}", quoted(column))),
                    None => (link, String::new()),
                };
                format!("{table}{column}.{}", quoted(name))
            }
            _ if shelf.2.is_empty() => quoted(name),
            _ => format!("{}.{}", body[shelf.2].as_str().unwrap(), quoted(name)),
        }
    }
}

/// What a PUT makes of an entity: a bot takes nobody's text away, a column that goes or changes its
/// type is a new major version.
fn changed(before: &Value, body: Map<String, Value>, who: &str, full: &str) -> Value {
    let mut after = before.as_object().unwrap().clone();
    let was_deleted = after.remove("deleted").is_some_and(|deleted| deleted == true);
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    for (key, mut value) in body {
        if key == "description" && text(&before["description"]) && (who == "bot" || !text(&value)) {
            continue;
        }
        if key == "columns" {
            keep_texts(&before["columns"], &mut value, who);
        }
        after.insert(key, value);
    }
    checks::name_columns(&mut after, full);
    let pair = |columns: &Value| -> Vec<(String, String)> {
        let all = columns.as_array().into_iter().flatten();
        all.map(|c| (c["name"].to_string(), c["dataType"].to_string())).collect()
    };
    let (old, new) = (pair(&before["columns"]), pair(after.get("columns").unwrap_or(&Value::Null)));
    let version = before["version"].as_f64().unwrap();
    let major = old.iter().any(|column| !new.contains(column));
    let same = !was_deleted && Value::Object(after.clone()) == *before;
    let version = match (same, major) {
        (true, _) => version,
        (false, true) => version + 1.0,
        (false, false) => version + 0.1,
    };
    after.insert("version".to_owned(), json!((version * 10.0).round() / 10.0));
    if was_deleted {
        after.insert("deleted".to_owned(), json!(false));
    }
    Value::Object(after)
}

fn keep_texts(before: &Value, after: &mut Value, who: &str) {
    for column in after.as_array_mut().into_iter().flatten() {
        let mut all = before.as_array().into_iter().flatten();
        let Some(known) = all.find(|known| known["name"] == column["name"]) else { continue };
        let said = known["description"].as_str().is_some_and(|text| !text.is_empty());
        if said && (who == "bot" || column["description"].is_null()) {
            column["description"] = known["description"].clone();
        }
    }
}

fn outside(asked: &Asked) -> Said {
    let page = "<!doctype html><html><head><title>OpenMetadata</title></head></html>".to_owned();
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/") => (200, "text/html;charset=utf-8", page),
        ("GET", _) => (404, "text/html;charset=utf-8", page),
        _ => (405, "", String::new()),
    }
}

fn decoded(part: &str) -> String {
    let bytes = part.as_bytes();
    let (mut out, mut at) = (vec![], 0);
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| part.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap()
}

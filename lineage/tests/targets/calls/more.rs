//! Lineage, run status, quality, changes and deletion.

use serde_json::{Value, json};

use super::{Catalog, Shelf, columns_of, missing, no_such, refuse, say};
use crate::double::{Asked, Said};

const SOURCES: [&str; 6] =
    ["Manual", "ViewLineage", "QueryLineage", "PipelineLineage", "DashboardLineage", "DbtLineage"];

fn parameter(query: &str, name: &str) -> i64 {
    let found = query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    found.and_then(|value| value.parse().ok()).unwrap_or_default()
}

impl Catalog {
    pub(super) fn lineage(&mut self, asked: &Asked, path: &str, query: &str) -> Said {
        let parts: Vec<String> = path.split('/').map(super::decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match (asked.method.as_str(), &parts[..]) {
            ("PUT", ["lineage"]) => match self.connect(&asked.body) {
                Ok(()) => (200, "", String::new()),
                Err(refused) => refused,
            },
            ("GET", ["lineage", kind, "name", name]) => {
                let shelf = super::SHELVES.iter().find(|shelf| shelf.1 == *kind).unwrap();
                let deep: Vec<String> = ["downstreamDepth", "upstreamDepth"]
                    .iter()
                    .filter(|depth| parameter(query, depth) > 3)
                    .map(|depth| format!("query param {depth} must be less than or equal to 3"))
                    .collect();
                if !deep.is_empty() {
                    return refuse(400, format!("[{}]", deep.join(", ")));
                }
                match self.find(shelf.0, name) {
                    Some(entity) => say(200, &self.upstream(entity)),
                    None => missing(kind, name),
                }
            }
            ("GET", ["lineage", kind, id]) if uuid::Uuid::parse_str(id).is_ok() => {
                match self.by_id(id) {
                    Some((_, entity)) => say(200, &self.upstream(&entity)),
                    None => missing(kind, id),
                }
            }
            ("DELETE", ["lineage", _, from, _, to]) => {
                match self.edges.remove(&((*from).to_owned(), (*to).to_owned())) {
                    Some(_) => (200, "", String::new()),
                    None => refuse(404, "Lineage edge not found"),
                }
            }
            _ => no_such("404 Not Found"),
        }
    }

    fn upstream(&self, entity: &Value) -> Value {
        let edge = |((from, to), details): (&(String, String), &Value)| json!({"fromEntity": from, "toEntity": to, "lineageDetails": details});
        let here = |key: &&(String, String)| entity["id"] == key.1.as_str();
        let edges = self.edges.iter().filter(|(key, _)| here(key)).map(edge);
        json!({"entity": entity, "nodes": [], "upstreamEdges": edges.collect::<Vec<_>>(), "downstreamEdges": []})
    }

    fn connect(&mut self, body: &Value) -> Result<(), Said> {
        let edge = &body["edge"];
        if edge.is_null() {
            return Err(refuse(400, "[edge must not be null]"));
        }
        let mut ends = vec![];
        for end in ["fromEntity", "toEntity"] {
            let Some(id) = edge[end]["id"].as_str() else {
                return Err(refuse(400, "[id must not be null]"));
            };
            let kind = edge[end]["type"].as_str().unwrap_or_default();
            ends.push(self.by_id(id).ok_or_else(|| missing(kind, id))?.1);
        }
        let mut details = edge["lineageDetails"].clone();
        if let Some(source) = details["source"].as_str()
            && !SOURCES.contains(&source)
        {
            let class = "org.openmetadata.schema.type.LineageDetails$Source";
            return Err(refuse(
                400,
                format!("Cannot construct instance of `{class}`, problem: {source}"),
            ));
        }
        for column in details["columnsLineage"].as_array().into_iter().flatten() {
            for from in column["fromColumns"].as_array().into_iter().flatten() {
                self.check_column(from.as_str().unwrap(), None)?;
            }
            let to = column["toColumn"].as_str().unwrap_or("null");
            self.check_column(to, Some(&ends[1]))?;
        }
        if details.is_object() && details["source"].is_null() {
            details["source"] = json!("Manual");
        }
        let id = |end: &Value| end["id"].as_str().unwrap().to_owned();
        self.edges.insert((id(&ends[0]), id(&ends[1])), details);
        Ok(())
    }

    /// A column of the table `of`, or of any.
    fn check_column(&self, column: &str, of: Option<&Value>) -> Result<(), Said> {
        let invalid = || refuse(400, format!("Invalid fully qualified column name {column}"));
        if let Some(table) = of {
            let has = columns_of(table).iter().any(|known| known == column);
            return if has { Ok(()) } else { Err(invalid()) };
        }
        let tables = self.entities.iter().filter(|((collection, _), _)| collection == "tables");
        let table = tables.map(|(_, table)| table).find(|table| {
            column.starts_with(&format!("{}.", table["fullyQualifiedName"].as_str().unwrap()))
        });
        match table {
            Some(table) if columns_of(table).iter().any(|known| known == column) => Ok(()),
            Some(_) => Err(invalid()),
            None => {
                Err(missing("table", column.rsplit_once('.').map_or(column, |(table, _)| table)))
            }
        }
    }

    pub(super) fn status(&mut self, name: &str, body: &Value) -> Said {
        let Some(pipeline) = self.find("pipelines", name) else { return missing("pipeline", name) };
        let known = ["timestamp", "executionStatus", "taskStatus"];
        if let Some(unknown) =
            body.as_object().unwrap().keys().find(|key| !known.contains(&key.as_str()))
        {
            let class = "org.openmetadata.schema.entity.data.PipelineStatus";
            return refuse(
                400,
                format!(
                    "Unrecognized field \"{unknown}\" (class {class}), not marked as ignorable"
                ),
            );
        }
        let word = body["executionStatus"].as_str().unwrap_or_default();
        if !["Successful", "Failed", "Pending", "Skipped"].contains(&word) {
            let class = "org.openmetadata.schema.type.StatusType";
            return refuse(400, format!("Cannot construct instance of `{class}`, problem: {word}"));
        }
        let tasks: Vec<&Value> = pipeline["tasks"].as_array().into_iter().flatten().collect();
        for task in body["taskStatus"].as_array().into_iter().flatten() {
            if tasks.iter().all(|known| known["name"] != task["name"]) {
                return refuse(
                    400,
                    format!("Invalid task name {}", task["name"].as_str().unwrap()),
                );
            }
        }
        let pipeline = pipeline.clone();
        let at = body["timestamp"].as_i64().unwrap();
        self.statuses.entry(name.to_owned()).or_default().insert(at, body.clone());
        say(200, &pipeline)
    }

    pub(super) fn list_status(&self, name: &str, query: &str) -> Said {
        let (from, to) = (parameter(query, "startTs"), parameter(query, "endTs"));
        let all = self.statuses.get(name).cloned().unwrap_or_default();
        let found: Vec<Value> = all.range(from..=to).map(|(_, status)| status.clone()).collect();
        say(200, &json!({"data": found, "paging": {"total": found.len()}}))
    }

    pub(super) fn suite(&mut self, shelf: &Shelf, body: &Value) -> Said {
        let table = body["executableEntityReference"].as_str().unwrap_or_default();
        if self.find("tables", table).is_none() {
            return missing("table", table);
        }
        self.put(shelf, body, "bot", true)
    }

    pub(super) fn result(&mut self, name: &str, body: &Value) -> Said {
        let Some(case) = self.find("dataQuality/testCases", name).cloned() else {
            return missing("testCase", name);
        };
        let word = body["testCaseStatus"].as_str().unwrap_or_default();
        if !["Success", "Failed", "Aborted"].contains(&word) {
            let class = "org.openmetadata.schema.tests.type.TestCaseStatus";
            return refuse(400, format!("Cannot construct instance of `{class}`, problem: {word}"));
        }
        let at = body["timestamp"].as_i64().unwrap();
        let results = self.results.entry(name.to_owned()).or_default();
        if results.contains_key(&at) {
            return refuse(409, "Entity already exists");
        }
        results.insert(at, body.clone());
        say(201, &json!({"eventType": "entityUpdated", "entityId": case["id"]}))
    }

    pub(super) fn patch(&mut self, shelf: &Shelf, id: &str, body: &Value, who: &str) -> Said {
        let Some((key, mut entity)) = self.by_id(id) else { return missing(shelf.1, id) };
        for step in body.as_array().into_iter().flatten() {
            let path = step["path"].as_str().unwrap();
            let (above, last) = path.rsplit_once('/').unwrap();
            let above = match entity.pointer_mut(above) {
                Some(above) => above,
                None => {
                    entity[&above[1..]] = json!([]);
                    entity.pointer_mut(above).unwrap()
                }
            };
            match above {
                Value::Array(all) => all.push(step["value"].clone()),
                above => above[last] = step["value"].clone(),
            }
        }
        let version = entity["version"].as_f64().unwrap() + 0.1;
        entity["version"] = json!((version * 10.0).round() / 10.0);
        entity["updatedBy"] = json!(who);
        self.entities.insert(key, entity.clone());
        say(200, &entity)
    }

    pub(super) fn delete(&mut self, shelf: &Shelf, id: &str, query: &str) -> Said {
        let hard = query.contains("hardDelete=true");
        let found = self.entities.iter().find(|(_, entity)| entity["id"] == id);
        let Some((key, entity)) = found.map(|(key, entity)| (key.clone(), entity.clone())) else {
            return missing(shelf.1, id);
        };
        if hard {
            self.entities.remove(&key);
            self.edges.retain(|(from, to), _| from != id && to != id);
            return say(200, &entity);
        }
        let mut deleted = entity;
        deleted["deleted"] = json!(true);
        deleted["version"] =
            json!(((deleted["version"].as_f64().unwrap() + 0.1) * 10.0).round() / 10.0);
        self.entities.insert(key, deleted.clone());
        say(200, &deleted)
    }
}

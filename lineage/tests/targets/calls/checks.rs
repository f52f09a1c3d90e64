//! What the server looks at before it takes a body.

use serde_json::{Map, Value, json};

use super::{Catalog, Shelf, missing, quoted, refuse, say};
use crate::double::Said;

/// Who a token is of.
pub(crate) fn token(header: &str) -> Result<String, Said> {
    let no = |message: &str| Err(refuse(401, message));
    match header.strip_prefix("Bearer ") {
        Some(who @ ("bot" | "admin" | "ann")) => Ok(who.to_owned()),
        Some("expired") => no("Expired token!"),
        Some("old") => no("Not Authorized! Invalid Token"),
        Some("ghost") => Err(refuse(404, "user instance for ghost not found")),
        Some("foreign") => {
            let why = "JWT Token keyID doesn't match the configured keyID.";
            let text =
                format!("An exception with message [{why}] was thrown while processing request.");
            Err(say(500, &json!({"responseMessage": text})))
        }
        Some(_) => no("Invalid token"),
        None => no("Not Authorized! Token not present"),
    }
}

const DATA_TYPES: &[&str] = &[
    "TINYINT",
    "SMALLINT",
    "INT",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "STRING",
    "VARCHAR",
    "CHAR",
    "BINARY",
    "VARBINARY",
    "BYTES",
    "BOOLEAN",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMPZ",
    "ARRAY",
    "MAP",
    "STRUCT",
    "JSON",
    "UUID",
    "UNKNOWN",
];
const SERVICES: &[&str] = &[
    "CustomDatabase",
    "Postgres",
    "Mysql",
    "Snowflake",
    "BigQuery",
    "Trino",
    "Kafka",
    "CustomMessaging",
    "CustomPipeline",
    "Airflow",
];

fn bad_enum(class: &str, value: &str) -> Said {
    refuse(400, format!("Cannot construct instance of `{class}`, problem: {value}"))
}

pub(crate) fn columns_of(entity: &Value) -> Vec<String> {
    let all = entity["columns"].as_array().into_iter().flatten();
    all.filter_map(|c| c["fullyQualifiedName"].as_str().map(str::to_owned)).collect()
}

/// Gives each column its full name.
pub(crate) fn name_columns(entity: &mut Map<String, Value>, full: &str) {
    for column in entity.get_mut("columns").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = quoted(column["name"].as_str().unwrap());
        column["fullyQualifiedName"] = json!(format!("{full}.{name}"));
    }
}

impl Catalog {
    pub(super) fn check(&self, shelf: &Shelf, body: &Map<String, Value>) -> Result<(), Said> {
        let (collection, kind, parent, parents, fields) = *shelf;
        if let Some(unknown) = body.keys().find(|key| !fields.contains(&key.as_str())) {
            let class = "org.openmetadata.schema.api";
            let text = format!(
                "Unrecognized field \"{unknown}\" (class {class}), not marked as ignorable"
            );
            return Err(refuse(400, text));
        }
        let required: &[&str] = match kind {
            "table" => &["columns", "databaseSchema"],
            "topic" => &["partitions", "service"],
            "testCase" => &["testSuite", "testDefinition", "entityLink"],
            "classification" | "tag" | "testDefinition" => &["description"],
            _ => &[],
        };
        if let Some(absent) = required.iter().find(|key| !body.contains_key(**key)) {
            return Err(refuse(400, format!("[{absent} must not be null]")));
        }
        let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
        // Its language counts in units of UTF-16.
        if name.is_empty() || name.encode_utf16().count() > 256 {
            return Err(refuse(400, "[name size must be between 1 and 256]"));
        }
        if name.contains("::") {
            return Err(refuse(400, "[name must match \"^((?!::).)*$\"]"));
        }
        // A suite is named by a full name, in which there may be some.
        if name.contains('"') && kind != "testSuite" {
            return Err(refuse(400, format!("Invalid name {name}")));
        }
        if let Some(service) = body.get("serviceType").and_then(Value::as_str)
            && !SERVICES.contains(&service)
        {
            return Err(bad_enum("org.openmetadata.schema.api.services.Create", service));
        }
        if kind == "testCase" {
            return self.check_case(body);
        }
        if !parent.is_empty()
            && self.find(parents, body[parent].as_str().unwrap_or_default()).is_none()
        {
            let kind = super::SHELVES.iter().find(|shelf| shelf.0 == parents).unwrap().1;
            return Err(missing(kind, body[parent].as_str().unwrap_or_default()));
        }
        match collection {
            "tables" => check_columns(body["columns"].as_array().unwrap()),
            _ => Ok(()),
        }
    }

    fn check_case(&self, body: &Map<String, Value>) -> Result<(), Said> {
        let text = |key: &str| body[key].as_str().unwrap_or_default();
        let link = text("entityLink");
        let inner = link.strip_prefix("<#E::table::").and_then(|rest| rest.strip_suffix('>'));
        let fits = |c: char| c.is_alphanumeric() || "_'- .&/:+\"\\()$#%".contains(c);
        let Some(inner) = inner.filter(|inner| inner.chars().all(fits)) else {
            let pattern = r#"^(?U)<#E::\w+::[\w'\- .&/:+"\\()$#%]+>$"#;
            return Err(refuse(400, format!("[entityLink must match \"{pattern}\"]")));
        };
        let table = inner.split("::columns::").next().unwrap();
        if self.find("tables", table).is_none() {
            return Err(missing("table", table));
        }
        let (definition, suite) = (text("testDefinition"), text("testSuite"));
        let built_in =
            ["tableRowCountToBeBetween", "columnValuesToBeNotNull"].contains(&definition);
        if !built_in && self.find("dataQuality/testDefinitions", definition).is_none() {
            return Err(missing("testDefinition", definition));
        }
        match self.find("dataQuality/testSuites", suite) {
            Some(_) => Ok(()),
            None => Err(missing("testSuite", suite)),
        }
    }
}

fn check_columns(columns: &[Value]) -> Result<(), Said> {
    let mut names: Vec<&str> = vec![];
    for column in columns {
        let name = column["name"].as_str().unwrap_or_default();
        let kind = column["dataType"].as_str().unwrap_or_default();
        if !DATA_TYPES.contains(&kind) {
            return Err(bad_enum("org.openmetadata.schema.type.ColumnDataType", kind));
        }
        if ["CHAR", "VARCHAR", "BINARY", "VARBINARY"].contains(&kind)
            && column["dataLength"].is_null()
        {
            return Err(refuse(
                400,
                "For column data types char, varchar, binary, varbinary dataLength must not be null",
            ));
        }
        if kind == "ARRAY" && column["arrayDataType"].is_null() {
            return Err(refuse(400, "For column data type array, arrayDataType must not be null"));
        }
        if kind == "STRUCT" && column["children"].is_null() {
            return Err(refuse(400, "For column data type struct, children must not be null"));
        }
        if names.contains(&name) {
            return Err(refuse(400, format!("Column name {name} is repeated")));
        }
        names.push(name);
    }
    Ok(())
}

//! Our JSON Schema of a contract: made of the types that contracts are read with, and as strict as
//! the standard's about what Assay looks at.

mod described;

use serde_json::{Map, Value, json};

use super::OpenDataContract;

const DIMENSIONS: [&str; 7] = [
    "accuracy",
    "completeness",
    "conformity",
    "consistency",
    "coverage",
    "timeliness",
    "uniqueness",
];

/// What a schema says at some place beside what the types do: pointer, key, value.
type Addition = (&'static str, &'static str, Value);

/// A JSON Schema (2020-12) of the contracts that Assay reads, for editors and other tools.
pub fn json_schema() -> Value {
    let mut schema = shape();
    schema["title"] = json!("Data contract (ODCS) as Assay reads it");
    schema["description"] = json!(
        "A contract in the Open Data Contract Standard v3.2 or v3.1, and what Assay adds in \
         customProperties of the vendor assay. Generated from the types of Assay."
    );
    add(&mut schema, suggestions());
    let described = described::DESCRIPTIONS.iter();
    add(&mut schema, described.map(|(place, text)| (*place, "description", json!(text))));
    add(&mut schema, [("/$defs/DataQuality", "allOf", json!([library(), custom(), sql()]))]);
    add(&mut schema, [("/$defs/CustomProperty", "allOf", json!([ours()]))]);
    schema
}

/// The shape that a contract is held against, before what it says is looked at.
pub(super) fn shape() -> Value {
    let mut schema = schemars::schema_for!(OpenDataContract).to_value();
    without_null(&mut schema);
    add(&mut schema, demands());
    schema
}

fn add(schema: &mut Value, additions: impl IntoIterator<Item = Addition>) {
    for (place, key, value) in additions {
        let Some(found) = schema.pointer_mut(place) else { continue };
        // What takes anything may be written so, too.
        if *found == true {
            *found = json!({});
        }
        if let Some(object) = found.as_object_mut() {
            object.insert(key.to_owned(), value);
        }
    }
}

/// A key that is not needed may be left out; the standard does not let it be empty.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Array(kinds)) = object.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [only] = &kinds[..] {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            let nothing = json!({"type": "null"});
            if let Some(Value::Array(ways)) = object.get_mut("anyOf") {
                ways.retain(|way| *way != nothing);
                if let [Value::Object(only)] = &ways[..] {
                    let only = only.clone();
                    object.remove("anyOf");
                    object.extend(only);
                }
            }
            if object.get("default") == Some(&Value::Null) {
                object.remove("default");
            }
            object.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// What the standard demands and a type can't say.
fn demands() -> Vec<Addition> {
    let mut all = vec![
        ("/$defs/DataQuality/properties/dimension", "enum", json!(DIMENSIONS)),
        ("/$defs/SchemaObject/properties/logicalType", "enum", json!(["object"])),
        (
            "/$defs/Property/properties/semanticType",
            "enum",
            json!(["column", "measure", "dimension"]),
        ),
        ("/$defs/Relationship/properties/type", "enum", json!(["foreignKey"])),
        ("/$defs/Property/properties/enum", "minItems", json!(1)),
        ("/$defs/Property/properties/enum", "uniqueItems", json!(true)),
        ("/$defs/Property", "allOf", options()),
        // Without a logical type nobody knows which options it has.
        ("/$defs/Property", "dependentRequired", json!({"logicalTypeOptions": ["logicalType"]})),
    ];
    all.push(("/properties/description", "properties", prose()));
    all.push(("/$defs/Relationship/properties", "to", target()));
    all.push(("", "allOf", json!([typed()])));
    let plain = json!({"type": ["string", "number", "boolean", "null"]});
    for at in ["/$defs/EnumValue/properties", "/$defs/SlaProperty/properties"] {
        all.push((at, "value", plain.clone()));
    }
    for at in [
        "/$defs/SchemaObject/properties/id",
        "/$defs/Property/properties/id",
        "/$defs/EnumValue/properties/id",
        "/$defs/DataQuality/properties/id",
        "/$defs/SlaProperty/properties/id",
        "/$defs/CustomProperty/properties/id",
    ] {
        all.push((at, "pattern", json!("^[A-Za-z0-9_-]+$")));
    }
    all
}

/// What a contract says of itself.
fn prose() -> Value {
    let text = json!({"type": "string"});
    json!({"purpose": text, "usage": text, "limitations": text})
}

/// What a relationship leads to: `table.column`, or the place in a contract; or a list of those.
fn target() -> Value {
    let short = r"^[A-Za-z_][A-Za-z0-9_\-]*(\.[A-Za-z_][A-Za-z0-9_\-]*)+$";
    let long = r"^(?:(?:https?:\/\/)?[A-Za-z0-9._\-\/]+\.ya?ml#)?\/?[A-Za-z_][A-Za-z0-9_]*\/[A-Za-z0-9_-]+(?:\/[A-Za-z_][A-Za-z0-9_]*\/[A-Za-z0-9_-]+)*$";
    let one = json!({"type": "string", "pattern": format!("{short}|{long}")});
    json!({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]})
}

/// From v3.2 on the standard's schema takes no column without a logical type.
fn typed() -> Value {
    let columns = json!({"properties": {"properties": {"items": {"required": ["logicalType"]}}}});
    json!({
        "if": {"properties": {"apiVersion": {"const": "v3.2.0"}}},
        "then": {"properties": {"schema": {"items": columns}}},
    })
}

/// Which `logicalTypeOptions` a logical type has.
fn options() -> Value {
    let count = json!({"type": "integer", "minimum": 0});
    let (text, number) = (json!({"type": "string"}), json!({"type": "number"}));
    let flag = json!({"type": "boolean"});
    let ends = |kind: &Value| {
        let names = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
        names.map(|name| (name, kind.clone()))
    };
    let times = [("timezone", flag.clone()), ("defaultTimezone", text.clone())];
    let when = |kinds: &[&str], keys: Vec<(&str, Value)>| {
        let keys: Map<String, Value> =
            keys.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
        let options = json!({"properties": keys, "additionalProperties": false});
        json!({
            "if": {"properties": {"logicalType": {"enum": kinds}}, "required": ["logicalType"]},
            "then": {"properties": {"logicalTypeOptions": options}},
        })
    };
    let format = ("format", text.clone());
    json!([
        when(
            &["string"],
            vec![
                ("minLength", count.clone()),
                ("maxLength", count.clone()),
                ("pattern", text.clone()),
                format.clone(),
            ],
        ),
        when(&["date"], [&[format.clone()][..], &ends(&text)].concat()),
        when(&["timestamp", "time"], [&[format.clone()][..], &ends(&text), &times].concat()),
        when(
            &["integer", "number"],
            [
                &[format, ("multipleOf", json!({"type": "number", "exclusiveMinimum": 0}))][..],
                &ends(&number)
            ]
            .concat(),
        ),
        when(
            &["array"],
            vec![("minItems", count.clone()), ("maxItems", count), ("uniqueItems", flag)]
        ),
    ])
}

/// What editors may propose.
fn suggestions() -> Vec<Addition> {
    let types = json!([
        "string",
        "int",
        "bigint",
        "double",
        "decimal(18,2)",
        "boolean",
        "date",
        "timestamptz"
    ]);
    let levels = json!(["latency", "freshness", "retention", "frequency", "availability"]);
    vec![
        ("/properties/apiVersion", "default", json!("v3.2.0")),
        ("/$defs/Property/properties/physicalType", "examples", types),
        ("/$defs/DataQuality/properties/unit", "examples", json!(["rows", "percent"])),
        (
            "/$defs/DataQuality/properties/severity",
            "examples",
            json!(["info", "warning", "error", "critical"]),
        ),
        ("/$defs/DataQuality/properties/engine", "examples", json!(["assay"])),
        ("/$defs/SlaProperty/properties/property", "examples", levels),
        ("/$defs/SlaProperty/properties/unit", "examples", json!(["s", "m", "h", "d"])),
        ("/$defs/CustomProperty/properties/vendor", "examples", json!(["assay"])),
    ]
}

fn one_operator() -> Value {
    let operators = [
        "mustBe",
        "mustNotBe",
        "mustBeGreaterThan",
        "mustBeGreaterOrEqualTo",
        "mustBeLessThan",
        "mustBeLessOrEqualTo",
        "mustBeBetween",
        "mustNotBeBetween",
    ];
    let required = operators.map(|operator| json!({"required": [operator]}));
    json!({"oneOf": required})
}

fn of_type(kind: &str) -> Value {
    json!({"properties": {"type": {"const": kind}}, "required": ["type"]})
}

fn library() -> Value {
    let library = json!({"anyOf": [of_type("library"), {"required": ["metric"]}, {"not": {"required": ["type"]}}]});
    json!({"if": library, "then": {"allOf": [{"required": ["metric"]}, one_operator()]}})
}

fn sql() -> Value {
    json!({"if": of_type("sql"), "then": {"allOf": [{"required": ["query"]}, one_operator()]}})
}

fn custom() -> Value {
    let forms = json!({"type": ["string", "object"]});
    json!({
        "if": of_type("custom"),
        "then": {"required": ["engine", "implementation"], "properties": {"implementation": forms}},
    })
}

/// What editors may propose for `property` where the vendor is us. A property of ours at the wrong
/// place is for `assay contract lint` to find.
fn ours() -> Value {
    let names = json!(["warnBelow", "haltBelow", "severity", "onFail", "warnAfter"]);
    json!({
        "if": {"properties": {"vendor": {"const": "assay"}}, "required": ["vendor"]},
        "then": {"properties": {"property": {"examples": names}}},
    })
}

#[cfg(test)]
mod tests {
    use super::{described, json_schema};

    #[test]
    fn what_is_described_is_there() {
        let schema = json_schema();
        for (place, text) in described::DESCRIPTIONS {
            let found = schema.pointer(place).and_then(|it| it.get("description"));
            assert_eq!(found.and_then(|it| it.as_str()), Some(*text), "{place}");
        }
    }
}

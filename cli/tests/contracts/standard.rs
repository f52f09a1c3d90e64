//! Our schema of a contract beside the standard's, and beside another reader of the standard.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use assay_core::Document;
use assay_core::contract::{ContractFile, diff};
use serde_json::{Map, Value, json};

use super::{done, root, shipped, skip};

/// The standard's schema; none when it is not at hand.
fn standard(version: &str) -> Option<Value> {
    let file = root().join(format!("../shared/reference/odcs/odcs-json-schema-{version}.json"));
    Some(serde_json::from_str(&fs::read_to_string(file).ok()?).unwrap())
}

fn ours() -> Value {
    let (code, text, error) = done(&root(), &["contract", "schema"]);
    assert_eq!(code, 0, "{error}");
    serde_json::from_str(&text).unwrap()
}

fn value_of(file: &PathBuf) -> Value {
    let text = fs::read_to_string(file).unwrap();
    let document = Document::parse(&file.display().to_string(), &text);
    document.unwrap_or_else(|mistakes| panic!("{mistakes}")).value().clone()
}

#[test]
fn ours_takes_every_shipped_contract() {
    let schema = jsonschema::validator_for(&ours()).unwrap();
    for file in shipped() {
        let wrong: Vec<String> =
            schema.iter_errors(&value_of(&file)).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", file.display());
    }
}

/// Every way to break one place of a contract: another kind of value, a key too many, a key less.
fn broken(contract: &Value) -> Vec<(String, Value)> {
    let mut places = vec![String::new()];
    let mut found = Vec::new();
    while let Some(place) = places.pop() {
        match contract.pointer(&place).unwrap() {
            Value::Object(map) => {
                places.extend(map.keys().map(|key| format!("{place}/{key}")));
                let mut more = contract.clone();
                more.pointer_mut(&place).unwrap()["unheardOf"] = json!(1);
                found.push((format!("{place} has a key too many"), more));
                for key in map.keys() {
                    let mut less = contract.clone();
                    let map = less.pointer_mut(&place).and_then(Value::as_object_mut).unwrap();
                    map.remove(key);
                    found.push((format!("{place} lacks {key}"), less));
                }
            }
            // The first few of a list stand for all of them.
            Value::Array(items) => {
                places.extend((0..items.len().min(3)).map(|at| format!("{place}/{at}")));
            }
            _ => {}
        }
        for other in
            [json!(null), json!(7), json!("other"), json!([1]), json!({"a": 1}), json!(true)]
        {
            let mut changed = contract.clone();
            *changed.pointer_mut(&place).unwrap() = other.clone();
            found.push((format!("{place} is {other}"), changed));
        }
    }
    found
}

#[test]
fn what_ours_takes_of_broken_contracts_the_standards_takes_too() {
    let Some(standard) = standard("v3.2.0") else {
        return skip("our schema beside the standard's, because that is not at hand");
    };
    let (ours, standard) = (
        jsonschema::validator_for(&ours()).unwrap(),
        jsonschema::validator_for(&standard).unwrap(),
    );
    let (mut taken, mut refused) = (0, 0);
    let mut wrong = BTreeSet::new();
    for file in shipped() {
        for (how, contract) in broken(&value_of(&file)) {
            match (ours.is_valid(&contract), standard.is_valid(&contract)) {
                (true, false) => {
                    wrong.insert(how);
                }
                (true, true) => taken += 1,
                (false, _) => refused += 1,
            }
        }
    }
    assert!(taken > 100 && refused > 1000, "this looks at something: {taken}, {refused}");
    assert!(wrong.is_empty(), "{} that only ours takes: {wrong:#?}", wrong.len());
}

#[test]
fn what_lint_finds_nothing_wrong_with_the_standard_takes_and_nothing_panics() {
    let Some(standard) = standard("v3.2.0") else {
        return skip("lint beside the standard, because its schema is not at hand");
    };
    let standard = jsonschema::validator_for(&standard).unwrap();
    let (mut fine, mut wrong) = (0, BTreeSet::new());
    for file in shipped() {
        let value = value_of(&file);
        let linted = |name: &str, text: &Value| match ContractFile::lint(name, &text.to_string()) {
            (Some(contract), mistakes) if mistakes.0.is_empty() => Some(contract),
            _ => None,
        };
        let original = linted("original", &value).unwrap();
        // Some of them: lint makes its schema anew for each.
        for (how, contract) in broken(&value).into_iter().step_by(7) {
            let Some(changed) = linted("changed", &contract) else { continue };
            fine += 1;
            if !standard.is_valid(&contract) {
                wrong.insert(how);
            }
            let there = diff(&original, &changed);
            assert_eq!(there.is_empty(), diff(&changed, &original).is_empty());
        }
    }
    assert!(fine > 20, "this looks at something: {fine}");
    assert!(wrong.is_empty(), "{} that only lint takes: {wrong:#?}", wrong.len());
}

/// Where in the standard's schema our types stand.
const TWINS: [(&str, &[&str]); 8] = [
    ("SchemaObject", &["SchemaObject", "SchemaElement"]),
    ("Property", &["SchemaBaseProperty", "SchemaElement"]),
    (
        "DataQuality",
        &[
            "DataQuality",
            "DataQualityLibrary",
            "DataQualitySql",
            "DataQualityCustom",
            "DataQualityOperators",
        ],
    ),
    ("SlaProperty", &["ServiceLevelAgreementProperty"]),
    ("EnumValue", &["EnumValue"]),
    ("CustomProperty", &["CustomProperty"]),
    ("Relationship", &["RelationshipBase"]),
    ("LogicalTypeOptions", &["SchemaBaseProperty"]),
];

/// Everything that a part of a schema says of properties, in whatever branch: name → enumeration.
fn properties(schema: &Value, into: &mut BTreeMap<String, BTreeSet<String>>) {
    match schema {
        Value::Object(map) => {
            if let Some(properties) = map.get("properties").and_then(Value::as_object) {
                for (name, property) in properties {
                    let known = into.entry(name.clone()).or_default();
                    let values = property.get("enum").and_then(Value::as_array);
                    known.extend(values.into_iter().flatten().map(ToString::to_string));
                }
            }
            map.values().for_each(|inner| properties(inner, into));
        }
        Value::Array(items) => items.iter().for_each(|inner| properties(inner, into)),
        _ => {}
    }
}

/// The enumeration that a property of ours has, also behind a reference.
fn enumeration(schema: &Value, property: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut take = |part: &Value| {
        let values = part.get("enum").and_then(Value::as_array);
        found.extend(values.into_iter().flatten().map(ToString::to_string));
        let named = part.get("const");
        found.extend(named.map(ToString::to_string));
    };
    take(property);
    if let Some(name) = property["$ref"].as_str() {
        let target = schema.pointer(name.trim_start_matches('#')).unwrap();
        take(target);
        target["oneOf"].as_array().into_iter().flatten().for_each(&mut take);
    }
    found
}

#[test]
fn every_name_that_ours_knows_the_standard_spells_the_same() {
    let Some(standard) = standard("v3.2.0") else {
        return skip("names beside the standard's, because that is not at hand");
    };
    let ours = ours();
    let mut pairs = vec![(ours["properties"].clone(), standard.clone(), "the contract")];
    for (name, twins) in TWINS {
        let twins: Map<String, Value> = twins
            .iter()
            .map(|twin| ((*twin).to_owned(), standard["$defs"][twin].clone()))
            .collect();
        assert!(twins.values().all(Value::is_object), "{name}: {:?}", twins.keys());
        pairs.push((ours["$defs"][name]["properties"].clone(), Value::Object(twins), name));
    }
    let mut looked = 0;
    for (properties_of_ours, theirs, name) in pairs {
        let mut known = BTreeMap::new();
        properties(&theirs, &mut known);
        for (property, schema) in properties_of_ours.as_object().unwrap() {
            let Some(values) = known.get(property) else {
                // Columns in columns are in the standard behind another name.
                assert!(
                    name == "Property" && ["properties", "items"].contains(&&**property),
                    "{name}.{property}"
                );
                continue;
            };
            let enumeration = enumeration(&ours, schema);
            let foreign: Vec<_> = enumeration.difference(values).collect();
            assert!(values.is_empty() || foreign.is_empty(), "{name}.{property}: {foreign:?}");
            looked += 1;
        }
    }
    assert!(looked > 100, "{looked}");
}

#[test]
fn another_reader_of_the_standard_takes_every_shipped_contract() {
    let files = shipped();
    if let Some(told) = accepted_by_others(&files) {
        assert_eq!(told.matches(": passed").count(), files.len(), "{told}");
    }
}

/// What datacontract-cli says of contracts, when it takes them all; none when it can't be had.
pub(super) fn accepted_by_others(files: &[PathBuf]) -> Option<String> {
    let script = root().join("tests/compare.py");
    let required = std::env::var_os("ASSAY_REQUIRE")
        .is_some_and(|what| what.to_string_lossy().contains("python"));
    let Ok(done) = Command::new("python3").arg(script).arg("contracts").args(files).output() else {
        assert!(!required, "datacontract-cli needs python3");
        skip("datacontract-cli, because there is no python3");
        return None;
    };
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    let error = String::from_utf8_lossy(&done.stderr);
    match done.status.code() {
        Some(0) => Some(told),
        Some(77) => {
            skip(&format!("datacontract-cli, because its packages can't be had: {error}"));
            None
        }
        code => panic!("datacontract-cli ended with {code:?}:\n{told}\n{error}"),
    }
}

use super::{ColumnType, Contract};
use crate::{Check, OnFail, Severity};

const HEAD: &str = "apiVersion: v3.2.0\nkind: DataContract\nid: orders\nversion: 1.0.0\n";

fn parse(body: &str) -> Result<Contract, String> {
    let text = format!("{HEAD}{body}");
    let dataset = "silver.orders".parse().unwrap();
    Contract::parse("orders.odcs.yaml", &text, &dataset).map_err(|mistakes| mistakes.to_string())
}

#[test]
fn columns_and_rules_come_from_the_keys_of_the_standard() {
    let contract = parse(
        "schema:
  - name: orders
    properties:
      - {name: id, logicalType: string, required: true, unique: true}
      - name: amount
        physicalType: decimal(15,2)
        logicalTypeOptions: {minimum: 0}
      - name: currency
        logicalType: string
        enum: [{value: VND}, {value: USD}]
        customProperties: [{vendor: assay, property: onFail, value: keep}]
    quality:
      - {id: some_rows, metric: rowCount, mustBeGreaterThan: 0, severity: warning}
slaProperties:
  - {property: latency, value: 6, unit: h, element: orders.id, customProperties: [{vendor: assay, property: warnAfter, value: 2}]}
",
    )
    .unwrap();
    assert_eq!(contract.columns[1].kind, ColumnType::Decimal { precision: 15, scale: 2 });
    let names: Vec<&str> = contract.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(
        names,
        ["id.not_null", "id.unique", "amount.range", "currency.one_of", "some_rows", "id.fresh"]
    );
    assert_eq!(contract.rules[0].on_fail, OnFail::Quarantine);
    assert_eq!(contract.rules[3].on_fail, OnFail::Keep);
    assert_eq!(contract.rules[4].severity, Severity::Warning);
    let Check::Fresh { warn_after_seconds, error_after_seconds, .. } = contract.rules[5].check
    else {
        panic!("{:?}", contract.rules[5]);
    };
    assert_eq!((warn_after_seconds, error_after_seconds), (7200.0, 21600.0));
}

#[test]
fn a_broken_contract_tells_all_its_mistakes_with_line_and_fix() {
    let mistakes = parse(
        "schema:
  - name: orders
    properties:
      - {name: id, logicalType: array}
      - {name: at, physicalType: blob}
      - name: amount
        logicalType: number
        quality:
          - {metric: nullValues}
          - {metric: invalidValues, mustBe: 0, severity: fatal}
          - {type: custom, engine: assay, implementation: {expression: amount > 0}}
    quality:
      - {metric: duplicateValues, mustBe: 0, arguments: {properties: [nowhere]}}
",
    )
    .unwrap_err();
    insta::assert_snapshot!(mistakes);
}

#[test]
fn an_unknown_key_is_a_mistake() {
    let mistakes = parse("schema:\n  - name: orders\n    propertys: []\n").unwrap_err();
    assert!(mistakes.contains("unknown key `propertys`"), "{mistakes}");
    assert!(mistakes.contains("did you mean `properties`?"), "{mistakes}");
}

#[test]
fn every_kind_of_rule_has_a_place_in_the_contract() {
    let contract = parse(
        "schema:
  - name: sales
    physicalName: silver.orders
    customProperties: [{vendor: assay, property: columns, value: exact}]
    properties:
      - name: id
        logicalType: string
        logicalTypeOptions: {format: uuid}
        relationships:
          - to: silver.users.id
            customProperties:
              - {vendor: assay, property: where, value: amount > 0}
              - {vendor: assay, property: severity, value: warning}
      - name: amount
        logicalType: number
        logicalTypeOptions: {multipleOf: 0.5, minimum: 0}
        customProperties: [{vendor: assay, property: where, value: id <> ''}]
        quality:
          - {type: sql, query: 'SELECT SUM(${column}) FROM {object}', mustBeBetween: [1, 9]}
      - name: payload
        logicalType: string
        logicalTypeOptions: {format: binary}
        customProperties: [{vendor: assay, property: jsonSchema, value: {type: object}}]
      - {name: at, logicalType: timestamp}
    quality:
      - {type: custom, engine: assay, implementation: {volume: {within: 50, season: weekdayHour}}}
slaProperties:
  - {property: retention, value: 2, unit: y, element: sales.at}
  - {property: retention, value: 3, unit: y}
",
    )
    .unwrap();
    let told: Vec<String> = contract
        .rules
        .iter()
        .map(|rule| {
            let condition = rule.condition.as_deref().unwrap_or("always");
            format!("{} {} {:?} {condition}", rule.name, rule.severity, rule.check)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn mistakes_in_the_newer_kinds_of_rules_are_told_with_line_and_fix() {
    let mistakes = parse(
        "schema:
  - name: orders
    customProperties: [{vendor: assay, property: columns, value: some}]
    properties:
      - name: id
        logicalType: string
        logicalTypeOptions: {format: iban}
        customProperties: [{vendor: assay, property: wher, value: x}]
      - name: amount
        logicalType: number
        logicalTypeOptions: {multipleOf: 0}
        quality:
          - {type: sql, mustBe: 0}
          - {type: sql, query: SELECT 1}
          - {type: sql, query: SELECT 1, mustBe: 0, unit: percent}
          - {metric: nullValues, mustBe: 0, dimension: beauty}
          - {metric: nullValues, mustBeBetween: [9, 1]}
          - {metric: nullValues, mustBe: 0, customProperties: [{vendor: assay, property: where, value: 7}]}
    relationships:
      - {from: orders.id, to: silver.users.id, customProperties: [{vendor: assay, property: weight, value: 1}]}
    quality:
      - {type: sql, query: 'SELECT COUNT({property}) FROM {object}', mustBe: 0}
      - {type: custom, engine: assay, implementation: {volume: {atLeast: 7}}}
      - {type: custom, engine: assay, implementation: {volume: {within: 50, season: moon}}}
      - {type: custom, engine: assay, implementation: {volume: {within: 50, days: 7}}}
slaProperties:
  - {property: retention, value: -1, unit: y, element: orders.amount}
",
    )
    .unwrap_err();
    insta::assert_snapshot!(mistakes);
}

#[test]
fn rules_about_history_and_keys_of_several_columns_come_from_the_contract() {
    let contract = parse(
        "schema:
  - name: orders
    properties:
      - name: id
        logicalType: string
        classification: PII
        quality:
          - {metric: invalidValues, mustBe: 0, arguments: {validValues: [a1, b2], pattern: '^a'}}
      - name: amount
        logicalType: number
        quality:
          - {type: custom, engine: assay, implementation: {drift: {by: ks, atMost: 0.3, runs: 5, season: weekday}}}
          - {id: steady, type: custom, engine: assay, implementation: {drift: {}}, severity: info}
      - name: at
        logicalType: timestamp
        quality:
          - type: custom
            engine: assay
            implementation: {freshness: {within: 100, season: weekdayHour}}
    relationships:
      - {from: [orders.id, orders.amount], to: [silver.prices.item, silver.prices.amount]}
      - {id: known_id, from: orders.id, to: silver.items.id}
",
    )
    .unwrap();
    let told = |rule: &crate::Rule| format!("{} {:?}", rule.name, rule.check);
    insta::assert_snapshot!(contract.rules.iter().map(told).collect::<Vec<_>>().join("\n"));
    let sensitive: Vec<bool> = contract.columns.iter().map(|column| column.sensitive).collect();
    assert_eq!(sensitive, [true, false, false]);
}

#[test]
fn mistakes_in_rules_about_history_and_keys_are_told_with_line_and_fix() {
    let mistakes = parse(
        "schema:
  - name: orders
    properties:
      - name: id
        logicalType: string
        quality:
          - {id: a, type: custom, engine: assay, implementation: {drift: {by: ks}}}
          - {id: b, type: custom, engine: assay, implementation: {drift: {by: kl}}}
          - {id: c, type: custom, engine: assay, implementation: {drift: {atMost: 0}}}
          - {id: d, type: custom, engine: assay, implementation: {drift: {atMost: 0.1, warnAbove: 0.2}}}
          - {id: e, type: custom, engine: assay, implementation: {drift: {runs: 0}}}
          - {id: f, type: custom, engine: assay, implementation: {drift: {within: 5}}}
          - {id: g, type: custom, engine: assay, implementation: {drift: {}}, mustBe: 0}
          - {id: k, type: custom, engine: assay, implementation: {drift: {season: monthly}}}
          - {id: h, metric: invalidValues, mustBe: 0, arguments: {}}
      - {name: at, logicalType: timestamp, quality: [{type: custom, engine: assay, implementation: {drift: {}}}]}
      - name: mail
        logicalType: string
        classification: restricted
        quality: [{type: custom, engine: assay, implementation: {drift: {}}}]
    quality:
      - {id: i, type: custom, engine: assay, implementation: {drift: {}}}
      - {id: j, type: custom, engine: assay, implementation: {freshness: {within: 50}}}
    relationships:
      - {from: [orders.id, orders.at], to: [silver.users.id]}
      - {from: [orders.id, orders.at], to: [silver.users.id, gold.users.at]}
      - {from: [], to: silver.users.id}
      - {from: [orders.id, 7], to: silver.users.id}
",
    )
    .unwrap_err();
    insta::assert_snapshot!(mistakes);
}

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

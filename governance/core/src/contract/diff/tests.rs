use super::{Change, Party, diff};
use crate::contract::ContractFile;

const HEAD: &str = "apiVersion: v3.2.0\nkind: DataContract\nid: orders\nversion: 1.0.0\n";

const ORDERS: &str = "schema:
  - name: orders
    properties:
      - {name: id, logicalType: string, required: true}
      - {name: amount, physicalType: int, logicalType: integer, logicalTypeOptions: {minimum: 0}}
      - {name: status, logicalType: string, enum: [{value: new}, {value: paid}]}
    quality:
      - {id: some_rows, metric: rowCount, mustBeGreaterThan: 10}
      - {id: few_doubles, metric: duplicateValues, arguments: {properties: [id]}, mustBeLessThan: 5}
slaProperties:
  - {property: latency, value: 6, unit: h, element: orders.at}
  - {property: retention, value: 30, unit: d}
";

fn orders() -> String {
    ORDERS.replace("orders.at", "orders.id")
}

fn read(body: &str) -> ContractFile {
    ContractFile::parse("orders.odcs.yaml", &format!("{HEAD}{body}"))
        .unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// What one replacement in the contract means.
fn changed(from: &str, to: &str) -> Vec<Change> {
    let old = orders();
    assert!(old.contains(from), "{from} is in the contract");
    diff(&read(&old), &read(&old.replace(from, to)))
}

#[test]
fn the_same_contract_has_no_change() {
    assert_eq!(diff(&read(&orders()), &read(&orders())), []);
}

#[test]
fn every_change_breaks_whom_it_takes_something_from() {
    use Party::{Judgement, Readers, Writers};
    let cases: &[(&str, &str, &[Party])] = &[
        // Columns and their types.
        (
            "      - {name: status, logicalType: string, enum: [{value: new}, {value: paid}]}\n",
            "",
            &[Readers, Writers],
        ),
        ("    quality:", "      - {name: note, logicalType: string}\n    quality:", &[]),
        (
            "    quality:",
            "      - {name: note, logicalType: string, required: true}\n    quality:",
            &[Writers, Judgement],
        ),
        ("physicalType: int,", "physicalType: bigint,", &[Readers]),
        (
            "physicalType: int, logicalType: integer",
            "physicalType: double, logicalType: number",
            &[Readers],
        ),
        (
            "physicalType: int, logicalType: integer, logicalTypeOptions: {minimum: 0}",
            "logicalType: string",
            &[Readers, Writers, Judgement],
        ),
        // Rules of columns.
        ("required: true", "required: false", &[Readers, Judgement]),
        ("{value: paid}]", "{value: paid}, {value: lost}]", &[Readers, Judgement]),
        ("{value: new}, ", "", &[Writers, Judgement]),
        ("{value: new}, ", "{value: old}, ", &[Readers, Writers, Judgement]),
        ("minimum: 0", "minimum: 1", &[Writers, Judgement]),
        ("minimum: 0", "minimum: -1", &[Readers, Judgement]),
        ("minimum: 0", "exclusiveMinimum: 0", &[Writers, Judgement]),
        ("minimum: 0", "minimum: 0, maximum: 9", &[Writers, Judgement]),
        // Rules about some rows.
        (
            "metric: duplicateValues,",
            "metric: duplicateValues, customProperties: [{property: where, value: amount > 0, vendor: assay}],",
            &[Readers, Judgement],
        ),
        // Thresholds and severities.
        ("mustBeGreaterThan: 10", "mustBeGreaterThan: 20", &[Writers, Judgement]),
        ("mustBeGreaterThan: 10", "mustBeGreaterThan: 1", &[Readers, Judgement]),
        ("mustBeLessThan: 5", "mustBe: 0", &[Writers, Judgement]),
        ("mustBeLessThan: 5", "mustBeLessThan: 5, unit: percent", &[Readers, Writers, Judgement]),
        ("mustBeGreaterThan: 10", "mustBeGreaterThan: 10, severity: critical", &[Judgement]),
        ("mustBeGreaterThan: 10", "mustBeGreaterThan: 10, severity: info", &[Readers, Judgement]),
        (
            "      - {id: some_rows, metric: rowCount, mustBeGreaterThan: 10}\n",
            "",
            &[Readers, Judgement],
        ),
        (
            "    quality:\n",
            "    quality:\n      - {id: watched, metric: rowCount, mustBeLessThan: 9, severity: info}\n",
            &[Judgement],
        ),
        // Service levels.
        ("value: 6, unit: h", "value: 12, unit: h", &[Readers, Judgement]),
        ("value: 6, unit: h", "value: 1, unit: h", &[Writers, Judgement]),
        ("value: 30, unit: d", "value: 7, unit: d", &[Readers]),
        ("value: 30, unit: d", "value: 90, unit: d", &[Writers]),
        ("  - {property: retention, value: 30, unit: d}\n", "", &[Readers]),
        (
            "- name: orders\n",
            "- name: orders\n    physicalName: silver.orders\n",
            &[Readers, Writers],
        ),
    ];
    for (from, to, breaks) in cases {
        let changes = changed(from, to);
        let mut found: Vec<Party> =
            changes.iter().flat_map(|change| change.breaks.iter().copied()).collect();
        found.sort();
        found.dedup();
        assert!(!changes.is_empty(), "{from} → {to}");
        assert_eq!(found, *breaks, "{from} → {to}: {changes:?}");
    }
}

#[test]
fn what_one_direction_tightens_the_other_loosens() {
    let old = read(&orders());
    for (from, to) in [
        ("minimum: 0", "minimum: 1"),
        ("{value: new}, ", ""),
        ("mustBeLessThan: 5", "mustBe: 0"),
        ("required: false", "required: true"),
        ("value: 6, unit: h", "value: 1, unit: h"),
    ] {
        let new = read(&orders().replace(from, to));
        let breaks = |changes: &[Change], party| changes.iter().any(|change| change.breaks(party));
        let (there, back) = (diff(&old, &new), diff(&new, &old));
        assert_eq!(
            (breaks(&there, Party::Writers), breaks(&there, Party::Readers)),
            (breaks(&back, Party::Readers), breaks(&back, Party::Writers)),
            "{from} → {to}"
        );
    }
}

#[test]
fn changes_are_told_in_words() {
    let text = |from, to| changed(from, to)[0].what.clone();
    insta::assert_snapshot!(
        [
            text("{value: new}, ", ""),
            text("minimum: 0", "minimum: 1, maximum: 9"),
            text("physicalType: int,", "physicalType: bigint,"),
            text("value: 30, unit: d", "value: 7, unit: d"),
        ]
        .join("\n"),
        @r"
    `status.one_of` was tightened: one of new, paid → one of paid
    `amount.range` was tightened: ≥ 0 → ≥ 1 and ≤ 9
    the type was widened from int to bigint
    the service level `retention` went from 30 d to 7 d
    "
    );
}

#[test]
fn of_a_set_that_is_too_long_to_be_shown_it_is_told_what_went_and_came() {
    let listed = |values: std::ops::Range<u32>| {
        let values: Vec<String> = values.map(|value| format!("{{value: v{value}}}")).collect();
        read(&orders().replace("{value: new}, {value: paid}", &values.join(", ")))
    };
    let told = diff(&listed(0..20), &listed(1..21))[0].what.clone();
    assert!(told.ends_with("; removed: v0; added: v20"), "{told}");
}

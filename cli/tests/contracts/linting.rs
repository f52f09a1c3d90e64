use std::fs;

use super::{done, json, shipped};

const BROKEN: &str = "apiVersion: v3.2.0
kind: DataContract
id: orders
version: 1.0.0
schema:
  - name: orders
    properties:
      - name: id
        logicalType: strnig
      - name: amount
        logicalType: number
        logicalTypeOptions: {pattern: '^[0-9]+$'}
        requierd: true
      - name: total
        logicalType: number
    quality:
      - {id: 'no spaces', metric: rowCount, mustBeGreaterThan: 0}
      - {id: sums_up, type: custom, engine: assay, implementation: {expression: total >= amuont}}
      - {id: unclear, metric: rowCount}
";

#[test]
fn a_fine_contract_is_fine_by_file_by_folder_and_by_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    let files = shipped();
    for file in &files {
        fs::copy(file, folder.path().join(file.file_name().unwrap())).unwrap();
    }
    let name = files[0].file_name().unwrap().to_str().unwrap();
    for (what, contracts) in [(name, 1), (".", files.len()), ("github_events", files.len())] {
        let found = json(folder.path(), &["contract", "lint", what]);
        assert_eq!(found["mistakes"].as_array().unwrap().len(), 0, "{found}");
        assert_eq!(found["contracts"].as_array().unwrap().len(), contracts, "{found}");
        let (code, text, error) = done(folder.path(), &["contract", "lint", what]);
        assert_eq!((code, error.as_str()), (0, ""), "{text}");
        assert!(text.contains("is fine"), "{text}");
    }
}

#[test]
fn all_mistakes_come_at_once_each_with_line_and_fix() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("orders.odcs.yaml"), BROKEN).unwrap();
    let (code, text, error) = done(folder.path(), &["contract", "lint", "orders.odcs.yaml"]);
    assert_eq!(code, 2, "{text}{error}");
    for part in [
        ":9: `logicalType` can't be `strnig`",
        ":13: unknown key `requierd`",
        "fix: did you mean `required`?",
        ":12: unknown key `pattern`",
        ":17: `id`",
        ":19: a rule lacks its operator",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    // The pattern of a number is one of the standard's mistakes and one of ours; the others come once.
    assert_eq!(text.matches("fix: ").count(), 6, "{text}");
    // What an expression means can be said once all columns have types.
    let better = BROKEN
        .replace("strnig", "string")
        .replace("requierd", "required")
        .replace("        logicalTypeOptions: {pattern: '^[0-9]+$'}\n", "")
        .replace("no spaces", "no_spaces")
        .replace("{id: unclear, metric: rowCount}", "{id: clear, metric: rowCount, mustBe: 3}");
    fs::write(folder.path().join("orders.odcs.yaml"), better).unwrap();
    let found = json(folder.path(), &["contract", "lint", "orders.odcs.yaml"]);
    let mistakes = found["mistakes"].as_array().unwrap();
    assert_eq!(mistakes.len(), 1, "{found}");
    assert_eq!(mistakes[0]["line"], 17, "{found}");
    assert!(mistakes[0]["what"].as_str().unwrap().contains("`amuont`"), "{found}");
    assert!(mistakes[0]["fix"].as_str().unwrap().contains("amount"), "{found}");
}

#[test]
fn mistakes_of_a_pipeline_and_of_its_contracts_come_together() {
    let folder = tempfile::tempdir().unwrap();
    let root = super::root().join("pipelines/github_events");
    for part in ["contracts", "models", "schemas"] {
        fs::create_dir(folder.path().join(part)).unwrap();
        for entry in fs::read_dir(root.join(part)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.path().join(part).join(path.file_name().unwrap())).unwrap();
        }
    }
    let pipeline = fs::read_to_string(root.join("pipeline.yaml")).unwrap();
    let pipeline = pipeline.replace("write: gold.user_activity", "write: gold.nothing");
    fs::write(folder.path().join("pipeline.yaml"), pipeline).unwrap();
    let gold = folder.path().join("contracts/gold.user_activity.odcs.yaml");
    let text = fs::read_to_string(&gold).unwrap().replace("metric: rowCount", "metric: rowCuont");
    fs::write(&gold, text).unwrap();
    let (code, text, _) = done(folder.path(), &["contract", "lint", "."]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("gold.nothing"), "{text}");
    assert!(text.contains("rowCuont"), "{text}");
    let twice = text.matches("can't be `rowCuont`").count();
    assert_eq!(twice, 1, "{text}");
}

#[test]
fn what_is_left_to_others_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let text = "apiVersion: v3.1.0\nkind: DataContract\nid: a\nversion: '1'\nstatus: active
schema:
  - name: a
    properties:
      - name: b
        logicalType: string
        quality:
          - {id: theirs, type: custom, engine: soda, implementation: 'type: duplicate_percent'}
slaProperties:
  - {property: availability, value: 99.9}
";
    fs::write(folder.path().join("a.yaml"), text).unwrap();
    let (code, text, error) = done(folder.path(), &["contract", "lint", "a.yaml"]);
    assert_eq!(code, 0, "{text}{error}");
    assert!(text.contains("`theirs` is for the engine soda"), "{text}");
    assert!(text.contains("availability"), "{text}");
}

#[test]
fn what_is_no_contract_is_told_and_never_crashes() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("empty.yaml", &b""[..]),
        ("list.yaml", b"- a\n- b\n"),
        ("broken.yaml", b"a: [\n"),
        ("binary.yaml", b"\xff\xfe\x00\x01"),
        ("deep.yaml", "[".repeat(5000).as_bytes()),
        ("nothing.yaml", b"apiVersion: v3.2.0\nkind: DataContract\nid: a\nversion: '1'\n"),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
        let (code, text, error) = done(folder.path(), &["contract", "lint", name]);
        assert_eq!(code, 2, "{name}: {text}{error}");
        assert!(!error.contains("panicked"), "{name}: {error}");
    }
    let (code, _, error) = done(folder.path(), &["contract", "lint", "nowhere"]);
    assert_eq!(code, 2);
    assert!(error.contains("there is no file, folder or pipeline `nowhere`"), "{error}");
}

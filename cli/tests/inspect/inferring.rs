use std::path::PathBuf;
use std::process::Command;

use assay_core::Document;
use serde_json::Value;

use super::{Desk, ROWS, root, shared};

/// What every contract that is inferred must be: without mistakes, valid by the standard, and kept
/// by its own data.
fn sound(desk: &Desk, what: &str, more: &[&str]) -> String {
    let infer = [&["contract", "infer", what, "--to", "inferred.odcs.yaml"][..], more].concat();
    let found = desk.json(&infer);
    let text = desk.read("inferred.odcs.yaml");
    assert_eq!(found["contract"].as_str().unwrap(), text);
    let lint = desk.json(&["contract", "lint", "inferred.odcs.yaml"]);
    assert_eq!(lint["mistakes"].as_array().unwrap().len(), 0, "{lint}\n{text}");
    by_the_standard(&text);
    let judge = ["quality", "run", what, "--contract", "inferred.odcs.yaml"];
    let report = desk.json(&[&judge[..], more].concat());
    let quality = &report["quality"];
    let refused = report["refused"].as_array().unwrap().len();
    if refused == 0 && report["rows"] != 0 {
        assert_eq!(quality["verdict"], "pass", "{report}\n{text}");
        assert_eq!(quality["score"], 100.0, "{report}\n{text}");
    }
    text
}

fn by_the_standard(text: &str) {
    let Some(file) = shared("reference/odcs/odcs-json-schema-v3.2.0.json") else { return };
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let document = Document::parse("inferred", text).unwrap_or_else(|wrong| panic!("{wrong}"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> =
        validator.iter_errors(document.value()).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}\n{text}");
}

#[test]
fn a_contract_says_what_the_rows_have_in_common() {
    let desk = Desk::new();
    let mut rows = "id,who,mail,site,amount,status,code,day,at,flag,note,nothing\n".to_owned();
    for n in 0..100 {
        let status = ["new", "paid", "no"][n % 3];
        let note = if n % 4 == 0 { String::new() } else { format!("note: {n} #\"\"x\"\"") };
        rows += &format!(
            "0a1b2c3d-0000-4000-8000-{n:012},{n},p{n}@example.org,https://example.org/{n},{}.5,\
             {status},{n:04},2026-01-{:02},2026-01-01T00:00:{:02}Z,{},\"{note}\",\n",
            n + 1,
            n % 28 + 1,
            n % 60,
            n % 2 == 0
        );
    }
    desk.write("things.csv", rows);
    let text = sound(&desk, "things.csv", &[]);
    let document = Document::parse("x", &text).unwrap();
    let columns = document.value()["schema"][0]["properties"].as_array().unwrap().clone();
    let column = |name: &str| columns.iter().find(|column| column["name"] == name).unwrap().clone();
    let kind = |name: &str| column(name)["physicalType"].as_str().unwrap().to_owned();
    assert_eq!(
        ["id", "who", "amount", "code", "day", "at", "flag"].map(kind),
        ["string", "bigint", "double", "string", "date", "timestamptz", "boolean"]
    );
    assert_eq!(column("id")["primaryKey"], true);
    let format = |name: &str| column(name)["logicalTypeOptions"]["format"].clone();
    assert_eq!(["id", "mail", "site"].map(format), ["uuid", "email", "uri"]);
    let values: Vec<Value> =
        column("status")["enum"].as_array().unwrap().iter().map(|it| it["value"].clone()).collect();
    assert_eq!(values, ["new", "no", "paid"]);
    assert_eq!(column("amount")["logicalTypeOptions"]["maximum"], 100.5);
    assert_eq!(column("code")["logicalTypeOptions"]["maxLength"], 4);
    assert_eq!(column("note")["required"], Value::Null);
    assert_eq!(column("note")["quality"][0]["metric"], "nullValues");
    assert_eq!(column("who")["required"], true);
    // A contract of the same rows as JSON has the same columns.
    let lines: String = ROWS
        .lines()
        .skip(1)
        .map(|row| {
            let cells: Vec<&str> = row.split(',').collect();
            format!(
                "{{\"id\": {}, \"who\": \"{}\", \"deep\": {{\"a\": [1]}}}}\n",
                cells[0], cells[1]
            )
        })
        .collect();
    desk.write("things.jsonl", lines);
    let text = sound(&desk, "things.jsonl", &[]);
    assert!(text.contains("physicalType: bigint"), "{text}");
}

#[test]
fn a_key_is_only_what_comes_once_in_all_rows() {
    let desk = Desk::new();
    // More rows than hashes are held for a column; the last one repeats the first.
    let rows: String = (0..250_000).map(|n| format!("{n},{}\n", n % 249_999)).collect();
    desk.write("keys.csv", format!("id,ref_id\n{rows}"));
    let text = sound(&desk, "keys.csv", &[]);
    let of = |name: &str| {
        text.split("- name: ")
            .find(|part| part.starts_with(&format!("{name}\n")))
            .unwrap()
            .to_owned()
    };
    assert!(of("id").contains("primaryKey: true"), "{text}");
    assert!(!of("ref_id").contains("unique: true"), "{text}");
}

#[test]
fn odd_files_have_contracts_too() {
    let desk = Desk::new();
    desk.write("none.csv", "a,b\n");
    desk.write("one.csv", "a\n1\n");
    desk.write("null.csv", "a,b\n,\n,\n");
    desk.write("odd.csv", "yes,a b,ä: #,\"q\"\"x\",1\n1,2,3,4,5\n");
    let wide: Vec<String> = (0..2000).map(|n| format!("c{n}")).collect();
    desk.write("wide.csv", format!("{}\n{}\n", wide.join(","), vec!["1"; 2000].join(",")));
    for name in ["none.csv", "one.csv", "null.csv", "odd.csv", "wide.csv"] {
        sound(&desk, name, &[]);
    }
    let (code, _, error) = desk.done(&["contract", "infer", "nowhere.csv"]);
    assert_eq!(code, 2, "{error}");
    let printed = desk.fine(&["contract", "infer", "one.csv", "--name", "single"]);
    assert!(printed.contains("id: single\n"), "{printed}");
}

#[test]
fn contracts_of_generated_and_of_real_events_are_sound() {
    let desk = Desk::new();
    let made =
        ["generate", "github-events", "--count", "2000", "--defects", "0", "--out", "made.jsonl"];
    desk.fine(&made);
    sound(&desk, "made.jsonl", &[]);
    desk.fine(&["ingest", "github_events", "--file", "made.jsonl"]);
    desk.fine(&["run", "all", "--pipeline", "github_events", "--governed"]);
    let mut written: Vec<PathBuf> = Vec::new();
    for table in ["bronze.github_events", "silver.github_events", "gold.user_activity"] {
        let text = sound(&desk, table, &[]);
        assert!(text.contains(&format!("physicalName: {table}")), "{text}");
        let name = format!("{table}.odcs.yaml");
        desk.write(&name, text);
        written.push(desk.path().join(name));
    }
    if let Some(real) = shared("data/github_events.jsonl") {
        std::fs::copy(real, desk.path().join("real.jsonl")).unwrap();
        let text = sound(&desk, "real.jsonl", &[]);
        desk.write("real.odcs.yaml", text);
        written.push(desk.path().join("real.odcs.yaml"));
    }
    if let Some(orders) = shared("data/quality/orders.csv") {
        std::fs::copy(orders, desk.path().join("lab.csv")).unwrap();
        sound(&desk, "lab.csv", &[]);
    }
    accepted_by_others(&written);
}

/// Another reader of the standard takes them, where it can be had.
fn accepted_by_others(files: &[PathBuf]) {
    let script = root().join("tests/compare.py");
    let done = Command::new("python3").arg(script).arg("contracts").args(files).output();
    let required = std::env::var_os("ASSAY_REQUIRE")
        .is_some_and(|what| what.to_string_lossy().contains("python"));
    let code = done.as_ref().ok().and_then(|done| done.status.code());
    match (done, code) {
        (Ok(_), Some(0)) => {}
        (Ok(done), Some(77)) | (Ok(done), None) => {
            eprintln!("skipped: datacontract-cli: {}", String::from_utf8_lossy(&done.stderr));
        }
        (Err(error), _) => {
            assert!(!required, "datacontract-cli needs python3: {error}");
            eprintln!("skipped: datacontract-cli, because there is no python3");
        }
        (Ok(done), code) => {
            let told = String::from_utf8_lossy(&done.stdout);
            panic!("datacontract-cli ended with {code:?}: {told}");
        }
    }
}

#[test]
fn formats_are_named_and_nothing_is_promised_that_no_row_could_break() {
    let desk = Desk::new();
    let line = |n: usize| {
        let rare = if n == 7 { "\"x\"" } else { "null" };
        format!(
            "{{\"host\": \"10.0.0.{n}\", \"rare\": {rare}, \"never\": null, \"mixed\": \"10.0.0.{n}\"}}\n"
        )
    };
    let lines: String = (0..40).map(line).collect();
    desk.write("odd.jsonl", lines + "{\"host\": \"::1\", \"mixed\": \"none of them\"}\n");
    let text = sound(&desk, "odd.jsonl", &[]);
    assert!(!text.contains("mustBeLessOrEqualTo: 100"), "{text}");
    let of = |name: &str| text.split("- name: ").find(|part| part.starts_with(name)).unwrap();
    assert!(!of("rare\n").contains("nullValues"), "98 % of them are NULL: {text}");
    assert!(!of("never\n").contains("nullValues"), "{text}");
    assert!(!of("mixed\n").contains("format"), "{text}");

    let lines: String =
        (0..30).map(|n| format!("{{\"host\": \"10.0.0.{n}\", \"old\": \"::{n}\"}}\n")).collect();
    desk.write("hosts.jsonl", lines);
    let text = sound(&desk, "hosts.jsonl", &[]);
    assert!(text.contains("format: ipv4") && text.contains("format: ipv6"), "{text}");
    desk.write("none.csv", "a,b\n");
    let text = sound(&desk, "none.csv", &[]);
    assert!(!text.contains("rowCount"), "no file has less than no rows: {text}");
}

#[test]
fn two_columns_that_name_a_row_together_are_the_key_where_none_does_alone() {
    let desk = Desk::new();
    let line = |n: usize| format!("{},{},{},{}\n", n / 3, n % 3 + 1, n % 7, n.is_multiple_of(2));
    let rows: String = (0..600).map(line).collect();
    desk.write("lines.csv", format!("order_id,line_no,amount,gift\n{rows}"));
    let text = sound(&desk, "lines.csv", &[]);
    let of = |text: &str, name: &str| {
        text.split("- name: ").find(|it| it.starts_with(&format!("{name}\n"))).unwrap().to_owned()
    };
    assert!(of(&text, "order_id").contains("primaryKeyPosition: 1"), "{text}");
    assert!(of(&text, "line_no").contains("primaryKeyPosition: 2"), "{text}");
    assert!(!of(&text, "amount").contains("primaryKey"), "{text}");

    // One repeated pair, and it is none.
    desk.write("lines.csv", format!("order_id,line_no,amount,gift\n{rows}0,1,9,true\n"));
    let text = sound(&desk, "lines.csv", &[]);
    assert!(!text.contains("primaryKey"), "{text}");
}

#[test]
fn how_many_rows_keep_an_inferred_contract_is_what_a_judge_says() {
    let desk = Desk::new();
    let line = |n: u32| match n % 10 {
        0 => format!("{{\"id\": {n}, \"size\": {n}}}\n"),
        _ => format!("{{\"id\": {n}, \"size\": \"{n} cm\"}}\n"),
    };
    desk.write("mixed.jsonl", (0..100).map(line).collect::<String>());
    let told = desk.fine(&["contract", "infer", "mixed.jsonl", "--to", "mixed.odcs.yaml"]);
    assert!(told.contains("kept by 90 of its 100 rows"), "{told}");
    let report = desk.json(&["quality", "run", "mixed.jsonl", "--contract", "mixed.odcs.yaml"]);
    assert_eq!((&report["rows"], &report["rejected"]), (&100.into(), &10.into()), "{report}");
}

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use serde_json::Value;

use super::{Desk, ORDERS, ROWS, rule};

#[test]
fn a_csv_file_is_judged_with_counts_reasons_and_rows() {
    let desk = Desk::new();
    let report = desk.judged("orders.csv", &[]);
    assert_eq!((&report["rows"], &report["rejected"]), (&10.into(), &2.into()), "{report}");
    assert_eq!(rule(&report, "amount.range")["failed"], 1);
    assert_eq!(rule(&report, "status.one_of")["failed"], 1);
    assert_eq!(rule(&report, "id.unique")["failed"], 1);
    assert_eq!(rule(&report, "readable")["failed"], 1);
    assert_eq!(report["refused"][0]["why"], "`amount` does not fit its decimal");
    assert_eq!(report["refused"][0]["line"], 5);
    assert_eq!(report["quality"]["verdict"], "warn");
    // V = 1 − (1 + 1 + 0.25) / 10, and of 8 rows that stay one repeats a key, with half the weight.
    let score = report["quality"]["score"].as_f64().unwrap();
    assert!((score - 100.0 * 0.775 * (1.0 - 0.5 / 8.0)).abs() < 1e-9, "{score}");
    let lost: f64 = report["quality"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["lost"].as_f64().unwrap())
        .sum();
    assert!((lost - (100.0 - score)).abs() < 1e-9, "{lost} {score}");
    let sample = &report["samples"]["amount.range"];
    assert_eq!(sample["rows"][0][2], "-3.00", "{sample}");
    assert_eq!(sample["rows"][0][1], "•••", "what is confidential is not shown: {sample}");
    let twice = &report["samples"]["id.unique"];
    assert_eq!(twice["rows"][0], serde_json::json!(["5", "2"]), "{twice}");
    let text = desk.fine(&["quality", "run", "orders.csv", "--contract", "orders.odcs.yaml"]);
    for part in ["score: 72.66 of 100, verdict: warn", "unreadable: 1 row,", "-3.00", "•••"] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert!(!text.contains("bob"), "{text}");
}

#[test]
fn the_same_rows_are_judged_alike_in_every_format() {
    let desk = Desk::new();
    let csv = desk.judged("orders.csv", &[]);
    let (mut jsonl, mut tsv) = (String::new(), String::new());
    for (place, row) in ROWS.lines().enumerate() {
        tsv += &format!("{}\n", row.replace(',', "\t"));
        let cells: Vec<&str> = row.split(',').collect();
        if place == 0 {
            continue;
        }
        let text = |cell: &str| if cell.is_empty() { "null".into() } else { format!("\"{cell}\"") };
        jsonl += &format!(
            "{{\"id\": {}, \"customer\": {}, \"amount\": {}, \"status\": {}, \"at\": {}}}\n",
            cells[0],
            text(cells[1]),
            if cells[2] == "many" { "\"many\"" } else { cells[2] },
            text(cells[3]),
            text(cells[4])
        );
    }
    desk.write("orders.jsonl", &jsonl);
    desk.write("orders.tsv", &tsv);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(jsonl.as_bytes()).unwrap();
    desk.write("orders.jsonl.gz", gz.finish().unwrap());
    let counts = |report: &Value| {
        let rules = report["quality"]["rules"].as_array().unwrap();
        let each = |rule: &Value| (rule["rule"].to_string(), rule["failed"].to_string());
        (report["quality"]["score"].clone(), rules.iter().map(each).collect::<Vec<_>>())
    };
    for name in ["orders.tsv", "orders.jsonl", "orders.jsonl.gz"] {
        assert_eq!(counts(&desk.judged(name, &[])), counts(&csv), "{name}");
    }
    let judge =
        ["quality", "run", "-", "--contract", "orders.odcs.yaml", "--format", "csv", "-o", "json"];
    let (code, text, error) = desk.fed(&judge, ROWS.as_bytes());
    assert_eq!(code, 0, "{error}");
    assert_eq!(counts(&serde_json::from_str(&text).unwrap()), counts(&csv));
}

fn parquet(desk: &Desk, name: &str, columns: Vec<(&str, ArrayRef)>) {
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    let file = File::create(desk.path().join(name)).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
}

#[test]
fn a_parquet_file_is_judged_and_so_is_a_query_over_it() {
    let desk = Desk::new();
    let count = 20_000_i64;
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values((0..count).map(|n| n % 19_990)));
    let amounts: ArrayRef = Arc::new(Int64Array::from_iter_values((0..count).map(|n| n - 7)));
    let status: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..count).map(|n| if n % 1000 == 0 { "lost" } else { "paid" }),
    ));
    // A name that an address would escape.
    parquet(
        &desk,
        "or%20ders [1].parquet",
        vec![("id", ids), ("amount", amounts), ("status", status)],
    );
    let report = desk.judged("or%20ders [1].parquet", &[]);
    assert_eq!(report["rows"], 20_000);
    assert_eq!(rule(&report, "amount.range")["failed"], 7);
    assert_eq!(rule(&report, "status.one_of")["failed"], 20);
    // Ten ids come twice; of seven of them one row is set aside for its amount.
    assert_eq!(rule(&report, "id.unique")["failed"], 3, "{report}");
    assert!(report["notes"][0].as_str().unwrap().contains("customer"), "{report}");
    let query = "SELECT *, 'x' AS customer FROM data WHERE status = 'lost'";
    let report = desk.judged("or%20ders [1].parquet", &["--sql", query]);
    assert_eq!(report["rows"], 20, "{report}");
    assert_eq!(rule(&report, "status.one_of")["failed"], 20);
    let sample = report["samples"]["status.one_of"]["rows"].as_array().unwrap();
    assert_eq!(sample.len(), 5);
}

#[test]
fn a_halt_is_a_code_and_is_told_everywhere() {
    let desk = Desk::new();
    let strict = ORDERS.replace(
        "        logicalTypeOptions: {minimum: 0}\n",
        "        logicalTypeOptions: {minimum: 0}\n        customProperties: [{vendor: assay, property: onFail, value: halt}]\n",
    );
    desk.write("strict.yaml", strict);
    let (code, text, error) = desk.done(&[
        "quality",
        "run",
        "orders.csv",
        "--contract",
        "strict.yaml",
        "--junit",
        "r.xml",
    ]);
    assert_eq!(code, 3, "{text}{error}");
    assert!(text.contains("verdict: halt"), "{text}");
    assert!(error.contains("the verdict is halt"), "{error}");
    assert!(desk.read("r.xml").contains("<failure message=\"halt\">"), "{}", desk.read("r.xml"));
}

#[test]
fn what_can_t_be_judged_is_told_with_what_to_do() {
    let desk = Desk::new();
    desk.write("empty.csv", "");
    desk.write("twice.csv", "id,id\n1,2\n");
    desk.write("other.csv", "a,b\n1,2\n");
    desk.write("array.json", "[{\"id\": 1}]");
    desk.write("no.parquet", "PAR1 not really");
    desk.write("data.bin", "x");
    for (arguments, says) in [
        (&["empty.csv"][..], "is empty"),
        (&["twice.csv"], "two columns `id`"),
        (&["other.csv"], "no column of the contract; it has a, b"),
        (&["array.json"], "is one JSON array"),
        (&["no.parquet"], "no Parquet file"),
        (&["data.bin"], "does not tell its format"),
        (&["nowhere.csv"], "there is no file nowhere.csv"),
        (&["nowhere"], "there is no file nowhere"),
        (&["."], "is a folder"),
        (&["silver.orders"], "there is no data in"),
        (&["orders.csv", "--sql", "SELECT nothing FROM data"], "nothing"),
        (&["orders.csv", "--sql", "DROP TABLE data"], "only queries"),
        (&["orders.csv", "--schema", "people"], "no schema `people`; it has orders"),
        (&["orders.csv", "--at", "3"], "a file has no snapshots"),
        (&["-"], "--format"),
    ] {
        let judge = [&["quality", "run"], arguments, &["--contract", "orders.odcs.yaml"]].concat();
        let (code, _, error) = desk.done(&judge);
        assert_eq!(code, 2, "{arguments:?}: {error}");
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
}

#[test]
fn damaged_rows_are_refused_one_by_one() {
    let desk = Desk::new();
    let mut rows = b"id,customer,amount,status,at\n1,a,1,new,\n2,b\n3,c,3,new,,more\n4,".to_vec();
    rows.extend(b"\xff\xfe,4,new,\n5,\"e,\nf\",5,paid,\n6,g,nan,paid,\n");
    desk.write("bad.csv", rows);
    let report = desk.judged("bad.csv", &[]);
    assert_eq!(report["rows"], 6, "{report}");
    assert_eq!(rule(&report, "readable")["failed"], 4, "{report}");
    let why: Vec<&str> = report["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["why"].as_str().unwrap())
        .collect();
    for part in ["too few cells", "too many cells", "not UTF-8", "`amount` does not fit"] {
        assert!(why.iter().any(|why| why.contains(part)), "{part}: {why:?}");
    }
    let lines = "{\"id\": 1, \"amount\": 1}\nnot json\n[1]\n{\"id\": 1.5, \"amount\": 2}\n\n{\"id\": 2, \
                 \"amount\": \"3\", \"customer\": {\"deep\": [1]}}\n{\"id\": \"3\"}\n";
    desk.write("bad.jsonl", lines);
    let report = desk.judged("bad.jsonl", &[]);
    assert_eq!(report["rows"], 6, "{report}");
    assert_eq!(rule(&report, "readable")["failed"], 4, "{report}");
    assert!(report.to_string().contains("`id` is a number with a fraction, not a whole number"));
}

#[test]
fn numbers_that_are_none_and_files_without_rows_have_a_judgement() {
    let desk = Desk::new();
    desk.write(
        "points.yaml",
        ORDERS.split("    properties").next().unwrap().to_owned()
            + "    properties:\n      - {name: x, logicalType: number, logicalTypeOptions: {minimum: 0}}\n",
    );
    let values: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(1.0),
        Some(f64::NAN),
        Some(f64::INFINITY),
        Some(-0.0),
        None,
    ]));
    parquet(&desk, "points.parquet", vec![("x", values)]);
    let report = desk.json(&["quality", "run", "points.parquet", "--contract", "points.yaml"]);
    assert_eq!(rule(&report, "x.range")["failed"], 1, "{report}");
    desk.write("none.csv", "id,customer,amount,status,at\n");
    let report = desk.judged("none.csv", &[]);
    assert_eq!(report["quality"]["score"], Value::Null, "no row, no score: {report}");
}

#[test]
fn a_quote_that_is_never_closed_hides_no_rows() {
    let desk = Desk::new();
    let (header, rows) = ROWS.split_once('\n').unwrap();
    for (stray, line) in
        [(format!("{header}\n1,\"{}", &rows[2..]), 2), (format!("{ROWS}\"9,1,2"), 12)]
    {
        desk.write("stray.csv", stray);
        let judge = ["quality", "run", "stray.csv", "--contract", "orders.odcs.yaml"];
        let (code, text, error) = desk.done(&judge);
        assert_eq!(code, 1, "{text}{error}");
        assert!(error.contains(&format!("the quote in line {line} is never closed")), "{error}");
    }
}

#[test]
fn a_file_without_rows_breaks_what_wants_some() {
    let desk = Desk::new();
    let rule = "    quality:\n      - id: some\n        metric: rowCount\n        mustBeGreaterThan: 0\n        severity: critical\n        customProperties: [{vendor: assay, property: onFail, value: halt}]\n";
    let contract = ORDERS.trim_end().to_owned() + "\n" + rule;
    desk.write("some.odcs.yaml", &contract);
    desk.write("none.csv", ROWS.lines().next().unwrap().to_owned() + "\n");
    let (code, text, error) =
        desk.done(&["quality", "run", "none.csv", "--contract", "some.odcs.yaml"]);
    assert_eq!(code, 3, "{text}{error}");
    let (code, text, error) =
        desk.done(&["quality", "run", "orders.csv", "--contract", "some.odcs.yaml"]);
    assert_eq!(code, 0, "{text}{error}");
}

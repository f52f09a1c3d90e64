use super::Desk;

/// Two batches of events, some of them with planted defects.
fn with_batches() -> Desk {
    let desk = Desk::new();
    for (seed, defects) in [("1", "0"), ("2", "6%")] {
        let made = ["generate", "github-events", "--count", "400", "--seed", seed];
        desk.fine(&[&made[..], &["--defects", defects, "--out", "made.jsonl"]].concat());
        desk.fine(&["ingest", "github_events", "--file", "made.jsonl"]);
        desk.fine(&["run", "all", "--pipeline", "github_events", "--governed"]);
    }
    desk
}

#[test]
fn the_history_of_a_table_and_the_rows_of_a_rule() {
    let desk = with_batches();
    let table = "silver.github_events_parsed";
    let history = desk.json(&["quality", "history", table]);
    let batches = history["batches"].as_array().unwrap();
    assert_eq!(batches.len(), 2, "{history}");
    assert_eq!(batches[0]["score"], 100.0);
    assert!(batches[1]["score"].as_f64().unwrap() < 100.0);
    let text = desk.fine(&["quality", "history", table]);
    let (least, greatest) = (batches[1]["score"].as_f64().unwrap(), 100.0);
    let drawn = format!("score █▁ from {least:.2} to {greatest:.2}");
    assert!(text.contains(&drawn) && text.contains("2 batches, the newest on the right"), "{text}");

    // Rows that were set aside, of the last batch and of one that is named.
    let shown = desk.json(&["quality", "show", table]);
    let rules = shown["latest"]["quality"]["judged"]["rules"].as_array().unwrap();
    let broken = rules.iter().find(|it| it["rule"] == "event_type.one_of").unwrap();
    let failed = broken["failed"].as_u64().unwrap();
    assert!(failed > 0, "{shown}");
    let rows =
        desk.json(&["quality", "rows", table, "--rule", "event_type.one_of", "--limit", "500"]);
    assert_eq!(rows["set_aside"].as_array().unwrap().len() as u64, failed, "{rows}");
    assert_eq!(rows["set_aside"][0]["rules"][0], "event_type.one_of");
    let first = batches[0]["batch"].as_str().unwrap();
    let rows = ["quality", "rows", table, "--rule", "event_type.one_of", "--batch", first];
    assert_eq!(desk.json(&rows)["set_aside"].as_array().unwrap().len(), 0);
    let text = desk.fine(&["quality", "rows", table, "--rule", "event_type.one_of"]);
    assert!(text.contains("set aside as dead letters"), "{text}");

    // And those that could not be read, which break no rule of the contract.
    let unread = rules.iter().find(|it| it["rule"] == "readable").unwrap()["failed"].as_u64();
    let rows = desk.json(&["quality", "rows", table, "--rule", "readable", "--limit", "500"]);
    assert!(unread > Some(0), "{shown}");
    assert_eq!(Some(rows["set_aside"].as_array().unwrap().len() as u64), unread, "{rows}");
    let rows = desk.json(&["quality", "rows", table, "--rule", "readable", "--batch", first]);
    assert_eq!(rows["set_aside"].as_array().unwrap().len(), 0, "{rows}");

    // A stage that was misspelt is told from one that has nothing to show.
    let told = |stage| desk.done(&["runs", "--stage", stage]).2;
    assert!(told("prase").contains("did you mean `parse`?"), "{}", told("prase"));
    assert!(!told("shipping").contains("did you mean"), "{}", told("shipping"));
    assert_eq!(desk.json(&["runs", "--stage", "parse"])[0]["silent"], false);
}

#[test]
fn confidential_cells_are_masked_and_what_nobody_knows_is_refused() {
    let desk = with_batches();
    let table = "silver.github_events";
    // A rule that only warns, in a copy of the contract.
    let file =
        super::root().join("pipelines/github_events/contracts/silver.github_events.odcs.yaml");
    let contract = std::fs::read_to_string(file).unwrap();
    let shown = desk.json(&["quality", "show", table]);
    assert_eq!(shown["latest"]["output"], table);
    let kept = desk.json(&["quality", "run", table, "--pipeline", "github_events"]);
    assert_eq!(kept["quality"]["verdict"], "pass", "{kept}");
    let warned = contract.replace(
        "description: 'Who did it: the login at that time, in lower case'\n        required: true",
        "description: 'x'\n        required: true\n        classification: restricted\n        \
         logicalTypeOptions: {pattern: '^[^0-9]*$'}\n        customProperties:\n          - {vendor: assay, \
         property: onFail, value: keep}",
    );
    assert_ne!(warned, contract);
    desk.write("warned.yaml", warned);
    let report = desk.json(&["quality", "run", table, "--contract", "warned.yaml"]);
    let sample = &report["samples"]["actor_login.pattern"];
    assert!(!sample["rows"].as_array().unwrap().is_empty(), "{report}");
    let login = sample["columns"].as_array().unwrap().iter().position(|it| it == "actor_login");
    assert_eq!(sample["rows"][0][login.unwrap()], "•••", "{sample}");

    let rows =
        ["quality", "rows", table, "--rule", "actor_login.not_null", "--contract", "warned.yaml"];
    let rows = desk.json(&rows);
    assert_eq!(rows["kept"]["rows"].as_array().unwrap().len(), 0, "{rows}");
    let (code, _, error) = desk.done(&["quality", "rows", table, "--rule", "nothing"]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("it has event_id.not_null"), "{error}");
    let (code, _, error) = desk.done(&["quality", "run", "nope", "--contract", "orders.odcs.yaml"]);
    assert_eq!(code, 2);
    let told = "there is no file nope, and no table is named so; tables: bronze.github_events, ";
    assert!(error.contains(told), "{error}");
    let (code, _, error) = desk.done(&["quality", "history", "gold.nothing"]);
    assert_eq!(code, 2, "{error}");
}

#[test]
fn rules_about_other_tables_are_asked_of_the_lake() {
    let desk = with_batches();
    // Looking at tables needs no log: this one can't be reached.
    desk.write("assay.yaml", "log: kafka://127.0.0.1:9\n");
    let report =
        desk.json(&["quality", "run", "gold.user_activity", "--pipeline", "github_events"]);
    let rules = report["quality"]["rules"].as_array().unwrap();
    let reference = rules.iter().find(|it| it["rule"] == "actor_id.references").unwrap();
    assert_eq!(reference["outcome"], "passed", "{report}");
    let query = "SELECT g.* REPLACE (g.actor_id + 1000000000 AS actor_id) FROM data g";
    let (code, text, error) = desk.done(&[
        "quality",
        "run",
        "gold.user_activity",
        "--pipeline",
        "github_events",
        "--sql",
        query,
        "-o",
        "json",
    ]);
    assert_eq!(code, 3, "{text}{error}");
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rules = report["quality"]["rules"].as_array().unwrap();
    let reference = rules.iter().find(|it| it["rule"] == "actor_id.references").unwrap();
    assert_eq!(reference["failed"], report["rows"], "{report}");
}

/// The contract of the orders, with rules that hold rows against earlier ones.
fn with_usual() -> String {
    let drift = "        logicalTypeOptions: {minimum: 0}
        quality:
          - {id: steady, type: custom, engine: assay, implementation: {drift: {runs: 2, atLeastRows: 10}}}
";
    let volume = "      - {name: at, logicalType: timestamp}
    quality:
      - {id: as_many, type: custom, engine: assay, implementation: {volume: {within: 10, atLeast: 2}}}
";
    let text = super::ORDERS.replace("        logicalTypeOptions: {minimum: 0}\n", drift);
    text.replace("      - {name: at, logicalType: timestamp}\n", volume)
}

fn orders(amounts: std::ops::Range<u32>) -> String {
    let head = "id,customer,amount,status,at\n".to_owned();
    amounts.fold(head, |text, amount| text + &format!("{amount},ann,{amount},new,\n"))
}

#[test]
fn files_are_held_against_earlier_runs_of_a_name() {
    let desk = Desk::new();
    desk.write("orders.odcs.yaml", with_usual());
    desk.write("today.csv", orders(0..100));
    let why = |of: &str| serde_json::json!({"notEvaluated": {"why": of}});
    let outcome = |report: &serde_json::Value, name| super::rule(report, name)["outcome"].clone();

    // Without a name nothing is kept, and it is said what was not looked at.
    let alone = desk.judged("today.csv", &[]);
    assert_eq!(outcome(&alone, "steady"), why("no history is kept of such runs"));
    assert_eq!(outcome(&alone, "as_many"), why("no history is kept of such runs"));
    let note = alone["notes"][0].as_str().unwrap();
    assert!(note.contains("steady, as_many; keep one with --history NAME"), "{note}");
    let text = desk.fine(&["quality", "run", "today.csv", "--contract", "orders.odcs.yaml"]);
    assert!(text.contains("NOT EVALUATED: no history is kept"), "{text}");
    assert!(!desk.path().join("data").exists());

    let kept = ["--data-dir", "data", "--history", "orders"];
    for seen in 0..2 {
        let learns = desk.judged("today.csv", &kept);
        let of = format!("it learns, {seen} of 2 runs seen");
        assert_eq!(outcome(&learns, "steady"), why(&of));
        let of = format!("it learns, {seen} of 2 batches seen");
        assert_eq!(outcome(&learns, "as_many"), why(&of));
        let note = learns["notes"][0].as_str().unwrap();
        assert!(note.ends_with(&format!("is kept, {} by now", seen + 1)), "{note}");
    }
    let usual = desk.judged("today.csv", &kept);
    assert_eq!(
        (outcome(&usual, "steady"), outcome(&usual, "as_many")),
        ("passed".into(), "passed".into())
    );

    desk.write("today.csv", orders(500..550));
    let moved = desk.judged("today.csv", &kept);
    assert_eq!(
        (outcome(&moved, "steady"), outcome(&moved, "as_many")),
        ("failed".into(), "failed".into())
    );
    // Another name knows nothing of it.
    let other = desk.judged("today.csv", &["--data-dir", "data", "--history", "other"]);
    assert_eq!(outcome(&other, "steady"), why("it learns, 0 of 2 runs seen"));

    let judge = ["quality", "run", "today.csv", "--contract", "orders.odcs.yaml"];
    let (code, _, error) = desk.done(&[&judge[..], &["--history", "a b"]].concat());
    assert_eq!(code, 2);
    assert!(error.contains("for example orders-nightly"), "{error}");
}

//! Batches of a pipeline that are held against those before: drift, freshness, and what stayed.

use serde_json::Value;

use super::{Desk, root};

const TABLE: &str = "silver.github_events_parsed";
const CONTRACT: &str = "mine/contracts/silver.github_events_parsed.odcs.yaml";

/// The shipped pipeline, whose second table is held against two earlier runs.
fn with_history() -> Desk {
    let desk = Desk::new();
    for part in ["contracts", "models", "schemas", "."] {
        std::fs::create_dir_all(desk.path().join("mine").join(part)).unwrap();
        for entry in std::fs::read_dir(root().join("pipelines/github_events").join(part)).unwrap() {
            let from = entry.unwrap().path();
            let to = desk.path().join("mine").join(part).join(from.file_name().unwrap());
            if from.is_file() {
                std::fs::copy(&from, to).unwrap();
            }
        }
    }
    edit(
        &desk,
        CONTRACT,
        "          - value: WatchEvent\n",
        "          - value: WatchEvent
        quality:
          - {id: steady, type: custom, engine: assay, severity: warning, implementation: {drift: {runs: 2}}}
",
    );
    edit(
        &desk,
        CONTRACT,
        "        description: When it happened\n",
        "        description: When it happened
        quality:
          - {id: usual, type: custom, engine: assay, implementation: {freshness: {within: 900000000, atLeast: 2}}}
",
    );
    edit(
        &desk,
        CONTRACT,
        "      - id: some_rows\n",
        "      - id: nobody_watches
        type: custom
        engine: assay
        severity: warning
        implementation: {expression: event_type <> 'WatchEvent'}
      - id: some_rows
",
    );
    edit(
        &desk,
        "mine/contracts/gold.user_activity.odcs.yaml",
        "slaProperties:\n",
        "    relationships:
      - {from: [user_activity.actor_id, user_activity.actor_login], to: [silver.github_events.actor_id, silver.github_events.actor_login], customProperties: [{vendor: assay, property: onFail, value: halt}]}
slaProperties:
",
    );
    desk
}

fn edit(desk: &Desk, file: &str, from: &str, to: &str) {
    let text = desk.read(file);
    assert_eq!(text.matches(from).count(), 1, "{from} in {file}");
    desk.write(file, text.replace(from, to));
}

/// Takes events in and runs some stages; only those of one type where it is named.
fn take(desk: &Desk, seed: &str, stages: &str, only: Option<&str>) {
    let made = ["generate", "github-events", "--count", "500", "--defects", "0", "--seed", seed];
    desk.fine(&[&made[..], &["--out", "made.jsonl"]].concat());
    if let Some(kind) = only {
        let of_kind = format!("\"type\":\"{kind}\"");
        let lines = desk.read("made.jsonl");
        let kept = lines.lines().filter(|line| line.replace(": ", ":").contains(&of_kind));
        let kept: Vec<&str> = kept.collect();
        assert!(kept.len() >= 100, "{} of {kind}", kept.len());
        desk.write("made.jsonl", kept.join("\n") + "\n");
    }
    desk.fine(&["ingest", "mine", "--file", "made.jsonl"]);
    for stages in stages.split(' ') {
        desk.fine(&["run", stages, "--pipeline", "mine", "--governed"]);
    }
}

fn rule(desk: &Desk, table: &str, name: &str) -> Value {
    let shown = desk.json(&["quality", "show", table]);
    let rules = shown["latest"]["quality"]["judged"]["rules"].as_array().unwrap().clone();
    rules.into_iter().find(|rule| rule["rule"] == name).unwrap_or_else(|| panic!("{shown}"))
}

#[test]
fn a_shift_that_was_planted_is_found_once_two_runs_are_known() {
    let desk = with_history();
    take(&desk, "1", "all", None);
    let why = |of: &str| serde_json::json!({"notEvaluated": {"why": of}});
    assert_eq!(rule(&desk, TABLE, "steady")["outcome"], why("it learns, 0 of 2 runs seen"));
    assert_eq!(rule(&desk, TABLE, "usual")["outcome"], why("it learns, 0 of 2 batches seen"));

    // A key of two columns is looked up in the other table.
    let known = rule(&desk, "gold.user_activity", "actor_id_actor_login.references");
    assert_eq!(known["outcome"], "passed");
    let cost = known["cost"].as_str().unwrap();
    assert!(cost.ends_with("looked up in silver.github_events (actor_id, actor_login)"), "{cost}");
    let query = "SELECT d.* REPLACE (d.actor_login || 'x' AS actor_login) FROM data d";
    let judge = ["quality", "run", "gold.user_activity", "--pipeline", "mine", "--sql", query];
    let judged = desk.json(&judge);
    let known = super::rule(&judged, "actor_id_actor_login.references");
    assert_eq!(known["failed"], judged["rows"], "{judged}");

    // Rows that broke a rule and stayed are found in the table.
    let broken = rule(&desk, TABLE, "nobody_watches");
    let rows = ["quality", "rows", TABLE, "--rule", "nobody_watches", "--pipeline", "mine"];
    let rows = desk.json(&[&rows[..], &["--limit", "500"]].concat());
    let kept = rows["kept"]["rows"].as_array().unwrap_or_else(|| panic!("{rows}"));
    assert!(!kept.is_empty() && broken["failed"] == kept.len(), "{broken} {rows}");
    let columns = rows["kept"]["columns"].as_array().unwrap();
    let kind = columns.iter().position(|it| it == "event_type").unwrap();
    assert!(kept.iter().all(|row| row[kind] == "WatchEvent"), "{rows}");
    assert_eq!(rows["set_aside"].as_array().unwrap().len(), 0);

    let stages = "kafka-to-bronze bronze-to-silver";
    take(&desk, "2", stages, None);
    assert_eq!(rule(&desk, TABLE, "steady")["outcome"], why("it learns, 1 of 2 runs seen"));
    take(&desk, "3", stages, None);
    let usual = rule(&desk, TABLE, "steady");
    assert_eq!((&usual["outcome"], &usual["severity"]), (&"passed".into(), &"warning".into()));
    assert_eq!(usual["cost"], "2 earlier profiles read");
    assert!(usual["observed"].as_f64().unwrap() < 0.15, "{usual}");
    assert_eq!(rule(&desk, TABLE, "usual")["outcome"], "passed");

    edit(&desk, CONTRACT, "{drift: {runs: 2}}", "{drift: {runs: 2, atLeastRows: 100}}");
    take(&desk, "4", stages, Some("PushEvent"));
    let moved = rule(&desk, TABLE, "steady");
    assert_eq!(moved["outcome"], "failed", "{moved}");
    assert!(moved["observed"].as_f64().unwrap() > 0.5, "{moved}");
    let text = desk.fine(&["quality", "show", TABLE]);
    assert!(text.contains("`steady`: the values are off by psi"), "{text}");
    profiles(&desk);
}

/// What is known of the four runs.
fn profiles(desk: &Desk) {
    let last = desk.json(&["quality", "profile", TABLE]);
    let column = |profile: &Value, name: &str| {
        let columns = profile["columns"].as_array().unwrap();
        columns.iter().find(|it| it["column"] == name).unwrap().clone()
    };
    let kinds = column(&last, "event_type");
    assert_eq!(
        (&kinds["top"], &kinds["nulls"]),
        (&serde_json::json!([["PushEvent", 1.0]]), &0.into())
    );
    assert!(kinds["psi"].as_f64().unwrap() > 0.5, "{kinds}");
    let history = desk.json(&["quality", "history", TABLE]);
    let first = history["batches"][0]["run"].as_str().unwrap();
    let first = desk.json(&["quality", "profile", TABLE, "--run", first]);
    assert_eq!((&first["rows"], &first["batches"]), (&500.into(), &1.into()));
    let kinds = column(&first, "event_type");
    assert!(kinds["top"].as_array().unwrap().len() > 5 && kinds["psi"].is_null(), "{kinds}");
    let actor = column(&first, "actor_id");
    let share: f64 =
        actor["histogram"].as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).sum();
    assert!((share - 1.0).abs() < 1e-9 && actor["std"].as_f64().unwrap() > 0.0, "{actor}");

    let text = desk.fine(&["quality", "profile", TABLE]);
    assert!(text.contains("PushEvent 100.0 %") && text.contains("PSI"), "{text}");
    let text = desk.fine(&["quality", "profile", TABLE, "--column", "actor_id"]);
    assert!(text.contains("different values") && text.contains("mean"), "{text}");
    for (more, says) in [
        (["--run", "0"], "is no id of a run"),
        (["--run", "00000000-0000-4000-8000-000000000000"], "has no profile of that run"),
        (["--column", "nothing"], "it has event_id, event_type"),
    ] {
        let (code, _, error) = desk.done(&[&["quality", "profile", TABLE][..], &more].concat());
        assert_eq!(code, 2, "{error}");
        assert!(error.contains(says), "{error}");
    }
    let (code, _, error) = desk.done(&["quality", "profile", "gold.nothing"]);
    assert_eq!(code, 2, "{error}");
}

//! The commands as a person runs them: what they print, and the codes they end with.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

fn assay(data: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_assay"))
        .current_dir(data.parent().unwrap())
        .env_remove("ASSAY_DATA_DIR")
        .env_remove("ASSAY_CONFIG")
        .arg("--data-dir")
        .arg(data)
        .args(arguments)
        .output()
        .unwrap()
}

/// What a command prints that ends well.
fn fine(data: &Path, arguments: &[&str]) -> String {
    let output = assay(data, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(data: &Path, arguments: &[&str]) -> Value {
    let text = fine(data, &[arguments, &["-o", "json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
}

/// The code and the error of a command that does not end well.
fn refused(data: &Path, arguments: &[&str]) -> (i32, String) {
    let output = assay(data, arguments);
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A pipeline of one's own, as the README says to begin one.
fn copy_of_the_shipped_pipeline(pipeline: &Path) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/github_events");
    for part in ["contracts", "models", "schemas", "."] {
        std::fs::create_dir_all(pipeline.join(part)).unwrap();
        for entry in std::fs::read_dir(shipped.join(part)).unwrap() {
            let from = entry.unwrap().path();
            if from.is_file() {
                std::fs::copy(&from, pipeline.join(part).join(from.file_name().unwrap())).unwrap();
            }
        }
    }
}

#[test]
fn the_demo_shows_the_whole_road_and_can_be_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo");
    let first = fine(&data, &["demo", "--events", "600"]);
    for part in [
        "Generated 600 GitHub events with 12 planted defects",
        "ingest",
        "user_activity",
        "silver.github_events_parsed",
        "lost: readable",
        "undecodable in github_events/ingest",
        "rule-broken in github_events/parse",
        "└── [github_events/land] log.raw_metrics_avro",
        "quality show",
    ] {
        assert!(first.contains(part), "{part} is not in:\n{first}");
    }
    let again = json(&data, &["demo", "--events", "600"]);
    assert_eq!(
        (&again["generated"], &again["ingest"]["counts"]["read"]),
        (&600.into(), &600.into())
    );
    let planted = again["planted"].as_object().unwrap().values();
    assert_eq!(planted.map(|count| count.as_u64().unwrap()).sum::<u64>(), 12, "{again}");
    assert_eq!(again["runs"].as_array().unwrap().len(), 4, "{again}");
    let status = json(&data, &["status"]);
    assert_eq!(status["stages"].as_array().unwrap().len(), 5, "{status}");
}

#[test]
fn every_answer_is_json_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let file = folder.path().join("events.jsonl");
    let generate = ["generate", "github-events", "--count", "300", "--defects", "4%", "--out"];
    fine(&data, &[&generate[..], &[file.to_str().unwrap()]].concat());
    let taken = json(&data, &["ingest", "github_events", "--file", file.to_str().unwrap()]);
    assert_eq!(taken["counts"]["read"], 300);
    let plan = json(&data, &["run", "all", "--pipeline", "github_events", "--plan"]);
    assert_eq!(plan[0]["pending"]["messages"]["partitions"], 3, "{plan}");
    let runs = json(&data, &["run", "all", "--pipeline", "github_events", "--governed"]);
    assert_eq!(runs.as_array().unwrap().len(), 4);
    for run in runs.as_array().unwrap() {
        let count = |name: &str| run["counts"][name].as_u64().unwrap();
        let kept = count("written") + count("rejected") + count("filtered") + count("duplicates");
        assert_eq!(count("read"), kept, "{run}");
    }
    let listed = json(&data, &["runs"]);
    let id = listed[0]["run"]["id"].as_str().unwrap();
    assert_eq!(json(&data, &["runs", id])["run"]["id"], id);
    let letters = json(&data, &["dlq", "list"]);
    let id = letters[0]["id"].as_str().unwrap();
    assert_eq!(json(&data, &["dlq", "show", id])["letter"]["id"], id);
    let quality = json(&data, &["quality", "show", "silver.github_events_parsed"]);
    assert_eq!(quality["latest"]["output"], "silver.github_events_parsed");
    let tree = json(&data, &["lineage", "show", "gold.user_activity"]);
    assert_eq!(tree["dataset"], "gold.user_activity");
    let reached = json(&data, &["lineage", "impact", "gold.user_activity.total_commits"]);
    let reaches =
        |column: &str| reached.as_array().unwrap().iter().any(|one| one["column"] == column);
    assert!(reaches("cumulative_commits") && !reaches("total_commits"), "{reached}");
    for (question, answer) in [
        (&["show", "gold.user_activty"][..], "did you mean gold.user_activity?"),
        (&["impact", "gold.user_activity"], "gold.user_activity is a dataset: write which column"),
    ] {
        let (code, told) = refused(&data, &[&["lineage"], question].concat());
        assert!(code == 2 && told.contains(answer), "{code} {told}");
    }
    let rows = json(&data, &["query", "SELECT sum(total_events) AS n FROM gold.user_activity"]);
    let silver = json(&data, &["query", "SELECT count(*) AS n FROM silver.github_events"]);
    assert_eq!(rows, silver);
    let tables = json(&data, &["tables"]);
    let snapshot = tables[0]["snapshots"][0]["id"].as_str().unwrap().to_owned();
    fine(&data, &["query", "SELECT count(*) FROM bronze.github_events", "--at", &snapshot]);
    let metrics = fine(&data, &["metrics"]);
    assert!(metrics.contains("# TYPE job_duration_seconds histogram"), "{metrics}");
    let listed = json(&data, &["metrics"]);
    let named =
        |metric: &Value| metrics.contains(&format!("# TYPE {} ", metric["name"].as_str().unwrap()));
    assert!(listed.as_array().unwrap().iter().all(named), "{listed}");
}

#[test]
fn a_bad_row_stops_a_run_that_may_not_set_it_aside() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let file = folder.path().join("events.jsonl");
    let generate = ["generate", "github-events", "--count", "300", "--defects", "4%", "--out"];
    fine(&data, &[&generate[..], &[file.to_str().unwrap()]].concat());
    fine(&data, &["ingest", "github_events", "--file", file.to_str().unwrap()]);
    let run = ["run", "all", "--pipeline", "github_events", "--enable-quality-checks"];
    let (code, error) = refused(&data, &run);
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("dead letters are off"), "{error}");
    assert!(error.contains("--enable-dlq"), "{error}");
    assert_eq!(
        json(&data, &["query", "SELECT count(*) AS n FROM silver.github_events_parsed"])[0]["n"],
        0
    );
    fine(&data, &["run", "all", "--pipeline", "github_events", "--governed"]);
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("nothing");
    for (arguments, says) in [
        (&["status"][..], "there is no data in"),
        (&["run", "all", "--pipeline", "nowhere"], "there is no pipeline `nowhere`"),
        (&["run", "silver-to-bronze", "--pipeline", "github_events"], "is no stage"),
        (&["check", "."], "has no pipeline.yaml"),
        (&["quality", "show", "iron.x"], "is not a dataset"),
        (&["generate", "github-events", "--defects", "200%"], "between 0% and 100%"),
        (&["contract", "infer", "nope"], "there is no file nope, and no table is named so"),
        (&["--config", "nowhere.yaml", "status"], "cannot read the configuration nowhere.yaml"),
    ] {
        let (code, error) = refused(&data, arguments);
        assert_eq!(code, 2, "{arguments:?}: {error}");
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
    assert!(!data.exists(), "looking made a data directory");
}

#[test]
fn a_demo_leaves_other_data_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let file = folder.path().join("events.jsonl");
    let generate = ["generate", "github-events", "--count", "20", "--defects", "0", "--out"];
    fine(&data, &[&generate[..], &[file.to_str().unwrap()]].concat());
    fine(&data, &["ingest", "github_events", "--file", file.to_str().unwrap()]);
    fine(&data, &["run", "all", "--pipeline", "github_events", "--governed"]);
    let (code, error) = refused(&data, &["demo"]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("holds data that is no demo's"), "{error}");
}

#[test]
fn a_data_directory_that_can_not_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("a_file");
    std::fs::write(&data, "x").unwrap();
    let (code, error) = refused(&data, &["demo"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("a_file") && error.contains("--data-dir"), "{error}");
}

#[test]
fn a_data_directory_may_have_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("josé a#b%20c?[1]*");
    fine(&data, &["demo", "--events", "100"]);
    let rows = json(&data, &["query", "SELECT count(*) AS n FROM silver.github_events"]);
    assert!(rows[0]["n"].as_u64().unwrap() > 90, "{rows}");
}

#[test]
fn data_that_was_moved_or_copied_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("here");
    fine(&data, &["demo", "--events", "50"]);
    let moved = folder.path().join("there");
    std::fs::rename(&data, &moved).unwrap();
    let (code, error) = refused(&moved, &["status"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("it was moved or copied"), "{error}");
    std::fs::rename(&moved, &data).unwrap();
    fine(&data, &["status"]);
}

#[test]
fn a_contract_that_does_not_fit_is_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let pipeline = folder.path().join("mine");
    copy_of_the_shipped_pipeline(&pipeline);
    let (file, mine) = (folder.path().join("events.jsonl"), pipeline.to_str().unwrap());
    let generate = ["generate", "github-events", "--count", "50", "--defects", "0", "--out"];
    fine(&data, &[&generate[..], &[file.to_str().unwrap()]].concat());
    fine(&data, &["ingest", mine, "--file", file.to_str().unwrap()]);
    fine(&data, &["run", "all", "--pipeline", mine, "--governed"]);

    let contract = pipeline.join("contracts/silver.github_events.odcs.yaml");
    let text = std::fs::read_to_string(&contract).unwrap();
    let narrowed = text.replacen("physicalType: bigint", "physicalType: int", 1);
    assert_ne!(text, narrowed);
    std::fs::write(&contract, narrowed).unwrap();
    let more =
        ["generate", "github-events", "--count", "50", "--seed", "7", "--defects", "0", "--out"];
    fine(&data, &[&more[..], &[file.to_str().unwrap()]].concat());
    fine(&data, &["ingest", mine, "--file", file.to_str().unwrap()]);
    let (code, error) = refused(&data, &["run", "all", "--pipeline", mine, "--governed"]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("is int in the contract and bigint in the table"), "{error}");
    let bronze = json(&data, &["query", "SELECT count(*) AS n FROM bronze.github_events"]);
    assert_eq!(bronze[0]["n"], 50, "a stage ran all the same");
}

#[test]
fn pruning_shows_first_and_is_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo");
    fine(&data, &["demo", "--events", "300"]);
    // What a process leaves that was killed two days ago.
    let left = data.join("tmp/left");
    std::fs::create_dir(&left).unwrap();
    let spilled = left.join("spilled");
    std::fs::write(&spilled, "12345").unwrap();
    let two_days_ago =
        std::fs::metadata(&spilled).unwrap().modified().unwrap() - Duration::from_hours(48);
    for path in [&spilled, &left] {
        std::fs::File::open(path).unwrap().set_modified(two_days_ago).unwrap();
    }
    let swept = |answer: &Value, what: &str| {
        let all = answer["swept"].as_array().unwrap();
        all.iter().find(|one| one["what"] == what).unwrap_or_else(|| panic!("{answer}")).clone()
    };

    let dry = json(&data, &["prune", "--dry-run"]);
    assert_eq!(swept(&dry, "temporary files")["bytes"], 5);
    assert_eq!(swept(&dry, "reports")["count"], 0);
    assert_eq!(swept(&dry, "messages of raw_metrics_avro")["kept_for"], "168 hours");
    assert!(left.exists());
    let shown = fine(&data, &["prune", "--dry-run"]);
    assert!(shown.contains("TO DELETE") && shown.contains("Nothing was deleted."), "{shown}");
    assert_eq!(fine(&data, &["audit"]).trim(), "no entries");

    let done = json(&data, &["--as", "vera", "prune", "--reason", "the disk is full"]);
    assert_eq!(swept(&done, "temporary files")["count"], 1);
    assert!(!left.exists());
    let audit = json(&data, &["audit", "--action", "prune"]);
    assert_eq!(audit.as_array().unwrap().len(), 1);
    assert_eq!(
        (&audit[0]["who"], &audit[0]["reason"]),
        (&"vera".into(), &"the disk is full".into())
    );
    assert_eq!(audit[0]["details"]["temporary files"]["bytes"], 5);
    // Nothing was due: nothing is accounted for.
    fine(&data, &["prune"]);
    assert_eq!(json(&data, &["audit"]).as_array().unwrap().len(), 1);
    let spills: Vec<_> = std::fs::read_dir(data.join("tmp")).unwrap().collect();
    assert!(spills.is_empty(), "every process took its own along: {spills:?}");
    let (code, error) = refused(&data, &["audit", "--action", "delete"]);
    assert_eq!(code, 2);
    assert!(error.contains("accept-batch"), "{error}");
}

#[test]
fn what_is_too_much_goes_by_the_sizes_of_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo");
    fine(&data, &["demo", "--events", "600"]);
    let settings = folder.path().join("assay.yaml");
    let text = "retention: {topic_mb: 1, letters_mb: 1, store_mb: 1}\n";
    std::fs::write(&settings, text).unwrap();
    let prune = ["--config", settings.to_str().unwrap(), "prune", "--dry-run"];
    let dry = json(&data, &prune);
    let kept_for = |what: &str| {
        let all = dry["swept"].as_array().unwrap();
        let one = all.iter().find(|one| one["what"] == what).unwrap_or_else(|| panic!("{dry}"));
        assert_eq!(one["count"], 0, "all of it is younger than an hour: {one}");
        one["kept_for"].as_str().unwrap().to_owned()
    };
    assert_eq!(kept_for("messages of raw_metrics_avro"), "168 hours, 1.0 MB");
    let letters = "365 days, closed 90, void 7, 1.0 MB";
    assert_eq!(kept_for("letters of dlq_processing_errors"), letters);
    assert_eq!(kept_for("reports"), "180 days, 1.0 MB");
    assert_eq!(kept_for("audit entries"), "3,650 days");
}

#[test]
fn a_day_that_is_judged_again_says_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (data, pipeline) = (folder.path().join("data"), folder.path().join("mine"));
    copy_of_the_shipped_pipeline(&pipeline);
    let (file, mine) = (folder.path().join("events.jsonl"), pipeline.to_str().unwrap());
    let generate = ["generate", "github-events", "--count", "200", "--defects", "5%", "--out"];
    fine(&data, &[&generate[..], &[file.to_str().unwrap()]].concat());
    fine(&data, &["ingest", mine, "--file", file.to_str().unwrap()]);
    let run = ["run", "all", "--pipeline", mine, "--governed"];
    let first = json(&data, &run);
    let judged = &first[1]["batches"][0];
    let landed = judged["counts"]["written"].as_u64().unwrap();
    let today =
        json(&data, &["query", "SELECT DISTINCT ingestion_date AS d FROM silver.github_events"]);
    let today = today[0]["d"].as_str().unwrap().to_owned();

    // A login may be missing.
    let contract = pipeline.join("contracts/silver.github_events_parsed.odcs.yaml");
    let text = std::fs::read_to_string(&contract).unwrap();
    let version = text.replacen("version: 1.0.0", "version: 1.1.0", 1);
    let login = version.find("- name: actor_login").unwrap();
    let required = version[login..].find("required: true").unwrap() + login;
    let corrected = [&version[..required], "required: false", &version[required + 14..]].concat();
    std::fs::write(&contract, corrected).unwrap();

    let hop = ["run", "bronze-to-silver", "--pipeline", mine, "--governed", "--date", &today];
    let again = json(&data, &hop);
    let changed = &again[0]["changed"];
    assert_eq!(changed["dataset"], "silver.github_events_parsed");
    assert_eq!(changed["rows_before"], landed);
    let rows = changed["rows"].as_u64().unwrap();
    assert!(rows > landed, "{changed}");
    assert_eq!(changed["letters_closed"], rows - landed);
    assert_eq!(changed["before"][0]["score"], judged["quality"]["judged"]["score"]);
    assert!(changed["now"]["score"].as_f64() > changed["before"][0]["score"].as_f64(), "{changed}");

    let told = fine(&data, &hop);
    let score = changed["now"]["score"].as_f64().unwrap();
    assert!(told.contains(&format!("score {score:.2} (warn), before {score:.2} (warn)")), "{told}");
    let nothing =
        ["run", "bronze-to-silver", "--pipeline", mine, "--governed", "--date", "2020-01-01"];
    let told = fine(&data, &nothing);
    assert!(told.contains("none before: the day had no rows"), "{told}");
}

#[test]
fn the_columns_behind_a_column_are_shown_before_anything_has_run() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("none");
    let of = ["lineage", "columns", "silver.github_events_parsed", "--pipeline", "github_events"];
    let shown = fine(&data, &of);
    let line = shown.lines().find(|line| line.contains("issue_state")).unwrap();
    for part in ["bronze.github_events.payload", "transformation", "`issue.state` in the JSON"] {
        assert!(line.contains(part), "{shown}");
    }
    let told = json(&data, &of);
    assert_eq!(told["stage"]["stage"], "parse");
    assert_eq!(told["columns"][0]["inputs"][0]["direct"], "IDENTITY");
    assert_eq!(told["rows"][0]["indirect"], serde_json::json!(["FILTER"]));
    assert_eq!(told["unknown"], serde_json::json!([]));
    let one = json(&data, &[&of[..], &["--column", "push_size"]].concat());
    let bronze = &one["trace"]["branches"][0];
    assert_eq!(bronze["branches"][0]["dataset"], "log.raw_metrics_avro");
    assert!(!data.exists(), "looking makes no folder");
    for (arguments, part) in [
        ([&of[..], &["--column", "size"]].concat(), "no column `size`; it has event_id"),
        ([&of[..2], &["gold.x"], &of[3..]].concat(), "writes no gold.x; its stages write bronze"),
        ([&of[..2], &["log.raw_metrics_avro"], &of[3..]].concat(), "is a topic"),
    ] {
        let (code, why) = refused(&data, &arguments);
        assert_eq!(code, 2, "{why}");
        assert!(why.contains(part), "{why}");
    }
}

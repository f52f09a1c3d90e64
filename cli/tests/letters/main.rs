//! Dead letters as a person on call meets them: from a wrong contract to all rows home.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod forward;
mod office;
mod working;

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use assay_core::SystemClock;
use assay_log::{EmbeddedLog, Log, NewRecord, TopicSpec};
use bytes::Bytes;
use serde_json::Value;

use office::Office;

#[test]
fn from_a_wrong_contract_to_all_rows_home() {
    let office = Office::with_a_wrong_contract(800);
    let letters = office.letters();
    let many = letters.len();
    assert!(many > 10, "{many}");
    assert_eq!(office.astray().0 as usize, many);

    let groups = office.json(&["dlq", "groups"]);
    assert_eq!(groups.as_array().unwrap().len(), 1, "{groups}");
    assert_eq!(groups[0]["letters"], many);
    let topics = office.fine(&["dlq", "topics"]);
    assert!(topics.contains(&format!("{many} rule-broken")), "{topics}");
    let found = office.json(&["dlq", "list", "--where", "$.type = WatchEvent", "--limit", "0"]);
    assert_eq!(found.as_array().unwrap().len(), many);
    let found = office.json(&["dlq", "list", "--text", "no such text"]);
    assert_eq!(found.as_array().unwrap().len(), 0);

    // What may be a reason misspelt would mean all letters; a job that can't be carried out would
    // keep its letters from others.
    for (asked, answer) in [
        (&["--pipeline", "own", "--reason", "rule_brocken"][..], "reason `rule-broken` misspelt"),
        (&["--pipeline", "ecommerce", "--reason", "mended"], "has no stage github_events/parse"),
        (&["--pipeline", "own", "--reason", "mended", "--transform", "{\"type\":"], "is no JSON"),
        (&["--pipeline", "own", "--reason", "mended", "--transform", "typo = 1"], "typo"),
    ] {
        let told = office.refused(&[&["dlq", "replay", "--yes"], asked].concat());
        assert!(told.contains(answer), "{told}");
    }
    assert_eq!(office.json(&["dlq", "jobs"]), Value::Array(vec![]));

    // Nothing is sent before somebody says so, and a wrong repair is found by a dry run.
    let asked = office.fine(&["dlq", "replay", "--pipeline", "own", "--reason", "mended"]);
    assert!(asked.contains("would be sent back into github_events/parse"), "{asked}");
    let dry = office.fine(&["dlq", "replay", "--pipeline", "own", "--dry-run"]);
    assert!(dry.contains(&format!("{many} died again of event_type.one_of")), "{dry}");
    assert!(dry.contains("Nothing was changed."), "{dry}");
    office.mend();
    let dry = office.fine(&["dlq", "replay", "--pipeline", "own", "--dry-run"]);
    assert!(dry.contains(&format!("of {many} letters: {many} landed")), "{dry}");
    assert_eq!(office.letters(), letters);

    let replay = ["dlq", "replay", "--pipeline", "own", "--reason", "mended", "--yes"];
    let done = office.json(&replay);
    assert_eq!(done["outcome"]["landed"], many, "{done}");
    assert_eq!(office.astray(), (0, 0));
    assert!(office.letters().is_empty());
    let traced = office.fine(&["dlq", "trace", &letters[0]]);
    for part in ["attempt 1 died in github_events/parse", "sent back by anna (mended)"] {
        assert!(traced.contains(part), "{part} is not in:\n{traced}");
    }
    let landed = traced.lines().find(|line| line.contains("landed:")).unwrap();
    assert!(landed.contains("silver.github_events_parsed, snapshot "), "{landed}");
    let job = done["job"].as_str().unwrap();
    let proofs = office.json(&["dlq", "jobs", job]);
    let proofs = proofs["letters"].as_array().unwrap();
    assert_eq!(proofs.len(), many);
    assert!(proofs.iter().all(|proof| proof["landing"]["snapshot"].is_i64()), "{proofs:?}");
    let audit = office.json(&["audit", "--action", "replay"]);
    assert_eq!(audit[0]["details"]["letters"], many, "{audit}");

    // What is behind the stage gets them by itself, and the index may be lost.
    let runs = office.json(&["run", "all", "--pipeline", "own", "--governed"]);
    assert_eq!(runs[2]["counts"]["written"], many, "{runs}");
    office.fine(&["dlq", "reindex"]);
    assert!(office.letters().is_empty());
    let all = office.json(&["dlq", "list", "--all", "--limit", "0"]);
    assert_eq!(all.as_array().unwrap().len(), many);
    assert_eq!(all[0]["outcome"]["fate"], "landed");
}

#[test]
fn killed_again_and_again_a_replay_goes_on_and_lands_every_letter_once() {
    let office = Office::with_a_wrong_contract(800);
    let many = office.letters().len() as u64;
    office.mend();
    let arguments = ["dlq", "replay", "--pipeline", "own", "--reason", "mended", "--yes"];
    let slow = [&arguments[..], &["--rate", "20", "--batch", "10"]].concat();
    let mut child =
        office.command(&slow).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let job = loop {
        let jobs = office.json(&["dlq", "jobs"]);
        if let Some(job) = jobs[0]["job"]["id"].as_str()
            && jobs[0]["outcome"]["landed"].as_u64() > Some(0)
        {
            break job.to_owned();
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::thread::sleep(Duration::from_millis(50));
    };
    child.kill().unwrap();
    child.wait().unwrap();
    // Its letters are still its own.
    let other = office.run(&[&arguments[..], &["--limit", "5"]].concat());
    let told = String::from_utf8_lossy(&other.stderr).into_owned();
    assert_eq!(other.status.code(), Some(4), "{told}");
    assert!(told.contains("in flight for other jobs"), "{told}");
    for millis in [150, 400, 700] {
        let mut child = office
            // It is judged by the pipeline that it was made with.
            .command(&["dlq", "resume", &job])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(millis));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let begun = Instant::now();
    let state = office.json(&["dlq", "jobs", &job])["job"]["state"].clone();
    if state != "complete" {
        let done = office.json(&["dlq", "resume", &job]);
        assert_eq!(done["outcome"]["landed"], many, "{done}");
    }
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(office.astray(), (0, 0));
    assert!(office.letters().is_empty());
    let told = office.refused(&["dlq", "resume", &job, "--pipeline", "own"]);
    assert!(told.contains("is complete") && !told.contains("goes on with it"), "{told}");
}

#[test]
fn letters_are_given_up_exported_and_masked() {
    let office = Office::with_a_wrong_contract(400);
    let letters = office.letters();
    let many = letters.len();
    let given_up = ["dlq", "discard", &letters[0], "--reason", "a test event"];
    office.fine(&given_up);
    let told = office.refused(&given_up);
    assert!(told.contains("is not open any more: discarded"), "{told}");
    // One that is wrong among others is not left out in silence.
    let nobody = uuid::Uuid::nil().to_string();
    for command in ["discard", "replay"] {
        let told = office.refused(&["dlq", command, &letters[1], &nobody, "--reason", "a test"]);
        assert!(told.contains(&format!("there is no dead letter {nobody}")), "{told}");
    }
    let asked = office.run(&["dlq", "replay", "--stage", "github_events/prase", "--dry-run"]);
    let told = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(told.contains("no letter names the stage `github_events/prase`"), "{told}");
    assert!(told.contains("github_events/parse"), "{told}");
    let listed = office.json(&["dlq", "list", "--limit", "1"]);
    assert_eq!(listed[0]["payload_truncated"], true, "{listed}");
    assert_eq!(office.letters().len(), many - 1);
    let traced = office.fine(&["dlq", "trace", &letters[0]]);
    assert!(traced.contains("discarded"), "{traced}");

    // The ending says how.
    for format in ["ndjson", "parquet"] {
        let to = format!("letters.{format}");
        let wrote = office.json(&["dlq", "export", "--to", &to]);
        assert_eq!(wrote["letters"], many - 1);
    }
    let text = std::fs::read_to_string(office.path("letters.ndjson")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), many - 1);
    assert_eq!(lines[0]["payload"]["type"], "WatchEvent");
    let file = std::fs::File::open(office.path("letters.parquet")).unwrap();
    let rows: usize = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file)
        .unwrap()
        .build()
        .unwrap()
        .map(|batch| batch.unwrap().num_rows())
        .sum();
    assert_eq!(rows, many - 1);

    // A column that the contract classifies is shown to nobody who does not ask for it.
    let column = "      - name: actor_login\n";
    office.edit(column, &format!("{column}        classification: personal\n"));
    office.edit("          - value: ForkEvent\n", "");
    let generate = ["generate", "github-events", "--defects", "0%", "--count", "300"];
    office.fine(&[&generate[..], &["--seed", "7", "--out", "more.jsonl"]].concat());
    office.fine(&["ingest", "own", "--file", "more.jsonl"]);
    office.fine(&["run", "all", "--pipeline", "own", "--governed"]);
    let newest = office.json(&["dlq", "list", "--limit", "1"]);
    let id = newest[0]["id"].as_str().unwrap();
    assert_eq!(newest[0]["payload"], Value::Null);
    let login = office.json(&["dlq", "show", id, "--reveal"])["letter"]["payload"].clone();
    let login: Value = serde_json::from_str(login.as_str().unwrap()).unwrap();
    let login = login["actor_login"].as_str().unwrap();
    let shown = office.fine(&["dlq", "show", id]);
    assert!(shown.contains("\"actor_login\": \"•••\""), "{shown}");
    assert!(!shown.contains(&format!("\"{login}\"")), "{login} is in {shown}");
    let groups = office.json(&["dlq", "groups", "--since", "1h", "--rule", "event_type.one_of"]);
    let group = groups[0]["fingerprint"].as_str().unwrap();
    office.fine(&["dlq", "export", "--to", "letters.ndjson", "--group", group]);
    let text = std::fs::read_to_string(office.path("letters.ndjson")).unwrap();
    assert!(!text.contains(&format!("\"actor_login\":\"{login}\"")), "{login}");
}

#[tokio::test]
async fn letters_of_another_system_are_listed_in_the_same_words() {
    let office = Office { folder: tempfile::tempdir().unwrap() };
    let data = office.path("assay-data");
    std::fs::create_dir(&data).unwrap();
    let log = EmbeddedLog::open(&data.join("log.db"), Arc::new(SystemClock)).await.unwrap();
    let spec = TopicSpec { name: "orders-dlt".into(), partitions: 1, retention: None };
    log.create(&spec).await.unwrap();
    let header = |name: &str, value: &[u8]| (name.to_owned(), Bytes::copy_from_slice(value));
    let spring = NewRecord {
        value: Some(Bytes::from_static(b"{\"id\": 1}")),
        headers: vec![
            header("kafka_dlt-original-topic", b"orders"),
            header("kafka_dlt-original-partition", &2_i32.to_be_bytes()),
            header("kafka_dlt-original-offset", &77_i64.to_be_bytes()),
            header("kafka_dlt-exception-fqcn", b"com.shop.NoSuchAccount"),
            header("kafka_dlt-exception-message", b"no such account"),
            header("kafka_dlt-original-consumer-group", b"billing"),
        ],
        ..NewRecord::default()
    };
    let plain = NewRecord { value: Some(Bytes::from_static(b"\xff\x01")), ..NewRecord::default() };
    log.append("orders-dlt", vec![spring, plain]).await.unwrap();
    drop(log);
    let listed = office.fine(&["dlq", "list", "--topic", "orders-dlt"]);
    assert!(listed.contains("billing") && listed.contains("no such account"), "{listed}");
    let letters =
        office.json(&["dlq", "list", "--topic", "orders-dlt", "--class", "com.shop.NoSuchAccount"]);
    assert_eq!(letters[0]["source"]["offset"], 77, "{letters}");
    let shown = office.fine(&["dlq", "show", letters[0]["id"].as_str().unwrap()]);
    assert!(shown.contains("offset 77 of topic `orders`, partition 2"), "{shown}");
    let none = office.run(&["dlq", "list", "--topic", "nowhere"]);
    assert!(!none.status.success());
    let error = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(error.contains("`nowhere` is not in the log"), "{error}");
    let replay = office.run(&["dlq", "replay", "--topic", "orders-dlt", "--dry-run"]);
    let error = String::from_utf8_lossy(&replay.stderr).into_owned();
    assert!(error.contains("have no stage of ours"), "{error}");
}

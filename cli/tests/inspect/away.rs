use super::Desk;

#[test]
fn while_the_log_is_away_what_the_store_knows_is_shown() {
    let desk = Desk::new();
    let made = ["generate", "github-events", "--count", "400", "--seed", "2", "--defects", "6%"];
    desk.fine(&[&made[..], &["--out", "made.jsonl"]].concat());
    desk.fine(&["ingest", "github_events", "--file", "made.jsonl"]);
    desk.fine(&["run", "all", "--pipeline", "github_events", "--governed"]);
    let letters = desk.json(&["dlq", "topics"]);
    assert!(letters.as_array().unwrap().len() > 1, "{letters}");
    let before = desk.fine(&["metrics"]);
    // Where nothing listens.
    desk.write("assay.yaml", "log: kafka://127.0.0.1:9\n");

    let status = desk.json(&["status"]);
    assert_eq!(status["stages"].as_array().unwrap().len(), 5, "{status}");
    assert!(status["behind"].is_null() && !status["log_away"].is_null(), "{status}");
    assert!(!status["dead_letters"].as_array().unwrap().is_empty(), "{status}");
    let text = desk.fine(&["status"]);
    assert!(text.contains("Unread messages: not known\nThe log is away"), "{text}");

    let text = desk.fine(&["metrics"]);
    assert!(text.contains("\ndata_quality_score{") && text.contains("\nassay_dead_letters{"));
    assert!(!text.contains("kafka_consumer_lag_messages"), "{text}");
    assert!(text.contains("\nassay_log_up 0\n") && before.contains("\nassay_log_up 1\n"), "{text}");

    let (code, text, error) = desk.done(&["dlq", "topics", "-o", "json"]);
    assert_eq!((code, serde_json::from_str(&text).ok()), (0, Some(letters)), "{error}");
    assert!(error.contains("the log is away, so this is how it was before"), "{error}");
    let frame = desk.fine(&["top", "--once"]);
    assert!(frame.contains("? unread") && frame.contains("the log is away"), "{frame}");
}

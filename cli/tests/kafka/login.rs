//! Who logs in, by the settings in `assay.yaml`.

use std::fs;

use crate::broker::Broker;
use crate::office::Office;

#[test]
fn who_logs_in_over_tls_is_let_in_and_who_can_not_is_told_what_to_correct() {
    let Some(broker) = Broker::start() else { return };
    let office = Office::open("embedded");
    let file = office.folder.path().join("events.jsonl");
    let out = ["--count", "1500", "--defects", "0", "--out", file.to_str().unwrap()];
    office.fine(&[&["generate", "github-events"], &out[..]].concat());
    let ingest = ["ingest", "github_events", "--file", file.to_str().unwrap()];

    let authority = format!("  tls:\n    ca_file: {}\n", broker.certificate("ca.pem"));
    let user = |mechanism: &str, name: &str| {
        let sasl = format!("    mechanism: {mechanism}\n    username: {name}\n");
        let password = "    password_file: password\n";
        format!("{}\nkafka:\n{authority}  sasl:\n{sasl}{password}", broker.of_users())
    };
    let password = |text: &str| fs::write(office.folder.path().join("password"), text).unwrap();

    password("not-hers\n");
    office.settle(&user("scram-sha-512", "carol"));
    let refused = office.command(&ingest).output().unwrap();
    let error = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{error}");
    assert!(error.contains("correct the user, the password or the mechanism"), "{error}");
    assert!(!error.contains("not-hers"), "{error}");

    password("carol-secret\n");
    office.fine(&ingest);
    password("alice-secret");
    office.settle(&user("plain", "alice"));
    office.fine(&["run", "kafka-to-bronze", "--pipeline", "github_events", "--governed"]);

    let own = ["certificate_file", "key_file"].into_iter().zip(["client.pem", "client.key"]);
    let own: String =
        own.map(|(key, name)| format!("    {key}: {}\n", broker.certificate(name))).collect();
    office.settle(&format!("{}\nkafka:\n{authority}{own}", broker.of_certificates()));
    office.run();
    let sql = "SELECT COUNT(*) AS n FROM silver.github_events";
    assert_eq!(office.json(&["query", sql])[0]["n"], 1_500);
}

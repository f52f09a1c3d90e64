//! Who hears of an alert, and which alerts say nothing beside another.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::alerts::alerts;
use crate::hook::Hook;
use crate::servers::{Server, check, programs, root};
use crate::web::{get, post, wait};

/// Our routes and rules of inhibition, quick, with every receiver at one address.
pub(crate) fn start(programs: &Path, hook: &Hook, folder: &Path) -> Server {
    let text = fs::read_to_string(root().join("alerts/alertmanager.yml")).unwrap();
    let (routes, receivers) = text.split_once("\nreceivers:\n").unwrap();
    let mut settings: String = routes
        .lines()
        .map(|line| match line.split_once(": ") {
            Some((key, _)) if key.ends_with("group_wait") || key.ends_with("group_interval") => {
                format!("{key}: 1s\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    settings.push_str("receivers:\n");
    for name in receivers.lines().filter_map(|line| line.strip_prefix("  - name: ")) {
        let url = format!("http://127.0.0.1:{}/{name}", hook.port);
        settings.push_str(&format!(
            "  - name: {name}\n    webhook_configs: [{{url: \"{url}\", send_resolved: true}}]\n"
        ));
    }
    let file = folder.join("alertmanager.yml");
    fs::write(&file, settings).unwrap();
    Server::start(
        &programs.join("prometheus-alertmanager"),
        &[
            &format!("--config.file={}", file.display()),
            "--storage.path={folder}/state",
            "--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ],
    )
}

#[test]
fn each_severity_has_its_receiver() {
    let Some(programs) = programs() else { return };
    let amtool = programs.join("amtool");
    let file = "alerts/alertmanager.yml";
    let said = check(&amtool, &["check-config", file]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let name = |wanted: &str| alerts().iter().any(|alert| alert.name == wanted);
    for (receiver, alert, severity) in [
        ("pager", "AssayTargetDown", "critical"),
        ("pager", "AssayJobFailed", "critical"),
        ("data-owners", "AssayBatchHalted", "critical"),
        ("data-owners", "AssayQualityScoreCritical", "critical"),
        ("tickets", "AssayQualityScoreLow", "warning"),
        ("tickets", "KafkaUnderReplicatedPartitions", "warning"),
        ("notes", "AssayStagePaused", "info"),
        ("watchdog", "AssayWatchdog", "info"),
    ] {
        assert!(name(alert), "{alert} is an alert");
        let verify = format!("--verify.receivers={receiver}");
        let labels = [format!("alertname={alert}"), format!("severity={severity}")];
        let config = format!("--config.file={file}");
        let arguments = ["config", "routes", "test", &config, &verify, &labels[0], &labels[1]];
        let said = check(&amtool, &arguments);
        assert!(said.status.success(), "{alert}: {}", String::from_utf8_lossy(&said.stderr));
    }
}

#[test]
fn what_follows_from_something_else_is_not_told_as_well() {
    let Some(programs) = programs() else { return };
    let hook = Hook::open();
    let folder = tempfile::TempDir::new().unwrap();
    let alertmanager = start(programs, &hook, folder.path());
    let alert = |name: &str, labels: Value| {
        let mut all = labels;
        all["alertname"] = json!(name);
        json!({"labels": all})
    };
    let (parse, land) = (json!({"env": "a", "pipeline": "p", "stage": "parse"}), "land");
    let sent = json!([
        alert("KafkaBrokerDown", json!({"instance": "kafka-1:9101"})),
        alert("AssayConsumerLagHigh", json!({"env": "a", "group": "p/land"})),
        alert("AssayCollectorQueueHigh", json!({"instance": "c:8000"})),
        alert("AssayJobFailed", parse.clone()),
        alert("AssayJobStale", parse.clone()),
        alert("AssayJobStale", json!({"env": "a", "pipeline": "p", "stage": land})),
        alert("AssayQualityScoreCritical", json!({"env": "a", "dataset": "silver.x"})),
        alert("AssayQualityScoreLow", json!({"env": "a", "dataset": "silver.x"})),
        alert("AssayQualityScoreLow", json!({"env": "a", "dataset": "silver.y"})),
    ]);
    assert!(post(alertmanager.port, "/api/v2/alerts", &sent.to_string()).is_some());
    // An alert is judged when its group is first told.
    let muted = wait("alert that is muted", 15, || {
        let all = get(alertmanager.port, "/api/v2/alerts")?;
        let all: Vec<Value> = serde_json::from_str(&all).unwrap();
        let open = |alert: &&Value| alert["status"]["state"] != "unprocessed";
        (all.iter().filter(open).count() == 9)
            .then(|| {
                let muted = all.iter().filter(|alert| alert["status"]["state"] == "suppressed");
                let name = |alert: &Value| {
                    let labels = &alert["labels"];
                    let of = ["stage", "dataset"].iter().find_map(|key| labels[*key].as_str());
                    format!("{} {}", labels["alertname"].as_str().unwrap(), of.unwrap_or_default())
                };
                let mut muted: Vec<_> = muted.map(name).collect();
                muted.sort();
                muted
            })
            .filter(|muted| muted.len() >= 4)
    });
    assert_eq!(
        muted,
        [
            "AssayCollectorQueueHigh ",
            "AssayConsumerLagHigh ",
            "AssayJobStale parse",
            "AssayQualityScoreLow silver.x"
        ]
    );
}

//! The product runs, a real Prometheus asks it, and every panel and rule has something to say; bad
//! data is told to a receiver, and told to be over when the next batch is good.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use assay_metrics::names;
use serde_json::Value;
use tempfile::TempDir;

use crate::alerts::{alerts, foreign, ours};
use crate::hook::Hook;
use crate::office::{Office, RUN};
use crate::servers::{Server, free_port, programs, root};
use crate::web::{get, post, query, wait};
use crate::{alertmanager, expression};

/// Panels that have nothing to show here, and why.
const EMPTY: [(&str, &str); 0] = [];

/// A process of ours that goes with the test.
pub(crate) struct Running(Child);

impl Running {
    /// Starts it, and waits until it says where it listens.
    pub(crate) fn start(mut command: Command, says: &str) -> Running {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains(says) {
            line.clear();
            assert!(told.read_line(&mut line).unwrap() > 0, "it ended before it listened");
        }
        std::thread::spawn(move || told.read_to_string(&mut String::new()));
        Running(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Limits that are hours or minutes of a day at work, in seconds of a test.
const SOON: [(&str, &str); 3] = [
    (
        "time() - job_last_success_timestamp_seconds > 26 * 3600",
        "time() - job_last_success_timestamp_seconds > 12",
    ),
    ("(assay_outbox_oldest_age_seconds) > 900", "(assay_outbox_oldest_age_seconds) > 2"),
    ("(kafka_consumer_lag_seconds) > 900", "(kafka_consumer_lag_seconds) > 2"),
];

/// Our rules as they are, but in seconds.
fn quick_rules(folder: &Path) {
    let mut found = 0;
    for entry in fs::read_dir(root().join("alerts/rules")).unwrap() {
        let path = entry.unwrap().path();
        let quick = |line: &str| {
            let key = line.trim_start().split(": ").next().unwrap();
            match ["for", "keep_firing_for", "interval"].contains(&key) {
                true => format!("{}: 1s\n", line.split(": ").next().unwrap()),
                false => format!("{line}\n"),
            }
        };
        let mut text: String = fs::read_to_string(&path).unwrap().lines().map(quick).collect();
        for (limit, soon) in SOON {
            found += text.matches(limit).count();
            text = text.replace(limit, soon);
        }
        fs::write(folder.join(path.file_name().unwrap()), text).unwrap();
    }
    assert_eq!(found, SOON.len(), "each limit stands in one rule");
}

/// Starts a Prometheus that asks each job every second.
pub(crate) fn prometheus(
    programs: &Path,
    folder: &Path,
    alertmanager: u16,
    jobs: &[(&str, u16)],
) -> Server {
    quick_rules(folder);
    let mut settings = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
         rule_files: ['{}/*.yml']\n\
         alerting:\n  alertmanagers:\n    - static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]\n\
         scrape_configs:\n",
        folder.display()
    );
    for (job, port) in jobs {
        settings.push_str(&format!(
            "  - {{job_name: {job}, honor_labels: true, \
             static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}\n"
        ));
    }
    let file = folder.join("prometheus");
    fs::write(&file, settings).unwrap();
    Server::start(
        &programs.join("prometheus"),
        &[
            &format!("--config.file={}", file.display()),
            "--storage.tsdb.path={folder}/series",
            // What fired before the Alertmanager was found is told again.
            "--rules.alert.resend-delay=1s",
            "--web.listen-address=127.0.0.1:{port}",
        ],
    )
}

#[test]
fn every_panel_and_rule_has_data_and_bad_data_is_told_until_it_is_good_again() {
    let Some(programs) = programs() else { return };
    let (hook, folder) = (Hook::open(), TempDir::new().unwrap());
    let gateway = Server::pushgateway(programs);
    let alertmanager = alertmanager::start(programs, &hook, folder.path());
    let batch = Office::open(&format!(
        "pushgateway:\n  url: http://127.0.0.1:{}\n  env: test\n\
         openlineage: [{{name: away, url: \"http://127.0.0.1:{}\"}}]\n",
        gateway.port,
        free_port()
    ));
    let live = Office::open("collector:\n  linger_seconds: 1\n");
    let (takes, follows) = (free_port(), free_port());
    let collector = ["collect", "github_events", "--listen", &takes.to_string()];
    let _collector = Running::start(live.command(&collector), "listening on");
    // A worker needs a topic, and the first message makes it.
    assert!(post(takes, "/collect", "{\"id\":\"first\",\"type\":\"PushEvent\"}").is_some());
    let sent = format!("{} 1\n", names::BATCHES_SENT.name);
    wait("message in the log", 20, || get(takes, "/metrics")?.contains(&sent).then_some(()));
    let run = ["run", "kafka-to-bronze", "--pipeline", "github_events", "--governed"];
    let listen = ["--follow", "--commit-every", "0.5", "--listen", &follows.to_string()];
    let worker = Running::start(live.command(&[run, listen].concat()), "http://");
    let rules = folder.path().join("rules");
    fs::create_dir(&rules).unwrap();
    let jobs =
        [("pushgateway", gateway.port), ("assay-collector", takes), ("assay-workers", follows)];
    let prometheus = prometheus(programs, &rules, alertmanager.port, &jobs);
    let asks = |expression: &str| query(prometheus.port, expression);
    let shows = |expression: &str| {
        wait(expression, 30, || asks(expression).into_iter().next());
    };

    // Bad data that is not bad enough to halt.
    batch.ingest(300, 1, "60%");
    batch.fine(&RUN);
    shows("ALERTS{alertname=\"AssayQualityScoreLow\", alertstate=\"firing\"}");
    wait("alert at its receiver", 30, || hook.heard("tickets", "AssayQualityScoreLow", "firing"));
    let told = hook.heard("tickets", "AssayQualityScoreLow", "firing").unwrap();
    let description = told["annotations"]["description"].as_str().unwrap();
    assert!(description.starts_with("silver.github_events_parsed of github_events has"), "{told}");

    // What is put right is told to be over.
    batch.ingest(300, 2, "0%");
    batch.fine(&RUN);
    wait("end of the alert", 30, || hook.heard("tickets", "AssayQualityScoreLow", "resolved"));
    wait("sign that alerts get through", 10, || hook.heard("watchdog", "AssayWatchdog", "firing"));

    // Events come in, good and bad ones, for as long as it takes to see rates.
    for number in 0..12 {
        let event = format!("{{\"id\":\"{number}\",\"type\":\"PushEvent\"}}");
        assert!(post(takes, "/collect", &event).is_some());
        assert!(post(takes, "/collect", "{}").is_none());
        std::thread::sleep(std::time::Duration::from_millis(250));
    }
    // Messages that nobody has read yet have an age.
    batch.ingest(100, 3, "0%");
    shows(names::LAG_SECONDS.name);
    shows(&format!("{} > 1", names::FOLLOW_BATCHES.name));
    shows(&format!("increase({}_count[30s]) > 0", names::BATCH_SIZE.name));

    every_panel_shows_something(&asks);
    every_metric_of_a_rule_is_there(&asks);
    every_rule_can_be_worked_out(&get(prometheus.port, "/api/v1/rules").unwrap());

    // Worse data halts a stage, letters pile up, and a worker dies.
    batch.ingest(600, 4, "90%");
    assert_eq!(batch.assay(&RUN).status.code(), Some(3), "the batch is halted");
    drop(worker);
    for (receiver, alert) in [
        ("tickets", "AssayDeadLettersGrowing"),
        ("tickets", "AssaySchemaErrors"),
        ("tickets", "AssayCollectorRejectsMany"),
        ("data-owners", "AssayBatchHalted"),
        ("pager", "AssayTargetDown"),
    ] {
        wait(alert, 30, || hook.heard(receiver, alert, "firing"));
    }
}

fn every_panel_shows_something(asks: &dyn Fn(&str) -> Vec<Value>) {
    let mut empty = vec![];
    let mut asked = 0;
    for entry in fs::read_dir(root().join("dashboards/grafana")).unwrap() {
        let path = entry.unwrap().path();
        // The figures of the shop have a test of their own.
        let here = path.is_file() && !path.ends_with("assay-business.json");
        let Some(text) = here.then(|| fs::read_to_string(&path).unwrap()) else { continue };
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let expression = chosen(target["expr"].as_str().unwrap());
                asked += 1;
                if asks(&expression).is_empty() {
                    let title = panel["title"].as_str().unwrap().to_owned();
                    empty.push((title, expression));
                }
            }
        }
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            let Some(query) = variable["definition"].as_str() else { continue };
            let series = query.split(['(', ',']).nth(1).unwrap();
            assert!(!asks(series).is_empty(), "a choice without values: {query}");
        }
    }
    assert!(asked > 60, "only {asked} queries");
    empty.retain(|(title, _)| !EMPTY.iter().any(|(known, _)| known == title));
    assert!(empty.is_empty(), "panels that show nothing: {empty:#?}");
}

/// The query as Grafana sends it, with everything chosen.
pub(crate) fn chosen(expression: &str) -> String {
    let mut parts = expression.split('$');
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let (name, rest) = part.split_at(end.unwrap_or(part.len()));
        text.push_str(if name == "__rate_interval" { "30s" } else { ".*" });
        text.push_str(rest);
    }
    text
}

fn every_metric_of_a_rule_is_there(asks: &dyn Fn(&str) -> Vec<Value>) {
    let (ours, foreign) = (ours(), foreign());
    // Those of programs that run here, too.
    let here = ["up", "push_time_seconds", "push_failure_time_seconds"];
    for alert in alerts() {
        for name in expression::names(&alert.expression) {
            let asked = ours.contains(&name) || here.contains(&name.as_str());
            assert!(asked || foreign.contains(&name));
            assert!(!asked || !asks(&name).is_empty(), "{}: no {name}", alert.name);
        }
    }
}

fn every_rule_can_be_worked_out(answer: &str) {
    let answer: Value = serde_json::from_str(answer).unwrap();
    let groups = answer["data"]["groups"].as_array().unwrap().iter();
    let rules: Vec<_> = groups.flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() > 60, "{}", rules.len());
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{}: {}", rule["name"], rule["lastError"]);
    }
}

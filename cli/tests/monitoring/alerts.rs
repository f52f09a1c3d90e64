//! The rules: what they ask for is there, where they lead exists, and each was fired.

use std::collections::BTreeSet;
use std::fs;

use assay_core::Document;
use assay_metrics::names::{self, Kind};
use serde_json::Value;

use crate::expression;
use crate::servers::{check, programs, root};

/// A rule that fires.
pub(crate) struct Alert {
    pub(crate) name: String,
    pub(crate) expression: String,
    rule: Value,
}

fn files(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join("alerts").join(folder)).unwrap();
    let mut files: Vec<_> =
        entries.map(|entry| entry.unwrap().path().display().to_string()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

pub(crate) fn yaml(path: &str) -> Value {
    let text = fs::read_to_string(root().join(path)).unwrap();
    Document::parse(path, &text).unwrap_or_else(|mistakes| panic!("{mistakes}")).value().clone()
}

fn rules() -> Vec<Value> {
    let mut rules = vec![];
    for file in files("rules") {
        for group in yaml(&file)["groups"].as_array().unwrap() {
            rules.extend(group["rules"].as_array().unwrap().iter().cloned());
        }
    }
    rules
}

pub(crate) fn alerts() -> Vec<Alert> {
    let alert = |rule: Value| {
        let name = rule["alert"].as_str()?.to_owned();
        let expression = rule["expr"].as_str().unwrap().to_owned();
        Some(Alert { name, expression, rule })
    };
    rules().into_iter().filter_map(alert).collect()
}

/// Metrics of other programs, as the list has them.
pub(crate) fn foreign() -> BTreeSet<String> {
    let list = yaml("alerts/foreign.yml");
    let programs = list.as_object().unwrap().values();
    let names = programs.flat_map(|program| program["names"].as_array().unwrap());
    names.map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// The names of all series that our processes and recording rules make.
pub(crate) fn ours() -> BTreeSet<String> {
    let mut ours = BTreeSet::new();
    for metric in names::all() {
        match metric.kind {
            Kind::Histogram => {
                ours.extend(["bucket", "sum", "count"].map(|end| format!("{}_{end}", metric.name)));
            }
            _ => _ = ours.insert(metric.name.to_owned()),
        }
    }
    ours.extend(rules().iter().filter_map(|rule| Some(rule["record"].as_str()?.to_owned())));
    ours
}

#[test]
fn every_metric_in_a_rule_is_ours_or_on_the_list_of_others() {
    let (ours, foreign) = (ours(), foreign());
    let mut asked = BTreeSet::new();
    for rule in rules() {
        for name in expression::names(rule["expr"].as_str().unwrap()) {
            assert!(ours.contains(&name) || foreign.contains(&name), "{name}, in {rule}");
            asked.insert(name);
        }
    }
    let unused: Vec<_> = foreign.difference(&asked).collect();
    assert!(unused.is_empty(), "on the list of others and in no rule: {unused:?}");
}

#[test]
fn every_alert_says_what_where_and_what_to_do_and_leads_somewhere() {
    let runbook = fs::read_to_string(root().join("alerts/runbook.md")).unwrap();
    let mut seen = BTreeSet::new();
    for Alert { name, rule, .. } in alerts() {
        assert!(seen.insert(name.clone()), "{name} is there twice");
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning", "info"].contains(&severity), "{name}");
        let says = |key: &str| {
            rule["annotations"][key].as_str().unwrap_or_else(|| panic!("{name} has no {key}"))
        };
        assert!(says("summary").ends_with('.') && !says("summary").contains("{{"), "{name}");
        assert!(says("description").len() > 60, "{name}");
        let anchor = format!("alerts/runbook.md#{}", name.to_lowercase());
        assert_eq!(says("runbook_url"), anchor);
        assert!(runbook.contains(&format!("\n## {name}\n")), "no entry in the runbook: {name}");
        let uid = says("dashboard_url").split("/d/").nth(1).unwrap().split('?').next().unwrap();
        let dashboard = root().join(format!("dashboards/grafana/{uid}.json"));
        assert!(dashboard.is_file(), "{name} leads to {uid}");
        if let Some((_, variable)) = says("dashboard_url").split_once("?var-") {
            let variable = variable.split('=').next().unwrap();
            let text = fs::read_to_string(dashboard).unwrap();
            assert!(text.contains(&format!("\"name\": \"{variable}\"")), "{name}: {variable}");
        }
        // What is told over and over is told once: either it lasts, or it is kept for a while.
        let lasts = rule["for"].is_string() || rule["keep_firing_for"].is_string();
        assert!(lasts || name == "AssayWatchdog", "{name}");
    }
    for entry in runbook.lines().filter_map(|line| line.strip_prefix("## ")) {
        assert!(seen.contains(entry), "the runbook has an entry for no alert: {entry}");
    }
}

#[test]
fn every_alert_was_fired_and_stayed_silent_once() {
    let (mut fired, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for file in files("tests") {
        for test in yaml(&file)["tests"].as_array().unwrap() {
            for case in test["alert_rule_test"].as_array().unwrap() {
                let name = case["alertname"].as_str().unwrap().to_owned();
                match case["exp_alerts"].as_array().unwrap().is_empty() {
                    true => silent.insert(name),
                    false => fired.insert(name),
                };
            }
        }
    }
    let all: BTreeSet<_> = alerts().into_iter().map(|alert| alert.name).collect();
    assert_eq!(fired, all);
    // The one that always fires is never silent.
    silent.insert("AssayWatchdog".to_owned());
    assert_eq!(silent, all);
}

/// The page says of each alert who fired it, and the tests that it speaks of look for it.
#[test]
fn the_page_says_of_every_alert_how_it_was_fired() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let page = read("docs/monitoring.md");
    let (_, lists) = page.split_once("\n**Fired by the product").unwrap();
    let (product, promtool) = lists.split_once("\n**Fired by promtool alone").unwrap();
    let all: BTreeSet<_> = alerts().into_iter().map(|alert| alert.name).collect();
    let named = |list: &str| -> BTreeSet<String> {
        list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let (product, promtool) = (named(product), named(promtool));
    assert_eq!(product.union(&promtool).cloned().collect::<BTreeSet<_>>(), all);
    assert_eq!(product.intersection(&promtool).next(), None);
    let tests = ["whole", "trouble", "business"];
    let tests = tests.map(|name| read(&format!("cli/tests/monitoring/{name}.rs"))).concat();
    let quoted = |name: &&String| tests.contains(&format!("\"{name}\""));
    let heard: BTreeSet<_> = all.iter().filter(quoted).cloned().collect();
    assert_eq!(heard, product);
}

#[test]
fn prometheus_own_tools_accept_rules_tests_and_settings() {
    let Some(programs) = programs() else { return };
    let promtool = programs.join("promtool");
    let accept = |arguments: &[&str], files: &[String]| {
        let files = files.iter().map(String::as_str);
        let arguments: Vec<&str> = arguments.iter().copied().chain(files).collect();
        let said = check(&promtool, &arguments);
        let (out, error) = (String::from_utf8_lossy(&said.stdout), said.stderr);
        assert!(said.status.success(), "{out}{}", String::from_utf8_lossy(&error));
    };
    accept(&["check", "rules", "--lint=all", "--lint-fatal"], &files("rules"));
    accept(&["test", "rules"], &files("tests"));
    accept(&["check", "config", "--syntax-only", "alerts/prometheus.yml"], &[]);
}

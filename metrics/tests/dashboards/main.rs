//! The dashboards of Grafana are made here, of the list of metrics. `ASSAY_WRITE=1` writes them.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod business;
mod grafana;
mod letters;
mod overview;
mod performance;
mod quality;
mod sla;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assay_metrics::names;
use serde_json::Value;

use crate::grafana::Dashboard;

fn dashboards() -> Vec<Dashboard> {
    vec![
        overview::dashboard(),
        quality::dashboard(),
        performance::dashboard(),
        letters::dashboard(),
        sla::dashboard(),
        business::dashboard(),
    ]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards/grafana")
}

#[test]
fn the_files_are_what_is_made_here() {
    let write = std::env::var_os("ASSAY_WRITE").is_some();
    let mut made = BTreeSet::new();
    for dashboard in dashboards() {
        let path = folder().join(format!("{}.json", dashboard.uid));
        let text = format!("{}\n", serde_json::to_string_pretty(&dashboard.json()).unwrap());
        if write {
            std::fs::write(&path, &text).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(there, text, "`./dev monitoring` writes {} anew", path.display());
        made.insert(path.file_name().unwrap().to_owned());
    }
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let there: BTreeSet<_> =
        files.filter(|name| name.to_str().unwrap().ends_with(".json")).collect();
    assert_eq!(there, made);
}

#[test]
fn every_panel_has_words_a_unit_and_a_place_of_its_own() {
    for dashboard in dashboards() {
        let json = dashboard.json();
        let (mut titles, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in json["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            assert!(titles.insert(title), "{title} is there twice");
            let number = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(number("x") + number("w") <= 24, "{title} is too wide");
            for x in number("x")..number("x") + number("w") {
                for y in number("y")..number("y") + number("h") {
                    assert!(taken.insert((x, y)), "{title} lies over another panel");
                }
            }
            if panel["type"] == "row" {
                continue;
            }
            let words = panel["description"].as_str().unwrap();
            assert!(words.len() > 20 && words.ends_with('.'), "{title}: {words}");
            assert!(!panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap().is_empty());
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title}");
        }
    }
}

/// The types that Grafana's own front end has, as a schema; of parts that it does not know it says
/// nothing.
#[test]
fn grafana_takes_every_dashboard_by_its_own_types() {
    let schema = serde_json::from_str(include_str!("grafana-13.2.3.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for dashboard in dashboards() {
        let mut json = dashboard.json();
        let errors: Vec<_> = validator
            .iter_errors(&json)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", dashboard.uid);
        json["panels"][1]["gridPos"]["h"] = "tall".into();
        assert!(!validator.is_valid(&json), "it sees what is wrong");
    }
}

/// What the linter of Grafana's makers asks of queries.
#[test]
fn counters_are_asked_for_what_they_gained_and_rates_fit_the_resolution() {
    for expression in dashboards().iter().flat_map(|dashboard| expressions(&dashboard.json())) {
        for counter in names::all().filter(|metric| metric.kind == names::Kind::Counter) {
            let Some(place) = expression.find(counter.name) else { continue };
            let before = &expression[..place];
            let asked = ["increase(", "rate("].iter().any(|f| before.ends_with(f));
            assert!(asked, "{expression}: {} outside of increase and rate", counter.name);
        }
        for (place, _) in expression.match_indices("rate(") {
            let window = expression[place..].split('[').nth(1).unwrap();
            assert!(window.starts_with("$__rate_interval]"), "{expression}");
        }
    }
}

/// What Prometheus is asked.
fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets.filter_map(|target| Some(target["expr"].as_str()?.to_owned())).collect()
}

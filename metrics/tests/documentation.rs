//! The tables of docs/metrics.md are made of the list of metrics. `ASSAY_WRITE=1` writes them.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use assay_core::{Dimension, Layer, RunStatus, Severity};
use assay_metrics::names::{self, LABELS, Metric, Values};
use assay_store::EventKind;

/// The tables by the mark that each stands behind.
fn tables() -> [(&'static str, String); 8] {
    [
        ("store", table(&names::ALL)),
        ("outbox", table(&names::OUTBOX)),
        ("replays", table(&names::REPLAYS)),
        ("worker", table(&names::FOLLOWING)),
        ("collector", table(&names::COLLECTOR)),
        ("sidecar", table(&names::SIDECAR)),
        ("beside", table(&names::BESIDE)),
        ("labels", labels()),
    ]
}

#[test]
fn the_page_has_the_tables_that_the_list_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mut made = page.clone();
    for (mark, table) in tables() {
        let begin = format!("<!-- {mark}: made by ./dev monitoring -->\n");
        let (before, rest) = made.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
        let (_, after) = rest.split_once("<!-- end -->").unwrap();
        made = format!("{before}{begin}{table}<!-- end -->{after}");
    }
    if std::env::var_os("ASSAY_WRITE").is_some() {
        std::fs::write(&path, made).unwrap();
        return;
    }
    assert_eq!(page, made, "`./dev monitoring` writes docs/metrics.md anew");
}

#[test]
fn every_metric_is_there_once_and_named_as_prometheus_wants() {
    let mut seen = BTreeSet::new();
    for metric in names::all() {
        assert!(seen.insert(metric.name), "{} is there twice", metric.name);
        let name = metric.name.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '1');
        assert!(name, "{}", metric.name);
        assert!(!metric.meaning.is_empty() && !metric.unit.is_empty(), "{}", metric.name);
    }
}

#[test]
fn every_label_has_its_set_of_values_and_no_other_is_listed() {
    let listed: Vec<&str> = LABELS.iter().map(|label| label.name).collect();
    assert!(listed.is_sorted(), "{listed:?}");
    let used: BTreeSet<&str> = names::all().flat_map(|metric| metric.labels).copied().collect();
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), used);
}

#[test]
fn closed_sets_are_what_the_code_can_say() {
    let closed = |name: &str| {
        let label = LABELS.iter().find(|label| label.name == name).unwrap();
        match label.values {
            Values::Closed(values) => values.to_vec(),
            Values::Written(words) => words.split('`').skip(1).step_by(2).collect(),
        }
    };
    assert_eq!(closed("dimension"), Dimension::ALL.map(Dimension::name));
    let severities = [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical];
    assert_eq!(closed("severity"), severities.map(Severity::name));
    let layers = [Layer::Log, Layer::Bronze, Layer::Silver, Layer::Gold];
    assert_eq!(closed("layer"), layers.map(Layer::name));
    assert_eq!(
        closed("event_type").into_iter().collect::<BTreeSet<_>>(),
        EventKind::ALL.into_iter().map(EventKind::name).collect()
    );
    let ends = [RunStatus::Complete, RunStatus::Halted, RunStatus::Failed, RunStatus::Aborted];
    assert_eq!(closed("status"), ends.map(RunStatus::name));
}

fn table(metrics: &[Metric]) -> String {
    let mut text = "| metric | type | unit | labels | means |\n|---|---|---|---|---|\n".to_owned();
    for Metric { name, kind, unit, labels, meaning } in metrics {
        let labels = match labels {
            [] => "–".to_owned(),
            labels => labels.join(", "),
        };
        let mut rest = meaning.chars();
        let first: String = rest.next().into_iter().flat_map(char::to_lowercase).collect();
        let means = format!("{first}{}", rest.as_str());
        writeln!(text, "| `{name}` | {} | {unit} | {labels} | {means} |", kind.name()).unwrap();
    }
    text
}

fn labels() -> String {
    let mut text = "| label | says one of |\n|---|---|\n".to_owned();
    for label in &LABELS {
        let values = match label.values {
            Values::Closed(values) => format!("`{}`", values.join("`, `")),
            Values::Written(words) => words.to_owned(),
        };
        writeln!(text, "| {} | {values} |", label.name).unwrap();
    }
    text
}

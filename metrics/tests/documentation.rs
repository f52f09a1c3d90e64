//! What docs/metrics.md says of each metric is what it is.

use std::collections::BTreeSet;

use assay_metrics::names::{self, Kind, Metric};

const PAGE: &str = include_str!("../../docs/metrics.md");

#[test]
fn the_page_has_a_row_for_each_metric_with_its_type_unit_and_labels() {
    for metric in every() {
        let row = row(metric);
        assert!(PAGE.contains(&row), "docs/metrics.md has no row that begins with {row}");
    }
}

#[test]
fn the_page_has_no_row_for_a_metric_that_is_not_there() {
    let all = every();
    let known: BTreeSet<&str> = all.map(|metric| metric.name).collect();
    let mut named = BTreeSet::new();
    let mut lines = PAGE.lines();
    while lines.any(|line| line.starts_with("| metric |")) {
        let rows = lines.by_ref().skip(1).take_while(|line| line.starts_with('|'));
        named.extend(rows.filter_map(|line| line.split('`').nth(1)));
    }
    assert_eq!(named, known);
}

fn every() -> impl Iterator<Item = &'static Metric> {
    let services = names::FOLLOWING.iter().chain(&names::COLLECTOR).chain(&names::SIDECAR);
    names::ALL.iter().chain(services)
}

fn row(metric: &Metric) -> String {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let labels = match metric.labels {
        [] => "–".to_owned(),
        labels => labels.join(", "),
    };
    format!("\n| `{}` | {kind} | {} | {labels} | ", metric.name, metric.unit)
}

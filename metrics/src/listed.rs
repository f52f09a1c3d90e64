//! The same metrics for programs that do not read the text of Prometheus.

use std::collections::BTreeMap;

use prometheus::proto::{Metric as Sample, MetricFamily, MetricType};
use serde::Serialize;

use crate::Observed;
use crate::exposition::{of_all, of_pipelines};
use crate::text::whole;

/// A metric with all that is counted under its name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub help: String,
    pub series: Vec<Series>,
}

/// The value of a metric for certain labels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    pub labels: BTreeMap<String, String>,
    #[serde(flatten)]
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    Plain { value: f64 },
    Histogram { count: u64, sum: f64, buckets: Vec<Bucket> },
}

/// So many were at most as large as this.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bucket {
    pub le: f64,
    pub count: u64,
}

/// What [`render`](crate::render) tells, as values.
pub fn list(observed: &Observed) -> Vec<Listed> {
    let mut families = of_pipelines(observed);
    families.extend(of_all(observed));
    whole(families, 0).iter().map(listed).collect()
}

fn listed(family: &MetricFamily) -> Listed {
    let kind = match family.get_field_type() {
        MetricType::COUNTER => "counter",
        MetricType::HISTOGRAM => "histogram",
        _ => "gauge",
    };
    let one = |sample: &Sample| Series { labels: labels(sample), value: value(kind, sample) };
    Listed {
        name: family.name().to_owned(),
        kind,
        help: family.help().to_owned(),
        series: family.get_metric().iter().map(one).collect(),
    }
}

fn labels(sample: &Sample) -> BTreeMap<String, String> {
    let pair =
        |pair: &prometheus::proto::LabelPair| (pair.name().to_owned(), pair.value().to_owned());
    sample.get_label().iter().map(pair).collect()
}

fn value(kind: &str, sample: &Sample) -> Value {
    match kind {
        "histogram" => {
            let histogram = sample.get_histogram();
            let bucket = |bucket: &prometheus::proto::Bucket| Bucket {
                le: bucket.upper_bound(),
                count: bucket.cumulative_count(),
            };
            Value::Histogram {
                count: histogram.get_sample_count(),
                sum: histogram.get_sample_sum(),
                buckets: histogram.get_bucket().iter().map(bucket).collect(),
            }
        }
        "counter" => Value::Plain { value: sample.get_counter().get_value() },
        _ => Value::Plain { value: sample.get_gauge().get_value() },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::exposition::{histogram, labels, plain};
    use crate::names;

    #[test]
    fn metrics_are_values_with_their_labels() {
        let stage = labels(&names::JOB_SUCCESS_RATE, &["shop", "sell"]);
        let family = plain(&names::JOB_SUCCESS_RATE, BTreeMap::from([(stage.clone(), 97.5)]));
        assert_eq!(
            json!(listed(&family)),
            json!({
                "name": names::JOB_SUCCESS_RATE.name, "type": "gauge",
                "help": names::JOB_SUCCESS_RATE.meaning,
                "series": [{"labels": stage, "value": 97.5}],
            })
        );
        let mut bucket = prometheus::proto::Bucket::default();
        bucket.set_upper_bound(0.1);
        bucket.set_cumulative_count(3);
        let mut durations = prometheus::proto::Histogram::default();
        durations.set_bucket(vec![bucket]);
        durations.set_sample_count(4);
        durations.set_sample_sum(1.5);
        let family =
            histogram(&names::JOB_DURATION, BTreeMap::from([(BTreeMap::new(), durations)]));
        let shown = json!(listed(&family).series[0].value);
        assert_eq!(shown, json!({"count": 4, "sum": 1.5, "buckets": [{"le": 0.1, "count": 3}]}));
    }
}

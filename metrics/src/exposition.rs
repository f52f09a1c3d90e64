use std::collections::BTreeMap;

use assay_core::RunStatus;
use assay_store::{EventKind, Total};
use chrono::{DateTime, Utc};
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric as Sample, MetricFamily, MetricType,
};

use crate::names::{self, DURATION_BUCKETS, Kind, Metric};
use crate::outbox::of_targets;
use crate::replays::of_jobs;
use crate::text::{shown, text};
use crate::{DeadLetters, Lag, Observed, names::BOUND};

/// What to answer as `Content-Type`.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// The metrics could not be written as text.
#[derive(Debug, thiserror::Error)]
#[error("can't write the metrics as text: {0}")]
pub struct RenderError(pub(crate) String);

/// Values of one metric by its labels: each set of labels once, in a fixed order.
pub(crate) type Series<V> = BTreeMap<BTreeMap<String, String>, V>;

/// The text that Prometheus scrapes; families in the order of their names.
pub fn render(observed: &Observed) -> Result<String, RenderError> {
    let mut families = of_pipelines(observed);
    families.extend(of_all(observed));
    text(families, 0)
}

/// What is said of pipelines, and so carries the name of one.
pub(crate) fn of_pipelines(observed: &Observed) -> Vec<MetricFamily> {
    let mut families = vec![histogram(&names::JOB_DURATION, durations(&observed.totals))];
    for metric in names::ALL.iter().filter(|metric| metric.kind == Kind::Counter) {
        families.push(plain(metric, totals_of(&observed.totals, metric.name)));
    }
    families.extend(of_runs(observed));
    families.extend(of_judged(observed));
    families
}

/// What is said of the log and of everything together.
pub(crate) fn of_all(observed: &Observed) -> Vec<MetricFamily> {
    let mut families = of_events(observed);
    families.push(of_log(observed.log_up));
    families.extend(lags(&observed.lags));
    families.extend(of_letters(&observed.letters));
    families.extend(of_targets(&observed.targets, observed.at));
    families.extend(of_jobs(observed));
    families
}

fn of_runs(observed: &Observed) -> Vec<MetricFamily> {
    let (mut rates, mut successes) = (Series::new(), Series::new());
    for health in &observed.health {
        let stage = [health.stage.pipeline.as_str(), &health.stage.stage];
        if health.finished > 0 {
            let rate = 100.0 * number(health.complete) / number(health.finished);
            rates.insert(labels(&names::JOB_SUCCESS_RATE, &stage), rate);
        }
        if let Some(at) = health.last_complete_at {
            successes.insert(labels(&names::JOB_LAST_SUCCESS, &stage), seconds(at));
        }
    }
    vec![plain(&names::JOB_SUCCESS_RATE, rates), plain(&names::JOB_LAST_SUCCESS, successes)]
}

fn of_judged(observed: &Observed) -> Vec<MetricFamily> {
    let (mut scores, mut dimensions) = (Series::new(), Series::new());
    for batch in observed.judged.iter().filter(|batch| batch.run.governed.metrics) {
        let (layer, dataset) = (batch.dataset.layer(), batch.dataset.to_string());
        let pipeline = batch.run.stage.pipeline.as_str();
        let values = [pipeline, layer.name(), &dataset];
        scores.insert(labels(&names::DATA_QUALITY_SCORE, &values), batch.score);
        for of in &batch.dimensions {
            if let Some(score) = of.score {
                let values = [pipeline, layer.name(), &dataset, of.dimension.name()];
                dimensions.insert(labels(&names::DIMENSION_SCORE, &values), score);
            }
        }
    }
    vec![plain(&names::DATA_QUALITY_SCORE, scores), plain(&names::DIMENSION_SCORE, dimensions)]
}

fn of_events(observed: &Observed) -> Vec<MetricFamily> {
    let count = |kind: EventKind| observed.events.get(&kind).copied().unwrap_or_default();
    let of_kind =
        |kind: EventKind| (labels(&names::EVENT_BREAKDOWN, &[kind.name()]), number(count(kind)));
    let all = EventKind::ALL.into_iter().map(count).sum();
    vec![
        plain(&names::EVENT_BREAKDOWN, EventKind::ALL.into_iter().map(of_kind).collect()),
        plain(&names::LINEAGE_EVENTS, Series::from([(BTreeMap::new(), number(all))])),
    ]
}

fn of_letters(letters: &[DeadLetters]) -> Vec<MetricFamily> {
    let (mut waiting, mut ages) = (Series::new(), Series::new());
    for letters in letters {
        let values = [letters.topic.as_str(), &letters.reason];
        waiting.insert(labels(&names::DEAD_LETTERS, &values), number(letters.waiting));
        if let Some(age) = letters.oldest_age_seconds {
            ages.insert(labels(&names::DEAD_LETTERS_OLDEST_AGE, &values), age);
        }
    }
    vec![plain(&names::DEAD_LETTERS, waiting), plain(&names::DEAD_LETTERS_OLDEST_AGE, ages)]
}

fn of_log(up: Option<bool>) -> MetricFamily {
    let value = |up| (BTreeMap::new(), f64::from(u8::from(up)));
    plain(&names::LOG_UP, up.into_iter().map(value).collect())
}

pub(crate) fn lags(lags: &[Lag]) -> Vec<MetricFamily> {
    let (mut messages, mut seconds) = (Series::new(), Series::new());
    for lag in lags {
        let values = [lag.group.as_str(), &lag.topic, &lag.partition.to_string()];
        messages.insert(labels(&names::LAG_MESSAGES, &values), number(lag.messages));
        if let Some(age) = lag.seconds {
            seconds.insert(labels(&names::LAG_SECONDS, &values), age);
        }
    }
    vec![plain(&names::LAG_MESSAGES, messages), plain(&names::LAG_SECONDS, seconds)]
}

fn totals_of(totals: &[Total], name: &str) -> Series<f64> {
    let of_name = totals.iter().filter(|total| total.name == name);
    of_name.map(|total| (total.labels.clone(), total.value)).collect()
}

/// The duration's histograms, from the totals that they are kept in.
fn durations(totals: &[Total]) -> Series<Histogram> {
    let buckets = by_bound(totals);
    let sums = totals_of(totals, names::DURATION_SUM);
    let mut series = Series::new();
    for (labels, count) in with_zeros(totals_of(totals, names::DURATION_COUNT)) {
        let counted = buckets.get(&labels);
        let mut below = 0.0_f64;
        let mut of_bound = |bound: f64| {
            // A bound that a newer program added has no total for the runs before it.
            let of = counted.and_then(|counted| counted.get(bound.to_string().as_str()));
            below = of.copied().unwrap_or_default().max(below);
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(whole(below));
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(DURATION_BUCKETS.into_iter().map(&mut of_bound).collect());
        histogram.set_sample_count(whole(count));
        histogram.set_sample_sum(sums.get(&labels).copied().unwrap_or_default());
        series.insert(labels, histogram);
    }
    series
}

/// The totals of buckets by the labels beside their bound, and then by that.
fn by_bound(totals: &[Total]) -> Series<BTreeMap<&str, f64>> {
    let mut series = Series::<BTreeMap<&str, f64>>::new();
    for total in totals.iter().filter(|total| total.name == names::DURATION_BUCKET) {
        let Some(bound) = total.labels.get(BOUND) else { continue };
        let mut labels = total.labels.clone();
        labels.remove(BOUND);
        series.entry(labels).or_default().insert(bound, total.value);
    }
    series
}

/// A stage that has ended in one way has ended in the others zero times: a counter that appears
/// with its first failure hides that failure from `increase()`.
fn with_zeros(mut counts: Series<f64>) -> Series<f64> {
    let stages: Vec<_> = counts.keys().cloned().collect();
    for mut labels in stages {
        for status in ENDS {
            labels.insert("status".to_owned(), status.name().to_owned());
            counts.entry(labels.clone()).or_insert(0.0);
        }
    }
    counts
}

/// How a run may end.
const ENDS: [RunStatus; 4] =
    [RunStatus::Complete, RunStatus::Halted, RunStatus::Failed, RunStatus::Aborted];

pub(crate) fn plain(metric: &Metric, series: Series<f64>) -> MetricFamily {
    let sample = |(labels, value)| {
        let mut sample = Sample::from_label(pairs(metric, labels));
        if metric.kind == Kind::Counter {
            let mut counter = Counter::default();
            counter.set_value(value);
            sample.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            sample.set_gauge(gauge);
        }
        sample
    };
    family(metric, series.into_iter().map(sample).collect())
}

pub(crate) fn histogram(metric: &Metric, series: Series<Histogram>) -> MetricFamily {
    let sample = |(labels, histogram)| {
        let mut sample = Sample::from_label(pairs(metric, labels));
        sample.set_histogram(histogram);
        sample
    };
    family(metric, series.into_iter().map(sample).collect())
}

fn family(metric: &Metric, samples: Vec<Sample>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(metric.name.to_owned());
    family.set_help(metric.meaning.to_owned());
    family.set_field_type(match metric.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    family.set_metric(samples);
    family
}

/// The labels of a metric, in the order in which it declares them.
fn pairs(metric: &Metric, mut labels: BTreeMap<String, String>) -> Vec<LabelPair> {
    let pair = |name: &&str| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(shown(labels.remove(*name).unwrap_or_default()));
        pair
    };
    metric.labels.iter().map(pair).collect()
}

pub(crate) fn labels(metric: &Metric, values: &[&str]) -> BTreeMap<String, String> {
    let named = metric.labels.iter().zip(values);
    named.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds stay below 2^53")]
pub(crate) fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}

#[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a total of ones is whole and never negative"
)]
fn whole(total: f64) -> u64 {
    total as u64
}

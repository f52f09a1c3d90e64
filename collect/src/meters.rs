//! What the collector counts, under the names that `assay_metrics` lists.

use std::time::Duration;

use assay_metrics::names::{self, Metric};
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    Opts, Registry, TextEncoder,
};

use crate::segment::SegmentError;

/// The counters and gauges of one process.
pub(crate) struct Meters {
    registry: Registry,
    pub(crate) requests: IntCounterVec,
    pub(crate) request_seconds: HistogramVec,
    pub(crate) received: IntCounter,
    pub(crate) rejected: IntCounterVec,
    pub(crate) sent: IntCounter,
    pub(crate) failed: IntCounter,
    pub(crate) size: Histogram,
    pub(crate) send_seconds: Histogram,
    pub(crate) retries: IntCounter,
    pub(crate) fallbacks: IntCounter,
    pub(crate) unpackable: IntCounter,
    pub(crate) packing_seconds: Histogram,
    pub(crate) dead: IntCounter,
    gauges: Gauges,
}

struct Gauges {
    queue: Gauge,
    capacity: Gauge,
    utilization: Gauge,
    active: Gauge,
    uptime: Gauge,
    bytes: Gauge,
    bytes_limit: Gauge,
    age: Gauge,
}

/// How it stands with what waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Standing {
    pub(crate) queue: u64,
    pub(crate) capacity: u64,
    pub(crate) bytes: u64,
    pub(crate) bytes_limit: u64,
    /// Of the oldest event that waits.
    pub(crate) age: Duration,
    pub(crate) uptime: Duration,
    /// The last message got through.
    pub(crate) sending: bool,
}

impl Standing {
    pub(crate) fn percent(&self) -> f64 {
        100.0 * number(self.queue) / number(self.capacity.max(1))
    }
}

/// Why events are refused.
const REASONS: [&str; 7] =
    ["invalid_json", "schema", "too_large", "quota", "busy", "backlog_full", "disk"];

/// Each reason from the beginning: a counter that appears with the first refusals hides them from
/// `increase()`.
fn of_reasons(rejected: IntCounterVec) -> IntCounterVec {
    for reason in REASONS {
        rejected.with_label_values(&[reason]);
    }
    rejected
}

const SECONDS: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0];
const EVENTS: [f64; 9] = [1.0, 5.0, 10.0, 50.0, 100.0, 250.0, 500.0, 750.0, 1000.0];

impl Meters {
    pub(crate) fn new() -> Meters {
        let registry = Registry::new();
        version(&registry);
        let counter = |metric| only(counters(&registry, metric));
        let histogram = |metric: &Metric, buckets: &[f64]| {
            only_histogram(histograms(&registry, metric, buckets))
        };
        Meters {
            requests: counters(&registry, &names::API_REQUESTS),
            request_seconds: histograms(&registry, &names::API_REQUEST_DURATION, &SECONDS),
            received: counter(&names::METRICS_RECEIVED),
            rejected: of_reasons(counters(&registry, &names::METRICS_REJECTED)),
            sent: counter(&names::BATCHES_SENT),
            failed: counter(&names::BATCHES_FAILED),
            size: histogram(&names::BATCH_SIZE, &EVENTS),
            send_seconds: histogram(&names::SEND_DURATION, &SECONDS),
            retries: counter(&names::SEND_RETRIES),
            fallbacks: counter(&names::FALLBACK_BATCHES),
            unpackable: counter(&names::SERIALIZATION_ERRORS),
            packing_seconds: histogram(&names::SERIALIZATION_DURATION, &SECONDS),
            dead: counter(&names::COLLECTOR_DEAD_LETTERS),
            gauges: Gauges {
                queue: gauge(&registry, &names::QUEUE_SIZE),
                capacity: gauge(&registry, &names::QUEUE_CAPACITY),
                utilization: gauge(&registry, &names::QUEUE_UTILIZATION),
                active: gauge(&registry, &names::WORKER_ACTIVE),
                uptime: gauge(&registry, &names::WORKER_UPTIME),
                bytes: gauge(&registry, &names::BACKLOG_BYTES),
                bytes_limit: gauge(&registry, &names::BACKLOG_LIMIT),
                age: gauge(&registry, &names::BACKLOG_AGE),
            },
            registry,
        }
    }

    /// The text that Prometheus scrapes.
    pub(crate) fn render(&self, standing: &Standing) -> String {
        let gauges = &self.gauges;
        gauges.queue.set(number(standing.queue));
        gauges.capacity.set(number(standing.capacity));
        gauges.utilization.set(standing.percent());
        gauges.active.set(if standing.sending { 1.0 } else { 0.0 });
        gauges.uptime.set(standing.uptime.as_secs_f64());
        gauges.bytes.set(number(standing.bytes));
        gauges.bytes_limit.set(number(standing.bytes_limit));
        gauges.age.set(standing.age.as_secs_f64());
        let mut text = vec![];
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::warn!(%error, "the metrics can't be written");
        }
        String::from_utf8(text).unwrap_or_default()
    }

    pub(crate) fn refused(&self, reason: &str, events: u64) {
        if events > 0 {
            self.rejected.with_label_values(&[reason]).inc_by(events);
        }
    }
}

/// Why a journal refused events, as the metrics name it.
pub(crate) fn reason_of(error: &SegmentError) -> &'static str {
    match error {
        SegmentError::Full { .. } => "backlog_full",
        _ => "disk",
    }
}

fn counters(registry: &Registry, metric: &Metric) -> IntCounterVec {
    let counters = IntCounterVec::new(Opts::new(metric.name, metric.meaning), metric.labels);
    register(registry, counters)
}

fn histograms(registry: &Registry, metric: &Metric, buckets: &[f64]) -> HistogramVec {
    let options = HistogramOpts::new(metric.name, metric.meaning).buckets(buckets.to_vec());
    register(registry, HistogramVec::new(options, metric.labels))
}

fn gauge(registry: &Registry, metric: &Metric) -> Gauge {
    register(registry, Gauge::new(metric.name, metric.meaning))
}

/// Which version this is, always 1.
fn version(registry: &Registry) {
    let options = Opts::new(names::BUILD_INFO.name, names::BUILD_INFO.meaning);
    let info = register(registry, GaugeVec::new(options, names::BUILD_INFO.labels));
    info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
}

fn register<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    made: prometheus::Result<C>,
) -> C {
    let made = made.expect("the names of our metrics are names of metrics");
    registry.register(Box::new(made.clone())).expect("each metric is there once");
    made
}

fn only(counters: IntCounterVec) -> IntCounter {
    counters.with_label_values::<&str>(&[])
}

fn only_histogram(histograms: HistogramVec) -> Histogram {
    histograms.with_label_values::<&str>(&[])
}

#[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

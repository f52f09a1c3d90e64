//! What the sidecar counts itself, under the names that `assay_metrics` lists.

use assay_metrics::names::{self, Metric};
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder,
};

pub(crate) struct Meters {
    registry: Registry,
    pub(crate) requests: IntCounterVec,
    pub(crate) request_seconds: HistogramVec,
    pub(crate) received: IntCounter,
    pub(crate) refused: IntCounterVec,
}

const SECONDS: [f64; 12] =
    [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

impl Meters {
    pub(crate) fn new() -> Meters {
        let registry = Registry::new();
        let counters = |metric: &Metric| {
            let made = IntCounterVec::new(Opts::new(metric.name, metric.meaning), metric.labels);
            register(&registry, made)
        };
        let seconds = &names::API_REQUEST_DURATION;
        let options = HistogramOpts::new(seconds.name, seconds.meaning).buckets(SECONDS.to_vec());
        Meters {
            requests: counters(&names::API_REQUESTS),
            request_seconds: register(&registry, HistogramVec::new(options, seconds.labels)),
            received: counters(&names::SIDECAR_EVENTS).with_label_values::<&str>(&[]),
            refused: counters(&names::SIDECAR_REFUSED),
            registry,
        }
    }

    /// The text that Prometheus scrapes.
    pub(crate) fn render(&self) -> String {
        let mut text = vec![];
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::warn!(%error, "the metrics can't be written");
        }
        String::from_utf8(text).unwrap_or_default()
    }

    pub(crate) fn refuse(&self, reason: &str, events: usize) {
        self.refused.with_label_values(&[reason]).inc_by(events.max(1) as u64);
    }
}

fn register<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    made: prometheus::Result<C>,
) -> C {
    let made = made.expect("the names of our metrics are names of metrics");
    registry.register(Box::new(made.clone())).expect("each metric is there once");
    made
}

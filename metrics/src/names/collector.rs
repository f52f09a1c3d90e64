//! What a collector shows.

use super::{Kind, Metric};

pub const QUEUE_SIZE: Metric = Metric {
    name: "metric_queue_size",
    kind: Kind::Gauge,
    unit: "events",
    labels: &[],
    meaning: "Accepted and not in the log yet",
};

pub const QUEUE_CAPACITY: Metric = Metric {
    name: "metric_queue_capacity",
    kind: Kind::Gauge,
    unit: "events",
    labels: &[],
    meaning: "`queue_capacity` of the settings: so many may wait before the collector counts as spilling",
};

pub const QUEUE_UTILIZATION: Metric = Metric {
    name: "metric_queue_utilization_percent",
    kind: Kind::Gauge,
    unit: "percent",
    labels: &[],
    meaning: "`metric_queue_size` of `metric_queue_capacity`; above 100 it is spilling",
};

pub const API_REQUESTS: Metric = Metric {
    name: "api_requests_total",
    kind: Kind::Counter,
    unit: "requests",
    labels: &["endpoint", "status"],
    meaning: "Requests answered; other paths than ours are `other`",
};

pub const API_REQUEST_DURATION: Metric = Metric {
    name: "api_request_duration_seconds",
    kind: Kind::Histogram,
    unit: "seconds",
    labels: &["endpoint"],
    meaning: "From the head of a request to its answer",
};

pub const METRICS_RECEIVED: Metric = Metric {
    name: "metrics_received_total",
    kind: Kind::Counter,
    unit: "events",
    labels: &[],
    meaning: "Events in bodies that could be divided into events",
};

pub const METRICS_REJECTED: Metric = Metric {
    name: "metrics_rejected_total",
    kind: Kind::Counter,
    unit: "events",
    labels: &["reason"],
    meaning: "Refused in the answer: `invalid_json`, `schema`, `too_large`, `quota`, `busy`, `backlog_full`, `disk`",
};

pub const BATCHES_SENT: Metric = Metric {
    name: "kafka_batches_sent_total",
    kind: Kind::Counter,
    unit: "messages",
    labels: &[],
    meaning: "Messages that the log has taken",
};

pub const BATCHES_FAILED: Metric = Metric {
    name: "kafka_batches_failed_total",
    kind: Kind::Counter,
    unit: "messages",
    labels: &[],
    meaning: "Messages that it did not take in four tries, or 10 seconds",
};

pub const BATCH_SIZE: Metric = Metric {
    name: "kafka_batch_size",
    kind: Kind::Histogram,
    unit: "events",
    labels: &[],
    meaning: "Events in each message sent",
};

pub const SEND_DURATION: Metric = Metric {
    name: "kafka_send_duration_seconds",
    kind: Kind::Histogram,
    unit: "seconds",
    labels: &[],
    meaning: "How long each append took, also those that failed",
};

pub const SEND_RETRIES: Metric = Metric {
    name: "kafka_retry_count_total",
    kind: Kind::Counter,
    unit: "tries",
    labels: &[],
    meaning: "Appends that were tried again",
};

pub const FALLBACK_BATCHES: Metric = Metric {
    name: "kafka_fallback_batches_total",
    kind: Kind::Counter,
    unit: "messages",
    labels: &[],
    meaning: "Messages that were left in the backlog until the log was back",
};

pub const WORKER_ACTIVE: Metric = Metric {
    name: "kafka_worker_active",
    kind: Kind::Gauge,
    unit: "–",
    labels: &[],
    meaning: "1 when the last append got through, 0 when the log takes none",
};

pub const WORKER_UPTIME: Metric = Metric {
    name: "kafka_worker_uptime_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    labels: &[],
    meaning: "How long the process has run",
};

pub const SERIALIZATION_ERRORS: Metric = Metric {
    name: "serialization_errors_total",
    kind: Kind::Counter,
    unit: "events",
    labels: &[],
    meaning: "Events that did not become a record of the topic's schema; they are refused, so these are among `metrics_rejected_total`",
};

pub const SERIALIZATION_DURATION: Metric = Metric {
    name: "serialization_duration_seconds",
    kind: Kind::Histogram,
    unit: "seconds",
    labels: &[],
    meaning: "How long it took to pack each message",
};

pub const BACKLOG_BYTES: Metric = Metric {
    name: "assay_collector_backlog_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    labels: &[],
    meaning: "What the segments take on the disk",
};

pub const BACKLOG_LIMIT: Metric = Metric {
    name: "assay_collector_backlog_limit_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    labels: &[],
    meaning: "What the segments may take; beyond it events are refused",
};

pub const BACKLOG_AGE: Metric = Metric {
    name: "assay_collector_backlog_age_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    labels: &[],
    meaning: "Age of the oldest event that waits",
};

pub const COLLECTOR_DEAD_LETTERS: Metric = Metric {
    name: "assay_collector_dead_letters_total",
    kind: Kind::Counter,
    unit: "letters",
    labels: &[],
    meaning: "Accepted events that can never be sent and were set aside",
};

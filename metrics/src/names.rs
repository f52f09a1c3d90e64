//! Every metric that Assay shows, and nothing that is not fed.

mod collector;
mod following;
mod outbox;

pub use collector::*;
pub use following::*;
pub use outbox::*;

/// What Prometheus does with a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: &'static str,
    pub labels: &'static [&'static str],
    pub meaning: &'static str,
}

/// The upper bounds of `job_duration_seconds`, from 0.1 s to 6 h.
pub const DURATION_BUCKETS: [f64; 15] = [
    0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0,
    21600.0,
];

pub const JOB_DURATION: Metric = Metric {
    name: "job_duration_seconds",
    kind: Kind::Histogram,
    unit: "seconds",
    labels: &["pipeline", "stage", "status"],
    meaning: "How long runs took, from start to end",
};

pub const RECORDS_PROCESSED: Metric = Metric {
    name: "records_processed_total",
    kind: Kind::Counter,
    unit: "rows",
    labels: &["pipeline", "stage"],
    meaning: "Rows written by committed batches",
};

pub const RECORDS_FAILED: Metric = Metric {
    name: "records_failed_total",
    kind: Kind::Counter,
    unit: "rows",
    labels: &["pipeline", "stage"],
    meaning: "Rows rejected by committed batches",
};

pub const JOB_SUCCESS_RATE: Metric = Metric {
    name: "job_success_rate_percent",
    kind: Kind::Gauge,
    unit: "percent",
    labels: &["pipeline", "stage"],
    meaning: "Share of the runs that ended in the last 24 hours that completed",
};

pub const DATA_QUALITY_SCORE: Metric = Metric {
    name: "data_quality_score",
    kind: Kind::Gauge,
    unit: "points of 100",
    labels: &["pipeline", "layer", "dataset"],
    meaning: "Score of the last judged batch of a dataset, committed or halted",
};

pub const QUALITY_CHECKS: Metric = Metric {
    name: "quality_checks_total",
    kind: Kind::Counter,
    unit: "rules",
    labels: &["pipeline", "dataset", "severity"],
    meaning: "Rules judged, per judged batch",
};

pub const QUALITY_CHECKS_FAILED: Metric = Metric {
    name: "quality_checks_failed_total",
    kind: Kind::Counter,
    unit: "rules",
    labels: &["pipeline", "dataset", "severity"],
    meaning: "Rules broken or not evaluated, per judged batch",
};

pub const LAG_MESSAGES: Metric = Metric {
    name: "kafka_consumer_lag_messages",
    kind: Kind::Gauge,
    unit: "messages",
    labels: &["group", "topic", "partition"],
    meaning: "Messages that a reader has not read yet",
};

pub const LAG_SECONDS: Metric = Metric {
    name: "kafka_consumer_lag_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    labels: &["group", "topic", "partition"],
    meaning: "Age of the oldest message that a reader has not read yet",
};

pub const LINEAGE_EVENTS: Metric = Metric {
    name: "total_lineage_events",
    kind: Kind::Gauge,
    unit: "events",
    labels: &[],
    meaning: "Lineage events kept; the sum of event_breakdown",
};

pub const EVENT_BREAKDOWN: Metric = Metric {
    name: "event_breakdown",
    kind: Kind::Gauge,
    unit: "events",
    labels: &["event_type"],
    meaning: "Lineage events kept, per kind",
};

pub const JOB_LAST_SUCCESS: Metric = Metric {
    name: "job_last_success_timestamp_seconds",
    kind: Kind::Gauge,
    unit: "seconds since 1970",
    labels: &["pipeline", "stage"],
    meaning: "When a run completed last",
};

pub const DEAD_LETTERS: Metric = Metric {
    name: "assay_dead_letters",
    kind: Kind::Gauge,
    unit: "letters",
    labels: &["topic", "reason"],
    meaning: "Dead letters that wait to be replayed or discarded",
};

pub const DEAD_LETTERS_OLDEST_AGE: Metric = Metric {
    name: "assay_dead_letters_oldest_age_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    labels: &["topic", "reason"],
    meaning: "Age of the oldest dead letter that waits",
};

pub const ALL: [Metric; 18] = [
    JOB_DURATION,
    RECORDS_PROCESSED,
    RECORDS_FAILED,
    JOB_SUCCESS_RATE,
    DATA_QUALITY_SCORE,
    QUALITY_CHECKS,
    QUALITY_CHECKS_FAILED,
    LAG_MESSAGES,
    LAG_SECONDS,
    LINEAGE_EVENTS,
    EVENT_BREAKDOWN,
    JOB_LAST_SUCCESS,
    DEAD_LETTERS,
    DEAD_LETTERS_OLDEST_AGE,
    OUTBOX_DEPTH,
    OUTBOX_OLDEST_AGE,
    OUTBOX_DELIVERED,
    OUTBOX_FAILURES,
];

/// What a worker that follows its source shows, at its own `/metrics`, beside the lags.
pub const FOLLOWING: [Metric; 8] = [
    FOLLOW_BATCHES,
    FOLLOW_ROWS,
    FOLLOW_COMMIT,
    FOLLOW_LAST_SUCCESS,
    FOLLOW_PAUSED,
    FOLLOW_PARTITIONS,
    FOLLOW_RETRIES,
    FOLLOW_FENCED,
];

/// What a collector counts and shows itself, at its own `/metrics`.
pub const COLLECTOR: [Metric; 21] = [
    QUEUE_SIZE,
    QUEUE_CAPACITY,
    QUEUE_UTILIZATION,
    API_REQUESTS,
    API_REQUEST_DURATION,
    METRICS_RECEIVED,
    METRICS_REJECTED,
    BATCHES_SENT,
    BATCHES_FAILED,
    BATCH_SIZE,
    SEND_DURATION,
    SEND_RETRIES,
    FALLBACK_BATCHES,
    WORKER_ACTIVE,
    WORKER_UPTIME,
    SERIALIZATION_ERRORS,
    SERIALIZATION_DURATION,
    BACKLOG_BYTES,
    BACKLOG_LIMIT,
    BACKLOG_AGE,
    COLLECTOR_DEAD_LETTERS,
];

/// The totals that the duration is kept in: how many runs took at most so long, how many there
/// were, and how long all took together.
pub(crate) const DURATION_BUCKET: &str = "job_duration_seconds_bucket";
pub(crate) const DURATION_COUNT: &str = "job_duration_seconds_count";
pub(crate) const DURATION_SUM: &str = "job_duration_seconds_sum";

/// The label of a bucket's upper bound.
pub(crate) const BOUND: &str = "le";

//! Every metric that Assay shows, and nothing that is not fed. The tables of docs/metrics.md are
//! made of this.

mod collector;
mod following;
mod labels;
mod outbox;
mod replays;
mod sidecar;

pub use collector::*;
pub use following::*;
pub use labels::{LABELS, Label, Values};
pub use outbox::*;
pub use replays::*;
pub use sidecar::*;

/// What Prometheus does with a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
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
    meaning: "How long runs took, each once it ended; buckets from 0.1 s to 6 h",
};

pub const RECORDS_PROCESSED: Metric = Metric {
    name: "records_processed_total",
    kind: Kind::Counter,
    unit: "rows",
    labels: &["pipeline", "stage"],
    meaning: "Rows written by committed batches; in an aggregate stage its conserved sum",
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
    meaning: "Score of the last judged batch, committed or halted",
};

pub const DIMENSION_SCORE: Metric = Metric {
    name: "assay_quality_dimension_score",
    kind: Kind::Gauge,
    unit: "points of 100",
    labels: &["pipeline", "layer", "dataset", "dimension"],
    meaning: "Score of the same batch by the rules of one dimension alone",
};

pub const QUALITY_CHECKS: Metric = Metric {
    name: "quality_checks_total",
    kind: Kind::Counter,
    unit: "rules",
    labels: &["pipeline", "dataset", "severity"],
    meaning: "Rules judged, per judged batch; the batch breaker is one",
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
    meaning: "Messages of the log that a stage has not read",
};

pub const LAG_SECONDS: Metric = Metric {
    name: "kafka_consumer_lag_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    labels: &["group", "topic", "partition"],
    meaning: "Age of the oldest message of the log that a stage has not read",
};

pub const LOG_UP: Metric = Metric {
    name: "assay_log_up",
    kind: Kind::Gauge,
    unit: "1 or 0",
    labels: &[],
    meaning: "Whether the log answers; while it does not, there are no lags, and letters are those of before",
};

pub const LINEAGE_EVENTS: Metric = Metric {
    name: "total_lineage_events",
    kind: Kind::Gauge,
    unit: "events",
    labels: &[],
    meaning: "Lineage events kept; the sum of `event_breakdown`",
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
    meaning: "Dead letters that are not void",
};

pub const DEAD_LETTERS_OLDEST_AGE: Metric = Metric {
    name: "assay_dead_letters_oldest_age_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    labels: &["topic", "reason"],
    meaning: "Age of the oldest dead letter that is not void",
};

pub const SERIES_DROPPED: Metric = Metric {
    name: "assay_metrics_series_dropped",
    kind: Kind::Gauge,
    unit: "series",
    labels: &[],
    meaning: "Series left out of this answer, since there are more than 10,000",
};

pub const BUILD_INFO: Metric = Metric {
    name: "assay_build_info",
    kind: Kind::Gauge,
    unit: "always 1",
    labels: &["version"],
    meaning: "The version that answers",
};

pub static ALL: [Metric; 16] = [
    JOB_DURATION,
    RECORDS_PROCESSED,
    RECORDS_FAILED,
    JOB_SUCCESS_RATE,
    DATA_QUALITY_SCORE,
    DIMENSION_SCORE,
    QUALITY_CHECKS,
    QUALITY_CHECKS_FAILED,
    LAG_MESSAGES,
    LAG_SECONDS,
    LOG_UP,
    LINEAGE_EVENTS,
    EVENT_BREAKDOWN,
    JOB_LAST_SUCCESS,
    DEAD_LETTERS,
    DEAD_LETTERS_OLDEST_AGE,
];

/// What the store knows of its outbox, where lineage is sent to others.
pub static OUTBOX: [Metric; 4] =
    [OUTBOX_DEPTH, OUTBOX_OLDEST_AGE, OUTBOX_DELIVERED, OUTBOX_FAILURES];

/// What the store knows of jobs that send dead letters back.
pub static REPLAYS: [Metric; 2] = [REPLAY_JOBS, REPLAY_SILENCE];

/// What a worker that follows its source shows, at its own `/metrics`, beside the lags and the
/// outbox.
pub static FOLLOWING: [Metric; 8] = [
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
pub static COLLECTOR: [Metric; 21] = [
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

/// What a sidecar counts itself, at its own `/metrics`, beside all that the store knows and the
/// requests that every service counts.
pub static SIDECAR: [Metric; 2] = [SIDECAR_EVENTS, SIDECAR_REFUSED];

/// What stands beside the others: the version everywhere, what was left out where labels come
/// from pipelines.
pub static BESIDE: [Metric; 2] = [BUILD_INFO, SERIES_DROPPED];

/// Every metric, whoever shows it.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    ALL.iter()
        .chain(&OUTBOX)
        .chain(&REPLAYS)
        .chain(&FOLLOWING)
        .chain(&COLLECTOR)
        .chain(&SIDECAR)
        .chain(&BESIDE)
}

/// The totals that the duration is kept in: how many runs took at most so long, how many there
/// were, and how long all took together.
pub(crate) const DURATION_BUCKET: &str = "job_duration_seconds_bucket";
pub(crate) const DURATION_COUNT: &str = "job_duration_seconds_count";
pub(crate) const DURATION_SUM: &str = "job_duration_seconds_sum";

/// The label of a bucket's upper bound.
pub(crate) const BOUND: &str = "le";

//! What a worker that follows its source knows of itself.

use super::{Kind, Metric};

pub const FOLLOW_BATCHES: Metric = Metric {
    name: "assay_worker_batches_total",
    kind: Kind::Counter,
    unit: "batches",
    labels: &["pipeline", "stage"],
    meaning: "Batches that this process committed",
};

pub const FOLLOW_ROWS: Metric = Metric {
    name: "assay_worker_rows_total",
    kind: Kind::Counter,
    unit: "rows",
    labels: &["pipeline", "stage", "outcome"],
    meaning: "Rows of the batches that this process committed: written, rejected, filtered, duplicate",
};

pub const FOLLOW_COMMIT: Metric = Metric {
    name: "assay_worker_commit_seconds",
    kind: Kind::Histogram,
    unit: "seconds",
    labels: &["pipeline", "stage"],
    meaning: "How long commits took, from the verdict on; 0.01 s to 15 s",
};

pub const FOLLOW_LAST_SUCCESS: Metric = Metric {
    name: "assay_worker_last_success_timestamp_seconds",
    kind: Kind::Gauge,
    unit: "seconds since 1970",
    labels: &["pipeline", "stage"],
    meaning: "When it last committed, or found nothing new",
};

pub const FOLLOW_PAUSED: Metric = Metric {
    name: "assay_worker_paused",
    kind: Kind::Gauge,
    unit: "0 or 1",
    labels: &["pipeline", "stage"],
    meaning: "Whether `assay pause` has stopped the stage",
};

pub const FOLLOW_PARTITIONS: Metric = Metric {
    name: "assay_worker_partitions",
    kind: Kind::Gauge,
    unit: "partitions",
    labels: &["pipeline", "stage"],
    meaning: "Partitions of the topic that are its own now",
};

pub const FOLLOW_RETRIES: Metric = Metric {
    name: "assay_worker_retries_total",
    kind: Kind::Counter,
    unit: "failures",
    labels: &["pipeline", "stage"],
    meaning: "Batches that failed for a reason that may go by, and were begun again",
};

pub const FOLLOW_FENCED: Metric = Metric {
    name: "assay_worker_fenced_total",
    kind: Kind::Counter,
    unit: "batches",
    labels: &["pipeline", "stage"],
    meaning: "Batches that were dropped since another worker was faster",
};

/// The upper bounds of the commits' histogram.
pub const COMMIT_BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];

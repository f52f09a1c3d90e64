use super::{Kind, Metric};

pub const OUTBOX_DEPTH: Metric = Metric {
    name: "assay_outbox_depth",
    kind: Kind::Gauge,
    unit: "events",
    labels: &["target", "state"],
    meaning: "Events that wait to be sent to a target, and those that are parked",
};

pub const OUTBOX_OLDEST_AGE: Metric = Metric {
    name: "assay_outbox_oldest_age_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    labels: &["target"],
    meaning: "Age of the oldest event that waits to be sent to a target; 0 when none waits",
};

pub const OUTBOX_DELIVERED: Metric = Metric {
    name: "assay_outbox_delivered_total",
    kind: Kind::Counter,
    unit: "events",
    labels: &["target"],
    meaning: "Events that a target has taken",
};

pub const OUTBOX_FAILURES: Metric = Metric {
    name: "assay_outbox_failures_total",
    kind: Kind::Counter,
    unit: "attempts",
    labels: &["target"],
    meaning: "Attempts to send to a target that failed",
};

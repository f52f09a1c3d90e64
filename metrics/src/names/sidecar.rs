//! What the sidecar counts itself, beside the requests that every service counts.

use super::{Kind, Metric};

pub const SIDECAR_EVENTS: Metric = Metric {
    name: "assay_sidecar_events_total",
    kind: Kind::Counter,
    unit: "events",
    labels: &[],
    meaning: "Lineage events that were accepted and are kept, again where they are sent again",
};

pub const SIDECAR_REFUSED: Metric = Metric {
    name: "assay_sidecar_refused_total",
    kind: Kind::Counter,
    unit: "events",
    labels: &["reason"],
    meaning: "Lineage events, or bodies that hold none, that were refused in the answer",
};

//! What is known of the jobs that send dead letters back.

use super::{Kind, Metric};

pub const REPLAY_JOBS: Metric = Metric {
    name: "assay_replay_jobs",
    kind: Kind::Gauge,
    unit: "jobs",
    labels: &["state"],
    meaning: "Jobs that send dead letters back and are not over",
};

pub const REPLAY_SILENCE: Metric = Metric {
    name: "assay_replay_silence_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    labels: &[],
    meaning: "How long the job that waits or runs and was heard of longest ago has been silent; 0 when there is none",
};

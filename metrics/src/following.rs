use std::collections::BTreeMap;

use assay_core::{Counts, StageId};
use assay_store::TargetHealth;
use chrono::{DateTime, Utc};
use prometheus::proto::{Bucket, Histogram};

use crate::Lag;
use crate::exposition::{RenderError, Series, histogram, labels, lags, number, plain, seconds};
use crate::names::{self, COMMIT_BUCKETS};
use crate::outbox::of_targets;
use crate::text::text;

/// What one process knows of a stage that it follows.
#[derive(Debug, Clone, PartialEq)]
pub struct Following {
    pub stage: StageId,
    pub batches: u64,
    pub counts: Counts,
    pub commits: Durations,
    pub last_success_at: Option<DateTime<Utc>>,
    pub paused: bool,
    pub partitions: u64,
    pub retries: u64,
    pub fenced: u64,
}

/// How long something took, each time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Durations {
    /// How often it took at most so long as each bound says.
    buckets: [u64; COMMIT_BUCKETS.len()],
    sum: f64,
    count: u64,
}

impl Durations {
    /// Takes in that it took that long.
    pub fn observe(&mut self, seconds: f64) {
        for (bucket, bound) in self.buckets.iter_mut().zip(COMMIT_BUCKETS) {
            *bucket += u64::from(seconds <= bound);
        }
        self.sum += seconds;
        self.count += 1;
    }

    fn histogram(&self) -> Histogram {
        let bucket = |(count, bound): (&u64, f64)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(*count);
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(self.buckets.iter().zip(COMMIT_BUCKETS).map(bucket).collect());
        histogram.set_sample_count(self.count);
        histogram.set_sample_sum(self.sum);
        histogram
    }
}

impl Following {
    /// A stage of which nothing is known yet.
    pub fn new(stage: StageId) -> Following {
        Following {
            stage,
            batches: 0,
            counts: Counts::default(),
            commits: Durations::default(),
            last_success_at: None,
            paused: false,
            partitions: 0,
            retries: 0,
            fenced: 0,
        }
    }
}

/// The text that Prometheus scrapes from a worker: what its stages did in this process, how far
/// they are behind, and what its courier has to send, as seen at `at`.
pub fn render_following(
    stages: &[Following],
    behind: &[Lag],
    targets: &[TargetHealth],
    at: DateTime<Utc>,
) -> Result<String, RenderError> {
    let of = |metric: &names::Metric, value: &dyn Fn(&Following) -> Option<f64>| {
        let one = |following: &Following| {
            let stage = [following.stage.pipeline.as_str(), &following.stage.stage];
            Some((labels(metric, &stage), value(following)?))
        };
        plain(metric, stages.iter().filter_map(one).collect())
    };
    let commits = stages.iter().map(|following| {
        let stage = [following.stage.pipeline.as_str(), &following.stage.stage];
        (labels(&names::FOLLOW_COMMIT, &stage), following.commits.histogram())
    });
    let mut families = vec![
        of(&names::FOLLOW_BATCHES, &|following| Some(number(following.batches))),
        plain(&names::FOLLOW_ROWS, rows(stages)),
        histogram(&names::FOLLOW_COMMIT, commits.collect()),
        of(&names::FOLLOW_LAST_SUCCESS, &|following| following.last_success_at.map(seconds)),
        of(&names::FOLLOW_PAUSED, &|following| Some(f64::from(following.paused))),
        of(&names::FOLLOW_PARTITIONS, &|following| Some(number(following.partitions))),
        of(&names::FOLLOW_RETRIES, &|following| Some(number(following.retries))),
        of(&names::FOLLOW_FENCED, &|following| Some(number(following.fenced))),
    ];
    families.extend(lags(behind));
    families.extend(of_targets(targets, at));
    text(families, 0)
}

fn rows(stages: &[Following]) -> Series<f64> {
    let mut series = BTreeMap::new();
    for Following { stage, counts, .. } in stages {
        for (outcome, rows) in [
            ("written", counts.written),
            ("rejected", counts.rejected),
            ("filtered", counts.filtered),
            ("duplicate", counts.duplicates),
        ] {
            let values = [stage.pipeline.as_str(), &stage.stage, outcome];
            series.insert(labels(&names::FOLLOW_ROWS, &values), number(rows));
        }
    }
    series
}

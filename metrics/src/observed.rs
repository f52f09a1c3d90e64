use std::collections::{BTreeMap, BTreeSet};

use assay_store::{
    EventKind, JudgedBatch, Replay, StageHealth, Store, StoreError, TargetHealth, Total,
};
use chrono::{DateTime, TimeDelta, Utc};

/// How far a reader is behind in one partition of a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Lag {
    /// The consumer group; on the embedded log the reader.
    pub group: String,
    pub topic: String,
    pub partition: u32,
    pub messages: u64,
    /// Age of the oldest unread message, where it is known.
    pub seconds: Option<f64>,
}

/// Dead letters that wait, of one topic and one reason.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetters {
    pub topic: String,
    pub reason: String,
    pub waiting: u64,
    pub oldest_age_seconds: Option<f64>,
}

/// All that the exposition is made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    pub totals: Vec<Total>,
    /// How the stages fared in the last 24 hours.
    pub health: Vec<StageHealth>,
    /// The last judged batch of each dataset.
    pub judged: Vec<JudgedBatch>,
    pub events: BTreeMap<EventKind, u64>,
    /// Whether the log answers; None when nobody asked it.
    pub log_up: Option<bool>,
    pub lags: Vec<Lag>,
    pub letters: Vec<DeadLetters>,
    /// How it stands with each target that events are sent to.
    pub targets: Vec<TargetHealth>,
    /// Jobs that send dead letters back and are not over.
    pub jobs: Vec<Replay>,
    /// When all this was seen.
    pub at: DateTime<Utc>,
}

impl Observed {
    /// Reads what the store knows; what the log knows is the caller's to add.
    pub async fn of(store: &Store, now: DateTime<Utc>) -> Result<Observed, StoreError> {
        Ok(Observed {
            totals: store.totals().await?,
            health: store.health(now - TimeDelta::hours(24)).await?,
            judged: store.latest_judged().await?,
            events: store.event_counts().await?,
            log_up: None,
            lags: vec![],
            letters: vec![],
            targets: store.targets().await?,
            jobs: store.open_replays().await?,
            at: now,
        })
    }
}

/// The label that says whose a total is.
const PIPELINE: &str = "pipeline";

impl Observed {
    /// The pipelines of which something is known.
    pub(crate) fn pipelines(&self) -> BTreeSet<String> {
        let counted = self.totals.iter().filter_map(|total| total.labels.get(PIPELINE));
        let ran = self.health.iter().map(|health| &health.stage.pipeline);
        let judged = self.judged.iter().map(|batch| &batch.run.stage.pipeline);
        counted.chain(ran).chain(judged).cloned().collect()
    }

    /// What is known of one pipeline.
    pub(crate) fn of_pipeline(&self, pipeline: &str) -> Observed {
        let total = |total: &&Total| total.labels.get(PIPELINE).is_some_and(|of| of == pipeline);
        let health = |health: &&StageHealth| health.stage.pipeline == pipeline;
        let judged = |batch: &&JudgedBatch| batch.run.stage.pipeline == pipeline;
        Observed {
            totals: self.totals.iter().filter(total).cloned().collect(),
            health: self.health.iter().filter(health).cloned().collect(),
            judged: self.judged.iter().filter(judged).cloned().collect(),
            ..Observed::default()
        }
    }
}

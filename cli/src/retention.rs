use std::collections::BTreeMap;

use assay_core::DatasetName;
use assay_dlq::KeptLetters;
use assay_store::KeptSince;
use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Deserialize;

/// How long what has been done is kept: `retention` in the file of settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retention {
    /// What the messages of one topic may weigh; their age is said by the topic.
    #[schemars(range(min = 1))]
    pub(crate) topic_mb: Option<u32>,
    /// Letters that are open. Each stands for a row that is in no table.
    #[schemars(range(min = 1))]
    pub(crate) letters_days: u32,
    /// Letters whose rows were taken after all.
    #[schemars(range(min = 1))]
    pub(crate) closed_letters_days: u32,
    #[schemars(range(min = 2))]
    pub(crate) void_letters_days: u32,
    #[schemars(range(min = 2))]
    pub(crate) reports_days: u32,
    #[schemars(range(min = 2))]
    pub(crate) runs_days: u32,
    #[schemars(range(min = 2))]
    pub(crate) lineage_days: u32,
    #[schemars(range(min = 2))]
    pub(crate) audit_days: u32,
    /// What killed processes left behind.
    #[schemars(range(min = 1))]
    pub(crate) temporary_days: u32,
    /// Files of the lake that no snapshot names. A draft may be at work on younger ones.
    #[schemars(range(min = 3))]
    pub(crate) orphans_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Retention {
            topic_mb: None,
            letters_days: 365,
            closed_letters_days: 90,
            void_letters_days: 7,
            reports_days: 180,
            runs_days: 180,
            lineage_days: 180,
            audit_days: 3650,
            temporary_days: 1,
            orphans_days: 3,
        }
    }
}

/// How long a draft may wait for its commit at the most, with time to spare.
const UNSETTLED: TimeDelta = TimeDelta::days(2);

impl Retention {
    pub(crate) fn topic_bytes(&self) -> Option<u64> {
        self.topic_mb.map(|mb| u64::from(mb) << 20)
    }

    pub(crate) fn of_store(&self, now: DateTime<Utc>) -> KeptSince {
        KeptSince {
            reports: before(now, self.reports_days),
            runs: before(now, self.runs_days),
            lineage: before(now, self.lineage_days),
            audit: before(now, self.audit_days),
        }
    }

    /// `last_commits` is when the last commit of each dataset was judged, of those that are told.
    pub(crate) fn of_letters(
        &self,
        now: DateTime<Utc>,
        last_commits: BTreeMap<DatasetName, DateTime<Utc>>,
    ) -> KeptLetters {
        let settled = last_commits.into_iter().map(|(dataset, at)| (dataset, at - UNSETTLED));
        KeptLetters {
            since: before(now, self.letters_days),
            closed_since: before(now, self.closed_letters_days),
            void_since: before(now, self.void_letters_days),
            settled: settled.collect(),
        }
    }

    pub(crate) fn of_orphans(&self) -> TimeDelta {
        TimeDelta::days(i64::from(self.orphans_days.min(36_500)))
    }

    pub(crate) fn of_temporary(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        before(now, self.temporary_days)
    }
}

/// So many days before; longer than there was anything is for ever.
fn before(now: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    let age = TimeDelta::try_days(i64::from(days));
    let since = age.and_then(|age| now.checked_sub_signed(age));
    since.unwrap_or_default().max(DateTime::UNIX_EPOCH)
}

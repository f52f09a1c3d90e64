use std::collections::BTreeMap;

use assay_core::DatasetName;
use assay_dlq::KeptLetters;
use assay_store::KeptSince;
use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::Deserialize;

/// How long, and how much of it, what has been done is kept: `retention` in the file of settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retention {
    /// What the messages of one topic may weigh; their age is said by the topic.
    #[schemars(range(min = 1))]
    pub(crate) topic_mb: Option<u32>,
    /// What the letters of one topic may weigh, and what the store may; beyond it the oldest go
    /// though they are young. Absent: whatever it is.
    #[schemars(range(min = 1))]
    pub(crate) letters_mb: Option<u32>,
    #[schemars(range(min = 1))]
    pub(crate) store_mb: Option<u32>,
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
    /// Jobs that sent letters back, and are over.
    #[schemars(range(min = 2))]
    pub(crate) jobs_days: u32,
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
            letters_mb: None,
            store_mb: None,
            letters_days: 365,
            closed_letters_days: 90,
            void_letters_days: 7,
            reports_days: 180,
            runs_days: 180,
            lineage_days: 180,
            jobs_days: 180,
            audit_days: 3650,
            temporary_days: 1,
            orphans_days: 3,
        }
    }
}

/// How long a draft may wait for its commit at the most, with time to spare.
const UNSETTLED: TimeDelta = TimeDelta::days(2);

/// Letters younger than that stay, whatever they weigh: a commit that makes them valid is a matter of
/// seconds.
const AT_WORK: TimeDelta = TimeDelta::hours(1);

impl Retention {
    pub(crate) fn topic_bytes(&self) -> Option<u64> {
        bytes(self.topic_mb)
    }

    pub(crate) fn letters_bytes(&self) -> Option<u64> {
        bytes(self.letters_mb)
    }

    /// What the store may take, and before when its records may go for that: what younger ones
    /// are about may still be going on.
    pub(crate) fn store_bytes(&self, now: DateTime<Utc>) -> Option<(u64, DateTime<Utc>)> {
        Some((bytes(self.store_mb)?, now - UNSETTLED))
    }

    /// `fits_since` is from when on the store has room for records, when it has not for all.
    pub(crate) fn of_store(
        &self,
        now: DateTime<Utc>,
        fits_since: Option<DateTime<Utc>>,
    ) -> KeptSince {
        let since = |days| fits_since.into_iter().fold(before(now, days), DateTime::max);
        KeptSince {
            reports: since(self.reports_days),
            runs: since(self.runs_days),
            lineage: since(self.lineage_days),
            jobs: self.of_jobs(now),
            audit: before(now, self.audit_days),
        }
    }

    /// Jobs that were over before then go.
    pub(crate) fn of_jobs(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        before(now, self.jobs_days)
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
            bytes: self.letters_bytes(),
            weighed_before: now - AT_WORK,
        }
    }

    pub(crate) fn of_orphans(&self) -> TimeDelta {
        TimeDelta::days(i64::from(self.orphans_days.min(36_500)))
    }

    pub(crate) fn of_temporary(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        before(now, self.temporary_days)
    }
}

fn bytes(mb: Option<u32>) -> Option<u64> {
    mb.map(|mb| u64::from(mb) << 20)
}

/// So many days before; longer than there was anything is for ever.
fn before(now: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    let age = TimeDelta::try_days(i64::from(days));
    let since = age.and_then(|age| now.checked_sub_signed(age));
    since.unwrap_or_default().max(DateTime::UNIX_EPOCH)
}

//! Lets old snapshots go when a person asks for it.

use assay_core::DatasetName;
use chrono::{DateTime, TimeDelta, Utc};
use iceberg::table::Table;

use super::Lake;
use super::amend::Amendment;
use super::expiry::Expiry;
use super::leftovers::Freed;
use crate::target::TargetError;

/// Races for the catalog's row that it may lose before it gives up.
const TRIES: u32 = 20;

/// Which snapshots to let go.
#[derive(Debug, Clone, Copy)]
pub struct Expire {
    pub older_than: TimeDelta,
    /// So many of the newest stay in any case; at least one.
    pub keep: usize,
}

/// What went, or would go.
#[derive(Debug, Clone)]
pub struct Expired {
    pub dataset: DatasetName,
    /// Snapshots with the time they were made, oldest first.
    pub snapshots: Vec<(i64, DateTime<Utc>)>,
    /// How many are left.
    pub kept: usize,
    /// Files that no other snapshot names.
    pub freed: Freed,
    /// A reader may still be at these files: they are left for a sweep to find.
    pub later: bool,
}

impl Lake {
    /// What expiring would do now; nothing is written.
    pub async fn expire_plan(
        &self,
        dataset: &DatasetName,
        what: Expire,
    ) -> Result<Expired, TargetError> {
        let table = self.existing(dataset).await?;
        let Some(expiry) = self.expiry(&table, what) else { return Ok(nothing(dataset, &table)) };
        self.told(dataset, &table, &expiry).await.map(|(told, _)| told)
    }

    /// Lets old snapshots go, with the files that only they name.
    pub async fn expire(
        &self,
        dataset: &DatasetName,
        what: Expire,
    ) -> Result<Expired, TargetError> {
        for _ in 0..TRIES {
            let table = self.existing(dataset).await?;
            let Some(expiry) = self.expiry(&table, what) else {
                return Ok(nothing(dataset, &table));
            };
            let amendment = Amendment {
                properties: expiry.properties(),
                gone: expiry.ids(),
                ..Amendment::default()
            };
            if self.amend(dataset, &table, &amendment).await?.is_none() {
                continue;
            }
            let (told, files) = self.told(dataset, &table, &expiry).await?;
            if !told.later {
                self.delete(table.metadata().location(), &files);
            }
            return Ok(told);
        }
        Err(TargetError::Moved { dataset: dataset.clone() })
    }

    fn expiry(&self, table: &Table, what: Expire) -> Option<Expiry> {
        let now = self.clock.now();
        let cutoff = now.checked_sub_signed(what.older_than).unwrap_or_default();
        Expiry::older_than(table.metadata(), cutoff, what.keep, now)
    }

    async fn told(
        &self,
        dataset: &DatasetName,
        table: &Table,
        expiry: &Expiry,
    ) -> Result<(Expired, Vec<String>), TargetError> {
        let files = self.left_behind(dataset, table, expiry).await?;
        let made = |ms: i64| DateTime::from_timestamp_millis(ms).unwrap_or_default();
        let snapshots = expiry.snapshots.iter();
        let told = Expired {
            kept: table.metadata().snapshots().len() - expiry.snapshots.len(),
            snapshots: snapshots.map(|s| (s.snapshot_id(), made(s.timestamp_ms()))).collect(),
            freed: self.size(table.metadata().location(), &files),
            later: expiry.newest + self.limits.grace > self.clock.now(),
            ..nothing(dataset, table)
        };
        Ok((told, files))
    }
}

fn nothing(dataset: &DatasetName, table: &Table) -> Expired {
    Expired {
        dataset: dataset.clone(),
        snapshots: vec![],
        kept: table.metadata().snapshots().len(),
        freed: Freed::default(),
        later: false,
    }
}

//! Marks of jobs that are over: nobody asks any more how far they came, and every job leaves one in
//! the table that its letters landed in.

use std::collections::{BTreeMap, HashSet};

use assay_core::{DatasetName, Slice};
use iceberg::table::Table;
use uuid::Uuid;

use super::Lake;
use super::amend::Amendment;
use super::positions::of_slice;
use crate::target::TargetError;

/// Races that forgetting may lose: a writer may commit all the time.
const TRIES: u32 = 10;

impl Lake {
    /// Forgets how far these jobs came, and says of which tables how many marks that are. A dry run
    /// only counts them.
    ///
    /// They have to be over for longer than a draft may be old: what a worker of theirs still holds
    /// would find its place as if nothing had been sent.
    pub async fn forget_jobs(
        &self,
        over: &HashSet<Uuid>,
        dry: bool,
    ) -> Result<BTreeMap<DatasetName, u64>, TargetError> {
        let mut forgotten = BTreeMap::new();
        if over.is_empty() {
            return Ok(forgotten);
        }
        for dataset in self.datasets().await? {
            let marks = self.forget_in(&dataset, over, dry).await?;
            if marks > 0 {
                forgotten.insert(dataset, marks);
            }
        }
        Ok(forgotten)
    }

    async fn forget_in(
        &self,
        dataset: &DatasetName,
        over: &HashSet<Uuid>,
        dry: bool,
    ) -> Result<u64, TargetError> {
        for _ in 0..TRIES {
            let table = self.existing(dataset).await?;
            let marks = marks(&table, over);
            let count = marks.len() as u64;
            if dry || marks.is_empty() {
                return Ok(count);
            }
            let amendment = Amendment { forgotten: marks, ..Amendment::default() };
            if self.amend(dataset, &table, &amendment).await?.is_some() {
                return Ok(count);
            }
        }
        Err(TargetError::Moved { dataset: dataset.clone() })
    }
}

/// The properties that say how far those jobs came.
fn marks(table: &Table, over: &HashSet<Uuid>) -> HashSet<String> {
    let of_one = |key: &&String| {
        of_slice(key)
            .and_then(|name| Slice::from_name(name).job())
            .is_some_and(|j| over.contains(&j))
    };
    table.metadata().properties().keys().filter(of_one).cloned().collect()
}

//! Finds files in the folders of the tables that no snapshot names: of drafts that were never
//! committed, and of commits that died before they cleaned up.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use assay_core::DatasetName;
use chrono::{DateTime, TimeDelta, Utc};

use super::Lake;
use super::reachable::spare_named;
use crate::target::TargetError;

/// A file that nothing names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    pub dataset: DatasetName,
    pub path: PathBuf,
    pub bytes: u64,
    pub written_at: DateTime<Utc>,
}

impl Lake {
    /// Finds the files below the tables' folders and among their reports that no snapshot names
    /// and that nobody has written to for `older_than`, and deletes them unless it is a dry run.
    /// A draft that is being written is younger than three days: sweep nothing younger.
    pub async fn sweep(
        &self,
        older_than: TimeDelta,
        dry_run: bool,
    ) -> Result<Vec<Orphan>, TargetError> {
        let cutoff = self.clock.now() - older_than;
        let mut orphans = vec![];
        for dataset in self.datasets().await? {
            orphans.extend(self.orphans(&dataset, cutoff).await?);
        }
        if !dry_run {
            for orphan in &orphans {
                let doing = || format!("delete {}", orphan.path.display());
                match std::fs::remove_file(&orphan.path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(TargetError::File { doing: doing(), source: error });
                    }
                    _ => {}
                }
            }
        }
        Ok(orphans)
    }

    async fn orphans(
        &self,
        dataset: &DatasetName,
        cutoff: DateTime<Utc>,
    ) -> Result<Vec<Orphan>, TargetError> {
        // First what is there, then what is named: a commit in between is named.
        let mut old = HashMap::new();
        for folder in [self.location(dataset), self.reports(dataset)] {
            let listed = older(&folder, cutoff, &mut old);
            let doing = || format!("look through {}", folder.display());
            listed.map_err(|source| TargetError::File { doing: doing(), source })?;
        }
        if old.is_empty() {
            return Ok(vec![]);
        }
        let table = self.existing(dataset).await?;
        let wrong = |source| TargetError::iceberg(format!("list the files of {dataset}"), source);
        spare_named(&table, &mut old).await.map_err(wrong)?;
        let orphan = |(path, (bytes, written_at))| {
            let dataset = dataset.clone();
            Orphan { dataset, path, bytes, written_at }
        };
        let mut orphans: Vec<Orphan> = old.into_iter().map(orphan).collect();
        orphans.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(orphans)
    }
}

/// Adds the files below `folder` that were last written before `cutoff`, with their sizes. Links are
/// not followed.
fn older(
    folder: &Path,
    cutoff: DateTime<Utc>,
    found: &mut HashMap<PathBuf, (u64, DateTime<Utc>)>,
) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // A commit cleans up beside us.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if metadata.is_dir() {
            older(&entry.path(), cutoff, found)?;
            continue;
        }
        let written_at = DateTime::<Utc>::from(metadata.modified()?);
        if metadata.is_file() && written_at < cutoff {
            found.insert(entry.path(), (metadata.len(), written_at));
        }
    }
    Ok(())
}

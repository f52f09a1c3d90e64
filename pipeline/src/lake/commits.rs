//! The commits of a table that carry a report, in order.

use std::io::ErrorKind;
use std::path::Path;

use assay_core::{DatasetName, DraftId, Report, TraceContext};
use iceberg::spec::SnapshotRef;
use iceberg::table::Table;

use super::Lake;
use crate::target::{Commit, Snapshot, TargetError};

/// Keys of a snapshot's summary. Any Iceberg reader finds the score of the data there.
pub(super) mod summary {
    pub(crate) const DRAFT: &str = "assay.draft";
    pub(crate) const RUN: &str = "assay.run";
    /// Why a reader was moved back by hand.
    pub(crate) const REWIND: &str = "assay.rewind";
    pub(crate) const STAGE: &str = "assay.stage";
    pub(crate) const REPORT: &str = "assay.report";
    pub(crate) const SCORE: &str = "assay.score";
    pub(crate) const VERDICT: &str = "assay.verdict";
    pub(crate) const CONTRACT: &str = "assay.contract";
    /// What the commit is part of; the rest of the key is the name of a header.
    pub(crate) const TRACE: &str = "assay.trace.";
    /// In commits that are no stage's: which upkeep it was.
    pub(crate) const MAINTENANCE: &str = "assay.maintenance";
    pub(crate) const ROWS: [&str; 5] = [
        "assay.rows.read",
        "assay.rows.written",
        "assay.rows.rejected",
        "assay.rows.filtered",
        "assay.rows.duplicates",
    ];
}

impl Lake {
    /// The commits of `dataset` behind the sequence number `after`, oldest first.
    pub(super) async fn commits_of(
        &self,
        dataset: &DatasetName,
        after: Option<u64>,
    ) -> Result<Vec<Commit>, TargetError> {
        let Some(table) = self.table(dataset).await? else { return Ok(Vec::new()) };
        let mut commits = Vec::new();
        for snapshot in history(&table) {
            let sequence = u64::try_from(snapshot.sequence_number()).unwrap_or_default();
            if after.is_some_and(|after| sequence <= after) {
                break;
            }
            match commit(dataset, snapshot) {
                // It expired while we looked, and so has all that is older.
                Err(error) if is_missing(&error) && self.has_lost(dataset, snapshot).await? => {
                    break;
                }
                found => commits.extend(found?),
            }
        }
        commits.reverse();
        Ok(commits)
    }

    async fn has_lost(
        &self,
        dataset: &DatasetName,
        snapshot: &SnapshotRef,
    ) -> Result<bool, TargetError> {
        let table = self.existing(dataset).await?;
        Ok(table.metadata().snapshot_by_id(snapshot.snapshot_id()).is_none())
    }

    /// The commit of `draft`, if it is in the table's history.
    pub(super) async fn commit_of(
        &self,
        dataset: &DatasetName,
        draft: DraftId,
    ) -> Result<Option<Commit>, TargetError> {
        let Some(table) = self.table(dataset).await? else { return Ok(None) };
        let draft = draft.to_string();
        let mine = |snapshot: &&SnapshotRef| {
            snapshot.summary().additional_properties.get(summary::DRAFT) == Some(&draft)
        };
        history(&table).find(mine).map_or(Ok(None), |snapshot| commit(dataset, snapshot))
    }

    /// Writes the report of a commit to be, durably, and says where.
    pub(super) fn write_report(&self, report: &Report) -> Result<String, TargetError> {
        let folder = self.reports(&report.output);
        let path = folder.join(format!("{}.json", report.draft));
        let file =
            |source| TargetError::File { doing: format!("write {}", path.display()), source };
        std::fs::create_dir_all(&folder).map_err(file)?;
        let text = serde_json::to_vec(report).expect("a report is plain data");
        let mut open = std::fs::File::create(&path).map_err(file)?;
        std::io::Write::write_all(&mut open, &text).and_then(|()| open.sync_all()).map_err(file)?;
        Ok(path.display().to_string())
    }
}

fn is_missing(error: &TargetError) -> bool {
    matches!(error, TargetError::File { source, .. } if source.kind() == ErrorKind::NotFound)
}

/// What a snapshot says of our commit, if it is one.
fn commit(dataset: &DatasetName, snapshot: &SnapshotRef) -> Result<Option<Commit>, TargetError> {
    let properties = &snapshot.summary().additional_properties;
    let Some(path) = properties.get(summary::REPORT) else { return Ok(None) };
    let report = read_report(dataset, Path::new(path))?;
    let sequence = u64::try_from(snapshot.sequence_number()).unwrap_or_default();
    Ok(Some(Commit { sequence, snapshot: Snapshot(snapshot.snapshot_id()), report }))
}

fn read_report(dataset: &DatasetName, path: &Path) -> Result<Report, TargetError> {
    let file = |source| TargetError::File {
        doing: format!("read the report of a commit of {dataset}, {}", path.display()),
        source,
    };
    let text = std::fs::read(path).map_err(file)?;
    serde_json::from_slice(&text).map_err(|error| file(std::io::Error::other(error)))
}

/// The snapshot with that sequence number, while it is kept; else the current one.
pub(crate) fn as_of(table: &Table, sequence: Option<u64>) -> Option<SnapshotRef> {
    let wanted =
        |snapshot: &&SnapshotRef| u64::try_from(snapshot.sequence_number()).ok() == sequence;
    history(table).find(wanted).or(table.metadata().current_snapshot()).cloned()
}

/// The traces that commits up to `snapshot` and behind a sequence number are part of, oldest first.
pub(crate) fn traces_since(table: &Table, snapshot: &SnapshotRef, mark: u64) -> Vec<TraceContext> {
    let new = ancestors(table, snapshot)
        .take_while(|one| u64::try_from(one.sequence_number()).is_ok_and(|at| at > mark));
    let mut traces: Vec<TraceContext> = new
        .filter_map(|snapshot| {
            let properties = &snapshot.summary().additional_properties;
            TraceContext::read(|name| {
                let said = properties.get(&format!("{}{name}", summary::TRACE));
                said.map(String::as_bytes)
            })
        })
        .collect();
    traces.reverse();
    traces.truncate(crate::source::MOST_TRACES);
    traces
}

/// Whether nothing came before `snapshot`. That it names no parent does not say so: some engines
/// take the name out when they let the parent expire.
pub(super) fn is_first(snapshot: &SnapshotRef) -> bool {
    snapshot.parent_snapshot_id().is_none() && snapshot.sequence_number() <= 1
}

/// From the current snapshot back to the oldest that is kept.
pub(super) fn history(table: &Table) -> impl Iterator<Item = &SnapshotRef> {
    table.metadata().current_snapshot().into_iter().flat_map(|now| ancestors(table, now))
}

/// From `snapshot` back to the oldest that is kept.
pub(super) fn ancestors<'a>(
    table: &'a Table,
    snapshot: &'a SnapshotRef,
) -> impl Iterator<Item = &'a SnapshotRef> {
    let metadata = table.metadata();
    std::iter::successors(Some(snapshot), move |snapshot| {
        metadata.snapshot_by_id(snapshot.parent_snapshot_id()?)
    })
}

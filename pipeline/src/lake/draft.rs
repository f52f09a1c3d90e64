//! A table as a target: drafts are files that no snapshot names.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use assay_core::{DatasetName, DraftId, Position, ReaderId, Report};
use async_trait::async_trait;
use datafusion::common::ScalarValue;
use iceberg::spec::{Datum, SnapshotRef};
use iceberg::table::Table;

use super::Lake;
use super::change::Change;
use super::commits::summary;
use super::files::{new_since, partition_value};
use super::lookup::LakeLookup;
use super::positions::{moved, position_of};
use super::writer::TableWriter;
use crate::definition::TableSpec;
use crate::target::{Commit, Draft, DraftOf, Lookup, Snapshot, Target, TargetError, Write};

/// Races for the catalog's row that a commit may lose before it gives up.
const TRIES: u32 = 10;

/// One table of the lake.
pub struct LakeTarget {
    lake: Arc<Lake>,
    spec: Arc<TableSpec>,
}

impl LakeTarget {
    pub fn new(lake: Arc<Lake>, spec: Arc<TableSpec>) -> LakeTarget {
        LakeTarget { lake, spec }
    }
}

#[async_trait]
impl Target for LakeTarget {
    async fn prepare(&self) -> Result<(), TargetError> {
        self.lake.ensure(&self.spec).await.map(drop)
    }

    async fn position(&self, reader: &ReaderId) -> Result<Position, TargetError> {
        match self.lake.table(&self.spec.dataset).await? {
            Some(table) => position_of(&self.spec.dataset, &table, reader),
            None => Ok(Position::default()),
        }
    }

    async fn draft(&self, of: DraftOf<'_>, write: Write) -> Result<Box<dyn Draft>, TargetError> {
        let dataset = &self.spec.dataset;
        let table = self.lake.existing(dataset).await?;
        if position_of(dataset, &table, of.reader)? != *of.from {
            return Err(TargetError::Fenced {
                dataset: dataset.clone(),
                reader: of.reader.clone(),
            });
        }
        let writer = TableWriter::new(&table, self.spec.target_file_size, of.id.0);
        let writer = writer
            .map_err(|source| TargetError::iceberg(format!("open files for {dataset}"), source))?;
        Ok(Box::new(LakeDraft {
            lake: Arc::clone(&self.lake),
            dataset: dataset.clone(),
            id: of.id,
            reader: of.reader.clone(),
            from: of.from.clone(),
            keyed: of.keyed,
            base: table.metadata().current_snapshot().map(current),
            write,
            writer,
        }))
    }

    async fn commits(&self, after: Option<u64>) -> Result<Vec<Commit>, TargetError> {
        self.lake.commits_of(&self.spec.dataset, after).await
    }

    async fn lookup(
        &self,
        columns: &[String],
        at: Option<Snapshot>,
    ) -> Result<Box<dyn Lookup>, TargetError> {
        let dataset = &self.spec.dataset;
        let table = self.lake.existing(dataset).await?;
        let at = at.or(table.metadata().current_snapshot().map(current));
        Ok(Box::new(LakeLookup::new(dataset, table, at, columns)))
    }
}

fn current(snapshot: &SnapshotRef) -> Snapshot {
    Snapshot(snapshot.snapshot_id())
}

struct LakeDraft {
    lake: Arc<Lake>,
    dataset: DatasetName,
    id: DraftId,
    reader: ReaderId,
    from: Position,
    keyed: bool,
    base: Option<Snapshot>,
    write: Write,
    writer: TableWriter,
}

#[async_trait]
impl Draft for LakeDraft {
    fn base(&self) -> Option<Snapshot> {
        self.base
    }

    fn written(&self) -> u64 {
        self.writer.rows()
    }

    async fn write(&mut self, to: &DatasetName, rows: RecordBatch) -> Result<(), TargetError> {
        if *to != self.dataset {
            return Err(TargetError::Refused {
                doing: format!("write to {to}"),
                why: format!("a draft of {} holds rows of that table alone", self.dataset),
            });
        }
        self.writer.write(&rows).await.map_err(|source| {
            TargetError::iceberg(format!("write rows of {}", self.dataset), source)
        })
    }

    async fn commit(
        self: Box<Self>,
        upto: &Position,
        report: &Report,
    ) -> Result<Commit, TargetError> {
        let LakeDraft { lake, dataset, id, reader, from, keyed, base, write, mut writer } = *self;
        let added = writer.close().await.map_err(|source| {
            TargetError::iceberg(format!("finish the files of {dataset}"), source)
        })?;
        let mut change = Change {
            id: id.0,
            added,
            summary: summary_of(report, lake.write_report(report)?),
            properties: moved(&reader, &from, upto),
            ..Change::default()
        };
        change.summary.extend(change.properties.clone());
        for _ in 0..TRIES {
            let table = lake.existing(&dataset).await?;
            if position_of(&dataset, &table, &reader)? != from {
                return Err(TargetError::Fenced { dataset, reader });
            }
            let now = table.metadata().current_snapshot().map(current);
            if keyed && now != base {
                return Err(TargetError::Moved { dataset });
            }
            if let Write::Replace { column, from } = &write {
                change.removed = replaced(&dataset, &table, column, from).await?;
            }
            if lake.swap(&dataset, &table, &change).await? {
                // The answer of a database is not proof enough: look for the commit.
                let landed = lake.commit_of(&dataset, id).await?;
                return landed.ok_or(TargetError::Moved { dataset });
            }
        }
        Err(TargetError::Moved { dataset })
    }

    async fn abandon(self: Box<Self>) {
        // Files of open writers were never named anywhere; sweeping finds them by their age.
    }
}

/// What any Iceberg reader can see of a commit's report.
fn summary_of(report: &Report, path: String) -> HashMap<String, String> {
    let mut properties = HashMap::from([
        (summary::DRAFT.to_owned(), report.draft.to_string()),
        (summary::RUN.to_owned(), report.run.id.to_string()),
        (summary::STAGE.to_owned(), report.run.stage.to_string()),
        (summary::REPORT.to_owned(), path),
        (summary::VERDICT.to_owned(), report.verdict_name().to_owned()),
    ]);
    if let Some(score) = report.score() {
        properties.insert(summary::SCORE.to_owned(), format!("{score:.4}"));
    }
    if let Some(contract) = &report.contract {
        let name = format!("{} {}", contract.id, contract.version);
        properties.insert(summary::CONTRACT.to_owned(), name);
    }
    let counts = &report.counts;
    let rows = [counts.read, counts.written, counts.rejected, counts.filtered, counts.duplicates];
    for (key, rows) in summary::ROWS.into_iter().zip(rows) {
        properties.insert(key.to_owned(), rows.to_string());
    }
    properties
}

/// The paths of the files whose partition value of `column` is `from` or greater.
async fn replaced(
    dataset: &DatasetName,
    table: &Table,
    column: &str,
    from: &ScalarValue,
) -> Result<HashSet<String>, TargetError> {
    let refused = |why: &str| TargetError::Refused {
        doing: format!("replace partitions of {dataset}"),
        why: why.to_owned(),
    };
    let from = match from {
        ScalarValue::Date32(Some(days)) => Datum::date(*days),
        ScalarValue::Int32(Some(value)) => Datum::int(*value),
        ScalarValue::Int64(Some(value)) => Datum::long(*value),
        ScalarValue::Utf8(Some(text)) => Datum::string(text),
        _ => return Err(refused("partitions of this type have no order")),
    };
    let Some(snapshot) = table.metadata().current_snapshot() else { return Ok(HashSet::new()) };
    let mut paths = HashSet::new();
    for file in new_since(dataset, table, snapshot, 0).await?.files {
        match partition_value(table, &file, column) {
            Some(Some(value)) if value >= from => {
                paths.insert(file.file_path().to_owned());
            }
            Some(_) => {}
            None => return Err(refused("the table is not partitioned by the column")),
        }
    }
    Ok(paths)
}

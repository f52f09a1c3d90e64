//! A table as a target: drafts are files that no snapshot names.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use assay_core::{DatasetName, DraftId, Position, ReaderId, Report};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use datafusion::common::ScalarValue;
use iceberg::spec::{DataFile, Datum, SnapshotRef};
use iceberg::table::Table;

use super::Lake;
use super::change::Change;
use super::commits::summary;
use super::day::Survivors;
use super::files::{new_since, partition_value};
use super::lookup::LakeLookup;
use super::meanwhile::{Meanwhile, holds_any};
use super::outside::OutsideDay;
use super::positions::{check_history, moved, position_of};
use super::writer::TableWriter;
use crate::definition::TableSpec;
use crate::target::{
    Closing, Commit, Day, Draft, DraftOf, Lookup, Snapshot, Target, TargetError, Targets, Write,
};

/// Races for the catalog's row that a commit may lose before it gives up.
const TRIES: u32 = 10;

/// A draft that is older does not commit: sweeping takes files that no snapshot names after three
/// days, and must never meet one that still will.
const OLDEST: TimeDelta = TimeDelta::hours(24);

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

/// The tables of a lake, as targets.
pub struct LakeTargets(pub Arc<Lake>);

impl Targets for LakeTargets {
    fn target(&self, spec: &Arc<TableSpec>) -> Box<dyn Target> {
        Box::new(LakeTarget::new(Arc::clone(&self.0), Arc::clone(spec)))
    }
}

#[async_trait]
impl Target for LakeTarget {
    async fn prepare(&self) -> Result<(), TargetError> {
        self.lake.ensure(&self.spec).await.map(drop)
    }

    async fn position(&self, reader: &ReaderId) -> Result<Position, TargetError> {
        match self.lake.table(&self.spec.dataset).await? {
            Some(table) => {
                let position = position_of(&self.spec.dataset, &table, reader)?;
                check_history(&self.spec.dataset, &table, reader, &position)?;
                Ok(position)
            }
            None => Ok(Position::default()),
        }
    }

    async fn draft(&self, of: DraftOf<'_>, write: Write) -> Result<Box<dyn Draft>, TargetError> {
        let dataset = &self.spec.dataset;
        if matches!(write, Write::Merge { .. }) || !of.also.is_empty() {
            return Err(TargetError::Refused {
                doing: format!("write {dataset}"),
                why: "a table of the lake merges no rows, and is committed alone".to_owned(),
            });
        }
        let table = self.lake.existing(dataset).await?;
        // Who reads other partitions moves other marks; of those that were read, none may differ.
        if !position_of(dataset, &table, of.reader)?.agrees_with(of.from) {
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
            spec: Arc::clone(&self.spec),
            id: of.id,
            ground: Ground {
                reader: of.reader.clone(),
                from: of.from.clone(),
                key: of.key.to_vec(),
                begun_at: of.begun_at,
                base: table.metadata().current_snapshot().map(current),
                write,
            },
            files: Files::Open(Box::new(writer)),
        }))
    }

    async fn landed(&self, draft: DraftId) -> Result<Option<Commit>, TargetError> {
        self.lake.commit_of(&self.spec.dataset, draft).await
    }

    async fn commits(&self, after: Option<u64>) -> Result<Vec<Commit>, TargetError> {
        self.lake.commits_of(&self.spec.dataset, after).await
    }

    async fn lookup(
        &self,
        columns: &[String],
        at: Option<Snapshot>,
        without: Option<&Day>,
    ) -> Result<Box<dyn Lookup>, TargetError> {
        let dataset = &self.spec.dataset;
        let table = self.lake.existing(dataset).await?;
        let at = at.or(table.metadata().current_snapshot().map(current));
        Ok(match without {
            None => Box::new(LakeLookup::new(dataset, table, at, columns)),
            Some(day) => {
                Box::new(OutsideDay::new(&self.lake, dataset, table, at, columns, day).await?)
            }
        })
    }
}

fn current(snapshot: &SnapshotRef) -> Snapshot {
    Snapshot(snapshot.snapshot_id())
}

struct LakeDraft {
    lake: Arc<Lake>,
    spec: Arc<TableSpec>,
    id: DraftId,
    ground: Ground,
    files: Files,
}

/// What a draft is built on: it holds only as long as this does.
struct Ground {
    reader: ReaderId,
    from: Position,
    key: Vec<String>,
    begun_at: DateTime<Utc>,
    base: Option<Snapshot>,
    write: Write,
}

/// The draft's own files, which no table knows yet.
enum Files {
    Open(Box<TableWriter>),
    Closed { files: Vec<DataFile>, rows: u64 },
}

impl Files {
    /// Finishes the files; once they are, they stay as they are.
    async fn close(&mut self) -> iceberg::Result<&[DataFile]> {
        if let Files::Open(writer) = self {
            let rows = writer.rows();
            let files = writer.close().await?;
            *self = Files::Closed { files, rows };
        }
        match self {
            Files::Closed { files, .. } => Ok(files),
            Files::Open(_) => Ok(&[]),
        }
    }
}

#[async_trait]
impl Draft for LakeDraft {
    fn base(&self) -> Option<Snapshot> {
        self.ground.base
    }

    fn written(&self) -> u64 {
        match &self.files {
            Files::Open(writer) => writer.rows(),
            Files::Closed { rows, .. } => *rows,
        }
    }

    async fn write(&mut self, to: &DatasetName, rows: RecordBatch) -> Result<(), TargetError> {
        let dataset = &self.spec.dataset;
        let refused = |why: String| TargetError::Refused { doing: format!("write to {to}"), why };
        if to != dataset {
            return Err(refused(format!("a draft of {dataset} holds rows of that table alone")));
        }
        let Files::Open(writer) = &mut self.files else {
            return Err(refused("the draft is finished".to_owned()));
        };
        let wrong = |source| TargetError::iceberg(format!("write rows of {dataset}"), source);
        writer.write(&rows).await.map_err(wrong)
    }

    async fn commit(&mut self, closing: Closing<'_>) -> Result<Commit, TargetError> {
        let LakeDraft { lake, spec, id, ground, files } = self;
        let dataset = spec.dataset.clone();
        if lake.clock.now() - ground.begun_at >= OLDEST {
            return Err(TargetError::Stale { dataset, hours: OLDEST.num_hours() });
        }
        let wrong = |source| TargetError::iceberg(format!("finish the files of {dataset}"), source);
        let added = files.close().await.map_err(wrong)?.to_vec();
        let mut change = Change {
            id: id.0,
            added,
            summary: summary_of(closing.report, lake.write_report(closing.report)?),
            properties: moved(&ground.reader, &ground.from, closing.upto),
            ..Change::default()
        };
        change.summary.extend(change.properties.clone());
        let mut survivors = Survivors::default();
        for _ in 0..TRIES {
            let table = lake.existing(&dataset).await?;
            ground.check(lake, spec, &table, closing).await?;
            match &ground.write {
                Write::Append | Write::Merge { .. } => {}
                Write::Replace { column, from } => {
                    change.removed = replaced(&dataset, &table, column, from).await?;
                }
                Write::Day(day) => {
                    let whole = (lake.as_ref(), spec.as_ref(), &table);
                    let without = survivors.without(day, whole, id.0).await?;
                    change.removed = without.removed;
                    change.rewritten = without.kept;
                }
            }
            if lake.swap(&dataset, &table, &change).await? {
                // The answer of a database is not proof enough: look for the commit.
                let landed = lake.commit_of(&dataset, *id).await?;
                return landed.ok_or(TargetError::Moved { dataset });
            }
        }
        Err(TargetError::Moved { dataset })
    }

    async fn abandon(self: Box<Self>) {
        // Files of open writers were never named anywhere; sweeping finds them by their age.
    }
}

impl Ground {
    /// Whether the slices that the draft moves stand where it found them; those of other workers
    /// may have moved on.
    fn may_move(&self, now: &Position, upto: &Position) -> bool {
        let mut moved = upto.moved_since(&self.from).peekable();
        match moved.peek() {
            None => *now == self.from,
            Some(_) => moved.all(|(slice, _)| now.mark(slice) == self.from.mark(slice)),
        }
    }

    /// Whether all of it still holds for `table`, as it is now.
    async fn check(
        &self,
        lake: &Lake,
        spec: &TableSpec,
        table: &Table,
        closing: Closing<'_>,
    ) -> Result<(), TargetError> {
        let dataset = &spec.dataset;
        if !self.may_move(&position_of(dataset, table, &self.reader)?, closing.upto) {
            let (dataset, reader) = (dataset.clone(), self.reader.clone());
            return Err(TargetError::Fenced { dataset, reader });
        }
        // Behind this commit, that another program rolled the table back could not be seen any more.
        let moving = self.from.only(|slice| closing.upto.mark(slice) != self.from.mark(slice));
        check_history(dataset, table, &self.reader, &moving)?;
        let replaces = self.write != Write::Append;
        if self.key.is_empty() && !replaces {
            return Ok(());
        }
        let holds = match Meanwhile::since(self.base, dataset, table).await? {
            Meanwhile::Nothing => true,
            Meanwhile::Added(files) if !replaces => {
                !holds_any(lake, spec, table, files, &self.key, closing.keys).await?
            }
            Meanwhile::Added(_) | Meanwhile::Overwritten => false,
        };
        match holds {
            true => Ok(()),
            false => Err(TargetError::Moved { dataset: dataset.clone() }),
        }
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
    for (name, value) in report.trace.iter().flat_map(assay_core::TraceContext::headers) {
        properties.insert(format!("{}{name}", summary::TRACE), value.to_owned());
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

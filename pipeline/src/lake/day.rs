//! The rows of one day: where they are, and a table's files without them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use assay_core::DatasetName;
use chrono::NaiveDate;
use datafusion::common::Column;
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use futures::TryStreamExt;
use iceberg::spec::{DataFile, Datum, SnapshotRef};
use iceberg::table::Table;
use uuid::Uuid;

use super::files::{DataFiles, partition_value, sequences_since};
use super::writer::TableWriter;
use super::{Lake, LakeScan};
use crate::definition::TableSpec;
use crate::session::{rows, session};
use crate::stage::Stage;
use crate::target::{Day, TargetError};

impl Day {
    /// The condition of its rows.
    pub(crate) fn rows(&self) -> Expr {
        Expr::Column(Column::from_name(&self.column)).eq(lit(self.value()))
    }

    /// The condition of all other rows, also of those that have no day.
    pub(crate) fn others(&self) -> Expr {
        let column = Expr::Column(Column::from_name(&self.column));
        column.clone().is_null().or(column.not_eq(lit(self.value())))
    }

    /// How many rows of a file belong to it, as far as the metadata can tell.
    fn in_file(&self, table: &Table, file: &DataFile) -> Share {
        let date = Datum::date(self.days());
        if let Some(value) = partition_value(table, file, &self.column) {
            return if value == Some(date) { Share::All } else { Share::None };
        }
        let field = table.metadata().current_schema().field_by_name(&self.column);
        let Some(id) = field.map(|field| field.id) else { return Share::None };
        let bound = |bounds: &HashMap<i32, Datum>| bounds.get(&id).cloned();
        let nulls = file.null_value_counts().get(&id).copied();
        match (bound(file.lower_bounds()), bound(file.upper_bounds())) {
            (Some(least), Some(greatest)) if date < least || date > greatest => Share::None,
            (Some(least), Some(greatest)) if least == greatest && nulls == Some(0) => Share::All,
            _ => Share::Some,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    None,
    Some,
    All,
}

/// The files of `snapshot` that may hold rows of `day`, of those that were there when its sequence
/// number was `upto`; in the order in which they came.
pub(crate) async fn files_of_day(
    dataset: &DatasetName,
    table: &Table,
    snapshot: &SnapshotRef,
    day: &Day,
    upto: u64,
) -> Result<DataFiles, TargetError> {
    let mut found = sequences_since(dataset, table, snapshot, 0).await?;
    found.retain(|(sequence, file)| *sequence <= upto && day.in_file(table, file) != Share::None);
    let rows = found.iter().map(|(_, file)| file.record_count()).sum();
    Ok(DataFiles { files: found.into_iter().map(|(_, file)| file).collect(), rows })
}

/// The files without rows of the day, and those in which it is mixed with others.
pub(super) async fn parted(
    dataset: &DatasetName,
    table: &Table,
    snapshot: &SnapshotRef,
    day: &Day,
) -> Result<(DataFiles, DataFiles), TargetError> {
    let (mut others, mut mixed) = (DataFiles::default(), DataFiles::default());
    for (_, file) in sequences_since(dataset, table, snapshot, 0).await? {
        match day.in_file(table, &file) {
            Share::None => others.push(&file),
            Share::Some => mixed.push(&file),
            Share::All => {}
        }
    }
    Ok((others, mixed))
}

/// A day in the table that a stage writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DayOfTable {
    /// Its rows; for an aggregate stage those from that day on.
    pub rows: u64,
    /// The sequence numbers of the commits that brought the day, as far as its files still tell.
    pub commits: BTreeSet<u64>,
}

/// What is there of a day; none when the stage has no days, or there is no table yet.
pub async fn day_of_table(
    lake: &Lake,
    stage: &Stage,
    date: NaiveDate,
) -> Result<Option<DayOfTable>, TargetError> {
    let dataset = &stage.writes.dataset;
    let (column, on) = match (&stage.aggregate, &stage.day) {
        (Some(aggregate), _) => (&aggregate.replace, true),
        (None, Some(day)) => (day, false),
        (None, None) => return Ok(None),
    };
    let Some(table) = lake.table(dataset).await? else { return Ok(None) };
    let day = Day { column: column.clone(), date };
    let mut commits = BTreeSet::new();
    if let Some(snapshot) = table.metadata().current_snapshot() {
        for (sequence, file) in sequences_since(dataset, &table, snapshot, 0).await? {
            if day.in_file(&table, &file) != Share::None {
                commits.insert(sequence);
            }
        }
    }
    let wanted = match on {
        true => Expr::Column(Column::from_name(column)).gt_eq(lit(day.value())),
        false => day.rows(),
    };
    let rows = count(lake, dataset, table, &day, wanted).await?;
    Ok(Some(DayOfTable { rows, commits }))
}

async fn count(
    lake: &Lake,
    dataset: &DatasetName,
    table: Table,
    day: &Day,
    wanted: Expr,
) -> Result<u64, TargetError> {
    let wrong = |source| TargetError::Query {
        doing: format!("count the rows of {} in {dataset}", day.date),
        source,
    };
    let lost = |source| TargetError::iceberg(format!("count the rows of {dataset}"), source);
    let scan = LakeScan::of(table, None).map_err(lost)?;
    let plan = LogicalPlanBuilder::scan("rows", provider_as_source(Arc::new(scan)), None)
        .and_then(|plan| plan.filter(wanted))
        .and_then(|plan| plan.project([Expr::Column(Column::from_name(&day.column))]))
        .and_then(LogicalPlanBuilder::build)
        .map_err(wrong)?;
    let mut stream = in_order(lake, &plan).await.map_err(wrong)?;
    let mut rows = 0;
    while let Some(batch) = stream.try_next().await.map_err(wrong)? {
        rows += batch.num_rows() as u64;
    }
    Ok(rows)
}

/// A table without one day.
#[derive(Debug, Default)]
pub(super) struct WithoutDay {
    /// Paths of the files that leave.
    pub(super) removed: HashSet<String>,
    /// Files with the rows of removed ones that stay, each with the data sequence number of the
    /// file that they were in: to readers they are not new.
    pub(super) kept: Vec<(DataFile, i64)>,
}

/// What stays of files in which a day is mixed with others; each is rewritten once, however often
/// the commit is tried.
#[derive(Debug, Default)]
pub(super) struct Survivors(HashMap<String, Vec<DataFile>>);

impl Survivors {
    pub(super) async fn without(
        &mut self,
        day: &Day,
        (lake, spec, table): (&Lake, &TableSpec, &Table),
        draft: Uuid,
    ) -> Result<WithoutDay, TargetError> {
        let mut without = WithoutDay::default();
        let Some(snapshot) = table.metadata().current_snapshot() else { return Ok(without) };
        for (sequence, file) in sequences_since(&spec.dataset, table, snapshot, 0).await? {
            let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
            let path = file.file_path().to_owned();
            match day.in_file(table, &file) {
                Share::None => continue,
                Share::All => {}
                Share::Some => {
                    let all = file.record_count();
                    if !self.0.contains_key(&path) {
                        let name = Uuid::new_v5(&draft, path.as_bytes());
                        let kept = rewrite(day, lake, spec, table, file, name).await?;
                        self.0.insert(path.clone(), kept);
                    }
                    let kept = self.0[&path].clone();
                    if kept.iter().map(DataFile::record_count).sum::<u64>() == all {
                        continue;
                    }
                    without.kept.extend(kept.into_iter().map(|file| (file, sequence)));
                }
            }
            without.removed.insert(path);
        }
        Ok(without)
    }
}

/// Writes the rows of `file` that are not of the day into files of their own.
async fn rewrite(
    day: &Day,
    lake: &Lake,
    spec: &TableSpec,
    table: &Table,
    file: DataFile,
    name: Uuid,
) -> Result<Vec<DataFile>, TargetError> {
    let doing = || format!("take {} out of {}", day.date, spec.dataset);
    let wrong = |source| TargetError::Query { doing: doing(), source };
    let lost = |source| TargetError::iceberg(doing(), source);
    let files = DataFiles { rows: file.record_count(), files: vec![file] };
    let scan = LakeScan::files(table.clone(), files).map_err(lost)?;
    let plan = LogicalPlanBuilder::scan("file", provider_as_source(Arc::new(scan)), None)
        .and_then(|plan| plan.filter(day.others()))
        .and_then(LogicalPlanBuilder::build)
        .map_err(wrong)?;
    let mut stream = in_order(lake, &plan).await.map_err(wrong)?;
    let mut writer = TableWriter::new(table, spec.target_file_size, name).map_err(lost)?;
    while let Some(batch) = stream.try_next().await.map_err(wrong)? {
        writer.write(&batch).await.map_err(lost)?;
    }
    writer.close().await.map_err(lost)
}

/// The rows of a plan in the order of its files.
pub(crate) async fn in_order(
    lake: &Lake,
    plan: &datafusion::logical_expr::LogicalPlan,
) -> Result<datafusion::physical_plan::SendableRecordBatchStream, DataFusionError> {
    let mut state = session(lake.clock.now(), Some(Arc::clone(&lake.runtime)));
    state.config_mut().options_mut().execution.target_partitions = 1;
    rows(&state, plan).await
}

//! Merges the small files of a table's partitions into larger ones. No row changes.

use std::collections::HashMap;

use assay_core::{DatasetName, Ids};
use iceberg::spec::{DataFile, DataFileFormat, PrimitiveType, Struct, Type};
use iceberg::table::Table;

use super::Lake;
use super::files::each_live;
use super::rewrite::{Rewritten, rewrite};
use crate::target::TargetError;

/// The size that files of a table are to have; Iceberg's own property.
pub(super) const FILE_BYTES: &str = "write.target-file-size-bytes";

/// Where a table does not say how large its files should be.
const DEFAULT_FILE_BYTES: u64 = 20_000_000;

/// Rewritten bytes that are committed together: so much work is lost at most when it fails.
const COMMIT_BYTES: u64 = 512 << 20;

/// What to compact.
#[derive(Debug, Clone, Default)]
pub struct Compact {
    /// Only partitions that have all of these values, as column and value; none: all partitions.
    pub partition: Vec<(String, String)>,
    /// The size of files; none: the table's own.
    pub target_bytes: Option<u64>,
    /// Partitions with fewer small files are left alone; at least two.
    pub min_files: usize,
}

/// What was compacted, or would be.
#[derive(Debug, Clone)]
pub struct Compacted {
    pub dataset: DatasetName,
    pub target_bytes: u64,
    pub partitions: Vec<CompactedPartition>,
    /// Small files that wait, since a reader has not left a mark above them yet.
    pub waiting: u64,
}

/// One partition's share.
#[derive(Debug, Clone)]
pub struct CompactedPartition {
    /// Columns and values; empty for a table without partitions.
    pub partition: String,
    pub files: u64,
    pub bytes: u64,
    pub rows: u64,
    /// The files that took their place, as far as it is known.
    pub into_files: u64,
    pub into_bytes: u64,
    /// It was left as it is, because another writer replaced some of it meanwhile.
    pub given_up: bool,
}

/// The small files of one partition.
pub(super) struct Group {
    pub(super) partition: Struct,
    pub(super) name: String,
    pub(super) inputs: Vec<Input>,
}

pub(super) struct Input {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) rows: u64,
    pub(super) sequence: i64,
}

impl Group {
    pub(super) fn bytes(&self) -> u64 {
        self.inputs.iter().map(|input| input.bytes).sum()
    }

    pub(super) fn rows(&self) -> u64 {
        self.inputs.iter().map(|input| input.rows).sum()
    }

    pub(super) fn sequence(&self) -> i64 {
        self.inputs.iter().map(|input| input.sequence).max().unwrap_or_default()
    }

    fn expected(&self, target_bytes: u64) -> CompactedPartition {
        CompactedPartition {
            partition: self.name.clone(),
            files: self.inputs.len() as u64,
            bytes: self.bytes(),
            rows: self.rows(),
            into_files: self.bytes().div_ceil(target_bytes).max(1),
            into_bytes: self.bytes(),
            given_up: false,
        }
    }
}

impl Lake {
    /// What compacting would do now; nothing is written.
    pub async fn compact_plan(
        &self,
        dataset: &DatasetName,
        what: &Compact,
    ) -> Result<Compacted, TargetError> {
        let table = self.existing(dataset).await?;
        Ok(self.groups(dataset, &table, what).await?.0)
    }

    /// Merges small files, beside any writer: a partition that another writer replaced meanwhile
    /// is left as it is. Readers see the same rows before and after, and none as new.
    pub async fn compact(
        &self,
        dataset: &DatasetName,
        what: &Compact,
        ids: &dyn Ids,
    ) -> Result<Compacted, TargetError> {
        let table = self.existing(dataset).await?;
        let (mut report, groups) = self.groups(dataset, &table, what).await?;
        let mut open: Vec<Rewritten> = vec![];
        for (place, group) in groups.into_iter().enumerate() {
            let written = rewrite(dataset, &table, group, place, report.target_bytes, ids.next());
            match Box::pin(written).await {
                Ok(rewritten) => open.push(rewritten),
                Err(error) => {
                    self.abandon(&table, &open);
                    return Err(error);
                }
            }
            if open.iter().map(|one| one.group.bytes()).sum::<u64>() >= COMMIT_BYTES {
                self.land(dataset, &table, &mut open, ids, &mut report).await?;
            }
        }
        self.land(dataset, &table, &mut open, ids, &mut report).await?;
        Ok(report)
    }

    /// The partitions worth it, oldest file first in each.
    async fn groups(
        &self,
        dataset: &DatasetName,
        table: &Table,
        what: &Compact,
    ) -> Result<(Compacted, Vec<Group>), TargetError> {
        let metadata = table.metadata();
        let named = metadata.properties().get(FILE_BYTES).and_then(|text| text.parse().ok());
        let target = what.target_bytes.or(named).unwrap_or(DEFAULT_FILE_BYTES).max(1);
        let names = Names::of(dataset, table, &what.partition)?;
        let mark = self.read_by_all(dataset, metadata).await?;
        let read = |sequence: i64| {
            mark.is_none_or(|mark| u64::try_from(sequence).is_ok_and(|at| at <= mark))
        };
        let (mut groups, mut waiting) = (HashMap::<Struct, Group>::new(), 0);
        let spec = metadata.default_partition_spec_id();
        each_live(dataset, table, |file_spec, sequence, file| {
            let small = file.file_size_in_bytes() < target - target / 4;
            let plain = file_spec == spec && file.file_format() == DataFileFormat::Parquet;
            if !small || !plain || !names.wants(file) {
                return;
            }
            if !read(sequence) {
                waiting += 1;
                return;
            }
            let group = groups.entry(file.partition().clone()).or_insert_with(|| Group {
                partition: file.partition().clone(),
                name: names.name(file),
                inputs: vec![],
            });
            group.inputs.push(Input {
                path: file.file_path().to_owned(),
                bytes: file.file_size_in_bytes(),
                rows: file.record_count(),
                sequence,
            });
        })
        .await?;
        let groups = worth(groups.into_values().collect(), target, what.min_files);
        let partitions = groups.iter().map(|group| group.expected(target)).collect();
        let dataset = dataset.clone();
        Ok((Compacted { dataset, target_bytes: target, partitions, waiting }, groups))
    }
}

/// The groups that become fewer files, by name, each from its oldest file on.
fn worth(mut groups: Vec<Group>, target_bytes: u64, min_files: usize) -> Vec<Group> {
    groups.retain(|group| {
        let files = group.inputs.len();
        let fewer = group.expected(target_bytes).into_files < files as u64;
        files >= min_files.max(2) && fewer && group.rows() > 0
    });
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    for group in &mut groups {
        group.inputs.sort_by(|a, b| (a.sequence, &a.path).cmp(&(b.sequence, &b.path)));
    }
    groups
}

/// What partitions are called, and which of them are wanted.
struct Names<'a> {
    columns: Vec<(String, Type)>,
    table: &'a Table,
    wanted: Vec<(usize, &'a str)>,
}

impl<'a> Names<'a> {
    fn of(
        dataset: &DatasetName,
        table: &'a Table,
        wanted: &'a [(String, String)],
    ) -> Result<Names<'a>, TargetError> {
        let metadata = table.metadata();
        let spec = metadata.default_partition_spec();
        let wrong = |source| TargetError::iceberg(format!("name partitions of {dataset}"), source);
        let kinds = spec.partition_type(metadata.current_schema()).map_err(wrong)?;
        let kinds = kinds.fields().iter().map(|field| field.field_type.as_ref().clone());
        let columns: Vec<(String, Type)> =
            spec.fields().iter().map(|field| field.name.clone()).zip(kinds).collect();
        let place = |(column, value): &'a (String, String)| {
            let found = columns.iter().position(|(name, _)| name == column);
            let known: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
            let why = match known.is_empty() {
                true => "the table has no partitions".to_owned(),
                false => format!("its partitions have no `{column}`, but {}", known.join(", ")),
            };
            let doing = || format!("compact a partition of {dataset}");
            let place = found.ok_or_else(|| TargetError::Refused { doing: doing(), why })?;
            Ok((place, value.as_str()))
        };
        let wanted = wanted.iter().map(place).collect::<Result<_, TargetError>>()?;
        Ok(Names { columns, table, wanted })
    }

    fn value(&self, file: &DataFile, place: usize) -> String {
        let text = Type::Primitive(PrimitiveType::String);
        let kind = self.columns.get(place).map_or(&text, |(_, kind)| kind);
        let field = &self.table.metadata().default_partition_spec().fields()[place];
        field.transform.to_human_string(kind, file.partition()[place].as_ref())
    }

    fn wants(&self, file: &DataFile) -> bool {
        self.wanted.iter().all(|(place, value)| self.value(file, *place) == *value)
    }

    fn name(&self, file: &DataFile) -> String {
        let part = |place: usize| format!("{}={}", self.columns[place].0, self.value(file, place));
        (0..self.columns.len()).map(part).collect::<Vec<_>>().join(" ")
    }
}

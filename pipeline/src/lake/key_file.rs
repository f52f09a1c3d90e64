//! What a lookup knows of one data file: bounds at once, filters and keys once they are needed.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use assay_quality::KeyHasher;
use futures::TryStreamExt;
use iceberg::io::FileIO;
use iceberg::spec::{DataFile, Datum, PrimitiveLiteral};
use iceberg::{Error, ErrorKind, Result};
use parquet::bloom_filter::Sbbf;

use super::reader::{OpenFile, typed, unreadable};

/// A key that is looked for.
pub(super) struct Wanted {
    /// Of its first column, when it can be compared with bounds.
    pub(super) value: Option<Datum>,
    /// Of all its columns.
    pub(super) hash: u128,
    pub(super) row: usize,
}

/// A data file that may have keys.
pub(super) struct KeyFile {
    path: String,
    bytes: u64,
    bounds: Option<(Datum, Datum)>,
    opened: Option<Opened>,
}

struct Opened {
    file: OpenFile,
    groups: Vec<Group>,
}

/// A row group, as far as it was looked into.
struct Group {
    filter: Option<Sbbf>,
    /// Hashes of its keys, sorted.
    keys: Option<Vec<u128>>,
}

impl KeyFile {
    /// `id` is the first key column's.
    pub(super) fn new(file: &DataFile, id: Option<i32>) -> KeyFile {
        let bound = |bounds: &std::collections::HashMap<i32, Datum>| bounds.get(&id?).cloned();
        KeyFile {
            path: file.file_path().to_owned(),
            bytes: file.file_size_in_bytes(),
            bounds: bound(file.lower_bounds()).zip(bound(file.upper_bounds())),
            opened: None,
        }
    }

    pub(super) fn bounds(&self) -> Option<(&Datum, &Datum)> {
        self.bounds.as_ref().map(|(lower, upper)| (lower, upper))
    }

    /// Whether a value between these two may be in it.
    pub(super) fn overlaps(&self, extent: Option<&(Datum, Datum)>) -> bool {
        match (&self.bounds, extent) {
            (Some((lower, upper)), Some((least, greatest))) => {
                // What can't be compared may overlap.
                !(greatest < lower || least > upper)
            }
            _ => true,
        }
    }

    pub(super) fn remembered_bytes(&self) -> usize {
        let groups = self.opened.iter().flat_map(|opened| &opened.groups);
        groups
            .map(|group| {
                let filter = group.filter.as_ref().map_or(0, |filter| filter.num_blocks() * 32);
                filter + group.keys.as_ref().map_or(0, |keys| keys.len() * size_of::<u128>())
            })
            .sum()
    }

    pub(super) fn forget(&mut self) {
        self.opened = None;
    }

    /// Marks the rows of those keys that are in the file.
    pub(super) async fn find(
        &mut self,
        io: &FileIO,
        wanted: &[Wanted],
        hasher: &KeyHasher,
        schema: &SchemaRef,
        found: &mut [bool],
    ) -> Result<()> {
        let opened = match &mut self.opened {
            Some(opened) => opened,
            none => none.insert(Opened::open(io, &self.path, self.bytes, schema).await?),
        };
        for place in 0..opened.groups.len() {
            let group = &opened.groups[place];
            let likely: Vec<&Wanted> = wanted.iter().filter(|key| group.may_have(key)).collect();
            if likely.is_empty() {
                continue;
            }
            if group.keys.is_none() {
                opened.groups[place].keys = Some(opened.keys(place, hasher, schema).await?);
            }
            let keys = opened.groups[place].keys.as_deref().unwrap_or_default();
            for key in likely {
                found[key.row] |= keys.binary_search(&key.hash).is_ok();
            }
        }
        Ok(())
    }
}

impl Opened {
    async fn open(io: &FileIO, path: &str, bytes: u64, schema: &SchemaRef) -> Result<Opened> {
        let file = OpenFile::open(io, path.to_owned(), bytes).await?;
        let metadata = Arc::clone(file.metadata.metadata());
        let leaves = metadata.file_metadata().schema_descr();
        let name = schema.field(0).name();
        let column = leaves.columns().iter().position(|leaf| leaf.path().string() == *name);
        let mut builder = file.builder().await?;
        let mut groups = Vec::with_capacity(metadata.num_row_groups());
        for place in 0..metadata.num_row_groups() {
            let filter = match column {
                Some(column) => builder.get_row_group_column_bloom_filter(place, column).await,
                None => Ok(None),
            };
            groups.push(Group { filter: filter.map_err(unreadable)?, keys: None });
        }
        Ok(Opened { file, groups })
    }

    /// The hashes of a row group's keys, sorted.
    async fn keys(
        &self,
        group: usize,
        hasher: &KeyHasher,
        schema: &SchemaRef,
    ) -> Result<Vec<u128>> {
        let mut rows = self.file.rows(schema, Some(vec![group])).await?;
        let mut keys = Vec::new();
        while let Some(rows) = rows.try_next().await.map_err(unreadable)? {
            let hashes = hasher.hash(&typed(&rows, schema)?).map_err(|error| {
                Error::new(ErrorKind::DataInvalid, "keys can't be compared").with_source(error)
            })?;
            keys.extend(hashes.into_iter().flatten());
        }
        keys.sort_unstable();
        keys.dedup();
        keys.shrink_to_fit();
        Ok(keys)
    }
}

impl Group {
    /// False only when the key is certainly not in it.
    fn may_have(&self, key: &Wanted) -> bool {
        let plain = key.value.as_ref().and_then(plain);
        match (&self.filter, plain) {
            (Some(filter), Some(bytes)) => filter.check(bytes.as_slice()),
            _ => true,
        }
    }
}

/// A value as Parquet writes it down plainly, which is what its filters are made of.
fn plain(value: &Datum) -> Option<Vec<u8>> {
    Some(match value.literal() {
        PrimitiveLiteral::String(text) => text.as_bytes().to_vec(),
        PrimitiveLiteral::Long(number) => number.to_le_bytes().to_vec(),
        PrimitiveLiteral::Int(number) => number.to_le_bytes().to_vec(),
        _ => return None,
    })
}

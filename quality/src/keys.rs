//! Exact sets of keys, for uniqueness and for deduplication.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use twox_hash::XxHash3_128;

use assay_core::Fault;

/// Makes one hash of the key columns of each row. Equal keys have equal hashes in every chunk of
/// one process; the hashes are not meant to be stored.
#[derive(Debug)]
pub struct KeyHasher {
    columns: Vec<usize>,
    converter: RowConverter,
}

/// Why the keys of rows can't be hashed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the key column `{0}` is not there")]
    NoColumn(String),
    #[error("the columns {columns} have types that can't be a key")]
    Types { columns: String, source: ArrowError },
    #[error("the rows are not those that the key was made for")]
    Rows(#[source] ArrowError),
}

impl KeyError {
    pub fn fault(&self) -> Fault {
        Fault::Permanent
    }
}

/// Keys seen so far, as 128-bit hashes: 16 bytes a key and the room that a hash set leaves free.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySet(HashSet<u128, BuildHasherDefault<AlreadyHashed>>);

impl KeyHasher {
    pub fn new(schema: &Schema, columns: &[impl AsRef<str>]) -> Result<KeyHasher, KeyError> {
        let find =
            |name: &str| schema.index_of(name).map_err(|_| KeyError::NoColumn(name.to_owned()));
        let places: Vec<usize> =
            columns.iter().map(|name| find(name.as_ref())).collect::<Result<_, _>>()?;
        let field = |place: &usize| SortField::new(schema.field(*place).data_type().clone());
        let converter =
            RowConverter::new(places.iter().map(field).collect()).map_err(|source| {
                let names: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
                KeyError::Types { columns: names.join(", "), source }
            })?;
        Ok(KeyHasher { columns: places, converter })
    }

    /// The hash of each row's key; none where a part of the key is NULL, since that equals nothing.
    pub fn hash(&self, rows: &RecordBatch) -> Result<Vec<Option<u128>>, KeyError> {
        let column = |place: &usize| {
            let missing = || KeyError::NoColumn(format!("number {place}"));
            rows.columns().get(*place).cloned().ok_or_else(missing)
        };
        let columns: Vec<ArrayRef> = self.columns.iter().map(column).collect::<Result<_, _>>()?;
        let encoded = self.converter.convert_columns(&columns).map_err(KeyError::Rows)?;
        let whole = columns
            .iter()
            .fold(None, |whole, column| {
                NullBuffer::union(whole.as_ref(), column.logical_nulls().as_ref())
            })
            .unwrap_or_else(|| NullBuffer::new_valid(rows.num_rows()));
        let hash = |(place, whole)| {
            let whole: bool = whole;
            whole.then(|| XxHash3_128::oneshot(encoded.row(place).data()))
        };
        Ok(whole.iter().enumerate().map(hash).collect())
    }
}

impl KeySet {
    /// Whether the key was new.
    pub fn insert(&mut self, key: u128) -> bool {
        self.0.insert(key)
    }

    /// Whether each key was new, in the order given: of two equal keys the second is not. What has
    /// no key is new each time.
    pub fn insert_all(&mut self, keys: &[Option<u128>]) -> Vec<bool> {
        keys.iter().map(|key| key.is_none_or(|key| self.insert(key))).collect()
    }

    pub fn contains(&self, key: u128) -> bool {
        self.0.contains(&key)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the keys of the other set in.
    pub fn merge(&mut self, mut other: KeySet) {
        if other.len() > self.len() {
            std::mem::swap(self, &mut other);
        }
        self.0.extend(other.0);
    }
}

/// The keys are good hashes already; hashing them again would only cost time.
#[derive(Debug, Clone, Copy, Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }
}

//! Writes the manifests of one commit: what it adds, what it takes away, and older entries that
//! are written together anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use iceberg::spec::{
    DataFile, ManifestContentType, ManifestEntry, ManifestFile, ManifestStatus, ManifestWriter,
    ManifestWriterBuilder,
};
use iceberg::table::Table;
use iceberg::{Error, ErrorKind, Result};
use uuid::Uuid;

/// A manifest is closed at this size. Smaller ones are merged now and then.
pub(super) const MANIFEST_BYTES: i64 = 8 << 20;

/// Collects entries, one open manifest for each partition spec and each kind.
pub(super) struct Manifests<'a> {
    table: &'a Table,
    id: Uuid,
    snapshot_id: i64,
    open: BTreeMap<(i32, Kind), Open>,
    done: Vec<ManifestFile>,
    made: u32,
}

/// What is new stands apart from what was there, so that a reader of what is new opens little.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Older,
    Added,
}

struct Open {
    writer: ManifestWriter,
    bytes: i64,
}

impl<'a> Manifests<'a> {
    /// `id` becomes part of the files' names.
    pub(super) fn new(table: &'a Table, id: Uuid, snapshot_id: i64) -> Manifests<'a> {
        Manifests { table, id, snapshot_id, open: BTreeMap::new(), done: Vec::new(), made: 0 }
    }

    /// Adds a file that is new, with its data sequence number.
    pub(super) fn add(&mut self, file: DataFile, sequence: i64) -> Result<()> {
        let spec = self.table.metadata().default_partition_spec_id();
        self.open(spec, Kind::Added)?.writer.add_file(file, sequence)
    }

    /// Takes over the live entries of `manifest`; those whose file `leaves` are marked as deleted
    /// and handed to `gone`. Entries keep their snapshot and their sequence numbers.
    pub(super) async fn rewrite(
        &mut self,
        manifest: &ManifestFile,
        entries: Vec<Arc<ManifestEntry>>,
        leaves: impl Fn(&str) -> bool,
        mut gone: impl FnMut(&DataFile),
    ) -> Result<()> {
        let each = manifest.manifest_length / i64::try_from(entries.len().max(1)).unwrap_or(1);
        let spec = manifest.partition_spec_id;
        for entry in entries {
            if entry.status() == ManifestStatus::Deleted {
                continue;
            }
            let entry = Arc::unwrap_or_clone(entry);
            let sequence = entry.sequence_number.ok_or_else(|| damaged("sequence number"))?;
            let snapshot = entry.snapshot_id.ok_or_else(|| damaged("snapshot"))?;
            let (file, file_sequence) = (entry.data_file, entry.file_sequence_number);
            let open = self.open(spec, Kind::Older)?;
            open.bytes += each;
            match leaves(file.file_path()) {
                true => {
                    gone(&file);
                    open.writer.add_delete_file(file, sequence, file_sequence)?;
                }
                false => open.writer.add_existing_file(file, snapshot, sequence, file_sequence)?,
            }
            if open.bytes >= MANIFEST_BYTES {
                self.finish(spec, Kind::Older).await?;
            }
        }
        Ok(())
    }

    /// Writes what is open, and gives all that was written.
    pub(super) async fn close(mut self) -> Result<Vec<ManifestFile>> {
        while let Some(((spec, kind), _)) = self.open.first_key_value() {
            let (spec, kind) = (*spec, *kind);
            self.finish(spec, kind).await?;
        }
        Ok(self.done)
    }

    async fn finish(&mut self, spec: i32, kind: Kind) -> Result<()> {
        if let Some(open) = self.open.remove(&(spec, kind)) {
            self.done.push(open.writer.write_manifest_file().await?);
        }
        Ok(())
    }

    fn open(&mut self, spec_id: i32, kind: Kind) -> Result<&mut Open> {
        use std::collections::btree_map::Entry;
        let vacant = match self.open.entry((spec_id, kind)) {
            Entry::Occupied(open) => return Ok(open.into_mut()),
            Entry::Vacant(vacant) => vacant,
        };
        let metadata = self.table.metadata();
        let spec =
            metadata.partition_spec_by_id(spec_id).ok_or_else(|| damaged("partition spec"))?;
        let path = format!("{}/metadata/{}-m{}.avro", metadata.location(), self.id, self.made);
        self.made += 1;
        let writer = ManifestWriterBuilder::new(
            self.table.file_io().new_output(path)?,
            Some(self.snapshot_id),
            Arc::clone(metadata.current_schema()),
            spec.as_ref().clone(),
        )
        .build_v2_data();
        Ok(vacant.insert(Open { writer, bytes: 0 }))
    }
}

fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::DataInvalid, format!("an entry of a manifest has no {what}"))
}

/// The manifests among `all` that are to be written together: once `gather` small ones have come
/// together, those that still are tiny, else all that are not full.
pub(super) fn to_merge(all: &[ManifestFile], gather: usize) -> Vec<usize> {
    let mut specs: Vec<i32> = all.iter().map(|manifest| manifest.partition_spec_id).collect();
    specs.sort_unstable();
    specs.dedup();
    for spec in specs {
        for below in [MANIFEST_BYTES / 16, MANIFEST_BYTES / 2] {
            let small = |manifest: &ManifestFile| {
                manifest.content == ManifestContentType::Data
                    && manifest.partition_spec_id == spec
                    && manifest.manifest_length < below
            };
            let found: Vec<usize> = (0..all.len()).filter(|place| small(&all[*place])).collect();
            if found.len() >= gather.max(2) {
                return found;
            }
        }
    }
    Vec::new()
}

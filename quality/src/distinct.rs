//! Counts how many different keys there are, in memory that does not grow with them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use assay_core::Fault;
use tempfile::NamedTempFile;

/// Keys that are held in memory: 8 MB. Tests need not wait for so many.
const HELD: usize = if cfg!(test) { 1 << 10 } else { 1 << 19 };

/// Bytes of a key on disk.
const KEY: usize = 16;

/// What is read of runs ahead, of all together; a hundred million different keys have some 190.
const AHEAD: usize = 4 << 20;

/// Of one at least.
const BUFFER: usize = 4 << 10;

/// Keys that are written at a time.
const PORTION: usize = 4 << 10;

/// Why keys can't be kept on disk, or not be read again.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep the keys of a rule of uniqueness in {}", .folder.display())]
pub struct SpoolError {
    folder: PathBuf,
    source: io::Error,
}

impl SpoolError {
    pub fn fault(&self) -> Fault {
        Fault::Permanent
    }
}

/// Keys as 128-bit hashes, each as often as it came until it is counted: some in memory, the others
/// in sorted runs on disk.
#[derive(Debug, Clone)]
pub(crate) struct Distinct {
    folder: Option<Arc<Path>>,
    held: Vec<u128>,
    /// Where its own runs go.
    spool: Option<Arc<Spool>>,
    runs: Vec<Run>,
}

/// Runs one behind the other in one file: however many keys there are, few files are open.
#[derive(Debug)]
struct Spool {
    file: NamedTempFile,
    end: AtomicU64,
}

/// A sorted run of keys.
#[derive(Debug, Clone)]
struct Run {
    spool: Arc<Spool>,
    from: u64,
    keys: u64,
}

impl Distinct {
    /// An empty one, whose runs are files in `folder`; without a folder all stays in memory.
    pub(crate) fn new(folder: Option<Arc<Path>>) -> Distinct {
        Distinct { folder, held: Vec::new(), spool: None, runs: Vec::new() }
    }

    pub(crate) fn insert(&mut self, key: u128) -> Result<(), SpoolError> {
        self.held.push(key);
        match &self.folder {
            Some(folder) if self.held.len() >= HELD => {
                let folder = Arc::clone(folder);
                self.make_room(&folder)
            }
            _ => Ok(()),
        }
    }

    /// Takes the keys of the other in.
    pub(crate) fn merge(&mut self, other: Distinct) -> Result<(), SpoolError> {
        self.runs.extend(other.runs);
        // What two threads held is counted in memory; a run is for what comes on and on.
        if self.held.len() + other.held.len() <= 2 * HELD {
            self.held.extend(other.held);
            return Ok(());
        }
        other.held.into_iter().try_for_each(|key| self.insert(key))
    }

    /// How many different keys there are.
    pub(crate) fn count(&self) -> Result<u64, SpoolError> {
        let mut last = None;
        let mut count = 0;
        self.each(|key| {
            count += u64::from(last != Some(key));
            last = Some(key);
        })?;
        Ok(count)
    }

    /// Keys that are kept in files.
    pub(crate) fn on_disk(&self) -> u64 {
        self.runs.iter().map(|run| run.keys).sum()
    }

    /// Gives every key that is kept to `take`, in order.
    fn each(&self, mut take: impl FnMut(u128)) -> Result<(), SpoolError> {
        let mut held = self.held.clone();
        held.sort_unstable();
        if self.runs.is_empty() {
            held.into_iter().for_each(take);
            return Ok(());
        }
        let mut sources: Vec<Keys> = vec![Keys::Held(held.into_iter())];
        let ahead = (AHEAD / self.runs.len()).max(BUFFER);
        for run in &self.runs {
            let (reader, left) = (Reader { spool: Arc::clone(&run.spool), at: run.from }, run.keys);
            sources.push(Keys::Run(BufReader::with_capacity(ahead, reader), left));
        }
        let mut next = BinaryHeap::with_capacity(sources.len());
        for (number, source) in sources.iter_mut().enumerate() {
            let first = source.next().map_err(|error| self.lost(error))?;
            next.extend(first.map(|key| Reverse((key, number))));
        }
        while let Some(Reverse((key, number))) = next.pop() {
            take(key);
            let following = sources[number].next().map_err(|error| self.lost(error))?;
            next.extend(following.map(|key| Reverse((key, number))));
        }
        Ok(())
    }

    /// Forgets what is held twice, and when that is little, moves all that is held to a run.
    fn make_room(&mut self, folder: &Path) -> Result<(), SpoolError> {
        self.held.sort_unstable();
        self.held.dedup();
        if self.held.len() > HELD / 2 {
            let run = self.write_run(folder).map_err(|error| self.lost(error))?;
            self.runs.push(run);
            self.held.clear();
        }
        Ok(())
    }

    fn write_run(&mut self, folder: &Path) -> io::Result<Run> {
        let spool = match &self.spool {
            Some(spool) => Arc::clone(spool),
            None => {
                std::fs::create_dir_all(folder)?;
                let file = NamedTempFile::new_in(folder)?;
                Arc::clone(self.spool.insert(Arc::new(Spool { file, end: AtomicU64::new(0) })))
            }
        };
        let keys = self.held.len() as u64;
        let from = spool.end.fetch_add(keys * KEY as u64, Ordering::Relaxed);
        let mut at = from;
        for some in self.held.chunks(PORTION) {
            let bytes: Vec<u8> = some.iter().flat_map(|key| key.to_be_bytes()).collect();
            spool.file.as_file().write_all_at(&bytes, at)?;
            at += bytes.len() as u64;
        }
        Ok(Run { spool, from, keys })
    }

    fn lost(&self, source: io::Error) -> SpoolError {
        let folder = self.folder.as_deref().map(Path::to_path_buf).unwrap_or_default();
        SpoolError { folder, source }
    }
}

/// The same keys, however they are divided into runs.
impl PartialEq for Distinct {
    fn eq(&self, other: &Distinct) -> bool {
        let keys = |keys: &Distinct| {
            let mut all = Vec::new();
            keys.each(|key| all.push(key)).ok()?;
            all.dedup();
            Some(all)
        };
        keys(self) == keys(other)
    }
}

/// Keys in order.
enum Keys {
    Held(std::vec::IntoIter<u128>),
    /// So many are left of a run.
    Run(BufReader<Reader>, u64),
}

impl Keys {
    fn next(&mut self) -> io::Result<Option<u128>> {
        match self {
            Keys::Held(keys) => Ok(keys.next()),
            Keys::Run(_, 0) => Ok(None),
            Keys::Run(run, left) => {
                let mut bytes = [0; KEY];
                run.read_exact(&mut bytes)?;
                *left -= 1;
                Ok(Some(u128::from_be_bytes(bytes)))
            }
        }
    }
}

/// Reads on from a place in a spool.
struct Reader {
    spool: Arc<Spool>,
    at: u64,
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.spool.file.as_file().read_at(into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Distinct, HELD};

    #[test]
    fn keys_are_counted_on_disk_as_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let mut keys = Distinct::new(Some(Arc::from(folder.path())));
        // Every third is one that came before, in another run.
        let all = (HELD * 5 / 2) as u128;
        let scatter = |key: u128| key.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        for key in 0..all {
            keys.insert(scatter(if key % 3 == 0 { key / 2 } else { key })).unwrap();
        }
        assert_eq!((keys.runs.len(), std::fs::read_dir(folder.path()).unwrap().count()), (2, 1));
        let before = (0..all).filter(|key| key % 3 == 0).map(|key| key / 2);
        let repeated = before.filter(|half| half % 3 != 0).count() as u128;
        let alone = (0..all).filter(|key| key % 3 == 0).count() as u128 - repeated;
        assert_eq!(u128::from(keys.count().unwrap()), all - all.div_ceil(3) + alone);
        // What comes again and again needs no room.
        let mut few = Distinct::new(Some(Arc::from(folder.path())));
        (0..all).for_each(|key| few.insert(scatter(key % 7)).unwrap());
        assert_eq!((few.count().unwrap(), few.runs.len()), (7, 0));
        few.merge(keys.clone()).unwrap();
        assert_eq!(few.count().unwrap(), keys.count().unwrap());
        drop((few, keys));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "runs go by themselves");
    }

    #[test]
    fn a_folder_that_is_none_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut keys = Distinct::new(Some(Arc::from(file.path())));
        let lost = (0..HELD as u128).try_for_each(|key| keys.insert(key)).unwrap_err();
        assert!(lost.to_string().contains(file.path().to_str().unwrap()), "{lost}");
    }
}

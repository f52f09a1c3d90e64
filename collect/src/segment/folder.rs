//! The folder of a collector: its segments, who it is, and how far it has sent.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::SegmentError;
use super::frame::{self, HEAD};
use super::header::Header;

const LOCK: &str = "lock";
const IDENTITY: &str = "collector.json";
const SENT: &str = "sent";
const SEGMENT: &str = "segment";

/// A place in the segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// A folder that only this process works in.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    sent: File,
    /// Held, never read.
    _lock: File,
}

/// Who a collector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) collector: Uuid,
    /// Sequence numbers below this one may have been given already.
    pub(crate) reserved: u64,
}

/// What waits in the segments behind a place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) events: u64,
    /// Of all segments on the disk.
    pub(crate) bytes: u64,
}

impl Folder {
    /// Makes the folder if it is not there, and takes it for this process.
    pub(crate) fn claim(path: &Path) -> Result<Folder, SegmentError> {
        let failed = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| SegmentError::Io { doing, path, source }
        };
        fs::create_dir_all(path).map_err(failed("make the folder", path))?;
        let lock = File::create(path.join(LOCK)).map_err(failed("lock", path))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(SegmentError::Taken(path.to_owned())),
            Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => {
                return Err(failed("lock", path)(error));
            }
            _ => {}
        }
        let mut open = OpenOptions::new();
        let place = path.join(SENT);
        let sent = open.read(true).write(true).create(true).truncate(false).open(&place);
        let sent = sent.map_err(failed("open", &place))?;
        Ok(Folder { path: path.to_owned(), sent, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:020}.{SEGMENT}"))
    }

    /// The numbers of all segments, from the oldest on.
    pub(crate) fn segments(&self) -> Result<Vec<u64>, SegmentError> {
        let failed = |source| self.failed("list", &self.path, source);
        let mut numbers = vec![];
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let number =
                name.to_str().and_then(|name| name.strip_suffix(SEGMENT)?.strip_suffix('.'));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Who the collector of this folder is, as far as it was ever said.
    pub(crate) fn identity(&self) -> Result<Option<Identity>, SegmentError> {
        let path = self.path.join(IDENTITY);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.failed("read", &path, source)),
        };
        let read = serde_json::from_slice(&text);
        read.map(Some).map_err(|error| SegmentError::Foreign { path, why: error.to_string() })
    }

    /// Says who the collector is; on return that survives a loss of power.
    pub(crate) fn identify(&self, identity: &Identity) -> Result<(), SegmentError> {
        let path = self.path.join(IDENTITY);
        let new = path.with_extension("new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec(identity).map_err(io::Error::other)?)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|source| self.failed("write", &path, source))
    }

    /// How far the segments were sent; the beginning when that is not known.
    pub(crate) fn sent(&self) -> Place {
        let mut record = [0; 20];
        let read = self.sent.read_exact_at(&mut record, 0);
        let (place, checksum) = record.split_at(16);
        let number =
            |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        match read.is_ok() && checksum == crc32fast::hash(place).to_le_bytes() {
            true => Place { segment: number(place), offset: number(&place[8..]) },
            false => Place::default(),
        }
    }

    /// Remembers how far the segments were sent. After a loss of power an older place may be
    /// remembered: then some are sent again, and dropped by their sequence numbers.
    pub(crate) fn remember(&self, sent: Place) -> Result<(), SegmentError> {
        let place = [sent.segment.to_le_bytes(), sent.offset.to_le_bytes()].concat();
        let checksum = crc32fast::hash(&place).to_le_bytes();
        let record = [&place[..], &checksum].concat();
        let written = self.sent.write_all_at(&record, 0);
        written.map_err(|source| self.failed("write", &self.path.join(SENT), source))
    }

    /// Deletes the segments before a place, and says how many bytes they had.
    pub(crate) fn delete_before(&self, place: Place) -> Result<u64, SegmentError> {
        let mut freed = 0;
        for number in self.segments()?.into_iter().filter(|number| *number < place.segment) {
            let path = self.segment(number);
            let bytes = fs::metadata(&path).map_or(0, |about| about.len());
            fs::remove_file(&path).map_err(|source| self.failed("delete", &path, source))?;
            freed += bytes;
        }
        Ok(freed)
    }

    /// Counts what waits behind a place, by what the frames say of themselves.
    pub(crate) fn waiting(&self, from: Place) -> Result<Waiting, SegmentError> {
        let mut waiting = Waiting::default();
        for number in self.segments()? {
            let path = self.segment(number);
            let counted = File::open(&path).and_then(|file| {
                waiting.bytes += file.metadata()?.len();
                match number.cmp(&from.segment) {
                    std::cmp::Ordering::Less => Ok(0),
                    std::cmp::Ordering::Equal => count(&file, from.offset),
                    std::cmp::Ordering::Greater => count(&file, 0),
                }
            });
            waiting.events += counted.map_err(|source| self.failed("read", &path, source))?;
        }
        Ok(waiting)
    }

    pub(crate) fn failed(
        &self,
        doing: &'static str,
        path: &Path,
        source: io::Error,
    ) -> SegmentError {
        SegmentError::Io { doing, path: path.to_owned(), source }
    }
}

/// The records of the frames from a place on, up to the first that is none.
fn count(file: &File, from: u64) -> io::Result<u64> {
    let Some((_, start)) = Header::read(file)? else { return Ok(0) };
    let (mut at, mut events) = (from.max(start), 0);
    let mut buffer = [0; HEAD];
    while file.read_exact_at(&mut buffer, at).is_ok() {
        let Some(head) = frame::head(&buffer) else { break };
        at += head.len as u64;
        events += head.count as u64;
    }
    Ok(events)
}

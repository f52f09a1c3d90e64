//! The segment that is being written.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::Arc;

use super::folder::{Folder, Identity, Place};
use super::header::Header;
use super::{Durability, SegmentError};

/// Sequence numbers that are reserved ahead. A segment has far fewer records.
const AHEAD: u64 = 1 << 32;

pub(super) struct Tail {
    folder: Arc<Folder>,
    header: Header,
    durability: Durability,
    /// A segment with more than this gets a successor.
    segment_bytes: u64,
    /// The number of the next segment.
    next: u64,
    open: Option<Open>,
}

struct Open {
    number: u64,
    file: File,
    bytes: u64,
}

/// What a write did to the disk.
pub(super) struct Written {
    pub(super) end: Place,
    pub(super) bytes: u64,
}

impl Tail {
    pub(super) fn new(
        folder: Arc<Folder>,
        header: Header,
        durability: Durability,
        segment_bytes: u64,
        next: u64,
    ) -> Tail {
        Tail { folder, header, durability, segment_bytes, next, open: None }
    }

    /// Writes frames; on return they are as safe as they are promised to be. After an error none
    /// of them is there.
    ///
    /// `highest` is a sequence number above all of theirs.
    pub(super) fn put(&mut self, frames: &[u8], highest: u64) -> Result<Written, SegmentError> {
        let mut begun = 0;
        if self.open.as_ref().is_none_or(|open| open.bytes >= self.segment_bytes) {
            begun = self.begin(highest)?;
        }
        let open = self.open.as_mut().expect("a segment was begun");
        let written = open.file.write_all(frames).and_then(|()| match self.durability {
            Durability::Power => open.file.sync_data(),
            Durability::Process => Ok(()),
        });
        if let Err(source) = written {
            let path = self.folder.segment(open.number);
            // What can't be cut off is no frame that is whole, or was not answered. After a failed
            // sync nothing is known of the file, so the next frames go to another one.
            let _ = open.file.set_len(open.bytes);
            self.open = None;
            return Err(self.folder.failed("write", &path, source));
        }
        open.bytes += frames.len() as u64;
        let end = Place { segment: open.number, offset: open.bytes };
        Ok(Written { end, bytes: begun + frames.len() as u64 })
    }

    /// The beginning of the next segment: there will be nothing more before it, once a write has
    /// failed.
    pub(super) fn next(&self) -> Place {
        Place { segment: self.next, offset: 0 }
    }

    fn begin(&mut self, highest: u64) -> Result<u64, SegmentError> {
        let collector = self.header.collector;
        self.folder.identify(&Identity { collector, reserved: highest.saturating_add(AHEAD) })?;
        let number = self.next;
        let path = self.folder.segment(number);
        self.next += 1;
        let header = self.header.bytes();
        let create = || -> io::Result<File> {
            let mut file = OpenOptions::new().append(true).create_new(true).open(&path)?;
            file.write_all(&header)?;
            if self.durability == Durability::Power {
                file.sync_all()?;
                File::open(self.folder.path())?.sync_all()?;
            }
            Ok(file)
        };
        match create() {
            Ok(file) => {
                let bytes = header.len() as u64;
                self.open = Some(Open { number, file, bytes });
                Ok(bytes)
            }
            Err(source) => {
                // A segment with half a header has no frames: readers pass over it.
                let _ = std::fs::remove_file(&path);
                Err(self.folder.failed("begin", &path, source))
            }
        }
    }
}

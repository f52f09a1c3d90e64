//! Reads what waits in the segments, in order, as messages.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use assay_pipeline::RecordSchema;
use bytes::Bytes;
use uuid::Uuid;

use super::SegmentError;
use super::folder::{Folder, Place};
use super::frame::{self, Found, Frame};
use super::header::Header;
use super::lanes::MessageSize;
use super::message::Message;

const CHUNK: usize = 1 << 20;

pub(crate) struct Reader {
    folder: Arc<Folder>,
    /// The schema that new segments have.
    schema: RecordSchema,
    size: MessageSize,
    linger: Duration,
    open: Option<Segment>,
    /// Where the next frame begins.
    at: Place,
    /// The message that may still grow.
    current: Option<Message>,
    /// Behind the last message that was given out.
    upto: Place,
    damages: Vec<Damage>,
}

struct Segment {
    file: File,
    about: (Uuid, RecordSchema),
    /// What was read from the next frame on, as far as `start`.
    buffer: Vec<u8>,
    start: usize,
}

/// Bytes in a segment that are no frames, with frames behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) place: Place,
    pub(crate) bytes: Bytes,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// Each of another partition.
    pub(crate) messages: Vec<Message>,
    pub(crate) damages: Vec<Damage>,
    /// Everything before this place is in them, or was in earlier ones.
    pub(crate) upto: Place,
    /// When the first record was accepted that waits and is in no message yet, and for how long the
    /// message that it is in may still grow.
    pub(crate) growing: Option<(i64, Duration)>,
}

impl Reader {
    pub(crate) fn new(
        folder: Arc<Folder>,
        schema: RecordSchema,
        size: MessageSize,
        linger: Duration,
        from: Place,
    ) -> Reader {
        let (open, current) = (None, None);
        let damages = vec![];
        Reader { folder, schema, size, linger, open, at: from, current, upto: from, damages }
    }

    /// Reads up to `end`: at most one message of each partition, and only such as are complete,
    /// have waited for long enough, or are the last of all (`last`).
    pub(crate) fn next(&mut self, end: Place, last: bool) -> Result<Read, SegmentError> {
        let mut read = Read::default();
        let mut partitions = HashSet::new();
        while let Some(frame) = self.frame(end)? {
            if !self.goes_on(&frame) {
                self.upto = self.at;
                if let Some(whole) = self.current.take() {
                    partitions.insert(whole.partition);
                    read.messages.push(whole);
                }
                if partitions.contains(&frame.head.partition) {
                    break;
                }
            }
            self.take(&frame);
        }
        let due = |message: &Message| last || message.begun_at.elapsed() >= self.linger;
        read.messages.extend(self.current.take_if(|message| due(message)));
        match &self.current {
            None => self.upto = self.at,
            Some(message) => {
                let left = self.linger.saturating_sub(message.begun_at.elapsed());
                read.growing = Some((message.accepted_at, left));
            }
        }
        read.damages = std::mem::take(&mut self.damages);
        read.upto = self.upto;
        Ok(read)
    }

    fn goes_on(&self, frame: &Frame) -> bool {
        let (Some(current), Some(open)) = (&self.current, &self.open) else { return false };
        let head = frame.head;
        let size = (head.count, frame.datums.len());
        current.goes_on(&open.about, (head.partition, head.first), size, self.size)
    }

    /// Adds a frame to the message that grows, or begins one with it.
    fn take(&mut self, frame: &Frame) {
        let Some(open) = &mut self.open else { return };
        let head = frame.head;
        let current = self.current.get_or_insert_with(|| {
            let times = (head.accepted_at, Instant::now());
            Message::new(open.about.clone(), (head.partition, head.first), times)
        });
        let bytes = &open.buffer[open.start..];
        let lengths = frame::lengths(&bytes[frame.lengths.clone()]);
        current.add(lengths, &bytes[frame.datums.clone()]);
        open.start += head.len;
        self.at.offset += head.len as u64;
    }

    /// The frame that begins where this reads, if it ends before `end`. What stands in between and
    /// is none is passed over.
    fn frame(&mut self, end: Place) -> Result<Option<Frame>, SegmentError> {
        loop {
            if self.open.is_none() && !self.begin(end)? {
                return Ok(None);
            }
            let limit = if self.at.segment == end.segment { end.offset } else { u64::MAX };
            let Some(open) = &mut self.open else { return Ok(None) };
            match frame::find(&open.buffer[open.start..]) {
                Found::Whole(frame) => return Ok(Some(frame)),
                Found::Short(wanted) => {
                    let path = self.folder.segment(self.at.segment);
                    let failed = |source| self.folder.failed("read", &path, source);
                    if open.fill(self.at.offset, wanted, limit).map_err(failed)? {
                        continue;
                    }
                    // All of it was read: a frame that an ended process had begun may be left.
                    if self.at.segment >= end.segment {
                        return Ok(None);
                    }
                    self.pass(end)?;
                }
                Found::Damaged => self.pass(end)?,
            }
        }
    }

    /// Goes to the next frame that is whole, in this segment or at the beginning of the next one.
    fn pass(&mut self, end: Place) -> Result<(), SegmentError> {
        let limit = if self.at.segment == end.segment { end.offset } else { u64::MAX };
        let Some(open) = &mut self.open else { return Ok(()) };
        let path = self.folder.segment(self.at.segment);
        let failed = |source| self.folder.failed("read", &path, source);
        open.fill(self.at.offset, usize::MAX, limit).map_err(failed)?;
        let rest = &open.buffer[open.start..];
        if let Some(next) = frame::next(rest, 1) {
            let bytes = Bytes::copy_from_slice(&rest[..next]);
            self.damages.push(Damage { place: self.at, bytes });
            open.start += next;
            self.at.offset += next as u64;
            return Ok(());
        }
        if !rest.is_empty() {
            let left = rest.len();
            tracing::info!(path = %path.display(), bytes = left, "what was not answered is cut off");
        }
        self.open = None;
        self.at = Place { segment: self.at.segment + 1, offset: 0 };
        Ok(())
    }

    /// Opens the segment to read from; whether there is one up to `end`.
    fn begin(&mut self, end: Place) -> Result<bool, SegmentError> {
        let mut numbers = self.folder.segments()?;
        numbers.retain(|number| *number >= self.at.segment);
        for number in numbers {
            if number > end.segment || (number == end.segment && end.offset == 0) {
                return Ok(false);
            }
            if number > self.at.segment {
                self.at = Place { segment: number, offset: 0 };
            }
            let path = self.folder.segment(number);
            let failed = |source| self.folder.failed("read", &path, source);
            let file = File::open(&path).map_err(failed)?;
            let Some((header, start)) = Header::read(&file).map_err(failed)? else {
                // Its process ended before a frame was in it.
                continue;
            };
            let schema = match header.schema == self.schema.text() {
                true => self.schema.clone(),
                false => RecordSchema::parse(&header.schema)
                    .map_err(|why| SegmentError::Foreign { path: path.clone(), why })?,
            };
            self.at.offset = self.at.offset.max(start);
            let about = (header.collector, schema);
            self.open = Some(Segment { file, about, buffer: vec![], start: 0 });
            return Ok(true);
        }
        Ok(false)
    }
}

impl Segment {
    /// Reads on until so many bytes from the next frame on are there, or `limit` is reached;
    /// whether anything came. `at` is where the next frame begins.
    fn fill(&mut self, at: u64, wanted: usize, limit: u64) -> std::io::Result<bool> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let before = self.buffer.len();
        while self.buffer.len() < wanted {
            let from = at + self.buffer.len() as u64;
            let room = usize::try_from(limit.saturating_sub(from)).unwrap_or(usize::MAX);
            let len = self.buffer.len();
            self.buffer.resize(len + CHUNK.min(room), 0);
            let read = self.file.read_at(&mut self.buffer[len..], from)?;
            self.buffer.truncate(len + read);
            if read == 0 {
                break;
            }
        }
        Ok(self.buffer.len() > before)
    }
}

#[cfg(test)]
mod tests;

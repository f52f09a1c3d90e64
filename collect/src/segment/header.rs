//! The beginning of a segment: whose it is, and by which schema its records are written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

const MAGIC: &[u8; 8] = b"ASSAYSG1";
/// Magic, length, checksum.
const OUTER: usize = 16;
const LONGEST: usize = 16 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) collector: Uuid,
    /// The Avro schema of the records.
    pub(crate) schema: String,
}

impl Header {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let body = serde_json::to_vec(self).expect("texts can be written as JSON");
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let checksum = crc32fast::hash(&body);
        [&MAGIC[..], &length.to_le_bytes(), &checksum.to_le_bytes(), &body].concat()
    }

    /// The header of a segment and its length; none when it is not whole.
    pub(super) fn read(file: &File) -> io::Result<Option<(Header, u64)>> {
        let mut outer = [0; OUTER];
        if !filled(file, &mut outer, 0)? || !outer.starts_with(MAGIC) {
            return Ok(None);
        }
        let number = |at: usize| outer[at..].first_chunk().map_or(0, |b| u32::from_le_bytes(*b));
        let length = usize::try_from(number(8)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Ok(None);
        }
        let mut body = vec![0; length];
        if !filled(file, &mut body, OUTER as u64)? || crc32fast::hash(&body) != number(12) {
            return Ok(None);
        }
        let header = serde_json::from_slice(&body).ok();
        Ok(header.map(|header| (header, (OUTER + length) as u64)))
    }
}

fn filled(file: &File, buffer: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

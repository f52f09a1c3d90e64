use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;

use crate::spool::Spool;
use crate::{DeadLetter, DlqError};

/// Stands for the length of a key that is not there.
const NO_KEY: u64 = u64::MAX;

/// Lengths of the description, the payload and the key.
const LENGTHS: usize = 24;

/// Writes one letter: three lengths, its description as JSON, the payload and the key as they are.
pub(super) fn write(spool: &mut Spool, letter: &DeadLetter) -> Result<(), DlqError> {
    let about = serde_json::to_vec(letter).map_err(|error| spool.failed(error.into()))?;
    let key = letter.key.as_ref();
    let mut lengths = [0; LENGTHS];
    lengths[..8].copy_from_slice(&(about.len() as u64).to_le_bytes());
    lengths[8..16].copy_from_slice(&(letter.payload.len() as u64).to_le_bytes());
    lengths[16..].copy_from_slice(&key.map_or(NO_KEY, |key| key.len() as u64).to_le_bytes());
    spool.push(&[&lengths, &about, &letter.payload, key.map_or(&[], |key| key)])
}

/// Reads the next letter; nothing at the end.
pub(super) fn read(
    reader: &mut dyn Read,
    directory: &Path,
) -> Result<Option<DeadLetter>, DlqError> {
    try_read(reader).map_err(|source| DlqError::Spool { directory: directory.to_owned(), source })
}

fn try_read(reader: &mut dyn Read) -> io::Result<Option<DeadLetter>> {
    let mut first = [0; 1];
    if reader.read(&mut first)? == 0 {
        return Ok(None);
    }
    let mut rest = [0; LENGTHS - 1];
    reader.read_exact(&mut rest)?;
    let mut lengths = [0; LENGTHS];
    lengths[..1].copy_from_slice(&first);
    lengths[1..].copy_from_slice(&rest);
    let (lengths, _) = lengths.as_chunks::<8>();
    let mut part = |length: [u8; 8]| {
        let mut bytes = vec![0; usize::try_from(u64::from_le_bytes(length)).unwrap_or(0)];
        reader.read_exact(&mut bytes).map(|()| bytes)
    };
    let mut letter: DeadLetter = serde_json::from_slice(&part(lengths[0])?)?;
    letter.payload = Bytes::from(part(lengths[1])?);
    if u64::from_le_bytes(lengths[2]) != NO_KEY {
        letter.key = Some(Bytes::from(part(lengths[2])?));
    }
    Ok(Some(letter))
}

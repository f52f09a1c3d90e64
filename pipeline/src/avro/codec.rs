//! The codecs in which a container's blocks come.

use std::borrow::Cow;
use std::io::{self, Read};

/// How the blocks of a container are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Null,
    Deflate,
    Snappy,
    Zstandard,
}

/// What a block usually has at most, once it is unpacked.
const USUAL_BYTES: usize = 1 << 20;

/// Behind what Snappy packed stands a checksum of what it was.
const CHECKSUM: usize = 4;

impl Codec {
    pub(super) fn named(name: &[u8]) -> Option<Codec> {
        match name {
            b"null" => Some(Codec::Null),
            b"deflate" => Some(Codec::Deflate),
            b"snappy" => Some(Codec::Snappy),
            b"zstandard" => Some(Codec::Zstandard),
            _ => None,
        }
    }

    /// What a block holds; none when it is damaged or holds more than `most` bytes.
    pub(super) fn unpack<'b>(self, block: &'b [u8], most: usize) -> Option<Cow<'b, [u8]>> {
        let unpacked = match self {
            Codec::Null => return (block.len() <= most).then_some(Cow::Borrowed(block)),
            Codec::Deflate => limited(flate2::bufread::DeflateDecoder::new(block), most),
            Codec::Zstandard => {
                limited(zstd::stream::read::Decoder::with_buffer(block).ok()?, most)
            }
            Codec::Snappy => return snappy(block, most).map(Cow::Owned),
        };
        unpacked.ok().filter(|bytes| bytes.len() <= most).map(Cow::Owned)
    }
}

/// Reads one byte more than there may be, so that too much shows.
fn limited(packed: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES.min(most));
    packed.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn snappy(block: &[u8], most: usize) -> Option<Vec<u8>> {
    let (packed, checksum) = block.split_at_checked(block.len().checked_sub(CHECKSUM)?)?;
    if snap::raw::decompress_len(packed).ok()? > most {
        return None;
    }
    let bytes = snap::raw::Decoder::new().decompress_vec(packed).ok()?;
    (crc32fast::hash(&bytes).to_be_bytes() == checksum).then_some(bytes)
}

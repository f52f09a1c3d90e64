//! A frame: records of one request, as they stand in a segment.
//!
//! Magic, length of the rest, checksum of the rest; then partition, number of records, first
//! sequence number and time of acceptance; then the length of each record, then the records.

use std::ops::Range;

use super::lanes::Lane;
use super::records::Part;

const MAGIC: [u8; 4] = *b"AFR1";
/// Magic, length, checksum.
const OUTER: usize = 12;
/// Partition, number, sequence, time.
const INNER: usize = 24;
/// What is read to know how long a frame is and what it holds.
pub(super) const HEAD: usize = OUTER + INNER;
/// Longer ones are damaged: a request is divided before.
const LONGEST: usize = 80 << 20;

/// A frame in a buffer: where its parts stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) head: Head,
    /// The lengths of the records, four bytes each.
    pub(super) lengths: Range<usize>,
    pub(super) datums: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Of the whole frame, in bytes.
    pub(super) len: usize,
    pub(super) partition: u32,
    pub(super) count: usize,
    pub(super) first: u64,
    /// Microseconds since 1970.
    pub(super) accepted_at: i64,
}

/// What stands at the beginning of a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Whole(Frame),
    /// It may be a frame, of at least so many bytes.
    Short(usize),
    /// It is none.
    Damaged,
}

pub(super) fn put(part: Part<'_>, lane: Lane, accepted_at: i64, to: &mut Vec<u8>) {
    let start = to.len();
    let len = INNER + 4 * part.len() + part.datums.len();
    to.reserve(OUTER + len);
    to.extend(MAGIC);
    to.extend(four(len));
    to.extend([0; 4]);
    to.extend(lane.partition.to_le_bytes());
    to.extend(four(part.len()));
    to.extend(lane.first.to_le_bytes());
    to.extend(accepted_at.to_le_bytes());
    for length in part.lengths() {
        to.extend(four(length));
    }
    to.extend_from_slice(part.datums);
    let checksum = crc32fast::hash(&to[start + OUTER..]);
    to[start + 8..start + OUTER].copy_from_slice(&checksum.to_le_bytes());
}

/// What a frame says of itself, without looking whether it is whole.
pub(super) fn head(buffer: &[u8]) -> Option<Head> {
    let four = |at: usize| Some(u32::from_le_bytes(*buffer.get(at..)?.first_chunk()?));
    let eight = |at: usize| Some(u64::from_le_bytes(*buffer.get(at..)?.first_chunk()?));
    let len = OUTER + usize::try_from(four(4)?).ok()?;
    let count = usize::try_from(four(16)?).ok()?;
    let fits = len >= HEAD + count.checked_mul(4)? && len <= LONGEST;
    (buffer.starts_with(&MAGIC) && fits).then_some(Head {
        len,
        count,
        partition: four(12)?,
        first: eight(20)?,
        accepted_at: eight(28)?.cast_signed(),
    })
}

pub(super) fn find(buffer: &[u8]) -> Found {
    if buffer.len() < HEAD {
        return match buffer.iter().zip(MAGIC).all(|(found, wanted)| *found == wanted) {
            true => Found::Short(HEAD),
            false => Found::Damaged,
        };
    }
    let Some(head) = head(buffer) else { return Found::Damaged };
    let Some(frame) = buffer.get(..head.len) else { return Found::Short(head.len) };
    if frame[8..OUTER] != crc32fast::hash(&frame[OUTER..]).to_le_bytes() {
        return Found::Damaged;
    }
    let lengths = HEAD..HEAD + 4 * head.count;
    let datums = lengths.end..head.len;
    let sum: usize = self::lengths(&frame[lengths.clone()]).sum();
    match sum == datums.len() {
        true => Found::Whole(Frame { head, lengths, datums }),
        false => Found::Damaged,
    }
}

/// How long each record of a frame is.
pub(super) fn lengths(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let (fours, _) = bytes.as_chunks::<4>();
    fours.iter().map(|four| usize::try_from(u32::from_le_bytes(*four)).unwrap_or(usize::MAX))
}

/// The place behind `from` at which a frame begins that is whole.
pub(super) fn next(buffer: &[u8], from: usize) -> Option<usize> {
    let rest = buffer.get(from..)?;
    let places = rest.windows(MAGIC.len()).enumerate().filter(|(_, window)| *window == MAGIC);
    let mut places = places.map(|(at, _)| from + at);
    places.find(|at| matches!(find(&buffer[*at..]), Found::Whole(_)))
}

fn four(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::records::Records;
    use super::*;

    fn framed(records: &[Vec<u8>]) -> Vec<u8> {
        let mut all = Records::default();
        for record in records {
            all.datums.extend(record);
            all.ends.push(all.datums.len());
        }
        let lane = Lane { partition: 3, first: 1 << 40, turned: false };
        let mut bytes = vec![];
        let part = all.parts(usize::MAX, usize::MAX).next().unwrap();
        put(part, lane, -5, &mut bytes);
        bytes
    }

    fn records() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..6)
    }

    proptest! {
        #[test]
        fn a_frame_is_found_whole_and_its_parts_are_not(records in records(), cut in 0usize..400) {
            let bytes = framed(&records);
            let Found::Whole(frame) = find(&bytes) else { panic!("it is whole") };
            let Head { len, partition, count, first, accepted_at } = frame.head;
            prop_assert_eq!((len, count), (bytes.len(), records.len()));
            prop_assert_eq!((partition, first, accepted_at), (3, 1 << 40, -5));
            let found: Vec<usize> = lengths(&bytes[frame.lengths]).collect();
            prop_assert_eq!(found, records.iter().map(Vec::len).collect::<Vec<_>>());
            prop_assert_eq!(&bytes[frame.datums], &records.concat()[..]);
            let cut = cut % bytes.len();
            let found = find(&bytes[..cut]);
            prop_assert!(matches!(found, Found::Short(more) if more > cut), "{:?}", found);
        }

        #[test]
        fn a_changed_byte_is_noticed_and_the_next_frame_is_found(
            records in records(),
            at in any::<prop::sample::Index>(),
            by in 1u8..=255,
        ) {
            let mut bytes = framed(&records);
            let len = bytes.len();
            let at = at.index(len);
            bytes[at] ^= by;
            bytes.extend(framed(&records));
            prop_assert!(!matches!(find(&bytes), Found::Whole(_)));
            prop_assert_eq!(next(&bytes, 1), Some(len));
        }
    }
}

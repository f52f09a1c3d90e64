use std::collections::HashMap;
use std::path::Path;

use twox_hash::XxHash3_128;

use crate::spool::Spool;
use crate::{DeadLetter, DlqError};

/// Entries looked at together, so that memory does not grow with the number of letters.
const PER_PASS: u64 = 1 << 18;

/// Bytes of one entry: name, body and count.
const ENTRY: usize = 40;

/// Remembers of each letter just enough to find those that share an id.
#[derive(Debug)]
pub(super) struct Twins {
    entries: Spool,
    len: u64,
}

/// What becomes of a letter among those that share its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is one; it needs an id of its own when others of the same id differ from it, and stands
    /// for more rows than its own when others are equal.
    Stands { twin: bool, count: Option<u64> },
    /// An earlier letter stands for it.
    Counted,
}

/// The fates of all letters of a bag: two bits each, and a number where letters were counted.
#[derive(Debug)]
pub(super) struct Fates {
    twin: Bits,
    counted: Bits,
    counts: HashMap<u64, u64>,
}

/// One letter among others.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    name: u128,
    body: u128,
    at: u64,
    count: u64,
}

impl Twins {
    pub(super) fn new(directory: &Path, limit: usize) -> Twins {
        Twins { entries: Spool::new(directory, limit), len: 0 }
    }

    pub(super) fn push(&mut self, letter: &DeadLetter) -> Result<(), DlqError> {
        let name = letter.id.0.as_u128() ^ u128::from(letter.attempt);
        self.entries.push(&[
            &name.to_le_bytes(),
            &body(letter).to_le_bytes(),
            &letter.count.to_le_bytes(),
        ])?;
        self.len += 1;
        Ok(())
    }

    /// Decides about every letter, in as many passes as memory demands.
    pub(super) fn settle(&mut self) -> Result<Fates, DlqError> {
        let mut fates = Fates {
            twin: Bits::new(self.len),
            counted: Bits::new(self.len),
            counts: HashMap::new(),
        };
        let passes = u128::from(self.len.div_ceil(PER_PASS));
        for pass in 0..passes {
            let mut entries = self.collect(|name| name % passes == pass)?;
            entries.sort_unstable();
            for of_one_name in entries.chunk_by(|a, b| a.name == b.name) {
                fates.decide(of_one_name);
            }
        }
        Ok(fates)
    }

    fn collect(&mut self, wanted: impl Fn(u128) -> bool) -> Result<Vec<Entry>, DlqError> {
        let len = self.len;
        let mut entries = Vec::new();
        let mut failure = None;
        let mut reader = self.entries.read()?;
        for at in 0..len {
            let mut bytes = [0; ENTRY];
            if let Err(error) = reader.read_exact(&mut bytes) {
                failure = Some(error);
                break;
            }
            let entry = Entry::read(&bytes, at);
            if wanted(entry.name) {
                entries.push(entry);
            }
        }
        drop(reader);
        match failure {
            Some(error) => Err(self.entries.failed(error)),
            None => Ok(entries),
        }
    }
}

/// Tells letters of one id apart by what they carry.
pub(super) fn body(letter: &DeadLetter) -> u128 {
    let mut hasher = XxHash3_128::new();
    hasher.write(&[u8::from(letter.key.is_some())]);
    if let Some(key) = &letter.key {
        hasher.write(&(key.len() as u64).to_le_bytes());
        hasher.write(key);
    }
    hasher.write(letter.payload_kind.name().as_bytes());
    hasher.write(&letter.payload);
    hasher.finish_128()
}

impl Fates {
    pub(super) fn of(&self, at: u64) -> Fate {
        if self.counted.get(at) {
            return Fate::Counted;
        }
        Fate::Stands { twin: self.twin.get(at), count: self.counts.get(&at).copied() }
    }

    /// Decides about letters of one id, sorted by what they carry and then by their order.
    fn decide(&mut self, entries: &[Entry]) {
        let differ =
            entries.first().map(|entry| entry.body) != entries.last().map(|entry| entry.body);
        for equal in entries.chunk_by(|a, b| a.body == b.body) {
            let [first, others @ ..] = equal else { continue };
            if differ {
                self.twin.set(first.at);
            }
            if !others.is_empty() {
                self.counts.insert(first.at, equal.iter().map(|entry| entry.count).sum());
                others.iter().for_each(|other| self.counted.set(other.at));
            }
        }
    }
}

impl Entry {
    fn read(bytes: &[u8; ENTRY], at: u64) -> Entry {
        let number = |from: usize| {
            let mut part = [0; 16];
            part.copy_from_slice(&bytes[from..from + 16]);
            u128::from_le_bytes(part)
        };
        let mut count = [0; 8];
        count.copy_from_slice(&bytes[32..]);
        Entry { name: number(0), body: number(16), at, count: u64::from_le_bytes(count) }
    }
}

/// One bit for each letter.
#[derive(Debug)]
struct Bits(Vec<u64>);

impl Bits {
    fn new(len: u64) -> Bits {
        Bits(vec![0; usize::try_from(len.div_ceil(64)).unwrap_or(usize::MAX)])
    }

    fn set(&mut self, at: u64) {
        if let Some(word) = self.0.get_mut(word(at)) {
            *word |= 1 << (at % 64);
        }
    }

    fn get(&self, at: u64) -> bool {
        self.0.get(word(at)).is_some_and(|word| word & (1 << (at % 64)) != 0)
    }
}

fn word(at: u64) -> usize {
    usize::try_from(at / 64).unwrap_or(usize::MAX)
}

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::spool::Spool;
use crate::{DeadLetter, DlqError, MAX_PAYLOAD_BYTES, Reason};

mod frame;
mod twins;

use twins::{Fate, Fates, Twins};

/// Letters stay in memory up to this many bytes.
const IN_MEMORY: usize = 8 << 20;

/// The dead letters of a batch, in the order in which they were found.
///
/// Few stay in memory, many go to a temporary file. Equal rows of equal origin come out as one
/// letter that counts them; different rows of equal origin come out with ids of their own.
#[derive(Debug)]
pub struct Letters {
    spool: Spool,
    twins: Twins,
    directory: PathBuf,
    /// Known after somebody looked, until a letter is pushed.
    fates: Option<Fates>,
    rows: u64,
    by_topic: BTreeMap<String, u64>,
    by_cause: BTreeMap<String, u64>,
}

impl Letters {
    /// Makes an empty bag; `directory` is used only when the letters are many.
    pub fn new(directory: &Path) -> Letters {
        Letters::with_limit(directory, IN_MEMORY)
    }

    fn with_limit(directory: &Path, limit: usize) -> Letters {
        Letters {
            spool: Spool::new(directory, limit),
            twins: Twins::new(directory, limit / 2),
            directory: directory.to_owned(),
            fates: None,
            rows: 0,
            by_topic: BTreeMap::new(),
            by_cause: BTreeMap::new(),
        }
    }

    /// Adds a letter; after an error the bag is of no use and the batch has to fail.
    pub fn push(&mut self, letter: DeadLetter) -> Result<(), DlqError> {
        let bytes = letter.payload.len();
        if bytes > MAX_PAYLOAD_BYTES {
            let (place, limit) = (letter.place(), MAX_PAYLOAD_BYTES);
            return Err(DlqError::TooLarge { stage: letter.stage, place, bytes, limit });
        }
        self.twins.push(&letter)?;
        frame::write(&mut self.spool, &letter)?;
        self.fates = None;
        self.rows += letter.count;
        add(&mut self.by_topic, letter.reason.topic(), letter.count);
        match letter.reason {
            Reason::RuleBroken if !letter.rules.is_empty() => {
                letter.rules.iter().for_each(|rule| add(&mut self.by_cause, rule, letter.count));
            }
            reason => add(&mut self.by_cause, reason.name(), letter.count),
        }
        Ok(())
    }

    /// Adds all letters of another bag behind these.
    pub fn absorb(&mut self, mut other: Letters) -> Result<(), DlqError> {
        let directory = other.directory.clone();
        let mut reader = other.spool.read()?;
        while let Some(letter) = frame::read(&mut reader, &directory)? {
            self.push(letter)?;
        }
        Ok(())
    }

    /// Counts the rows that the letters stand for.
    pub fn len(&self) -> u64 {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Counts the rows by the topic that their letters go to.
    pub fn by_topic(&self) -> &BTreeMap<String, u64> {
        &self.by_topic
    }

    /// Counts the rows by the rule that they broke, or by the reason where no rule is to blame.
    ///
    /// A row that broke two rules is counted for each.
    pub fn by_cause(&self) -> &BTreeMap<String, u64> {
        &self.by_cause
    }

    /// Reads the letters in order, one at a time, as often as one likes.
    pub fn iter(&mut self) -> Result<Iter<'_>, DlqError> {
        let fates = match self.fates.take() {
            Some(fates) => fates,
            None => self.twins.settle()?,
        };
        let fates = self.fates.insert(fates);
        Ok(Iter { reader: self.spool.read()?, fates, directory: &self.directory, at: 0 })
    }
}

/// The letters of a bag, in order.
pub struct Iter<'a> {
    reader: Box<dyn Read + Send + 'a>,
    fates: &'a Fates,
    directory: &'a Path,
    at: u64,
}

impl Iterator for Iter<'_> {
    type Item = Result<DeadLetter, DlqError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut letter = match frame::read(&mut self.reader, self.directory).transpose()? {
                Ok(letter) => letter,
                Err(error) => return Some(Err(error)),
            };
            let fate = self.fates.of(self.at);
            self.at += 1;
            match fate {
                Fate::Counted => continue,
                Fate::Stands { twin, count } => {
                    if twin {
                        letter.id = letter.id.of_twin(twins::body(&letter));
                    }
                    letter.count = count.unwrap_or(letter.count);
                    return Some(Ok(letter));
                }
            }
        }
    }
}

fn add(counts: &mut BTreeMap<String, u64>, name: &str, count: u64) {
    match counts.get_mut(name) {
        Some(counted) => *counted += count,
        None => _ = counts.insert(name.to_owned(), count),
    }
}

#[cfg(test)]
mod tests;

//! What a generator sent, written down so that what came of it can be held against it.
//!
//! Each event is written before it is sent, and that it was sent behind it: of a generator that was
//! killed it is in doubt whether the last ones were sent, and of no others.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Error, Result, anyhow};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// An event that a shop has to count, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sale {
    pub(crate) id: String,
    /// Microseconds since 1970.
    pub(crate) at: i64,
    pub(crate) kind: String,
    pub(crate) cents: u64,
}

/// What must become of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// It is a row, and adds to its minute.
    Counts(Sale),
    /// It is a dead letter, until it is replayed.
    Late(Sale),
    /// It was sent before.
    Again,
    /// It is a dead letter, because of this.
    Bad(String),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", untagged)]
enum Line {
    Begun { begun: bool },
    Sent { sent: u64 },
    Fate(Fate),
}

/// The file while it is written.
pub(crate) struct TruthFile(File);

impl TruthFile {
    /// Goes on with the file, or makes it.
    pub(crate) fn open(path: &Path) -> Result<TruthFile> {
        let file = File::options().create(true).append(true).open(path);
        let mut file = TruthFile(file.with_context(|| format!("cannot write {}", path.display()))?);
        file.write(&[Line::Begun { begun: true }])?;
        Ok(file)
    }

    /// Says what will be sent.
    pub(crate) fn will_send(&mut self, fates: impl Iterator<Item = Fate>) -> Result<()> {
        self.write(&fates.map(Line::Fate).collect::<Vec<_>>())
    }

    /// Says that it is in the log.
    pub(crate) fn sent(&mut self, count: usize) -> Result<()> {
        self.write(&[Line::Sent { sent: count as u64 }])
    }

    fn write(&mut self, lines: &[Line]) -> Result<()> {
        let mut text = String::new();
        for line in lines {
            text += &serde_json::to_string(line).context("cannot write the truth")?;
            text.push('\n');
        }
        self.0.write_all(text.as_bytes()).context("cannot write the truth")
    }
}

/// What generators sent.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) counts: BTreeMap<String, Sale>,
    pub(crate) late: BTreeMap<String, Sale>,
    /// They may have been sent, or not.
    pub(crate) in_doubt: BTreeMap<String, Sale>,
    pub(crate) again: u64,
    pub(crate) bad: u64,
}

impl Truth {
    /// Adds what a file says.
    pub(crate) fn read(&mut self, path: &Path) -> Result<()> {
        let place = || format!("cannot read the truth in {}", path.display());
        let file = File::open(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => anyhow!(
                "there is no truth in {}: `assay generate ecommerce` writes it, or name it with \
                 --truth",
                path.display()
            ),
            _ => Error::new(error).context(place()),
        })?;
        let file = BufReader::new(file);
        let mut open: Vec<Fate> = Vec::new();
        for line in file.lines() {
            let line = line.with_context(place)?;
            // What was cut off was not sent: it is written first.
            let Ok(line) = serde_json::from_str(&line) else { continue };
            match line {
                Line::Fate(fate) => open.push(fate),
                Line::Sent { .. } => open.drain(..).for_each(|fate| self.take(fate)),
                Line::Begun { .. } => self.doubt(&mut open),
            }
        }
        self.doubt(&mut open);
        Ok(())
    }

    /// When the latest of the events on time happened, and of those that may have been sent.
    pub(crate) fn latest(&self) -> Option<DateTime<Utc>> {
        let sales = self.counts.values().chain(self.in_doubt.values());
        sales.map(|sale| sale.at).max().and_then(DateTime::from_timestamp_micros)
    }

    fn take(&mut self, fate: Fate) {
        match fate {
            Fate::Counts(sale) => drop(self.counts.insert(sale.id.clone(), sale)),
            Fate::Late(sale) => drop(self.late.insert(sale.id.clone(), sale)),
            Fate::Again => self.again += 1,
            Fate::Bad(_) => self.bad += 1,
        }
    }

    fn doubt(&mut self, open: &mut Vec<Fate>) {
        for fate in open.drain(..) {
            if let Fate::Counts(sale) = fate {
                self.in_doubt.insert(sale.id.clone(), sale);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_killed_generator_did_not_confirm_is_in_doubt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truth");
        let sale = |id: &str| Sale { id: id.to_owned(), at: 1, kind: "x".to_owned(), cents: 5 };
        let mut file = TruthFile::open(&path).unwrap();
        file.will_send([Fate::Counts(sale("a")), Fate::Again].into_iter()).unwrap();
        file.sent(2).unwrap();
        file.will_send([Fate::Counts(sale("b")), Fate::Late(sale("c"))].into_iter()).unwrap();
        // Killed; another goes on.
        let mut file = TruthFile::open(&path).unwrap();
        file.will_send([Fate::Late(sale("d")), Fate::Bad("no id".to_owned())].into_iter()).unwrap();
        file.sent(2).unwrap();
        let mut truth = Truth::default();
        truth.read(&path).unwrap();
        let names = |map: &BTreeMap<String, Sale>| map.keys().cloned().collect::<Vec<_>>().join("");
        assert_eq!((names(&truth.counts), names(&truth.in_doubt)), ("a".into(), "b".into()));
        assert_eq!((names(&truth.late), truth.again, truth.bad), ("d".into(), 1, 1));
        assert_eq!(truth.latest(), DateTime::from_timestamp_micros(1));
    }
}

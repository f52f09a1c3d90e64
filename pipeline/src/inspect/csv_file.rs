//! Reads CSV: rows of another length than the header, and those that are no text, are refused one
//! by one.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use csv::ByteRecord;

use super::InspectError;
use super::text_table::{Line, Lines};

/// A row that is longer has a quote that nobody closed.
const LONGEST_ROW: usize = 32 << 20;

/// The header of a CSV file, and what stands between its cells.
#[derive(Debug, Clone)]
pub(super) struct CsvFile {
    path: PathBuf,
    delimiter: u8,
    pub(super) columns: Vec<String>,
}

impl CsvFile {
    pub(super) fn open(path: &Path) -> Result<CsvFile, InspectError> {
        let wrong = |source| InspectError::File { path: path.to_owned(), source };
        let name = path.display();
        let mut first = Vec::new();
        let file = BufReader::new(File::open(path).map_err(wrong)?);
        file.take(1 << 20).read_until(b'\n', &mut first).map_err(wrong)?;
        let count = |byte: &u8| first.iter().filter(|found| *found == byte).count();
        // Of several that come equally often the first.
        let delimiter = [b',', b';', b'\t', b'|'].into_iter().rev().max_by_key(count);
        let mut file = CsvFile {
            path: path.to_owned(),
            delimiter: delimiter.unwrap_or(b','),
            columns: Vec::new(),
        };
        let mut header = ByteRecord::new();
        let read = file.reader().map_err(wrong)?.0.read_byte_record(&mut header);
        read.map_err(|error| InspectError::Unfit(format!("{name} is no CSV: {error}")))?;
        for (place, cell) in header.iter().enumerate() {
            let cell = std::str::from_utf8(cell).map_err(|_| {
                InspectError::Unfit(format!("{name} is no CSV: its first line is not UTF-8"))
            })?;
            let cell = if place == 0 { cell.trim_start_matches('\u{feff}') } else { cell };
            let column = cell.trim().to_owned();
            let fix = "the first line names the columns, each once";
            if column.is_empty() {
                let what = format!("column {} of {name} has no name: {fix}", place + 1);
                return Err(InspectError::Unfit(what));
            }
            if file.columns.contains(&column) {
                let what = format!("{name} has two columns `{column}`: {fix}");
                return Err(InspectError::Unfit(what));
            }
            file.columns.push(column);
        }
        match file.columns.is_empty() {
            true => Err(InspectError::Unfit(format!("{name} is empty: it has no header"))),
            false => Ok(file),
        }
    }

    fn reader(&self) -> io::Result<(csv::Reader<Bounded>, Arc<AtomicUsize>)> {
        let since = Arc::new(AtomicUsize::new(0));
        let file = Bounded { file: File::open(&self.path)?, since: Arc::clone(&since) };
        let reader = csv::ReaderBuilder::new()
            .delimiter(self.delimiter)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(256 << 10)
            .from_reader(file);
        Ok((reader, since))
    }
}

impl Lines for CsvFile {
    fn each(&self, take: &mut dyn FnMut(Line<'_>) -> bool) -> io::Result<()> {
        let (mut reader, since) = self.reader()?;
        let mut record = ByteRecord::new();
        let (mut header, mut last) = (true, csv::Position::new());
        while reader.read_byte_record(&mut record).map_err(io::Error::from)? {
            since.store(0, Ordering::Relaxed);
            last = record.position().cloned().unwrap_or(last);
            if std::mem::take(&mut header) {
                continue;
            }
            let line = record.position().map_or(0, csv::Position::line);
            let (found, wanted) = (record.len(), self.columns.len());
            let cells: Result<Vec<Option<&str>>, _> = record.iter().map(cell).collect();
            let go_on = match cells {
                Ok(cells) if found == wanted => take(Line::Row(line, &cells)),
                Ok(_) if found < wanted => take(Line::Refused(line, "it has too few cells")),
                Ok(_) => take(Line::Refused(line, "it has too many cells")),
                Err(_) => take(Line::Refused(line, "it is not UTF-8")),
            };
            if !go_on {
                return Ok(());
            }
        }
        self.check_end(&last)
    }
}

impl CsvFile {
    /// A quote that nobody closes takes all that is behind it into its cell, in which nobody would
    /// look for rows.
    fn check_end(&self, last: &csv::Position) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(last.byte()))?;
        let mut row = Vec::new();
        // It was read before, so it is no longer than one may be.
        file.read_to_end(&mut row)?;
        let Some(at) = open_quote(&row, self.delimiter) else { return Ok(()) };
        let line = last.line() + row[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
        let what = format!(
            "the quote in line {line} is never closed, so all behind it is one cell: close it, or \
             write it twice inside of quotes"
        );
        Err(io::Error::new(io::ErrorKind::InvalidData, what))
    }
}

/// Where the quote stands that is open at the end of a row.
fn open_quote(row: &[u8], delimiter: u8) -> Option<usize> {
    let (mut open, mut begins, mut at) = (None, true, 0);
    while let Some(byte) = row.get(at) {
        match (open, *byte) {
            (None, b'"') if begins => open = Some(at),
            (Some(_), b'"') if row.get(at + 1) == Some(&b'"') => at += 1,
            (Some(_), b'"') => open = None,
            _ => {}
        }
        begins = open.is_none() && (*byte == delimiter || *byte == b'\n' || *byte == b'\r');
        at += 1;
    }
    open
}

/// What is empty is no value.
fn cell(bytes: &[u8]) -> Result<Option<&str>, std::str::Utf8Error> {
    Ok(Some(std::str::from_utf8(bytes)?).filter(|text| !text.is_empty()))
}

/// A file of which one row can't take all memory.
struct Bounded {
    file: File,
    /// Bytes read since the last row began.
    since: Arc<AtomicUsize>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        if self.since.fetch_add(read, Ordering::Relaxed) > LONGEST_ROW {
            let what = "a row is longer than 32 MB: is there a quote that is not closed?";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_that_is_open_at_the_end_is_found() {
        for (row, open) in [
            ("a,b", None),
            ("a,\"b\"", None),
            ("a,\"b\"\"", Some(2)),
            ("a,\"b\n1,2\n", Some(2)),
            ("a,\"b\"\"\nc\"", None),
            ("5\" pipe,b\n", None),
            ("\"a\",\"\"", None),
            ("\"", Some(0)),
        ] {
            assert_eq!(open_quote(row.as_bytes(), b','), open, "{row}");
        }
    }
}

use std::io::{BufRead, BufReader, ErrorKind, Read};

use assay_dlq::MAX_PAYLOAD_BYTES;

use super::IngestError;

/// A line that is not blank, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Counted from 1, blank lines too.
    pub(super) number: u64,
    /// The byte of the unpacked input at which it begins.
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
}

/// Splits an input into lines in bounded memory, however long they are.
pub(super) struct Lines {
    reader: BufReader<Box<dyn Read + Send>>,
    name: String,
    number: u64,
    offset: u64,
}

impl Lines {
    pub(super) fn new(reader: Box<dyn Read + Send>, name: String) -> Lines {
        Lines { reader: BufReader::with_capacity(1 << 20, reader), name, number: 0, offset: 0 }
    }

    /// Bytes taken so far, after unpacking.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line that is not blank. One that is too long even to be set aside comes cut to
    /// a little more than that.
    pub(super) fn next(&mut self) -> Result<Option<Line>, IngestError> {
        loop {
            let start = self.offset;
            let Some(mut bytes) = self.raw()? else { return Ok(None) };
            self.number += 1;
            let mut offset = start;
            if self.number == 1 {
                offset += self.strip_mark(&mut bytes)?;
            }
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
            if bytes.iter().any(|byte| !byte.is_ascii_whitespace()) {
                return Ok(Some(Line { number: self.number, offset, bytes }));
            }
        }
    }

    /// Takes a byte-order mark off the first line, and says how long it was.
    fn strip_mark(&self, bytes: &mut Vec<u8>) -> Result<u64, IngestError> {
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Err(IngestError::Damaged(format!(
                "{} is UTF-16; convert it to UTF-8 first, for example with iconv",
                self.name
            )));
        }
        if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
            bytes.drain(..3);
            return Ok(3);
        }
        Ok(0)
    }

    /// Everything up to the next line feed, without it.
    fn raw(&mut self) -> Result<Option<Vec<u8>>, IngestError> {
        let mut line = Vec::new();
        let mut any = false;
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.broken_off(&error, any)),
            };
            if available.is_empty() {
                return Ok(any.then_some(line));
            }
            any = true;
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            let room = (MAX_PAYLOAD_BYTES + 1).saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            self.offset += used as u64;
            if end.is_some() {
                return Ok(Some(line));
            }
        }
    }

    fn broken_off(&self, error: &std::io::Error, within: bool) -> IngestError {
        let part = if within { ", within a line" } else { "" };
        IngestError::Damaged(format!(
            "{} can't be read on behind line {} (byte {} after unpacking{part}): {error}. The \
             file is truncated or damaged; the lines before are in. Get the whole file and run \
             the command again: events that are in already are recognised by their key",
            self.name, self.number, self.offset
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Lines};

    fn lines(bytes: &'static [u8]) -> Vec<(u64, u64, Vec<u8>)> {
        let mut lines = Lines::new(Box::new(bytes), "x".to_owned());
        let mut found = Vec::new();
        while let Some(Line { number, offset, bytes }) = lines.next().unwrap() {
            found.push((number, offset, bytes));
        }
        found
    }

    #[test]
    fn lines_know_their_number_and_their_byte() {
        assert_eq!(
            lines(b"\xef\xbb\xbfa\r\n\n  \nbc\nd"),
            [(1, 3, b"a".to_vec()), (4, 10, b"bc".to_vec()), (5, 13, b"d".to_vec())]
        );
    }

    #[test]
    fn an_empty_input_has_no_lines() {
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"\n\r\n"), []);
    }

    #[test]
    fn another_encoding_is_refused_and_named() {
        let mut lines = Lines::new(Box::new(&b"\xff\xfea\0"[..]), "x.json".to_owned());
        assert!(lines.next().unwrap_err().to_string().contains("x.json is UTF-16"));
    }
}

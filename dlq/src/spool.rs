use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::DlqError;

/// Bytes in the order they came: in memory up to a limit, beyond it in a file without a name,
/// which is gone when the process is.
#[derive(Debug)]
pub(crate) struct Spool {
    directory: PathBuf,
    limit: usize,
    file: Option<File>,
    /// What is not in the file yet.
    tail: Vec<u8>,
}

impl Spool {
    pub(crate) fn new(directory: &Path, limit: usize) -> Spool {
        Spool { directory: directory.to_owned(), limit, file: None, tail: Vec::new() }
    }

    /// Adds all of the parts, or says that they could not be kept.
    pub(crate) fn push(&mut self, parts: &[&[u8]]) -> Result<(), DlqError> {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        if self.tail.len() + bytes > self.limit {
            self.spill(parts).map_err(|source| self.failed(source))
        } else {
            parts.iter().for_each(|part| self.tail.extend_from_slice(part));
            Ok(())
        }
    }

    /// Reads everything from the start.
    pub(crate) fn read(&mut self) -> Result<Box<dyn Read + Send + '_>, DlqError> {
        let Some(file) = &self.file else { return Ok(Box::new(self.tail.as_slice())) };
        let mut file = file;
        file.seek(SeekFrom::Start(0)).map_err(|source| self.failed(source))?;
        Ok(Box::new(BufReader::with_capacity(1 << 16, file).chain(self.tail.as_slice())))
    }

    pub(crate) fn failed(&self, source: io::Error) -> DlqError {
        DlqError::Spool { directory: self.directory.clone(), source }
    }

    fn spill(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.directory)?),
        };
        file.seek(SeekFrom::End(0))?;
        file.write_all(&self.tail)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        self.tail.clear();
        Ok(())
    }
}

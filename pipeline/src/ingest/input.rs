use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::IngestError;
use crate::stop::Stop;

/// Where lines come from. Gzip is recognised by itself.
#[derive(Debug, Clone)]
pub enum Input {
    File(PathBuf),
    Stdin,
}

/// An input that can be read from its beginning, and its name for ever.
pub(super) struct Opened {
    pub(super) reader: Box<dyn Read + Send>,
    /// How messages call it.
    pub(super) name: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub(super) hash: String,
}

impl Input {
    /// What lineage calls it.
    pub fn location(&self) -> String {
        match self {
            Input::File(path) => {
                let absolute = path.canonicalize().unwrap_or_else(|_| path.clone());
                absolute.display().to_string()
            }
            Input::Stdin => "/dev/stdin".to_owned(),
        }
    }

    fn name(&self) -> String {
        match self {
            Input::File(path) => path.display().to_string(),
            Input::Stdin => "standard input".to_owned(),
        }
    }

    /// Hashes the input and goes back to its beginning. What can't be read twice is spooled.
    pub(super) fn open(&self, spool: &Path, stop: &Stop) -> Result<Opened, IngestError> {
        let name = self.name();
        let wrong = |source: io::Error| match source.kind() {
            io::ErrorKind::Interrupted => IngestError::Interrupted { input: name.clone(), at: 0 },
            _ => IngestError::Input { doing: format!("read {name}"), source },
        };
        let (mut file, hash) = match self {
            Input::File(path) => {
                let mut file = File::open(path).map_err(wrong)?;
                let kind = file.metadata().map_err(wrong)?.file_type();
                if kind.is_dir() {
                    return Err(wrong(io::Error::other("it is a folder: name a file in it")));
                }
                match kind.is_file() {
                    true => {
                        let hash = hash(&mut file, &mut io::sink(), stop).map_err(wrong)?;
                        (file, hash)
                    }
                    // A pipe, by whatever name.
                    false => spooled(&mut file, spool, stop).map_err(wrong)?,
                }
            }
            Input::Stdin => spooled(&mut io::stdin().lock(), spool, stop).map_err(wrong)?,
        };
        file.rewind().map_err(wrong)?;
        let reader = plain(file).map_err(wrong)?;
        Ok(Opened { reader, name: name.clone(), hash })
    }
}

/// Keeps what comes in a file of our own, and hashes it on the way.
fn spooled(from: &mut impl Read, spool: &Path, stop: &Stop) -> io::Result<(File, String)> {
    let mut file = tempfile::tempfile_in(spool)?;
    let hash = hash(from, &mut file, stop)?;
    Ok((file, hash))
}

fn hash(from: &mut impl Read, to: &mut impl Write, stop: &Stop) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        if stop.asked() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = from.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The bytes themselves, unpacked when they are gzip.
fn plain(mut file: File) -> io::Result<Box<dyn Read + Send>> {
    let mut magic = [0; 2];
    let mut filled = 0;
    while filled < magic.len() {
        match file.read(&mut magic[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    file.rewind()?;
    let buffered = BufReader::with_capacity(1 << 20, file);
    Ok(match magic == [0x1f, 0x8b] {
        true => Box::new(MultiGzDecoder::new(buffered)),
        false => Box::new(buffered),
    })
}

use std::io;
use std::path::PathBuf;

use assay_core::Fault;

/// Why segments could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    #[error("another collector works in {0}: stop it, or choose another data directory")]
    Taken(PathBuf),

    #[error("{path} is not what a collector wrote: {why}; put it right or move it away")]
    Foreign { path: PathBuf, why: String },

    #[error("the backlog takes {used} bytes of the {limit} that it may: events wait to be sent")]
    Full { used: u64, limit: u64 },

    #[error("cannot {doing} {path}: {source}{}", advice(source))]
    Io { doing: &'static str, path: PathBuf, source: io::Error },

    #[error("the collector's writer is gone: restart it")]
    Gone,
}

impl SegmentError {
    /// Says whether trying again can help.
    pub fn fault(&self) -> Fault {
        match self {
            SegmentError::Full { .. } => Fault::Transient,
            SegmentError::Io { source, .. } if is_full(source) => Fault::Transient,
            _ => Fault::Permanent,
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn advice(error: &io::Error) -> &'static str {
    match is_full(error) {
        true => "; free some space: what was accepted is safe, new events are refused",
        false => "",
    }
}

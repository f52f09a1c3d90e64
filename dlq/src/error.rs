use std::io;
use std::path::PathBuf;

use assay_core::{Fault, StageId};
use assay_log::LogError;
use assay_store::StoreError;

/// Why dead letters could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum DlqError {
    #[error(
        "{place} failed in stage {stage} and has {bytes} bytes; a dead letter carries up to \
         {limit}: take it out of the source, or make it smaller there"
    )]
    TooLarge { stage: StageId, place: String, bytes: usize, limit: usize },

    #[error("could not keep dead letters in a temporary file in {}: {source}", directory.display())]
    Spool { directory: PathBuf, source: io::Error },

    #[error("could not {doing}: {source}")]
    Log { doing: String, source: LogError },

    #[error(transparent)]
    Index(#[from] StoreError),
}

impl DlqError {
    /// Says whether trying again can help.
    pub fn fault(&self) -> Fault {
        match self {
            DlqError::Log { source, .. } => source.fault(),
            DlqError::Index(error) => error.fault(),
            DlqError::Spool { .. } | DlqError::TooLarge { .. } => Fault::Permanent,
        }
    }
}

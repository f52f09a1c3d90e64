use std::path::{Path, PathBuf};

/// Where the files of a pipeline are: on disk, or in the binary.
#[derive(Debug, Clone)]
pub enum Folder {
    Disk(PathBuf),
    Shipped { name: &'static str, files: &'static [(&'static str, &'static str)] },
}

/// Why a file of a pipeline could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("cannot read {path}")]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the shipped pipeline `{pipeline}` has no file {path}")]
    NotShipped { pipeline: &'static str, path: String },
    #[error("{path} leads out of the pipeline's folder: keep its files inside")]
    Outside { path: String },
}

impl Folder {
    /// The text of the file at `path`, relative to the folder.
    pub fn read(&self, path: &str) -> Result<String, FolderError> {
        match self {
            Folder::Disk(root) => {
                let inside = Path::new(path)
                    .components()
                    .all(|part| matches!(part, std::path::Component::Normal(_)));
                if !inside {
                    return Err(FolderError::Outside { path: path.to_owned() });
                }
                let full = root.join(path);
                std::fs::read_to_string(&full).map_err(|source| FolderError::Read {
                    path: full.display().to_string(),
                    source,
                })
            }
            Folder::Shipped { name, files } => files
                .iter()
                .find(|(known, _)| *known == path)
                .map(|(_, text)| (*text).to_owned())
                .ok_or_else(|| FolderError::NotShipped { pipeline: name, path: path.to_owned() }),
        }
    }

    /// How messages name the file at `path`.
    pub fn place(&self, path: &str) -> String {
        match self {
            Folder::Disk(root) => root.join(path).display().to_string(),
            Folder::Shipped { name, .. } => format!("{name}/{path}"),
        }
    }
}

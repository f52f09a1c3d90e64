//! Looks at rows outside of any pipeline: those of a file, of a table, or of a query over one.
//! Nothing is written, and memory does not grow with the rows.

mod cells;
mod compound;
mod csv_file;
mod earlier;
mod fit;
mod forms;
mod infer;
mod json_lines;
mod judge;
mod parquet_file;
mod profile;
mod references;
mod refused;
mod repeated;
mod sniff;
mod subject;
mod text_table;
mod yaml;

use std::path::PathBuf;

use assay_core::{Fault, Mistakes};
use assay_quality::SpoolError;
use assay_store::StoreError;
use datafusion::error::DataFusionError;

pub use earlier::Earlier;
pub use infer::{Inferred, infer};
pub use judge::{Judgement, Look, Sample, judge};
pub use refused::RefusedRows;
pub use subject::{FileFormat, Opening, Place, Subject};

use crate::query::QueryError;
use crate::target::TargetError;

/// Why rows can't be looked at.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error("cannot read {}", .path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// What was asked for makes no sense for this file, table or query.
    #[error("{0}")]
    Unfit(String),
    #[error("the contract can't judge these rows: {0}")]
    Contract(#[from] Mistakes),
    #[error("cannot read {name}: {why}")]
    Rows { name: String, why: String },
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Table(#[from] TargetError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl InspectError {
    fn rows(name: &str, error: &DataFusionError) -> InspectError {
        InspectError::Rows { name: name.to_owned(), why: error.strip_backtrace() }
    }

    /// Whether what was asked for has to be put right.
    pub fn usage(&self) -> bool {
        match self {
            InspectError::Unfit(_) | InspectError::Contract(_) | InspectError::Query(_) => true,
            InspectError::File { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            InspectError::Table(error) => matches!(error, TargetError::Missing { .. }),
            InspectError::Rows { .. } | InspectError::Spool(_) | InspectError::Store(_) => false,
        }
    }

    pub fn fault(&self) -> Fault {
        Fault::Permanent
    }
}

//! Loads tables. The catalog says which state is current; a state that this process has met is
//! not read from its file again.

use std::sync::Arc;

use assay_core::DatasetName;
use iceberg::spec::{TableMetadata, TableMetadataRef};
use iceberg::table::Table;

use super::{CATALOG, Lake};
use crate::target::TargetError;

/// Times that a state may be gone before it was read, since writers remove old ones.
const TRIES: u32 = 3;

impl Lake {
    /// The table as the catalog has it now.
    pub(super) async fn load(&self, dataset: &DatasetName) -> Result<Option<Table>, TargetError> {
        let wrong = |source| TargetError::iceberg(format!("load {dataset}"), source);
        let mut failed = None;
        for _ in 0..TRIES {
            let Some(location) = self.current(dataset).await? else { return Ok(None) };
            if let Some(metadata) = self.known(dataset, &location) {
                return self.table_at(dataset, location, metadata).map(Some);
            }
            match TableMetadata::read_from(&self.file_io, &location).await {
                Ok(metadata) => {
                    let metadata: TableMetadataRef = Arc::new(metadata);
                    self.remember(dataset, &location, &metadata);
                    return self.table_at(dataset, location, metadata).map(Some);
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(None), |error| Err(wrong(error)))
    }

    /// The metadata file that the catalog names.
    async fn current(&self, dataset: &DatasetName) -> Result<Option<String>, TargetError> {
        let found: Option<(Option<String>,)> = sqlx::query_as(
            "SELECT metadata_location FROM iceberg_tables \
             WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3 \
             AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)",
        )
        .bind(CATALOG)
        .bind(dataset.layer().name())
        .bind(dataset.name())
        .fetch_optional(&self.pool)
        .await
        .map_err(|source| TargetError::Catalog { doing: format!("load {dataset}"), source })?;
        Ok(found.and_then(|(location,)| location))
    }

    fn known(&self, dataset: &DatasetName, location: &str) -> Option<TableMetadataRef> {
        let known = self.known.lock().unwrap_or_else(|broken| broken.into_inner());
        known.get(dataset).filter(|(place, _)| place == location).map(|(_, m)| Arc::clone(m))
    }

    /// Keeps the newest state of a table that this process has met.
    pub(super) fn remember(
        &self,
        dataset: &DatasetName,
        location: &str,
        metadata: &TableMetadataRef,
    ) {
        let mut known = self.known.lock().unwrap_or_else(|broken| broken.into_inner());
        known.insert(dataset.clone(), (location.to_owned(), Arc::clone(metadata)));
    }
}

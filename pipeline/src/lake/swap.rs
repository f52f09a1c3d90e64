//! The commit itself: the new metadata is built on the very table that was checked, and goes in
//! by a compare-and-swap on the catalog's row, so what was checked still holds when it counts.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use assay_core::DatasetName;
use iceberg::spec::{TableMetadata, TableMetadataRef};
use iceberg::table::Table;
use iceberg::{MetadataLocation, Runtime, TableUpdate};

use super::change::Change;
use super::expiry::Expiry;
use super::leftovers::Leftover;
use super::{CATALOG, Lake, ident};
use crate::target::TargetError;

/// How many metadata files of earlier versions stay; Iceberg's own property, so that others who
/// write keep to it.
pub(super) const VERSIONS: &str = "write.metadata.previous-versions-max";

impl Lake {
    /// Commits `change` on exactly this state of the table. `false`: somebody else was faster,
    /// nothing happened. Now and then it also lets old snapshots go, with their files.
    pub(super) async fn swap(
        &self,
        dataset: &DatasetName,
        table: &Table,
        change: &Change,
    ) -> Result<bool, TargetError> {
        let wrong = |source| TargetError::iceberg(format!("commit to {dataset}"), source);
        let (now, limits) = (self.clock.now(), &self.limits);
        let mut updates =
            change.updates(table, limits.manifests, now.timestamp_millis()).await.map_err(wrong)?;
        if !table.metadata().properties().contains_key(VERSIONS) {
            let versions = HashMap::from([(VERSIONS.to_owned(), limits.versions.to_string())]);
            updates.push(TableUpdate::SetProperties { updates: versions });
        }
        let expiry = Expiry::as_it_goes(table.metadata(), limits, now);
        updates.extend(expiry.iter().flat_map(|expiry| expiry.updates(table.metadata())));
        let swapped = self.advance(dataset, table, updates).await?.is_some();
        if let (true, Some(expiry)) = (swapped, expiry) {
            self.let_go(dataset, table, &expiry).await;
        }
        Ok(swapped)
    }

    async fn advance(
        &self,
        dataset: &DatasetName,
        table: &Table,
        updates: Vec<TableUpdate>,
    ) -> Result<Option<Table>, TargetError> {
        let wrong = |source| TargetError::iceberg(format!("commit to {dataset}"), source);
        let before = table.metadata_location_result().map_err(wrong)?;
        let mut builder = table.metadata().clone().into_builder(Some(before.to_owned()));
        for update in updates {
            builder = update.apply(builder).map_err(wrong)?;
        }
        let built = builder.build().map_err(wrong)?;
        let old: Vec<String> =
            built.expired_metadata_logs.into_iter().map(|log| log.metadata_file).collect();
        self.put(dataset, table, built.metadata, &old).await
    }

    /// Puts `metadata` in the place of exactly this state of the table, and then deletes `old`
    /// metadata files; none: somebody else was faster.
    pub(super) async fn put(
        &self,
        dataset: &DatasetName,
        table: &Table,
        metadata: TableMetadata,
        old: &[String],
    ) -> Result<Option<Table>, TargetError> {
        let doing = || format!("commit to {dataset}");
        let wrong = |source| TargetError::iceberg(doing(), source);
        let before = table.metadata_location_result().map_err(wrong)?;
        let after = MetadataLocation::from_str(before)
            .map_err(wrong)?
            .with_next_version()
            .with_new_metadata(&metadata);
        metadata.write_to(table.file_io(), &after).await.map_err(wrong)?;
        let after = after.to_string();
        let swapped = sqlx::query(
            "UPDATE iceberg_tables SET metadata_location = $1, previous_metadata_location = $2 \
             WHERE catalog_name = $3 AND table_namespace = $4 AND table_name = $5 \
             AND metadata_location = $2",
        )
        .bind(&after)
        .bind(before)
        .bind(CATALOG)
        .bind(dataset.layer().name())
        .bind(dataset.name())
        .execute(&self.pool)
        .await
        .map_err(|source| TargetError::Catalog { doing: doing(), source })?;
        let here = table.metadata().location();
        if swapped.rows_affected() != 1 {
            self.delete(here, &[after]);
            return Ok(None);
        }
        self.delete(here, old);
        let metadata: TableMetadataRef = Arc::new(metadata);
        self.remember(dataset, &after, &metadata);
        self.table_at(dataset, after, metadata).map(Some)
    }

    /// The table as `metadata` describes it. It caches manifests of its own.
    pub(super) fn table_at(
        &self,
        dataset: &DatasetName,
        location: String,
        metadata: TableMetadataRef,
    ) -> Result<Table, TargetError> {
        let wrong = |source| TargetError::iceberg(format!("load {dataset}"), source);
        Table::builder()
            .file_io(self.file_io.clone())
            .identifier(ident(dataset))
            .metadata_location(location)
            .metadata(metadata)
            .runtime(Runtime::try_current().map_err(wrong)?)
            .build()
            .map_err(wrong)
    }

    /// Deletes, after the commit, what only expired snapshots named: at once, or later when a
    /// reader may still be at it. What is left when this fails is swept some day.
    pub(super) async fn let_go(&self, dataset: &DatasetName, before: &Table, expiry: &Expiry) {
        match self.left_behind(dataset, before, expiry).await {
            Ok(files) => {
                let here = before.metadata().location().to_owned();
                let due = expiry.newest + self.limits.grace;
                self.leave_over(Leftover { due, here, files });
            }
            Err(error) => {
                tracing::warn!(%dataset, %error, "files of expired snapshots stay for now");
            }
        }
    }
}

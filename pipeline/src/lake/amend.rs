//! Changes of a table that add no snapshot: properties, and snapshots that go.
//!
//! The crate's builder stamps such a change with the machine's time and then refuses it when a
//! snapshot is newer. Ours comes from the clock and never goes back, so the form that the
//! specification gives to metadata is changed instead.

use std::collections::{HashMap, HashSet};

use assay_core::DatasetName;
use iceberg::spec::TableMetadata;
use iceberg::table::Table;
use serde_json::{Value, json};

use super::Lake;
use super::swap::VERSIONS;
use crate::target::TargetError;

/// What changes.
#[derive(Debug, Default)]
pub(super) struct Amendment {
    pub(super) properties: HashMap<String, String>,
    /// Properties that go.
    pub(super) forgotten: HashSet<String>,
    /// Snapshots that go.
    pub(super) gone: HashSet<i64>,
}

impl Lake {
    /// Amends exactly this state of the table; none: somebody else was faster.
    pub(super) async fn amend(
        &self,
        dataset: &DatasetName,
        table: &Table,
        amendment: &Amendment,
    ) -> Result<Option<Table>, TargetError> {
        let wrong = |source| TargetError::iceberg(format!("commit to {dataset}"), source);
        let before = table.metadata_location_result().map_err(wrong)?;
        let now_ms = self.clock.now().timestamp_millis();
        let amended = amendment.apply(table.metadata(), before, self.limits.versions, now_ms);
        let (metadata, old) = amended.map_err(|error| {
            let what = "metadata can't be amended";
            let error =
                iceberg::Error::new(iceberg::ErrorKind::DataInvalid, what).with_source(error);
            wrong(error)
        })?;
        self.put(dataset, table, metadata, &old).await
    }
}

impl Amendment {
    /// The amended metadata, and metadata files that are too old now.
    fn apply(
        &self,
        metadata: &TableMetadata,
        before: &str,
        versions: usize,
        now_ms: i64,
    ) -> serde_json::Result<(TableMetadata, Vec<String>)> {
        let mut text = serde_json::to_value(metadata)?;
        text["last-updated-ms"] = json!(now_ms.max(metadata.last_updated_ms()));
        for (key, value) in &self.properties {
            text["properties"][key] = json!(value);
        }
        if let Some(properties) = text.get_mut("properties").and_then(Value::as_object_mut) {
            properties.retain(|key, _| !self.forgotten.contains(key));
        }
        let gone =
            |entry: &Value| entry["snapshot-id"].as_i64().is_some_and(|id| self.gone.contains(&id));
        for list in ["snapshots", "statistics", "partition-statistics"] {
            if let Some(entries) = text.get_mut(list).and_then(Value::as_array_mut) {
                entries.retain(|entry| !gone(entry));
            }
        }
        if let Some(log) = text.get_mut("snapshot-log").and_then(Value::as_array_mut) {
            // A log with a hole would show a state at a time at which it was not current.
            let begin = log.iter().rposition(gone).map_or(0, |last| last + 1);
            log.drain(..begin);
        }
        let entry = json!({"metadata-file": before, "timestamp-ms": metadata.last_updated_ms()});
        let kept = metadata.properties().get(VERSIONS).and_then(|text| text.parse().ok());
        let kept: usize = kept.unwrap_or(versions).max(1);
        let mut old = vec![];
        match text.get_mut("metadata-log").and_then(Value::as_array_mut) {
            Some(log) => {
                log.push(entry);
                let too_old = log.drain(..log.len().saturating_sub(kept));
                old.extend(too_old.filter_map(|e| e["metadata-file"].as_str().map(str::to_owned)));
            }
            None => text["metadata-log"] = json!([entry]),
        }
        Ok((serde_json::from_value(text)?, old))
    }
}

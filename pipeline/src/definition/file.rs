//! `pipeline.yaml`, key by key.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PipelineFile {
    #[serde(rename = "apiVersion")]
    #[allow(dead_code, reason = "read so that another version is refused")]
    pub(super) api_version: ApiVersion,
    #[allow(dead_code, reason = "read so that another kind is refused")]
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) datasets: BTreeMap<String, DatasetFile>,
    pub(super) ingest: Option<IngestFile>,
    pub(super) stages: Vec<StageFile>,
    /// SQL files that make the tables in the database, in their order.
    #[serde(default)]
    pub(super) migrations: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) enum ApiVersion {
    #[serde(rename = "assay/v1")]
    V1,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) enum Kind {
    Pipeline,
}

/// A topic (`log.…`) or a table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DatasetFile {
    // Topics.
    pub(super) format: Option<MessageFormat>,
    pub(super) schema: Option<String>,
    pub(super) partitions: Option<u32>,
    pub(super) retention_hours: Option<u32>,
    /// Headers of JSON messages that become columns, `_header_NAME`.
    pub(super) headers: Option<Vec<String>>,
    // Tables.
    pub(super) contract: Option<String>,
    pub(super) partition_by: Option<Vec<String>>,
    pub(super) target_file_size: Option<u64>,
    /// The table of the database that it is, where it is none of the lake.
    pub(super) postgres: Option<String>,
    // Both.
    pub(super) origin: Vec<String>,
}

/// How the messages of a topic are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageFormat {
    /// Each message is an Avro object-container file: its records are the rows.
    Avro,
    /// Each message is one JSON object, and one row.
    Json,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IngestFile {
    pub(super) write: String,
    #[serde(default)]
    pub(super) json_text: Vec<String>,
    pub(super) trace_id: Option<String>,
    pub(super) max_event_bytes: Option<usize>,
    pub(super) events_per_message: Option<usize>,
    pub(super) message_bytes: Option<usize>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StageFile {
    pub(super) name: String,
    pub(super) read: String,
    pub(super) filter: Option<String>,
    #[serde(default)]
    pub(super) extract: BTreeMap<String, ExtractFile>,
    pub(super) model: String,
    #[serde(default)]
    pub(super) deduplicate: Vec<String>,
    pub(super) write: String,
    /// The column of what is read and what is written that names a row's day.
    pub(super) day: Option<String>,
    pub(super) whole: Option<String>,
    pub(super) aggregate: Option<AggregateFile>,
    pub(super) breaker: Option<BreakerFile>,
    pub(super) commit: Option<CommitFile>,
    pub(super) event_time: Option<EventTimeFile>,
    #[serde(default)]
    pub(super) also: Vec<AlsoFile>,
}

/// When a row happened, and when it comes too late.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventTimeFile {
    pub(super) column: String,
    pub(super) late_after_seconds: u32,
    /// So much after the log took it a row can't have happened; `late_after_seconds`, when it is
    /// not said.
    pub(super) ahead_after_seconds: Option<u32>,
    pub(super) idle_after_seconds: Option<u32>,
}

/// Another table that is written in the same commit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AlsoFile {
    pub(super) write: String,
    pub(super) model: String,
    pub(super) windows: Option<WindowsFile>,
    pub(super) merge: Option<MergeFile>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WindowsFile {
    pub(super) seconds: u32,
    /// From the beginning of one to that of the next; as long as they are, when it is not said.
    pub(super) every_seconds: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MergeFile {
    pub(super) key: Vec<String>,
    #[serde(default)]
    pub(super) sum: Vec<String>,
    #[serde(default)]
    pub(super) min: Vec<String>,
    #[serde(default)]
    pub(super) max: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExtractFile {
    pub(super) from: String,
    pub(super) path: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: ExtractType,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExtractType {
    String,
    Long,
    Double,
    Decimal,
    Boolean,
    Timestamp,
}

impl ExtractType {
    /// As the pipeline writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ExtractType::String => "string",
            ExtractType::Long => "long",
            ExtractType::Double => "double",
            ExtractType::Decimal => "decimal",
            ExtractType::Boolean => "boolean",
            ExtractType::Timestamp => "timestamp",
        }
    }
}

/// When a stage that follows its source commits: whatever is reached first.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CommitFile {
    pub(super) rows: Option<u64>,
    pub(super) megabytes: Option<u64>,
    pub(super) seconds: Option<f64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AggregateFile {
    pub(super) conserve: String,
    pub(super) replace: String,
}

/// When a batch counts as an outage and not as bad data.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BreakerFile {
    /// Share of rows rejected, 0–100; 100 or more switches the breaker off.
    pub(super) percent: f64,
    pub(super) at_least_rows: Option<u64>,
}

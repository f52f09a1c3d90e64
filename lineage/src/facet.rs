//! Facets: what an event says beside its bare facts. Each names its producer and its schema.

mod columns;

use std::collections::BTreeMap;

use assay_core::{ContractRef, Counts, TraceContext};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use columns::{ColumnLineage, InputField, Inputs, Lineage, MadeFrom, Transformation};

use crate::event::PRODUCER;

/// A facet with the two fields that every facet must have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facet<T> {
    #[serde(rename = "_producer")]
    pub producer: String,
    #[serde(rename = "_schemaURL")]
    pub schema_url: String,
    #[serde(flatten)]
    pub body: T,
}

/// Knows the schema of a facet.
pub trait Described {
    const SCHEMA_URL: &'static str;
}

impl<T: Described> From<T> for Facet<T> {
    fn from(body: T) -> Facet<T> {
        Facet { producer: PRODUCER.to_owned(), schema_url: T::SCHEMA_URL.to_owned(), body }
    }
}

macro_rules! described {
    ($($facet:ident: $base:literal, $version:literal, $name:literal;)*) => {$(
        impl Described for $facet {
            const SCHEMA_URL: &'static str =
                concat!($base, $version, "/", $name, ".json#/$defs/", $name);
        }
    )*};
}

described! {
    NominalTime: "https://openlineage.io/spec/facets/", "1-0-1", "NominalTimeRunFacet";
    ProcessingEngine: "https://openlineage.io/spec/facets/", "1-1-1", "ProcessingEngineRunFacet";
    ErrorMessage: "https://openlineage.io/spec/facets/", "1-0-1", "ErrorMessageRunFacet";
    JobType: "https://openlineage.io/spec/facets/", "2-0-4", "JobTypeJobFacet";
    Schema: "https://openlineage.io/spec/facets/", "1-2-0", "SchemaDatasetFacet";
    DatasetType: "https://openlineage.io/spec/facets/", "1-0-1", "DatasetTypeDatasetFacet";
    Symlinks: "https://openlineage.io/spec/facets/", "1-0-1", "SymlinksDatasetFacet";
    DatasetVersion: "https://openlineage.io/spec/facets/", "1-0-1", "DatasetVersionDatasetFacet";
    DataQualityMetrics: "https://openlineage.io/spec/facets/", "1-0-0",
        "DataQualityMetricsDatasetFacet";
    DataQualityAssertions: "https://openlineage.io/spec/facets/", "1-1-0",
        "DataQualityAssertionsDatasetFacet";
    InputStatistics: "https://openlineage.io/spec/facets/", "1-0-0",
        "InputStatisticsInputDatasetFacet";
    OutputStatistics: "https://openlineage.io/spec/facets/", "1-0-2",
        "OutputStatisticsOutputDatasetFacet";
    AssayQuality: "https://raw.githubusercontent.com/assay-data/assay/main/lineage/facets/",
        "1-0-0", "AssayQualityDatasetFacet";
    AssayRun: "https://raw.githubusercontent.com/assay-data/assay/main/lineage/facets/",
        "1-0-0", "AssayRunFacet";
    AssayTrace: "https://raw.githubusercontent.com/assay-data/assay/main/lineage/facets/",
        "1-0-0", "AssayTraceFacet";
}

/// The time that a run is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NominalTime {
    pub nominal_start_time: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessingEngine {
    pub version: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorMessage {
    pub message: String,
    pub programming_language: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobType {
    pub processing_type: String,
    pub integration: String,
    pub job_type: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    pub fields: Vec<SchemaField>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaField {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub ordinal_position: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatasetType {
    pub dataset_type: String,
}

/// Other names of the same dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symlinks {
    pub identifiers: Vec<Identifier>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identifier {
    pub namespace: String,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatasetVersion {
    pub dataset_version: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataQualityMetrics {
    pub row_count: u64,
    /// The standard demands it; we measure rules, not columns.
    pub column_metrics: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataQualityAssertions {
    pub assertions: Vec<Assertion>,
}

/// How one rule fared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assertion {
    /// What kind of promise it is: the dimension of the rule.
    pub assertion: String,
    pub success: bool,
    /// Only when the rule is about one column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    pub severity: String,
    pub name: String,
    pub expected: String,
    pub actual: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InputStatistics {
    pub row_count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputStatistics {
    pub row_count: u64,
}

/// How good a batch is, and where its rows went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssayQuality {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    pub verdict: String,
    pub counts: Counts,
    pub data_loss_percent: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<ContractRef>,
    pub draft: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

/// Which trace the event is part of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssayTrace {
    #[serde(flatten)]
    pub context: TraceContext,
}

/// How a run ended, summed over its batches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssayRun {
    pub status: String,
    pub duration_seconds: f64,
    pub batches: u64,
    pub counts: Counts,
    pub data_loss_percent: f64,
}

//! The run event of OpenLineage 2-0-2, with the facets that we write.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::facet::{
    AssayQuality, AssayRun, AssayTrace, ColumnLineage, DataQualityAssertions, DataQualityMetrics,
    DatasetType, DatasetVersion, ErrorMessage, Facet, InputStatistics, JobType, Lineage,
    NominalTime, OutputStatistics, ProcessingEngine, Schema, Symlinks,
};

pub const SCHEMA_URL: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// Who says so, in each event and facet.
pub const PRODUCER: &str =
    concat!("https://github.com/assay-data/assay/tree/v", env!("CARGO_PKG_VERSION"));

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunEvent {
    pub event_type: EventType,
    pub event_time: DateTime<Utc>,
    pub producer: String,
    #[serde(rename = "schemaURL")]
    pub schema_url: String,
    pub run: Run,
    pub job: Job,
    pub inputs: Vec<InputDataset>,
    pub outputs: Vec<OutputDataset>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventType {
    Start,
    Running,
    Complete,
    Abort,
    Fail,
    Other,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub run_id: Uuid,
    #[serde(default)]
    pub facets: RunFacets,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RunFacets {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nominal_time: Option<Facet<NominalTime>>,
    #[serde(rename = "processing_engine", skip_serializing_if = "Option::is_none")]
    pub processing_engine: Option<Facet<ProcessingEngine>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<Facet<ErrorMessage>>,
    #[serde(rename = "assay_run", skip_serializing_if = "Option::is_none")]
    pub assay_run: Option<Facet<AssayRun>>,
    #[serde(rename = "assay_trace", skip_serializing_if = "Option::is_none")]
    pub assay_trace: Option<Facet<AssayTrace>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub namespace: String,
    pub name: String,
    #[serde(default)]
    pub facets: JobFacets,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct JobFacets {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_type: Option<Facet<JobType>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InputDataset {
    pub namespace: String,
    pub name: String,
    #[serde(default)]
    pub facets: DatasetFacets,
    #[serde(default, skip_serializing_if = "InputFacets::none")]
    pub input_facets: InputFacets,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputDataset {
    pub namespace: String,
    pub name: String,
    #[serde(default)]
    pub facets: DatasetFacets,
    #[serde(default, skip_serializing_if = "OutputFacets::none")]
    pub output_facets: OutputFacets,
}

/// What is said of a dataset, whatever the run does with it.
///
/// The assertions are here, and not in the input facets where the standard has them: what was
/// judged are the rows of an output, and naming it as an input too would make a loop of the graph.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DatasetFacets {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Facet<Schema>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset_type: Option<Facet<DatasetType>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symlinks: Option<Facet<Symlinks>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Facet<DatasetVersion>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_quality_metrics: Option<Facet<DataQualityMetrics>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_quality_assertions: Option<Facet<DataQualityAssertions>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column_lineage: Option<Facet<ColumnLineage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Facet<Lineage>>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct InputFacets {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_statistics: Option<Facet<InputStatistics>>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OutputFacets {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_statistics: Option<Facet<OutputStatistics>>,
    #[serde(rename = "assay_quality", skip_serializing_if = "Option::is_none")]
    pub assay_quality: Option<Facet<AssayQuality>>,
}

impl InputFacets {
    fn none(&self) -> bool {
        *self == InputFacets::default()
    }
}

impl OutputFacets {
    fn none(&self) -> bool {
        *self == OutputFacets::default()
    }
}

//! The bodies that we send, with the fields that we fill and no others: the server refuses what it
//! does not know.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who is meant: an entity that the server has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reference {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateService {
    pub(super) name: String,
    pub(super) service_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connection: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct CreateDatabase {
    pub(super) name: String,
    pub(super) service: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct CreateSchema {
    pub(super) name: String,
    pub(super) database: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateTable {
    pub(super) name: String,
    pub(super) database_schema: String,
    pub(super) table_type: String,
    pub(super) columns: Vec<Column>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
}

/// A column, as it is sent and as it comes back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Column {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) display_name: Option<String>,
    pub(super) data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) array_data_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) data_length: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) precision: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) scale: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) data_type_display: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) constraint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ordinal_position: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) children: Option<Vec<Value>>,
    /// Only in what comes back, and in what is sent back for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tags: Option<Value>,
}

impl Column {
    /// Whether both are one column of one type, whatever is said about it.
    pub(super) fn alike(&self, other: &Column) -> bool {
        (&self.name, &self.data_type, &self.array_data_type, self.data_length)
            == (&other.name, &other.data_type, &other.array_data_type, other.data_length)
            && (self.precision, self.scale) == (other.precision, other.scale)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct CreateTopic {
    pub(super) name: String,
    pub(super) service: String,
    pub(super) partitions: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct CreatePipeline {
    pub(super) name: String,
    pub(super) service: String,
    pub(super) tasks: Vec<Task>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
}

/// A task, as it is sent and as it comes back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) name: String,
    #[serde(default, rename = "displayName", skip_serializing_if = "Option::is_none")]
    pub(super) display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(default, rename = "sourceUrl", skip_serializing_if = "Option::is_none")]
    pub(super) source_url: Option<String>,
    #[serde(default, rename = "downstreamTasks", skip_serializing_if = "Option::is_none")]
    pub(super) downstream_tasks: Option<Vec<String>>,
    #[serde(default, rename = "taskType", skip_serializing_if = "Option::is_none")]
    pub(super) task_type: Option<String>,
    #[serde(default, rename = "taskSQL", skip_serializing_if = "Option::is_none")]
    pub(super) task_sql: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PipelineStatus {
    pub(super) timestamp: i64,
    pub(super) execution_status: String,
    #[serde(default)]
    pub(super) task_status: Vec<TaskStatus>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TaskStatus {
    pub(super) name: String,
    pub(super) execution_status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) start_time: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) end_time: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct AddLineage {
    pub(super) edge: Edge,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Edge {
    pub(super) from_entity: Reference,
    pub(super) to_entity: Reference,
    pub(super) lineage_details: Details,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sql_query: Option<String>,
    #[serde(default)]
    pub(super) columns_lineage: Vec<ColumnLineage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pipeline: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ColumnLineage {
    #[serde(default)]
    pub(super) from_columns: Vec<String>,
    pub(super) to_column: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) function: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateTestDefinition {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) entity_type: String,
    pub(super) test_platforms: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateTestCase {
    pub(super) name: String,
    pub(super) entity_link: String,
    pub(super) test_definition: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) test_suite: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    pub(super) parameter_values: Vec<Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TestCaseResult {
    pub(super) timestamp: i64,
    pub(super) test_case_status: String,
    pub(super) result: String,
    pub(super) test_result_value: Vec<TestResultValue>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct TestResultValue {
    pub(super) name: String,
    pub(super) value: String,
}

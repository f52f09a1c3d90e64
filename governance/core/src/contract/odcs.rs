use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A data contract file, key by key as ODCS v3.2.0 has it.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenDataContract {
    pub version: String,
    pub api_version: ApiVersion,
    pub kind: Kind,
    pub id: String,
    pub name: Option<String>,
    pub tenant: Option<String>,
    pub tags: Option<Vec<String>>,
    pub status: Option<String>,
    pub servers: Option<Vec<Value>>,
    pub data_product: Option<String>,
    pub description: Option<Map<String, Value>>,
    pub domain: Option<String>,
    pub context: Option<Value>,
    #[serde(default)]
    pub schema: Vec<SchemaObject>,
    pub support: Option<Vec<Value>>,
    pub price: Option<Map<String, Value>>,
    pub team: Option<Value>,
    pub roles: Option<Vec<Value>>,
    pub sla_default_element: Option<String>,
    #[serde(default)]
    pub sla_properties: Vec<SlaProperty>,
    pub authoritative_definitions: Option<Vec<Value>>,
    #[serde(default)]
    pub custom_properties: Vec<CustomProperty>,
    pub contract_created_ts: Option<String>,
}

/// The versions of the standard that Assay reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum ApiVersion {
    #[serde(rename = "v3.2.0")]
    V3_2_0,
    #[serde(rename = "v3.1.0")]
    V3_1_0,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Kind {
    DataContract,
}

/// A table or topic that the contract describes.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchemaObject {
    pub id: Option<String>,
    pub name: String,
    pub physical_name: Option<String>,
    pub logical_type: Option<String>,
    pub physical_type: Option<String>,
    pub description: Option<String>,
    pub business_name: Option<String>,
    pub deprecated: Option<bool>,
    pub synonyms: Option<Vec<Value>>,
    pub authoritative_definitions: Option<Vec<Value>>,
    pub tags: Option<Vec<String>>,
    #[serde(default)]
    pub custom_properties: Vec<CustomProperty>,
    pub data_granularity_description: Option<String>,
    #[serde(default)]
    pub properties: Vec<Property>,
    #[serde(default)]
    pub relationships: Vec<Relationship>,
    #[serde(default)]
    pub quality: Vec<DataQuality>,
    pub context: Option<Value>,
}

/// A column.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Property {
    pub id: Option<String>,
    pub name: String,
    pub physical_name: Option<String>,
    pub logical_type: Option<LogicalType>,
    pub logical_type_options: Option<LogicalTypeOptions>,
    pub physical_type: Option<String>,
    pub description: Option<String>,
    pub business_name: Option<String>,
    pub deprecated: Option<bool>,
    pub synonyms: Option<Vec<Value>>,
    pub authoritative_definitions: Option<Vec<Value>>,
    pub tags: Option<Vec<String>>,
    #[serde(default)]
    pub custom_properties: Vec<CustomProperty>,
    #[serde(default)]
    pub primary_key: bool,
    pub primary_key_position: Option<i64>,
    #[serde(default)]
    pub required: bool,
    #[serde(default)]
    pub unique: bool,
    pub semantic_type: Option<String>,
    #[serde(default)]
    pub partitioned: bool,
    pub partition_key_position: Option<i64>,
    pub classification: Option<String>,
    pub encrypted_name: Option<String>,
    pub transform_source_objects: Option<Vec<String>>,
    pub transform_logic: Option<String>,
    pub transform_description: Option<String>,
    pub examples: Option<Vec<Value>>,
    #[serde(default, rename = "enum")]
    pub values: Vec<EnumValue>,
    #[serde(default)]
    pub critical_data_element: bool,
    #[serde(default)]
    pub relationships: Vec<Relationship>,
    #[serde(default)]
    pub quality: Vec<DataQuality>,
    pub properties: Option<Vec<Value>>,
    pub items: Option<Value>,
}

impl Property {
    /// Whether its classification says that nobody may see its values.
    pub fn sensitive(&self) -> bool {
        const SECRET: [&str; 6] =
            ["restricted", "confidential", "secret", "sensitive", "pii", "personal"];
        let secret = |class: &str| SECRET.contains(&class.trim().to_ascii_lowercase().as_str());
        self.classification.as_deref().is_some_and(secret)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogicalType {
    String,
    Date,
    Timestamp,
    Time,
    Number,
    Integer,
    Object,
    Array,
    Boolean,
    Map,
    Vector,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogicalTypeOptions {
    pub format: Option<String>,
    pub pattern: Option<String>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
    pub minimum: Option<Value>,
    pub maximum: Option<Value>,
    pub exclusive_minimum: Option<Value>,
    pub exclusive_maximum: Option<Value>,
    pub multiple_of: Option<f64>,
    pub timezone: Option<bool>,
    pub default_timezone: Option<String>,
    pub min_items: Option<u64>,
    pub max_items: Option<u64>,
    pub unique_items: Option<bool>,
}

#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnumValue {
    pub value: Value,
    pub label: Option<String>,
    pub id: Option<String>,
    pub description: Option<String>,
    #[serde(default)]
    pub custom_properties: Vec<CustomProperty>,
    pub authoritative_definitions: Option<Vec<Value>>,
    pub tags: Option<Vec<String>>,
}

/// A foreign key, on a column (`to` only) or on the table.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Relationship {
    pub id: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub from: Option<Value>,
    pub to: Value,
    #[serde(default)]
    pub custom_properties: Vec<CustomProperty>,
}

/// A rule about a column or a table.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataQuality {
    pub id: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<QualityKind>,
    pub metric: Option<Metric>,
    pub rule: Option<String>,
    pub arguments: Option<Map<String, Value>>,
    pub query: Option<String>,
    pub engine: Option<String>,
    pub implementation: Option<Value>,
    pub must_be: Option<Value>,
    pub must_not_be: Option<Value>,
    pub must_be_greater_than: Option<f64>,
    pub must_be_greater_or_equal_to: Option<f64>,
    pub must_be_less_than: Option<f64>,
    pub must_be_less_or_equal_to: Option<f64>,
    pub must_be_between: Option<[f64; 2]>,
    pub must_not_be_between: Option<[f64; 2]>,
    pub unit: Option<String>,
    pub dimension: Option<String>,
    pub severity: Option<String>,
    pub business_impact: Option<String>,
    pub method: Option<String>,
    pub schedule: Option<String>,
    pub scheduler: Option<String>,
    pub tags: Option<Vec<String>>,
    #[serde(default)]
    pub custom_properties: Vec<CustomProperty>,
    pub authoritative_definitions: Option<Vec<Value>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum QualityKind {
    Text,
    Library,
    Sql,
    Custom,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Metric {
    NullValues,
    MissingValues,
    InvalidValues,
    DuplicateValues,
    RowCount,
}

#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlaProperty {
    pub id: Option<String>,
    pub property: String,
    pub value: Value,
    pub value_ext: Option<Value>,
    pub unit: Option<String>,
    pub element: Option<String>,
    pub driver: Option<String>,
    pub description: Option<String>,
    pub scheduler: Option<String>,
    pub schedule: Option<String>,
    #[serde(default)]
    pub custom_properties: Vec<CustomProperty>,
    pub authoritative_definitions: Option<Vec<Value>>,
}

/// A key that the standard lacks; those of vendor `assay` are ours.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomProperty {
    pub id: Option<String>,
    pub property: String,
    pub value: Value,
    pub description: Option<String>,
    pub vendor: Option<String>,
}

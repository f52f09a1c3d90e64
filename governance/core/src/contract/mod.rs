//! Contracts in the Open Data Contract Standard (ODCS) v3.2, v3.1 accepted.
//!
//! The types name every key of the standard, so an unknown key is a mistake; what Assay does not
//! interpret it keeps as it stands. What the standard lacks stands in `customProperties` whose
//! vendor is `assay`.

mod compile;
mod diff;
mod extension;
mod file;
mod odcs;
mod published;
mod wording;

use crate::{ContractRef, DatasetName, Document, Mistakes, Rule};

pub use diff::{Change, Party, diff};
pub use file::{ContractFile, Unjudged};
pub use odcs::{
    ApiVersion, CustomProperty, DataQuality, LogicalType, Metric, OpenDataContract, Property,
    SchemaObject, SlaProperty,
};
pub use published::json_schema;
pub use wording::{describe, promise};

/// What a dataset promises: its columns and its rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Contract {
    pub id: String,
    pub version: String,
    pub dataset: DatasetName,
    pub columns: Vec<ContractColumn>,
    pub rules: Vec<Rule>,
    pub thresholds: ScoreThresholds,
    /// The file it was read from.
    pub file: String,
}

/// A column as the contract promises it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractColumn {
    pub name: String,
    pub kind: ColumnType,
    pub description: Option<String>,
    /// Its classification says that nobody may see its values.
    pub sensitive: bool,
    /// Where the contract says it.
    pub line: u32,
}

/// The types that a column of a table can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    Text,
    Int,
    Long,
    Double,
    Decimal {
        precision: u8,
        scale: i8,
    },
    Boolean,
    Date,
    /// With zone UTC, in microseconds.
    Timestamp,
}

impl ColumnType {
    /// The name of the type in `physicalType`, in lineage and on screen.
    pub fn name(self) -> String {
        match self {
            ColumnType::Text => "string".to_owned(),
            ColumnType::Int => "int".to_owned(),
            ColumnType::Long => "bigint".to_owned(),
            ColumnType::Double => "double".to_owned(),
            ColumnType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
            ColumnType::Boolean => "boolean".to_owned(),
            ColumnType::Date => "date".to_owned(),
            ColumnType::Timestamp => "timestamptz".to_owned(),
        }
    }
}

/// Scores below which a batch is worth a warning, or is not let through.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ScoreThresholds {
    pub warn_below: Option<f64>,
    pub halt_below: Option<f64>,
}

impl Contract {
    /// Reads the contract of `dataset` from the text of an ODCS file, or tells all that is wrong.
    pub fn parse(file: &str, text: &str, dataset: &DatasetName) -> Result<Contract, Mistakes> {
        let document = Document::parse(file, text)?;
        let (contract, mut mistakes) = document.read_on::<OpenDataContract>();
        let Some(contract) = contract else { return Err(mistakes) };
        match compile::compile(&document, &contract, dataset) {
            Ok(contract) => mistakes.none_or(contract),
            Err(more) => {
                mistakes.0.extend(more.0);
                mistakes.0.sort();
                Err(mistakes)
            }
        }
    }

    pub fn column(&self, name: &str) -> Option<&ContractColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns whose values are shown to few.
    pub fn sensitive(&self) -> Vec<String> {
        let columns = self.columns.iter().filter(|column| column.sensitive);
        columns.map(|column| column.name.clone()).collect()
    }

    pub fn reference(&self) -> ContractRef {
        ContractRef { id: self.id.clone(), version: self.version.clone() }
    }
}

#[cfg(test)]
mod tests;

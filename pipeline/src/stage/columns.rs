//! The types of a contract as arrow types.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use assay_core::Contract;
use assay_core::contract::ColumnType;

/// How iceberg spells the zone UTC in arrow.
pub(crate) const UTC: &str = "+00:00";

/// The columns of a contract. All may be null: whether they are is for the rules to judge.
pub fn arrow_schema(contract: &Contract) -> SchemaRef {
    let field = |column: &assay_core::contract::ContractColumn| {
        Field::new(&column.name, arrow_type(column.kind), true)
    };
    Arc::new(Schema::new(contract.columns.iter().map(field).collect::<Vec<_>>()))
}

pub(crate) fn arrow_type(kind: ColumnType) -> DataType {
    match kind {
        ColumnType::Text => DataType::Utf8,
        ColumnType::Int => DataType::Int32,
        ColumnType::Long => DataType::Int64,
        ColumnType::Double => DataType::Float64,
        ColumnType::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
    }
}

/// Whether a model may give `from` where the contract says `to`: the same kind of value, and no
/// fraction cut off. Whether each single value fits is decided row by row.
pub(crate) fn fits(from: &DataType, to: &DataType) -> bool {
    use DataType as D;
    match (from, to) {
        (D::Null, _) => true,
        (D::Utf8 | D::LargeUtf8 | D::Utf8View, D::Utf8) => true,
        (D::Boolean, D::Boolean) | (D::Date32, D::Date32) => true,
        (D::Timestamp(..), D::Timestamp(..)) => true,
        (from, D::Int32 | D::Int64) => from.is_integer(),
        (from, D::Float64) => from.is_numeric(),
        (from, D::Decimal128(..)) => from.is_integer() || matches!(from, D::Decimal128(..)),
        _ => false,
    }
}

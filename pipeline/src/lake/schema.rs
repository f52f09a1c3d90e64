//! The columns of a contract as an Iceberg schema.

use std::sync::Arc;

use assay_core::Contract;
use assay_core::contract::ColumnType;
use iceberg::spec::{
    NestedField, PrimitiveType, Schema, Transform, Type, UnboundPartitionField,
    UnboundPartitionSpec,
};

/// All columns are optional: whether a value may be missing is for the rules to judge, and a
/// table whose columns can be added to needs no default for old rows.
pub(super) fn schema(contract: &Contract) -> Result<Schema, iceberg::Error> {
    let fields = (1..).zip(&contract.columns).map(|(id, column)| {
        let field = NestedField::optional(id, &column.name, column_type(column.kind));
        Arc::new(match &column.description {
            Some(text) => field.with_doc(text),
            None => field,
        })
    });
    Schema::builder().with_fields(fields).build()
}

pub(super) fn column_type(kind: ColumnType) -> Type {
    Type::Primitive(match kind {
        ColumnType::Text => PrimitiveType::String,
        ColumnType::Int => PrimitiveType::Int,
        ColumnType::Long => PrimitiveType::Long,
        ColumnType::Double => PrimitiveType::Double,
        ColumnType::Decimal { precision, scale } => PrimitiveType::Decimal {
            precision: u32::from(precision),
            scale: u32::from(scale.unsigned_abs()),
        },
        ColumnType::Boolean => PrimitiveType::Boolean,
        ColumnType::Date => PrimitiveType::Date,
        ColumnType::Timestamp => PrimitiveType::Timestamptz,
    })
}

/// One partition per value of the columns.
pub(super) fn partitions(
    schema: &Schema,
    columns: &[String],
) -> Result<UnboundPartitionSpec, iceberg::Error> {
    let fields = columns.iter().filter_map(|column| {
        Some(UnboundPartitionField {
            source_id: schema.field_id_by_name(column)?,
            field_id: None,
            name: column.clone(),
            transform: Transform::Identity,
        })
    });
    Ok(UnboundPartitionSpec::builder().with_spec_id(0).add_partition_fields(fields)?.build())
}

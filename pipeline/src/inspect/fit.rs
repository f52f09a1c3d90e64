//! Brings rows into the columns and types of a contract.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::stage::{conform, fits};

/// Takes the columns that are wanted, and casts what can be cast row by row.
#[derive(Debug, Clone)]
pub(super) struct Fit {
    to: SchemaRef,
}

/// How the columns of rows stand to those of a contract.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// Columns that only the contract has.
    pub(super) missing: Vec<String>,
    /// Columns that only the rows have.
    pub(super) extra: Vec<String>,
    /// Columns whose values can't be those of the contract, each with what it is.
    pub(super) changed: Vec<String>,
}

impl Fit {
    /// Rows of texts with these columns.
    pub(super) fn of_texts(to: &SchemaRef) -> Fit {
        Fit { to: Arc::clone(to) }
    }

    pub(super) fn new(to: &SchemaRef) -> Fit {
        Fit { to: Arc::clone(to) }
    }

    /// The rows that fit, and those that do not, each with the reason.
    pub(super) fn apply(
        &self,
        rows: &RecordBatch,
    ) -> Result<(RecordBatch, Vec<(u32, String)>), ArrowError> {
        let column = |field: &arrow::datatypes::FieldRef| -> ArrayRef {
            match rows.column_by_name(field.name()) {
                Some(column) => Arc::clone(column),
                None => new_null_array(field.data_type(), rows.num_rows()),
            }
        };
        let columns: Vec<ArrayRef> = self.to.fields().iter().map(column).collect();
        let fields = self.to.fields().iter().zip(&columns).map(|(field, column)| {
            arrow::datatypes::Field::new(field.name(), column.data_type().clone(), true)
        });
        let there = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let rows = RecordBatch::try_new_with_options(there, columns, &options)?;
        let (rows, misfits) = conform(&rows, &self.to)?;
        if misfits.is_empty() {
            return Ok((rows, misfits));
        }
        let mut gone = misfits.iter().map(|(row, _)| *row).peekable();
        let count = u32::try_from(rows.num_rows()).unwrap_or(u32::MAX);
        let kept: UInt32Array =
            (0..count).filter(|row| gone.next_if_eq(row).is_none()).map(Some).collect();
        Ok((take_record_batch(&rows, &kept)?, misfits))
    }
}

impl Difference {
    pub(super) fn between(rows: &Schema, contract: &Schema) -> Difference {
        let mut found = Difference::default();
        for field in contract.fields() {
            match rows.column_with_name(field.name()) {
                None => found.missing.push(field.name().clone()),
                Some((_, there)) if !castable(there.data_type(), field.data_type()) => {
                    let (is, wanted) = (there.data_type(), field.data_type());
                    found.changed.push(format!("`{}` is {is}, not {wanted}", field.name()));
                }
                Some(_) => {}
            }
        }
        let known = |name: &str| contract.column_with_name(name).is_some();
        let extra = rows.fields().iter().filter(|field| !known(field.name()));
        found.extra.extend(extra.map(|field| field.name().clone()));
        found
    }
}

/// Whether values can be those of the wanted type: the same kind, or texts that may say the same.
fn castable(from: &DataType, to: &DataType) -> bool {
    let plain = match from {
        DataType::Dictionary(_, values) => values.as_ref(),
        other => other,
    };
    plain.is_string() || fits(plain, to) || (plain == &DataType::Date64 && to == &DataType::Date32)
}

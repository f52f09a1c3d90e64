//! The columns that a table has, held against the contract of what is written there.

use arrow::datatypes::DataType;
use sqlx::Row;
use sqlx::postgres::PgPool;

use super::failure;
use crate::definition::TableSpec;
use crate::target::TargetError;

/// How a value travels in a binary COPY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Text,
    Int4,
    Int8,
    Float8,
    Boolean,
    Date,
    Timestamp,
    Numeric,
}

/// One column that is written.
#[derive(Debug, Clone)]
pub(super) struct WireColumn {
    pub(super) name: String,
    pub(super) wire: Wire,
    /// The type as SQL spells it.
    pub(super) kind: String,
}

struct Found {
    name: String,
    kind: String,
    modifier: i32,
    /// It must be given a value.
    demanded: bool,
    generated: bool,
}

/// The columns of `spec` in the table `table`, or what does not fit.
pub(super) async fn of_table(
    pool: &PgPool,
    table: &str,
    spec: &TableSpec,
) -> Result<Vec<WireColumn>, TargetError> {
    let doing = format!("write {} to the table {table}", spec.dataset);
    let sql = "SELECT a.attname, t.typname, a.atttypmod, \
                 a.attnotnull AND NOT a.atthasdef AND a.attidentity = '', a.attgenerated <> '' \
               FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
               WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped";
    let rows = sqlx::query(sql)
        .bind(super::quoted(table))
        .fetch_all(pool)
        .await
        .map_err(|error| failure::of(doing.clone(), error))?;
    let refused = |why: String| TargetError::Refused { doing: doing.clone(), why };
    if rows.is_empty() {
        let why = "there is no such table: make it with `assay db migrate --pipeline NAME`";
        return Err(refused(why.to_owned()));
    }
    let found: Vec<Found> = rows
        .iter()
        .map(|row| Found {
            name: row.get(0),
            kind: row.get(1),
            modifier: row.get(2),
            demanded: row.get(3),
            generated: row.get(4),
        })
        .collect();
    let written = |name: &str| spec.schema.field_with_name(name).is_ok();
    let mut wrong: Vec<String> = found
        .iter()
        .filter(|column| column.demanded && !written(&column.name))
        .map(|column| format!("`{}` needs a value, and the contract does not have it", column.name))
        .collect();
    let mut columns = Vec::new();
    for field in spec.schema.fields() {
        match found.iter().find(|column| column.name == *field.name()) {
            None => wrong.push(format!("it has no column `{}`", field.name())),
            Some(column) if column.generated => {
                wrong.push(format!("`{}` is computed by Postgres", field.name()));
            }
            Some(column) => match wire(field.data_type(), &column.kind, column.modifier) {
                Some(wire) => columns.push(WireColumn {
                    name: field.name().clone(),
                    wire,
                    kind: column.kind.clone(),
                }),
                None => wrong.push(format!(
                    "`{}` is {} there and {} in the contract",
                    field.name(),
                    column.kind,
                    spec.contract.column(field.name()).map(|c| c.kind.name()).unwrap_or_default()
                )),
            },
        }
    }
    match wrong.is_empty() {
        true => Ok(columns),
        false => Err(refused(format!(
            "the table does not fit the contract: {}. Add a migration, or change the contract",
            wrong.join("; ")
        ))),
    }
}

/// How a value of `from` is sent to a column of the type `to`, if all of them fit there.
fn wire(from: &DataType, to: &str, modifier: i32) -> Option<Wire> {
    match (from, to) {
        (DataType::Utf8, "text" | "varchar") => Some(Wire::Text),
        (DataType::Int32, "int4") => Some(Wire::Int4),
        (DataType::Int32 | DataType::Int64, "int8") => Some(Wire::Int8),
        (DataType::Float64, "float8") => Some(Wire::Float8),
        (DataType::Boolean, "bool") => Some(Wire::Boolean),
        (DataType::Date32, "date") => Some(Wire::Date),
        (DataType::Timestamp(..), "timestamp" | "timestamptz") => Some(Wire::Timestamp),
        (DataType::Decimal128(precision, scale), "numeric") => {
            // -1: any number of digits.
            let packed = modifier - 4;
            let (digits, behind) = ((packed >> 16) & 0xffff, packed & 0x7ff);
            let (precision, scale) = (i32::from(*precision), i32::from(*scale));
            let fits = modifier < 0 || scale <= behind && precision - scale <= digits - behind;
            fits.then_some(Wire::Numeric)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_fits_where_none_of_its_digits_is_lost() {
        let typmod = |precision: i32, scale: i32| ((precision << 16) | scale) + 4;
        let money = DataType::Decimal128(15, 2);
        assert_eq!(wire(&money, "numeric", typmod(15, 2)), Some(Wire::Numeric));
        assert_eq!(wire(&money, "numeric", -1), Some(Wire::Numeric));
        assert_eq!(wire(&money, "numeric", typmod(15, 1)), None);
        assert_eq!(wire(&money, "numeric", typmod(14, 2)), None);
        assert_eq!(wire(&money, "float8", -1), None);
    }
}

//! Whether rows have the columns that a contract promises.

use arrow::datatypes::{DataType, Schema};
use assay_core::contract::ColumnType;
use assay_core::{Check, Contract};

/// How the columns of rows differ from those of their contract.
#[derive(Debug, Default)]
pub(super) struct Amiss {
    missing: Vec<String>,
    changed: Vec<(String, String)>,
    extra: Vec<String>,
}

impl Amiss {
    pub(super) fn find(contract: &Contract, schema: &Schema) -> Amiss {
        let mut amiss = Amiss::default();
        for column in &contract.columns {
            match schema.fields().find(&column.name) {
                None => amiss.missing.push(column.name.clone()),
                Some((_, field)) if !takes(column.kind, field.data_type()) => {
                    let what = format!("is {} and not {}", field.data_type(), column.kind.name());
                    amiss.changed.push((column.name.clone(), what));
                }
                Some(_) => {}
            }
        }
        let promised = |name: &str| contract.column(name).is_some();
        let names = schema.fields().iter().map(|field| field.name());
        amiss.extra = names.filter(|name| !promised(name)).cloned().collect();
        amiss
    }

    /// Each difference in words; columns that the contract does not have only if none may be.
    pub(super) fn told(&self, exact: bool) -> Vec<String> {
        let missing = self.missing.iter().map(|name| format!("`{name}` is missing"));
        let changed = self.changed.iter().map(|(name, what)| format!("`{name}` {what}"));
        let extra = self.extra.iter().filter(|_| exact);
        let extra = extra.map(|name| format!("`{name}` is not in the contract"));
        missing.chain(changed).chain(extra).collect()
    }

    /// Whether a check can't be judged because of what is missing or changed. Of SQL the columns
    /// are not known when it does not even plan.
    pub(super) fn explains(&self, check: &Check) -> bool {
        let amiss = |name: &str| {
            self.missing
                .iter()
                .chain(self.changed.iter().map(|(name, _)| name))
                .any(|it| it == name)
        };
        match check {
            Check::Holds { .. } | Check::Sql { .. } => {
                !self.missing.is_empty() || !self.changed.is_empty()
            }
            check => check.columns().into_iter().any(amiss),
        }
    }
}

/// Whether every value of the type is one of the promised type.
fn takes(promised: ColumnType, found: &DataType) -> bool {
    let found = match found {
        DataType::Dictionary(_, values) => values.as_ref(),
        plain => plain,
    };
    let small = matches!(
        found,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16
    );
    match promised {
        ColumnType::Text => found.is_string(),
        ColumnType::Int => small,
        ColumnType::Long => small || matches!(found, DataType::Int64 | DataType::UInt32),
        ColumnType::Double => found.is_floating(),
        ColumnType::Boolean => *found == DataType::Boolean,
        ColumnType::Date => matches!(found, DataType::Date32 | DataType::Date64),
        ColumnType::Timestamp => matches!(found, DataType::Timestamp(_, Some(_))),
        ColumnType::Decimal { precision, scale } => match found {
            DataType::Decimal32(p, s)
            | DataType::Decimal64(p, s)
            | DataType::Decimal128(p, s)
            | DataType::Decimal256(p, s) => *s == scale && *p <= precision,
            _ => false,
        },
    }
}

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use async_trait::async_trait;
use datafusion::error::DataFusionError;

use super::columns::WireColumn;
use super::{Postgres, failure, quoted};
use crate::definition::TableSpec;
use crate::target::{Lookup, TargetError};

/// Answers which keys the table has now. What others write until the commit is found by the
/// table's own key.
pub(super) struct PostgresLookup {
    postgres: Arc<Postgres>,
    spec: Arc<TableSpec>,
    sql: String,
}

impl PostgresLookup {
    pub(super) fn new(
        postgres: Arc<Postgres>,
        spec: Arc<TableSpec>,
        table: &str,
        columns: Vec<WireColumn>,
    ) -> PostgresLookup {
        // The keys travel as texts, and are compared as what they are, so that an index is used.
        let places = 1..=columns.len();
        let arrays: Vec<String> = places.clone().map(|place| format!("${place}::text[]")).collect();
        let names: Vec<String> = places.clone().map(|place| format!("k{place}")).collect();
        let equal: Vec<String> = columns
            .iter()
            .zip(&names)
            .map(|(column, name)| {
                let (own, kind) = (quoted(&column.name), quoted(&column.kind));
                format!("kept.{own} = wanted.{name}::{kind}")
            })
            .collect();
        let sql = format!(
            "SELECT wanted.place FROM unnest({}) WITH ORDINALITY AS wanted ({}, place) \
             WHERE EXISTS (SELECT 1 FROM {} AS kept WHERE {})",
            arrays.join(", "),
            names.join(", "),
            quoted(table),
            equal.join(" AND "),
        );
        PostgresLookup { postgres, spec, sql }
    }
}

#[async_trait]
impl Lookup for PostgresLookup {
    async fn known(&self, keys: &RecordBatch) -> Result<BooleanArray, TargetError> {
        let mut known = vec![false; keys.num_rows()];
        if keys.num_rows() == 0 {
            return Ok(BooleanArray::from(known));
        }
        let doing = || format!("look for keys in {}", self.spec.dataset);
        let mut query = sqlx::query_scalar::<_, i64>(&self.sql);
        for column in keys.columns() {
            let texts = texts(column).map_err(|error| TargetError::Query {
                doing: doing(),
                source: DataFusionError::from(error),
            })?;
            query = query.bind(texts);
        }
        let found = query.fetch_all(&self.postgres.pool).await;
        for place in found.map_err(|error| failure::of(doing(), error))? {
            let place = usize::try_from(place - 1).ok();
            if let Some(known) = place.and_then(|place| known.get_mut(place)) {
                *known = true;
            }
        }
        Ok(BooleanArray::from(known))
    }
}

fn texts(column: &ArrayRef) -> Result<Vec<Option<String>>, arrow::error::ArrowError> {
    let texts = cast(column, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    Ok((0..texts.len())
        .map(|row| texts.is_valid(row).then(|| texts.value(row).to_owned()))
        .collect())
}

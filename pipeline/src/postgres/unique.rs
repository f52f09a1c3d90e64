//! The unique indexes that exactly-once rests on: what two workers write at once, or one of them
//! twice, is known by them alone.

use assay_core::DatasetName;
use sqlx::Row;
use sqlx::postgres::{PgDatabaseError, PgPool, PgRow};

use super::{failure, quoted, quoted_all};
use crate::target::TargetError;

/// What a unique index is on, and whether to it a NULL is like another one; versions before 15 do
/// not have that column, so it is asked for by its name. An index that is partial, deferred, on an
/// expression or not valid refuses nothing when it counts.
const INDEXES: &str = "SELECT ARRAY( \
      SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place) \
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number \
      WHERE k.place <= i.indnkeyatts), \
      coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) \
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
      JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace \
    WHERE i.indisunique AND i.indisvalid AND i.indimmediate \
      AND i.indpred IS NULL AND i.indexprs IS NULL";

/// Rows that are the same have the same values of these columns.
pub(super) struct Key<'a> {
    pub(super) columns: &'a [String],
    /// The part of the stage that says so.
    pub(super) said: &'static str,
    /// Whether an index may say that a NULL is like another one.
    pub(super) nulls: bool,
}

/// Refuses a table that would take a second row of a key.
pub(super) async fn check(
    pool: &PgPool,
    dataset: &DatasetName,
    table: &str,
    key: &Key<'_>,
) -> Result<(), TargetError> {
    let doing = format!("write {dataset} to the table {table}");
    let failed = |error| failure::of(doing.clone(), error);
    let sql = format!("{INDEXES} AND i.indrelid = to_regclass($1)");
    let found = sqlx::query(&sql).bind(quoted(table)).fetch_all(pool).await.map_err(failed)?;
    let on_key = |row: &&PgRow| same(&row.get::<Vec<String>, _>(0), key.columns);
    let on_key: Vec<&PgRow> = found.iter().filter(on_key).collect();
    let columns = key.columns.join("`, `");
    let refused = |why: String| TargetError::Refused { doing: doing.clone(), why };
    if on_key.is_empty() {
        return Err(refused(format!(
            "`{}` knows rows by `{columns}`, and no unique index is on exactly that, so an event \
             could count twice: CREATE UNIQUE INDEX ON {} ({})",
            key.said,
            quoted(table),
            quoted_all(key.columns),
        )));
    }
    if key.nulls && on_key.iter().any(|row| row.get(1)) {
        return Ok(());
    }
    let sql = "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) \
               AND attname::text = ANY($2) AND NOT attnotnull ORDER BY attnum LIMIT 1";
    let nullable: Option<String> = sqlx::query_scalar(sql)
        .bind(quoted(table))
        .bind(key.columns)
        .fetch_optional(pool)
        .await
        .map_err(failed)?;
    match nullable {
        None => Ok(()),
        Some(column) => Err(refused(format!(
            "`{}` knows rows by `{columns}`, and a NULL is like no other, so an event could count \
             twice: ALTER TABLE {} ALTER {} SET NOT NULL",
            key.said,
            quoted(table),
            quoted(&column),
        ))),
    }
}

/// Whether a key was refused by an index on exactly these columns.
pub(super) async fn refused_by(
    pool: &PgPool,
    error: &sqlx::Error,
    columns: &[String],
) -> Result<bool, sqlx::Error> {
    let answer = error.as_database_error();
    let Some(answer) = answer.and_then(|answer| answer.try_downcast_ref::<PgDatabaseError>())
    else {
        return Ok(false);
    };
    // Of a table in parts the part is named, and its index.
    let (Some(schema), Some(index)) = (answer.schema(), answer.constraint()) else {
        return Ok(false);
    };
    let sql = format!("{INDEXES} AND n.nspname = $1 AND c.relname = $2");
    let found = sqlx::query(&sql).bind(schema).bind(index).fetch_all(pool).await?;
    Ok(found.iter().any(|row| same(&row.get::<Vec<String>, _>(0), columns)))
}

/// Whether they are the same columns, in whatever order.
fn same(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().all(|name| other.contains(name))
}

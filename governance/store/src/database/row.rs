use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Decode, Postgres, Row as _, Sqlite, Type};

use super::here::{HereRow, OfValue, Place};

/// A row of an answer.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Here(HereRow),
    Postgres(PgRow),
}

impl Row {
    pub(crate) fn try_get<'r, T, I>(&'r self, column: I) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres> + OfValue<'r>,
        I: ColumnIndex<SqliteRow> + ColumnIndex<PgRow> + Place,
    {
        match self {
            Row::Sqlite(row) => row.try_get(column),
            Row::Here(row) => row.try_get(column),
            Row::Postgres(row) => row.try_get(column),
        }
    }
}

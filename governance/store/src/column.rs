//! How values are kept in columns that SQLite and PostgreSQL both have.

use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::database::Row;
use crate::error::Unreadable;

/// A time as text that sorts as the times do.
pub(crate) fn from_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Nanos, true)
}

/// A count as a BIGINT. No counter of rows gets near its end.
pub(crate) fn from_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(crate) fn from_json(value: &impl Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

pub(crate) fn time(row: &Row, column: &'static str) -> Result<DateTime<Utc>, sqlx::Error> {
    some_time(row, column)?.ok_or_else(|| unreadable(column))
}

pub(crate) fn some_time(
    row: &Row,
    column: &'static str,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    let text: Option<String> = row.try_get(column)?;
    let parse = |text: String| {
        let at = DateTime::parse_from_rfc3339(&text).map_err(|_| unreadable(column))?;
        Ok(at.with_timezone(&Utc))
    };
    text.map(parse).transpose()
}

pub(crate) fn count(row: &Row, column: &'static str) -> Result<u64, sqlx::Error> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| unreadable(column))
}

/// A value that is kept as the text it prints.
pub(crate) fn small(row: &Row, column: &'static str) -> Result<u32, sqlx::Error> {
    u32::try_from(count(row, column)?).map_err(|_| unreadable(column))
}

pub(crate) fn word<T: FromStr>(row: &Row, column: &'static str) -> Result<T, sqlx::Error> {
    row.try_get::<&str, _>(column)?.parse().map_err(|_| unreadable(column))
}

pub(crate) fn json<T: DeserializeOwned>(row: &Row, column: &'static str) -> Result<T, sqlx::Error> {
    serde_json::from_str(row.try_get(column)?).map_err(|_| unreadable(column))
}

pub(crate) fn some_json<T: DeserializeOwned>(
    row: &Row,
    column: &'static str,
) -> Result<Option<T>, sqlx::Error> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|_| unreadable(column))).transpose()
}

pub(crate) fn unreadable(column: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(Unreadable(column).into())
}

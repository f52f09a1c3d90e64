use std::collections::BTreeMap;

use sqlx::{Row, SqliteConnection};

use crate::column::{from_json, json};
use crate::{Store, StoreError};

/// What one occurrence adds to a running total.
#[derive(Debug, Clone, PartialEq)]
pub struct Increment {
    pub name: &'static str,
    pub labels: BTreeMap<String, String>,
    pub by: f64,
}

/// A total over all that was ever told to this store.
#[derive(Debug, Clone, PartialEq)]
pub struct Total {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Store {
    /// All totals, by name and labels.
    pub async fn totals(&self) -> Result<Vec<Total>, StoreError> {
        let failed = self.failed("read the totals");
        let rows = sqlx::query("SELECT name, labels, value FROM totals ORDER BY name, labels")
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        let total = |row| {
            Ok(Total {
                name: Row::try_get(row, "name")?,
                labels: json(row, "labels")?,
                value: row.try_get("value")?,
            })
        };
        rows.iter().map(total).collect::<Result<_, _>>().map_err(failed)
    }
}

pub(crate) async fn add(
    connection: &mut SqliteConnection,
    totals: &[Increment],
) -> Result<(), sqlx::Error> {
    for increment in totals {
        sqlx::query(
            "INSERT INTO totals (name, labels, value) VALUES ($1, $2, $3)
             ON CONFLICT (name, labels) DO UPDATE SET value = totals.value + excluded.value",
        )
        .bind(increment.name)
        .bind(from_json(&increment.labels)?)
        .bind(increment.by)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

use std::collections::BTreeMap;

use crate::column::{from_json, json};
use crate::database::{Row, Session, statement};
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
        // There may be thousands, and a row each costs more than all that is in them.
        let sql = self.pool().either(
            "SELECT name, json_group_array(json_array(json(labels), value)) AS series
             FROM (SELECT * FROM totals ORDER BY name, labels) GROUP BY name ORDER BY name",
            "SELECT name, CAST(json_agg(json_build_array(labels::json, value) ORDER BY labels)
                 AS TEXT) AS series FROM totals GROUP BY name ORDER BY name",
        );
        let rows = statement(sql).fetch_all(self.pool()).await.map_err(&failed)?;
        let of_names: Result<Vec<_>, _> = rows.iter().map(of_name).collect();
        Ok(of_names.map_err(failed)?.into_iter().flatten().collect())
    }
}

/// All in one statement: each is a walk to the database's thread and back.
pub(crate) async fn add(connection: &mut Session, totals: &[Increment]) -> Result<(), sqlx::Error> {
    let row =
        |increment: &Increment| Ok((increment.name, from_json(&increment.labels)?, increment.by));
    let rows: Vec<_> = totals.iter().map(row).collect::<Result<_, sqlx::Error>>()?;
    statement(
        "INSERT INTO totals (name, labels, value)
         SELECT value ->> 0, value ->> 1, SUM(CAST(value ->> 2 AS DOUBLE PRECISION))
         FROM json_each($1) WHERE TRUE GROUP BY 1, 2
         ON CONFLICT (name, labels) DO UPDATE SET value = totals.value + excluded.value",
    )
    .bind(from_json(&rows)?)
    .execute(connection)
    .await?;
    Ok(())
}

fn of_name(row: &Row) -> Result<Vec<Total>, sqlx::Error> {
    let name: String = row.try_get("name")?;
    let series: Vec<(BTreeMap<String, String>, f64)> = json(row, "series")?;
    let total = |(labels, value)| Total { name: name.clone(), labels, value };
    Ok(series.into_iter().map(total).collect())
}

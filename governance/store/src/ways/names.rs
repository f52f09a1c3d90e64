//! The names of datasets that rows ever came from or went to.

use crate::column::from_json;
use crate::database::{Pool, Row, statement};
use crate::{Store, StoreError};

/// Where names of datasets stand, each in an index: it is asked for the next one again and again,
/// so what is read are the names, and not all ways.
const DISTINCT: [(&str, &str); 3] = [("ways", "output"), ("ways", "input"), ("touched", "dataset")];

/// Of a name in `names`: whether it is still in use. Those of what was pruned are not.
const KNOWN: &str = "(EXISTS (SELECT 1 FROM ways WHERE output = names.dataset)
    OR EXISTS (SELECT 1 FROM ways WHERE input = names.dataset)
    OR EXISTS (SELECT 1 FROM touched WHERE touched.dataset = names.dataset))";

impl Store {
    /// Pairs of names of one dataset.
    pub async fn aliases(&self) -> Result<Vec<(String, String)>, StoreError> {
        let failed = self.failed("read the names of datasets");
        let rows = statement("SELECT alias, dataset FROM aliases ORDER BY dataset, alias")
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        let pair = |row: &Row| Ok((row.try_get("alias")?, row.try_get("dataset")?));
        rows.iter().map(pair).collect::<Result<_, _>>().map_err(failed)
    }

    /// Datasets that rows ever came from or went to, in the order of their names; those behind
    /// `after`.
    pub async fn lineage_datasets(
        &self,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let failed = self.failed("list the datasets of the lineage");
        // Where the steps are ended when there are enough.
        let within = self.pool().either("LIMIT $2", "");
        let behind = self.pool().either("", "LIMIT $2");
        let each = DISTINCT.map(|(table, column)| {
            format!(
                "SELECT * FROM (WITH RECURSIVE d(x) AS (
                     SELECT MIN({column}) FROM {table} WHERE {column} > $1 UNION ALL
                     SELECT (SELECT MIN({column}) FROM {table} WHERE {column} > x) FROM d
                     WHERE x IS NOT NULL {within})
                 SELECT x FROM d WHERE x IS NOT NULL {behind}) AS of_{column}"
            )
        });
        let sql = format!("{} ORDER BY x LIMIT $2", each.join(" UNION "));
        let rows = statement(&sql)
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        rows.iter().map(|row| row.try_get("x")).collect::<Result<_, _>>().map_err(failed)
    }

    /// Datasets that rows ever came from or went to whose names end with `end`, in the order of
    /// their names.
    pub async fn lineage_datasets_ending(&self, end: &str) -> Result<Vec<String>, StoreError> {
        let failed = self.failed("look for a dataset of the lineage");
        let ends = self
            .pool()
            .either("substr(dataset, -length($1)) = $1", "right(dataset, length($1)) = $1");
        let sql = format!("SELECT dataset FROM names WHERE {ends} AND {KNOWN} ORDER BY dataset");
        let query = statement(&sql).bind(end);
        let rows = query.fetch_all(self.pool()).await.map_err(&failed)?;
        rows.iter().map(|row| row.try_get("dataset")).collect::<Result<_, _>>().map_err(failed)
    }

    /// Whether any event named a dataset by one of these names.
    pub async fn lineage_knows(&self, names: &[&str]) -> Result<bool, StoreError> {
        let failed = self.failed("look for a dataset of the lineage");
        let found = statement(
            "SELECT 1 FROM json_each($1) named WHERE
                 EXISTS (SELECT 1 FROM ways WHERE output = named.value)
                 OR EXISTS (SELECT 1 FROM ways WHERE input = named.value)
                 OR EXISTS (SELECT 1 FROM touched WHERE dataset = named.value) LIMIT 1",
        )
        .bind(from_json(&names).map_err(&failed)?)
        .fetch_optional(self.pool())
        .await
        .map_err(failed)?;
        Ok(found.is_some())
    }
}

/// Forgets the names that nothing is known of any more, so many of all of them at a time.
pub(crate) async fn forget_names(pool: &Pool, step: i64) -> Result<(), sqlx::Error> {
    let last = "SELECT MAX(dataset) AS last FROM (
        SELECT dataset FROM names WHERE dataset > $1 ORDER BY dataset LIMIT $2) AS step";
    let forget = format!("DELETE FROM names WHERE dataset > $1 AND dataset <= $2 AND NOT {KNOWN}");
    let mut from = String::new();
    loop {
        let row = statement(last).bind(&from).bind(step).fetch_one(pool).await?;
        let Some(to) = row.try_get::<Option<String>, _>("last")? else { return Ok(()) };
        statement(&forget).bind(&from).bind(&to).execute(pool).await?;
        from = to;
    }
}

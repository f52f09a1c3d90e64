use assay_core::ImportedScan;

use crate::column::{from_json, from_time, json};
use crate::database::statement;
use crate::{Store, StoreError};

impl Store {
    /// Takes in what another tool found; false, and without any effect, when it is there already.
    pub async fn put_imported(&self, scan: &ImportedScan) -> Result<bool, StoreError> {
        let failed = self.failed("take in the results of another tool");
        let body = from_json(scan).map_err(&failed)?;
        let put = statement(
            "INSERT INTO imported (tool, run, dataset, at, body) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (tool, run, dataset) DO NOTHING",
        )
        .bind(&scan.tool)
        .bind(&scan.run)
        .bind(&scan.dataset)
        .bind(from_time(scan.at))
        .bind(body)
        .execute(self.pool())
        .await
        .map_err(failed)?;
        Ok(put.rows_affected() > 0)
    }

    /// What other tools found of a dataset, newest first.
    pub async fn imported(
        &self,
        dataset: &str,
        limit: u32,
    ) -> Result<Vec<ImportedScan>, StoreError> {
        let failed = self.failed("read the results of other tools");
        let rows = statement(
            "SELECT body FROM imported WHERE dataset = $1 ORDER BY at DESC, tool, run LIMIT $2",
        )
        .bind(dataset)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(&failed)?;
        rows.iter().map(|row| json(row, "body")).collect::<Result<_, _>>().map_err(failed)
    }

    /// The datasets of which other tools have found something.
    pub async fn imported_datasets(&self) -> Result<Vec<String>, StoreError> {
        let failed = self.failed("read the results of other tools");
        let rows = statement("SELECT DISTINCT dataset FROM imported ORDER BY dataset")
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        rows.iter().map(|row| row.try_get("dataset")).collect::<Result<_, _>>().map_err(failed)
    }
}
